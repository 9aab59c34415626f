/*
 * deleted.h - MODEL/.deleted/: deleted records, as their files were, for who deleted them and for root.
 */
#ifndef ROWFS_FS_DELETED_H
#define ROWFS_FS_DELETED_H

#include "dir.h"

/* Of the table in tree.c. What another user deleted is nothing, but to root. */
int deleted_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		 struct entry *out, struct err *e);
int deleted_list(struct listing *l, const struct node *dir, off_t off, struct err *e);
int deleted_show(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		 struct err *e);
/* What is kept goes. */
int deleted_remove(struct mount *m, const struct node *node, const struct actor *who, struct err *e);

#endif
