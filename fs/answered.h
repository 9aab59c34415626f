/*
 * answered.h - MODEL/.answer/: what a user's last save of each key answered.
 *
 * In memory, and of each answer only which row it is: the text is made when it is read. The last LIMIT_ANSWERS saves
 * of a user are kept, in a ring, so that keeping one costs no more than writing it down. All functions take mount.lock.
 */
#ifndef ROWFS_ANSWERED_H
#define ROWFS_ANSWERED_H

#include "dir.h"

/* The text of an answer: fields of a row, the record's file, or null. -ENOENT when the row is gone. */
int answer_print(struct mount *m, const struct model *model, const struct outcome *outcome, uid_t viewer,
		 struct buf *out, struct err *e);

/* Without memory for it, nothing is kept. */
void answered_keep(struct mount *m, uid_t uid, const struct model *model, const struct outcome *outcome);

void answered_release_all(struct mount *m);

/* Of the table in tree.c. */
int answered_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		  struct entry *out, struct err *e);
int answered_list(struct listing *l, const struct node *dir, off_t off, struct err *e);
int answered_show(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		  struct err *e);

#endif
