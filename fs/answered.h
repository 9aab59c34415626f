/*
 * answered.h - MODEL/.answer/: what a user's last save of each key answered.
 *
 * In memory, and of each answer only which row it is: the text is made when it is read. The last LIMIT_ANSWERS saves
 * of a user are kept, in a ring, so that keeping one costs no more than writing it down. All functions take mount.lock.
 */
#ifndef ROWFS_ANSWERED_H
#define ROWFS_ANSWERED_H

#include "mount.h"

/* The text of an answer: fields of a row, the record's file, or null. -ENOENT when the row is gone. */
int answer_print(struct mount *m, const struct model *model, const struct outcome *outcome, struct buf *out,
		 struct err *e);

/* Without memory for it, nothing is kept. */
void answered_keep(struct mount *m, uid_t uid, const struct model *model, const struct outcome *outcome);

/* By key or number; appends the text to out unless it is NULL. -ENOENT. */
int answered_find(struct mount *m, uid_t uid, const struct model *model, const struct value *key, struct stat *st,
		  struct err *e);
int answered_get(struct mount *m, uint64_t ino, struct stat *st, struct buf *out, struct err *e);
/* The user's next one of the model above the serial: its name is appended. False: none. */
bool answered_next(struct mount *m, uid_t uid, const struct model *model, int64_t after, struct buf *name,
		   uint64_t *ino);
void answered_release_all(struct mount *m);

#endif
