/*
 * sqlite_columns.c - reads what the database says of a table's columns.
 */
#include "sqlite_columns.h"

#include <errno.h>
#include <string.h>

enum affinity { NONE = 1, TEXT = 2, INTEGER = 4, REAL = 8, NUMERIC = 16 };

/* The first letters of a declared type decide, in this order (sqlite.org/datatype3.html, 3.1). */
static const struct {
	const char *part;
	enum affinity affinity;
} affinities[] = {{"INT", INTEGER}, {"CHAR", TEXT}, {"CLOB", TEXT}, {"TEXT", TEXT}, {"BLOB", NONE},
		  {"ANY", NONE},    {"REAL", REAL}, {"FLOA", REAL}, {"DOUB", REAL}};

static enum affinity affinity_of(const char *type)
{
	for (size_t i = 0; i < sizeof(affinities) / sizeof(affinities[0]); i++)
		if (strcasestr(type, affinities[i].part))
			return affinities[i].affinity;
	return *type ? NUMERIC : NONE;
}

/* A time in a NUMERIC column (declared DATE or DATETIME) stays text, for it looks like no number; so does JSON
 * but numbers, which it may hold. */
static const unsigned fitting[TYPE_COUNT] = {
    [TYPE_INTEGER] = INTEGER | NUMERIC | NONE,
    [TYPE_NUMBER] = REAL | NUMERIC | NONE,
    [TYPE_STRING] = TEXT | NONE,
    [TYPE_BOOLEAN] = INTEGER | NUMERIC | NONE,
    [TYPE_DATE] = TEXT | NUMERIC | NONE,
    [TYPE_DATETIME] = TEXT | NUMERIC | NONE,
    [TYPE_TIME] = TEXT | NUMERIC | NONE,
    [TYPE_UUID] = TEXT | NUMERIC | NONE,
    [TYPE_JSON] = TEXT | NUMERIC | NONE,
};

bool column_fits(const struct column *column, enum field_type type, bool key)
{
	unsigned fits = fitting[type];
	if (key)
		fits &= type == TYPE_NUMBER ? REAL : INTEGER | TEXT;
	return fits & affinity_of(column->type);
}

bool column_is_untyped(const struct column *column)
{
	return affinity_of(column->type) == NONE;
}

struct reading {
	struct conn *conn;
	struct arena *arena;
	struct column *columns;
};

static char *copy_text(struct reading *x, sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);
	return arena_copy(x->arena, text ? text : "", text ? strlen(text) : 0);
}

static int read_column(struct reading *x, sqlite3_stmt *stmt)
{
	struct column *column = arena_alloc(x->arena, sizeof(*column));
	if (!column)
		return -ENOMEM;
	column->name = copy_text(x, stmt, 0);
	column->type = copy_text(x, stmt, 1);
	column->not_null = sqlite3_column_int(stmt, 2);
	column->primary = sqlite3_column_int(stmt, 3);
	column->generated = sqlite3_column_int(stmt, 4) != 0;
	if (sqlite3_column_type(stmt, 5) != SQLITE_NULL)
		column->default_text = copy_text(x, stmt, 5);
	column->next = x->columns;
	x->columns = column;
	return column->name && column->type ? 0 : -ENOMEM;
}

static int read_unique(struct reading *x, sqlite3_stmt *stmt)
{
	const char *name = (const char *)sqlite3_column_text(stmt, 0);
	struct column *column = name ? column_find(x->columns, name) : NULL;
	if (!column)
		return 0;
	column->unique = true;
	column->unique_index = sqlite3_column_int(stmt, 2) ? copy_text(x, stmt, 1) : NULL;
	return 0;
}

static int read_indexed(struct reading *x, sqlite3_stmt *stmt)
{
	const char *name = (const char *)sqlite3_column_text(stmt, 0);
	struct column *column = name ? column_find(x->columns, name) : NULL;
	if (column)
		column->indexed = true;
	return 0;
}

static int read_reference(struct reading *x, sqlite3_stmt *stmt)
{
	const char *name = (const char *)sqlite3_column_text(stmt, 0);
	struct column *column = name ? column_find(x->columns, name) : NULL;
	if (!column)
		return 0;
	column->to_table = copy_text(x, stmt, 1);
	column->to_column = copy_text(x, stmt, 2);
	column->on_delete = copy_text(x, stmt, 3);
	return column->to_table && column->to_column && column->on_delete ? 0 : -ENOMEM;
}

static const struct {
	const char *sql;
	int (*read)(struct reading *x, sqlite3_stmt *stmt);
} parts[] = {
    {"SELECT name, type, \"notnull\", pk, hidden, dflt_value FROM pragma_table_xinfo(?1) ORDER BY cid DESC",
     read_column},
    {"SELECT i.name, l.name, l.origin = 'c' FROM pragma_index_list(?1) AS l, pragma_index_info(l.name) AS i "
     "WHERE l.\"unique\" AND NOT l.partial AND (SELECT count(*) FROM pragma_index_info(l.name)) = 1",
     read_unique},
    {"SELECT i.name FROM pragma_index_list(?1) AS l, pragma_index_info(l.name) AS i WHERE NOT l.partial AND i.seqno = "
     "0",
     read_indexed},
    {"SELECT \"from\", \"table\", COALESCE(\"to\", ''), on_delete FROM pragma_foreign_key_list(?1) AS f "
     "WHERE (SELECT count(*) FROM pragma_foreign_key_list(?1) AS g WHERE g.id = f.id) = 1",
     read_reference},
};

static int read_part(struct reading *x, const char *table, size_t part, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r = conn_prepare(x->conn, parts[part].sql, &stmt, e);
	if (r)
		return r;
	sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
	while ((r = stmt_step(x->conn, stmt, e)) > 0 && (r = parts[part].read(x, stmt)) == 0)
		;
	sqlite3_finalize(stmt);
	return r == -ENOMEM ? err_nomem(e) : r;
}

int columns_read(struct conn *c, const char *table, struct arena *a, struct column **out, struct err *e)
{
	struct reading x = {.conn = c, .arena = a};
	int r = 0;
	for (size_t i = 0; !r && i < sizeof(parts) / sizeof(parts[0]); i++)
		r = read_part(&x, table, i, e);
	*out = x.columns;
	return r;
}

struct column *column_find(struct column *columns, const char *name)
{
	while (columns && !column_is(columns->name, name))
		columns = columns->next;
	return columns;
}
