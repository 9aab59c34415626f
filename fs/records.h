/*
 * records.h - the names in MODEL/: records, names that were never saved, scratch files.
 */
#ifndef ROWFS_RECORDS_H
#define ROWFS_RECORDS_H

#include "dir.h"

int records_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		 struct entry *out, struct err *e);
int records_list(struct listing *l, const struct node *dir, off_t off, struct err *e);

#endif
