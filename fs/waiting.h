/*
 * waiting.h - .after/: the programs of after_commit that have not succeeded yet, a file ID.json for each.
 *
 * Nothing is kept here: hooks/after.h reads them from the database. Only root and the user who mounted may look and
 * remove, for the events are records that others may not read.
 */
#ifndef ROWFS_WAITING_H
#define ROWFS_WAITING_H

#include "dir.h"

/* Of the table in tree.c. */
int waiting_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		 struct entry *out, struct err *e);
int waiting_list(struct listing *l, const struct node *dir, off_t off, struct err *e);
int waiting_show(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		 struct err *e);
int waiting_remove(struct mount *m, const struct node *node, const struct actor *who, struct err *e);

#endif
