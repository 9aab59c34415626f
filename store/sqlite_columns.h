/*
 * sqlite_columns.h - what the database says of a table's columns; for store/sqlite*.c alone.
 */
#ifndef ROWFS_SQLITE_COLUMNS_H
#define ROWFS_SQLITE_COLUMNS_H

#include "sqlite.h"

struct column {
	struct column *next;
	char *name, *type;  /* as declared, "" without one */
	char *default_text; /* SQL; NULL: there is none */
	bool not_null, generated, unique, indexed;
	int primary;        /* place in the primary key, from 1; 0: it is not part of it */
	char *unique_index; /* made by CREATE UNIQUE INDEX, so that DROP INDEX undoes it */
	char *to_table, *to_column, *on_delete;
};

/* The columns of a table or view in their order; all lies in the arena. */
int columns_read(struct conn *c, const char *table, struct arena *a, struct column **out, struct err *e);
struct column *column_find(struct column *columns, const char *name); /* NULL: none */
/* Whether values of the type keep their form there. The sidecar finds rows by key, which needs the very same affinity.
 */
bool column_fits(const struct column *column, enum field_type type, bool key);
/* The script that gives the table the columns of the model; counter: its rows are numbered by AUTOINCREMENT. */
int rebuild_write(struct buf *out, struct conn *c, const struct model *m, struct column *columns, bool counter,
		  struct err *e);
bool column_is_untyped(const struct column *column); /* anything is kept as it comes */

#endif
