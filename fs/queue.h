/*
 * queue.h - what stands beside the records of a queue: KEY.log, .wait/KEY.json, .info/paused.
 */
#ifndef ROWFS_FS_QUEUE_H
#define ROWFS_FS_QUEUE_H

#include "dir.h"

/* 1: the name is that of a job's log, and out tells of it; 0: it is none. */
int queue_find_log(struct mount *m, const char *name, uid_t viewer, struct arena *a, struct entry *out, struct err *e);

/* Of the table in tree.c. */
int queue_show_log(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		   struct err *e);
int queue_read_log(struct mount *m, const struct node *node, size_t size, off_t off, struct buf *out, struct err *e);
int queue_find_awaited(struct mount *m, const struct node *dir, const char *name, const struct actor *who,
		       struct arena *a, struct entry *out, struct err *e);
/* The text is empty until the job has ended. */
int queue_show_awaited(struct mount *m, const struct node *node, const struct actor *who, struct stat *st,
		       struct buf *out, struct err *e);
void queue_print_paused(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e);
int queue_write_paused(struct mount *m, const struct node *node, const struct actor *who, const char *data, size_t size,
		       struct err *e);

#endif
