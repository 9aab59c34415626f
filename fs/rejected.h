/*
 * rejected.h - MODEL/.rejected/: the bytes of a user's last refused save of each key, in memory, until the key is
 * saved.
 *
 * Bounded per user by LIMIT_ERRORS texts and LIMIT_SCRATCH_BYTES; the oldest goes. All functions take mount.lock.
 */
#ifndef ROWFS_REJECTED_H
#define ROWFS_REJECTED_H

#include "mount.h"

/* Keeps the text in place of an earlier one of the user and name. Without memory for it, nothing is kept. */
void rejected_keep(struct mount *m, uid_t uid, const struct model *model, const char *name, const char *text,
		   size_t len);
/* -ENOENT. */
int rejected_drop(struct mount *m, uid_t uid, const struct model *model, const char *name);

/* By name; appends the text to out unless it is NULL. -ENOENT. */
int rejected_find(struct mount *m, uid_t uid, const struct model *model, const char *name, struct stat *st,
		  struct buf *out);
/* By inode number. -ENOENT. */
int rejected_get(struct mount *m, uint64_t ino, struct stat *st, struct buf *out);
/* The user's next one of the model above the serial: its name is appended. False: none. */
bool rejected_next(struct mount *m, uid_t uid, const struct model *model, int64_t after, struct buf *name,
		   struct stat *st);
void rejected_release_all(struct mount *m);

#endif
