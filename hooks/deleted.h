/*
 * deleted.h - deleted records are kept for a while, and what a create of such a key has to do with the kept one.
 */
#ifndef ROWFS_DELETED_H
#define ROWFS_DELETED_H

#include "change.h"

/* Keeps the record that the change deletes, while its row is still there; nothing for other changes. */
int deleted_keep(struct saving *v, const struct change *c, struct err *e);
/* Sets c->deleted where the actor deleted the key a moment ago: programs that replace a file may unlink it first. */
int deleted_recall(struct saving *v, struct change *c, struct err *e);
/* Fills the change of a REQUEST_RESTORE and *serial of what is kept; -ENOENT also for what another user deleted. */
int deleted_restore(struct saving *v, const struct request *r, struct change *c, int64_t *serial, struct err *e);

#endif
