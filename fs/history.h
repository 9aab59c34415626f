/*
 * history.h - MODEL/.history/KEY/: earlier versions of records, of models that keep their history.
 *
 * TIME-VERB.json is what the record was from that time on, after that verb. It belongs to whom the record belonged to.
 */
#ifndef ROWFS_HISTORY_H
#define ROWFS_HISTORY_H

#include "dir.h"

/* Of the table in tree.c: .history, a record's directory, a version. */
int history_find_record(struct mount *m, const struct node *dir, const char *name, const struct actor *who,
			struct arena *a, struct entry *out, struct err *e);
int history_list_records(struct listing *l, const struct node *dir, off_t off, struct err *e);
int history_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		 struct entry *out, struct err *e);
int history_list(struct listing *l, const struct node *dir, off_t off, struct err *e);
int history_show(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		 struct err *e);
/* Who saved the version, as JSON; -ENODATA where nobody is known. */
int history_actor(struct mount *m, const struct node *node, const struct actor *who, struct buf *out, struct err *e);

#endif
