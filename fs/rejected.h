/*
 * rejected.h - MODEL/.rejected/: the bytes of a user's last refused save of each key, in memory, until the key is
 * saved.
 *
 * Bounded per user by LIMIT_ERRORS texts and LIMIT_SCRATCH_BYTES; the oldest goes. All functions take mount.lock.
 */
#ifndef ROWFS_REJECTED_H
#define ROWFS_REJECTED_H

#include "dir.h"

/* Keeps the text in place of an earlier one of the user and name. Without memory for it, nothing is kept. */
void rejected_keep(struct mount *m, uid_t uid, const struct model *model, const char *name, const char *text,
		   size_t len);
/* Where there is one. */
void rejected_drop(struct mount *m, uid_t uid, const struct model *model, const char *name);

void rejected_release_all(struct mount *m);

/* Of the table in tree.c. */
int rejected_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		  struct entry *out, struct err *e);
int rejected_list(struct listing *l, const struct node *dir, off_t off, struct err *e);
int rejected_show(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		  struct err *e);
int rejected_remove(struct mount *m, const struct node *node, const struct actor *who, struct err *e);

#endif
