/*
 * sqlite_rebuild.c - the script that gives a table the columns of its model where ALTER TABLE can't: a new table, a
 * copy, a rename.
 *
 * Programs such as sqlite3(1) go on behind a statement that has failed. So the old table gets another name inside the
 * transaction, under which it is dropped: where a row does not fit the new table everything is taken back, and then
 * there is no table of that name any more. Legacy renames leave what other tables, triggers and views say of the
 * table as it is.
 */
#include <string.h>
#include <strings.h>

#include "sqlite.h"
#include "sqlite_columns.h"

static const char counted[] =
    "CREATE TEMP TABLE rowfs_copied (every_row CONSTRAINT \"every row fits the new table\" CHECK (every_row));\n"
    "INSERT OR ROLLBACK INTO rowfs_copied SELECT (SELECT count(*) FROM $T) = (SELECT count(*) FROM ";

static void write_copy(struct buf *out, struct conn *c, const struct model *m, struct column *columns, const char *old)
{
	buf_auto names = BUF_INIT;
	for (size_t i = 0; i < m->nfields; i++) {
		const struct column *column = column_find(columns, m->fields[i].name);
		if (!column || column->generated)
			continue;
		buf_str(&names, names.len ? ", " : "");
		sql_name(&names, m->fields[i].name);
	}
	sql_text(out, c->store, m, m->key, "INSERT INTO $T (");
	buf_printf(out, "%s) SELECT %s FROM %s;\n", buf_text(&names), buf_text(&names), old);
}

/* The last that changes what is there already: behind it there may be no transaction any more. */
static void write_check(struct buf *out, struct conn *c, const struct model *m, const char *old)
{
	sql_text(out, c->store, m, m->key, counted);
	buf_printf(out, "%s);\nDROP TABLE rowfs_copied;\n", old);
}

/* So that no key is given twice. */
static void write_counter(struct buf *out, struct conn *c, const struct model *m, const char *old_literal)
{
	sql_text(out, c->store, m, m->key,
		 "DELETE FROM sqlite_sequence WHERE name = $t;\nUPDATE sqlite_sequence SET name = $t WHERE name = ");
	buf_printf(out, "%s;\n", old_literal);
}

/* Of one column: the new table has it by its definition. */
static bool is_unique_of_column(const struct column *columns, const char *index)
{
	for (; columns; columns = columns->next)
		if (columns->unique_index && strcasecmp(columns->unique_index, index) == 0)
			return true;
	return false;
}

/* Indexes and triggers go with their table; rowfs makes its own anew at the mount. */
static int write_belongings(struct buf *out, struct conn *c, const struct model *m, struct column *columns,
			    struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r = conn_prepare(
	    c,
	    "SELECT name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL AND"
	    " tbl_name = ?1 COLLATE NOCASE AND name NOT LIKE 'rowfs\\_%' ESCAPE '\\' ORDER BY rowid",
	    &stmt, e);
	if (r)
		return r;
	sqlite3_bind_text(stmt, 1, m->table, -1, SQLITE_STATIC);
	while ((r = stmt_step(c, stmt, e)) > 0)
		if (!is_unique_of_column(columns, (const char *)sqlite3_column_text(stmt, 0)))
			buf_printf(out, "%s;\n", (const char *)sqlite3_column_text(stmt, 1));
	sqlite3_finalize(stmt);
	return r;
}

int rebuild_write(struct buf *out, struct conn *c, const struct model *m, struct column *columns, bool counter,
		  struct err *e)
{
	buf_auto name = BUF_INIT, old = BUF_INIT, literal = BUF_INIT;
	buf_printf(&name, "rowfs_old_%s", m->table);
	sql_name(&old, buf_text(&name));
	sql_literal(&literal, buf_text(&name));
	buf_str(out, "PRAGMA foreign_keys = OFF;\nPRAGMA legacy_alter_table = ON;\nBEGIN;\n");
	sql_text(out, c->store, m, m->key, "ALTER TABLE $T RENAME TO ");
	buf_printf(out, "%s;\n", buf_text(&old));
	sql_table(out, m, m->table);
	buf_str(out, ";\n");
	write_copy(out, c, m, columns, buf_text(&old));
	if (counter)
		write_counter(out, c, m, buf_text(&literal));
	write_check(out, c, m, buf_text(&old));
	buf_printf(out, "DROP TABLE %s;\n", buf_text(&old));
	int r = write_belongings(out, c, m, columns, e);
	buf_str(out, "COMMIT;\nPRAGMA legacy_alter_table = OFF;\nPRAGMA foreign_keys = ON;\n");
	return r ? r : buf_failed(&name) || buf_failed(&old) || buf_failed(&literal) ? err_nomem(e) : 0;
}
