/*
 * waiting.h - .after/: the programs of after_commit that have not succeeded yet, a file ID.json for each.
 *
 * Nothing is kept here: hooks/after.h reads them from the database. Only root and the user who mounted may look and
 * remove, for the events are records that others may not read.
 */
#ifndef ROWFS_WAITING_H
#define ROWFS_WAITING_H

#include "mount.h"

/* By name or number; appends the text to out unless it is NULL. -ENOENT. */
int waiting_find(struct mount *m, const char *name, int64_t *id, struct stat *st, struct err *e);
int waiting_get(struct mount *m, int64_t id, struct stat *st, struct buf *out, struct err *e);
/* The next one above the id: 1 and its name is appended, or 0. */
int waiting_next(struct mount *m, int64_t after, int64_t *id, struct buf *name, struct err *e);
int waiting_drop(struct mount *m, int64_t id, struct err *e);

#endif
