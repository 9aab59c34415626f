/*
 * version.h - versions of records: which one a save is for, and what it leaves in their history.
 */
#ifndef ROWFS_VERSION_H
#define ROWFS_VERSION_H

#include "change.h"

/* -EBUSY where the change, or its document, is meant for another version of the record than the stored one. */
/* The checksum of the record as the actor sees it: a child that he does not see is not in his file. -ENOENT. */
int version_seen(struct saving *v, const struct model *m, const struct value *key, bool exempt, char out[CHECKSUM_SIZE],
		 struct err *e);
int version_check(struct saving *v, const struct change *c, struct err *e);
/* For who saves again from where this save ends: the checksum then, "" for a save that had none (supplied NULL). */
int version_sum(struct saving *v, const struct change *c, const char *supplied, char out[CHECKSUM_SIZE], struct err *e);

/* Before the change's hooks and its row; nothing for models without history. */
int version_begin(struct saving *v, const struct change *c, struct err *e);
/* When all hooks have run. */
int versions_end(struct saving *v, struct err *e);
/*
 * Sets c->restores where the document is the text of an earlier version of the record, as a copy of its file is: it may
 * then have that version's read-only and immutable values.
 */
int version_recall(struct saving *v, struct change *c, struct err *e);

#endif
