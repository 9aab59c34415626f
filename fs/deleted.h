/*
 * deleted.h - MODEL/.deleted/: deleted records, as their files were, for who deleted them and for root.
 */
#ifndef ROWFS_FS_DELETED_H
#define ROWFS_FS_DELETED_H

#include "dir.h"

/* dir_find in .deleted: what another user deleted is nothing, but to root. */
int deleted_find(struct mount *m, const struct node *dir, const char *name, uid_t uid, struct arena *a,
		 struct entry *out, struct err *e);

void deleted_stat(const struct mount *m, const struct model *model, const struct deleted *d, struct stat *st);
/* By number; -ENOENT. */
int deleted_stat_node(struct mount *m, const struct node *node, struct stat *st, struct err *e);
int deleted_print(struct mount *m, const struct node *node, struct buf *out, struct err *e);
/* What is kept goes. */
int deleted_forget(struct mount *m, const struct entry *entry, struct err *e);

#endif
