/*
 * view.h - the files and directories that rowfs makes: MODEL/.new, MODEL/.info/, .errors, .info/.
 *
 * They are one table. They resolve but are not listed, except inside the directories that are made themselves.
 */
#ifndef ROWFS_VIEW_H
#define ROWFS_VIEW_H

#include "dir.h"

struct view {
	enum node_kind kind;
	enum node_kind parent;
	const char *name;
	mode_t mode;
	void (*print)(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e);
};

/* NULL where there is none. */
const struct view *view_find(enum node_kind parent, const char *name);
const struct view *view_of(enum node_kind kind);

/* Of the table in tree.c. */
int view_find_in(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		 struct entry *out, struct err *e);
int view_list_root(struct listing *l, const struct node *dir, off_t off, struct err *e);
int view_list(struct listing *l, const struct node *dir, off_t off, struct err *e);
int view_show(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
	      struct err *e);

#endif
