/*
 * view.h - the files and directories that rowfs makes: MODEL/.new, MODEL/.info/, .errors, .info/.
 *
 * They are one table. They resolve but are not listed, except inside the directories that are made themselves.
 */
#ifndef ROWFS_VIEW_H
#define ROWFS_VIEW_H

#include "mount.h"

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
/* The index-th view in a made directory; NULL at the end. */
const struct view *view_at(enum node_kind parent, size_t index);

/* The content as the user may see it. */
int view_print(struct mount *m, const struct node *node, uid_t uid, struct buf *out, struct err *e);

#endif
