/*
 * sqlite_borrow.c - the tables and views of the database itself in one in memory, where SQL of hooks is compiled.
 *
 * SQL may use what is no model: a log without a key, a search index. What belongs to a model is taken from the database
 * too where both agree, for it may be a view, or have columns that are computed; else it is as mount.conf says.
 */
#include <errno.h>
#include <unistd.h>

#include "sqlite.h"

static bool is_model(const struct schema *s, const char *table)
{
	for (size_t i = 0; i < s->nmodels; i++)
		if (sqlite3_stricmp(s->models[i].table, table) == 0)
			return true;
	return false;
}

/* What can't be made there, a table of a module that is not there for example, is left out. */
static int make(struct store *memory, const char *name, const char *sql, bool instead, struct err *e)
{
	buf_auto text = BUF_INIT;
	if (instead) {
		buf_str(&text, "DROP TABLE ");
		sql_name(&text, name);
		buf_str(&text, ";\n");
	}
	buf_str(&text, sql);
	if (buf_failed(&text))
		return err_nomem(e);
	return sqlite3_exec(memory->writer.db, buf_text(&text), NULL, NULL, NULL) == SQLITE_NOMEM ? err_nomem(e) : 0;
}

static int make_all(struct store *memory, struct conn *from, bool same, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r = conn_prepare(
	    from,
	    "SELECT name, sql FROM sqlite_schema WHERE type IN ('table', 'view') AND sql IS NOT NULL"
	    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'rowfs\\_%' ESCAPE '\\' ORDER BY rowid",
	    &stmt, e);
	while (!r && (r = stmt_step(from, stmt, e)) > 0) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		const char *sql = (const char *)sqlite3_column_text(stmt, 1);
		bool model = name && is_model(memory->schema, name);
		r = !name || !sql ? err_nomem(e) : model && !same ? 0 : make(memory, name, sql, model, e);
	}
	sqlite3_finalize(stmt);
	return r;
}

int store_borrow(struct store *memory, struct err *e)
{
	const struct schema *schema = memory->schema;
	err_auto differences = ERR_INIT;
	if (!schema->database || access(schema->database, F_OK))
		return 0;
	struct store *s = store_new(schema, true, false);
	if (!s)
		return err_nomem(e);
	bool same = store_compare(schema, &differences) == 0;
	err_auto why = ERR_INIT; /* a database that can't be read is told where it is mounted */
	int r = conn_open(&s->writer, s, schema->database, SQLITE_OPEN_READONLY, READER_CACHE_KIB, &why);
	if (!r)
		r = make_all(memory, &s->writer, same, &why);
	store_close(s);
	return r == -ENOMEM ? err_nomem(e) : 0;
}
