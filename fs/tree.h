/*
 * tree.h - what stands where in a mount: one table, by kind of node (node.h).
 *
 * A new directory or file that rowfs makes is a line of the table in tree.c and functions in a file of its own.
 */
#ifndef ROWFS_TREE_H
#define ROWFS_TREE_H

#include "dir.h"

/* NULL: there is none. */
struct kind {
	/* Of a directory: fills *out, which stays ENTRY_NONE where there is nothing. Negative: the store's errors. */
	int (*find)(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		    struct entry *out, struct err *e);
	/* Adds entries until listing_add says that there is no room, or to the end. */
	int (*list)(struct listing *l, const struct node *dir, off_t off, struct err *e);
	bool own; /* it shows each user files of his own, which he may remove */

	/* Of a file that is only read: its attributes, and its text is appended to out unless that is NULL. -ENOENT. */
	int (*show)(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		    struct err *e);
	/* Of one that takes commands, too: the whole of each write. */
	int (*write)(struct mount *m, const struct actor *who, const char *data, size_t len, struct err *e);
	int (*remove)(struct mount *m, const struct node *node, const struct actor *who, struct err *e);
};

/* Never NULL. */
const struct kind *tree_kind(enum node_kind kind);

#endif
