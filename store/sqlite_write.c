/*
 * sqlite_write.c - changing rows in the write transaction.
 *
 * Times and serials are kept by the tables' triggers (sqlite_table.c), so that nothing here has to.
 */
#include "sqlite.h"

#include <errno.h>
#include <string.h>

static void bind_row(sqlite3_stmt *stmt, const struct model *m, const struct value *row)
{
	for (size_t i = 0; i < m->nfields; i++)
		bind_value(stmt, (int)i + 1, &row[i]);
}

/* Runs a statement that writes one row; *rows tells whether it found it. */
static int write_row(struct conn *c, const struct model *m, sqlite3_stmt *stmt, int *rows, struct err *e)
{
	int rc = sqlite3_step(stmt);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		return conn_row_error(c, m, rc, e);
	*rows = sqlite3_changes(c->db);
	return 0;
}

static int missing(const struct model *m, const struct value *key, struct err *e)
{
	buf_auto name = BUF_INIT;
	value_plain(&name, m->key->type, key);
	return err_set(e, ENOENT, "%s has no record %.100s", m->name, buf_text(&name));
}

int txn_insert(struct txn *t, const struct model *m, const struct value *row, struct err *e)
{
	stmt_auto *stmt = NULL;
	int rows = 0, r = txn_alive(t, e);
	if (!r)
		r = conn_statement(t->conn, m, ROW_INSERT, NULL, &stmt, e);
	if (r)
		return r;
	bind_row(stmt, m, row);
	r = write_row(t->conn, m, stmt, &rows, e);
	if (!r)
		key_used(t->store, m, &row[m->key->index]);
	return r;
}

static bool has_indexed(const struct model *m)
{
	for (size_t i = 0; i < m->nfields; i++)
		if (field_indexed(m, &m->fields[i]))
			return true;
	return false;
}

/* Which update fits: the one that leaves the indexes alone where no indexed value changes. */
static int choose_update(struct txn *t, const struct model *m, const struct value *key, const struct value *row,
			 enum statement *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	*out = ROW_UPDATE_PLAIN;
	if (!value_equal(key, &row[m->key->index]))
		*out = ROW_UPDATE_KEY;
	else if (has_indexed(m)) {
		int r = conn_statement(t->conn, m, ROW_INDEXED, NULL, &stmt, e);
		if (r)
			return r;
		bind_row(stmt, m, row);
		r = stmt_step(t->conn, stmt, e);
		*out = r > 0 ? ROW_UPDATE_PLAIN : ROW_UPDATE;
		return r < 0 ? r : 0;
	}
	return 0;
}

int txn_update(struct txn *t, const struct model *m, const struct value *key, const struct value *row, struct err *e)
{
	stmt_auto *stmt = NULL;
	enum statement statement;
	int rows = 0, r = txn_alive(t, e);
	if (!r)
		r = choose_update(t, m, key, row, &statement, e);
	if (!r)
		r = conn_statement(t->conn, m, statement, NULL, &stmt, e);
	if (r)
		return r;
	bind_row(stmt, m, row);
	if (statement == ROW_UPDATE_KEY)
		bind_value(stmt, (int)m->nfields + 1, key);
	r = write_row(t->conn, m, stmt, &rows, e);
	if (!r && rows && statement == ROW_UPDATE_KEY)
		key_used(t->store, m, &row[m->key->index]);
	return r || rows ? r : missing(m, key, e);
}

/* Foreign keys that restrict say SQLITE_CONSTRAINT_TRIGGER, those that take no action SQLITE_CONSTRAINT_FOREIGNKEY. */
static bool is_reference_error(struct conn *c, int rc)
{
	return rc == SQLITE_CONSTRAINT_FOREIGNKEY ||
	       (rc == SQLITE_CONSTRAINT_TRIGGER && strstr(sqlite3_errmsg(c->db), "FOREIGN KEY"));
}

static int count_references(struct conn *c, const struct model *child, const struct field *by, const struct value *key,
			    int64_t *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, child, FIELD_COUNT, by, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	r = stmt_step(c, stmt, e);
	*out = r > 0 ? sqlite3_column_int64(stmt, 0) : 0;
	return r < 0 ? r : 0;
}

static int referred_to(struct conn *c, const struct model *m, const struct value *key, struct err *e)
{
	struct reference_iter at = {0, 0};
	const struct model *child;
	const struct field *by;
	buf_auto name = BUF_INIT;
	value_plain(&name, m->key->type, key);
	while ((by = schema_next_reference(c->store->schema, m, &at, &child))) {
		int64_t n;
		int r = count_references(c, child, by, key, &n, e);
		if (r)
			return r;
		if (n && by->on_delete == DELETE_RESTRICT)
			return err_set(e, EBUSY, "%s %.100s can't be deleted: %lld of %s refer to it by %s", m->name,
				       buf_text(&name), (long long)n, child->name, by->name);
	}
	return err_set(e, EBUSY, "%s %.100s can't be deleted: other records refer to it", m->name, buf_text(&name));
}

int txn_delete(struct txn *t, const struct model *m, const struct value *key, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = txn_alive(t, e);
	if (!r)
		r = conn_statement(t->conn, m, ROW_DELETE, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	int rc = sqlite3_step(stmt);
	if (is_reference_error(t->conn, rc))
		return referred_to(t->conn, m, key, e);
	if (rc != SQLITE_DONE)
		return conn_row_error(t->conn, m, rc, e);
	return sqlite3_changes(t->conn->db) ? 0 : missing(m, key, e);
}

/* The next key is free and not used up; where none is left, one further down is free. */
static int spare_number(struct conn *c, const struct model *m, struct value *key, struct err *e)
{
	err_auto why = ERR_INIT;
	int r = store_next_key(c, m, key, &why);
	if (r != -ENOSPC)
		return r ? err_set(e, why.code, "%s", why.text) : 0;
	for (int64_t number = KEY_MAX - 1; number > 0; number--) {
		err_auto absent = ERR_INIT;
		*key = value_integer(number);
		r = store_get(c, m, key, NULL, NULL, NULL, &absent);
		if (r)
			return r == -ENOENT ? 0 : err_set(e, absent.code, "%s", absent.text);
	}
	return err_set(e, why.code, "%s", why.text);
}

/* A file's key is a shorter text. */
static int spare_key(struct conn *c, const struct model *m, struct arena *a, struct value *key, struct err *e)
{
	char text[LIMIT_NAME + 1];
	if (model_integer_key(m))
		return spare_number(c, m, key, e);
	memset(text, '-', sizeof text);
	*key = value_text(arena_copy(a, text, sizeof text), sizeof text);
	return key->text.data ? 0 : err_nomem(e);
}

int txn_set_aside(struct txn *t, const struct model *m, const struct value *key, struct arena *a, struct value *aside,
		  struct err *e)
{
	struct value row[m->nfields];
	int r = store_get(t->conn, m, key, a, row, NULL, e);
	if (!r)
		r = spare_key(t->conn, m, a, aside, e);
	if (r)
		return r;
	row[m->key->index] = *aside;
	return txn_update(t, m, key, row, e);
}

int txn_keep_stamp(struct txn *t, const struct model *m, const struct value *key, const struct stamp *stamp,
		   struct err *e)
{
	stmt_auto *stmt = NULL;
	bool serial = !model_integer_key(m);
	int r = txn_alive(t, e);
	if (!r)
		r = conn_statement(t->conn, m, serial ? STAMP_KEEP_SERIAL : STAMP_KEEP, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	sqlite3_bind_int64(stmt, 2, stamp->mtime_ns);
	sqlite3_bind_int64(stmt, 3, stamp->ctime_ns);
	if (serial)
		sqlite3_bind_int64(stmt, 4, stamp->serial);
	r = stmt_step(t->conn, stmt, e);
	return r < 0 ? r : 0;
}
