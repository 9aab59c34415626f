/*
 * sqlite_check.c - do the `check` expressions of fields compile? Asked of a table in memory that has the model's
 * columns.
 *
 * The table is made as the real one would be, because SQLite allows less in a CHECK than in a SELECT.
 */
#include <errno.h>
#include <sqlite3.h>

#include "sqlite.h"

/* A model with a mistake may have a name twice; the first one counts. */
static void write_table(struct buf *b, const struct model *m, const char *check)
{
	buf_str(b, "CREATE TABLE ");
	sql_name(b, m->table);
	buf_str(b, " (");
	for (size_t i = 0; i < m->nfields; i++) {
		const struct field *f = &m->fields[i];
		if (model_field(m, f->name) != f)
			continue;
		sql_name(b, f->name);
		buf_printf(b, " %s, ", sql_type(f->type));
	}
	buf_printf(b, "CHECK (%s\n))", check);
}

static int compile(sqlite3 *db, struct conf *c, const struct model *m, struct field *f, struct err *e)
{
	buf_auto sql = BUF_INIT;
	sqlite3_stmt *stmt = NULL;
	write_table(&sql, m, f->check);
	if (buf_failed(&sql))
		return err_nomem(e);
	int rc = sqlite3_prepare_v2(db, buf_text(&sql), -1, &stmt, NULL);
	sqlite3_finalize(stmt);
	if (rc == SQLITE_NOMEM)
		return err_nomem(e);
	if (rc != SQLITE_OK) {
		conf_mistake(c, f->check_where, "%s", sqlite3_errmsg(db));
		f->check = NULL; /* so that the table can be made in memory, for what else uses it */
	}
	return 0;
}

static int compile_all(sqlite3 *db, struct conf *c, struct schema *s, struct err *e)
{
	int r = 0;
	for (size_t i = 0; i < s->nmodels; i++)
		for (size_t j = 0; !r && j < s->models[i].nfields; j++)
			if (s->models[i].fields[j].check)
				r = compile(db, c, &s->models[i], &s->models[i].fields[j], e);
	return r;
}

int checks_compile(struct schema *s, struct conf *c, struct err *e)
{
	sqlite3 *db = NULL;
	sqlite_configure();
	int rc = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	int r = rc == SQLITE_OK ? compile_all(db, c, s, e) : err_nomem(e);
	sqlite3_close(db);
	return r;
}
