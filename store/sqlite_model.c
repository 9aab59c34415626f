/*
 * sqlite_model.c - the numbers of models, kept in rowfs_model by their tables, so that inode numbers, earlier versions
 * and deleted records outlive changes of mount.conf, another name of the model included.
 *
 * A number is given once and never to another table. A read-only store that finds a model without one numbers it for the
 * life of the mount only.
 */
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

unsigned store_model_number(const struct store *s, const struct model *m)
{
	return s->tables[m->index].number;
}

const struct model *store_numbered_model(const struct store *s, unsigned number)
{
	return number <= s->last_number ? s->numbered[number] : NULL;
}

/* The highest number that the database has given, to models of other confs too. */
static int read_last(struct store *s, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r = conn_prepare(&s->writer, "SELECT max(number) FROM rowfs_model", &stmt, e);

	if (r == 0)
		r = stmt_step(&s->writer, stmt, e);
	if (r > 0)
		s->last_number = (unsigned)sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return r < 0 ? r : 0;
}

/* Fills the numbers that the database has; *missing when it lacks one. */
static int read_numbers(struct store *s, bool *missing, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r = find_object(&s->writer, "table", "rowfs_model", NULL, e);

	*missing = true;
	if (r <= 0)
		return r;
	r = read_last(s, e);
	if (r == 0)
		r = conn_prepare(&s->writer, "SELECT number FROM rowfs_model WHERE name = ?1 COLLATE NOCASE", &stmt, e);
	*missing = false;
	for (size_t i = 0; r == 0 && i < s->schema->nmodels; i++) {
		sqlite3_bind_text(stmt, 1, s->schema->models[i].table, -1, SQLITE_STATIC);
		r = stmt_step(&s->writer, stmt, e);
		s->tables[i].number = r > 0 ? (unsigned)sqlite3_column_int(stmt, 0) : 0;
		*missing |= r == 0;
		r = r < 0 ? r : 0;
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
	return r;
}

static int add_numbers(struct store *s, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r = conn_exec(&s->writer,
			  "CREATE TABLE IF NOT EXISTS rowfs_model (number INTEGER PRIMARY KEY AUTOINCREMENT, "
			  "name TEXT UNIQUE NOT NULL) STRICT",
			  e);

	if (r == 0)
		r = conn_prepare(&s->writer, "INSERT OR IGNORE INTO rowfs_model (name) VALUES (?1)", &stmt, e);
	for (size_t i = 0; r == 0 && i < s->schema->nmodels; i++) {
		if (s->tables[i].number)
			continue;
		sqlite3_bind_text(stmt, 1, s->schema->models[i].table, -1, SQLITE_STATIC);
		r = stmt_step(&s->writer, stmt, e);
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
	return r < 0 ? r : 0;
}

static int add_missing(struct store *s, struct err *e)
{
	bool missing;
	int r = conn_control(&s->writer, CONTROL_BEGIN, e);

	if (r == 0)
		r = add_numbers(s, e);
	if (r == 0)
		r = read_numbers(s, &missing, e);
	if (r == 0)
		r = conn_control(&s->writer, CONTROL_COMMIT, e);
	if (!sqlite3_get_autocommit(s->writer.db))
		sqlite3_exec(s->writer.db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

static int index_numbers(struct store *s, struct err *e)
{
	for (size_t i = 0; i < s->schema->nmodels; i++)
		if (!s->tables[i].number)
			s->tables[i].number = ++s->last_number;
	if (s->last_number > STORE_MAX_NUMBER)
		return err_set(e, EBADMSG, "the database has had more than %d models", STORE_MAX_NUMBER);
	s->numbered = calloc(s->last_number + 1, sizeof(*s->numbered));
	if (!s->numbered)
		return err_nomem(e);
	for (size_t i = 0; i < s->schema->nmodels; i++)
		s->numbered[s->tables[i].number] = &s->schema->models[i];
	return 0;
}

int models_open(struct store *s, struct err *e)
{
	bool missing;
	int r = read_numbers(s, &missing, e);

	if (r == 0 && missing && !s->read_only)
		r = add_missing(s, e);
	return r < 0 ? r : index_numbers(s, e);
}
