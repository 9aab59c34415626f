/*
 * sqlite_describe.h - what models the tables of a database can be; for store/sqlite_describe.c and describe.c.
 */
#ifndef ROWFS_SQLITE_DESCRIBE_H
#define ROWFS_SQLITE_DESCRIBE_H

#include "sqlite_columns.h"

struct described {
	struct described *next;
	const char *name;  /* of the table */
	const char *model; /* of the directory; NULL: it is no model */
	bool view;
	bool has_binary;
	const struct column *key;
	struct column *columns;
	enum field_type types[LIMIT_FIELDS]; /* these by column, generated ones not counted */
	bool binary[LIMIT_FIELDS];           /* BLOBs, which files can't show */
	bool foreign[LIMIT_FIELDS];          /* some values have another form than files show */
	const char *why;                     /* it can't be one; NULL: it can */
};

struct describing {
	struct store *store;
	struct conn *conn;
	struct arena arena;
	struct described *tables;
};

int describing_open(struct describing *d, const char *path, struct err *e);
void describing_close(struct describing *d);
/* The table or view of the name as the model of the name; all with NULL. */
int describing_add(struct describing *d, const char *table, const char *model, struct err *e);
/* Once all are added. */
int describing_judge(struct describing *d, struct err *e);
/* What the table is as a model; NULL: it can't be one. */
const struct described *describing_model(const struct describing *d, const char *table);

/* Letters, digits, _ and those of `more`; no digit or dash first. */
bool is_plain_name(const char *text, const char *more);

#endif
