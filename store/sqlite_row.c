/*
 * sqlite_row.c - reading: rows, cursors, and what a row must satisfy.
 *
 * Every function takes a reader's snapshot or the write transaction. Records as text are sqlite_show.c's, what a record
 * embeds is sqlite_embed.c's.
 */
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>

static int not_found(const struct model *m, const struct value *key, struct err *e)
{
	buf_auto name = BUF_INIT;
	value_plain(&name, m->key->type, key);
	return err_set(e, ENOENT, "%s has no record %.100s", m->name, buf_text(&name));
}

void stmt_row(sqlite3_stmt *stmt, const struct model *m, struct value *row)
{
	for (size_t i = 0; i < m->nfields; i++)
		row[i] = column_value(stmt, (int)i);
}

void stmt_stamp(struct conn *c, sqlite3_stmt *stmt, const struct model *m, struct stamp *stamp)
{
	int first = (int)m->nfields;
	if (!stamp)
		return;
	*stamp = (struct stamp){sqlite3_column_int64(stmt, first), sqlite3_column_int64(stmt, first + 1),
				sqlite3_column_int64(stmt, first + 2), c->store->uid};
	uid_t owner = m->owned ? column_uid(stmt, first + 3) : NO_OWNER;
	if (owner != NO_OWNER)
		stamp->owner = owner;
}

/* 1: the statement stands on the row; 0: there is none. */
static int look_up(struct conn *c, const struct model *m, enum statement what, const struct value *key,
		   sqlite3_stmt **out, struct err *e)
{
	bool filters = conn_filters(c, m);
	int r = conn_statement(c, m, filters ? ROW_GET : what, NULL, out, e);
	if (r)
		return r;
	bind_value(*out, 1, key);
	r = stmt_step(c, *out, e);
	if (r > 0 && filters && column_uid(*out, (int)m->nfields + 3) != c->viewer)
		r = 0;
	return r;
}

int row_find(struct conn *c, const struct model *m, enum statement what, const struct value *key, sqlite3_stmt **out,
	     struct err *e)
{
	int r = look_up(c, m, what, key, out, e);
	return r == 0 ? not_found(m, key, e) : r < 0 ? r : 0;
}

static int copy_row(sqlite3_stmt *stmt, const struct model *m, struct arena *a, struct value *row, struct err *e)
{
	for (size_t i = 0; i < m->nfields; i++) {
		struct value v = column_value(stmt, (int)i);
		if (value_copy(a, &v, &row[i]))
			return err_nomem(e);
	}
	return 0;
}

int store_find(struct conn *c, const struct model *m, const struct value *key, struct arena *a, struct value *row,
	       struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = look_up(c, m, ROW_FIELDS, key, &stmt, e);
	if (r > 0 && copy_row(stmt, m, a, row, e) < 0)
		return -e->code;
	return r;
}

int store_get(struct conn *c, const struct model *m, const struct value *key, struct arena *a, struct value *row,
	      struct stamp *stamp, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = row_find(c, m, stamp ? ROW_GET : row ? ROW_FIELDS : ROW_EXISTS, key, &stmt, e);
	if (r)
		return r;
	stmt_stamp(c, stmt, m, stamp);
	return row ? copy_row(stmt, m, a, row, e) : 0;
}

int store_key_of(struct conn *c, const struct model *m, int64_t serial, struct arena *a, struct value *key,
		 struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, m, ROW_KEY_OF, NULL, &stmt, e);
	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, serial);
	r = stmt_step(c, stmt, e);
	if (r == 0)
		return err_set(e, ENOENT, "%s has no record with the number %lld", m->name, (long long)serial);
	if (r < 0)
		return r;
	struct value v = column_value(stmt, 0);
	return value_copy(a, &v, key) ? err_nomem(e) : 0;
}

/* ---- lists ---- */

int cursor_new(struct cursor **out, const struct cursor *of, struct err *e)
{
	struct cursor *cur = malloc(sizeof(*cur));
	if (!cur)
		return err_nomem(e);
	*cur = *of;
	int r = conn_statement(of->conn, of->model, of->statement, of->field, &cur->stmt, e);
	if (r) {
		free(cur);
		return r;
	}
	cur->slot = conn_slot(of->conn, of->model, of->statement, of->field);
	*cur->slot = NULL;
	*out = cur;
	return 0;
}

int cursor_open(struct cursor **out, struct conn *c, const struct model *m, int64_t after, struct err *e)
{
	const struct cursor all = {.conn = c, .model = m, .statement = ROW_CURSOR};
	int r = cursor_new(out, &all, e);
	if (!r)
		sqlite3_bind_int64((*out)->stmt, 1, after);
	return r;
}

/* A column that compares without case finds more than the value. */
static bool fits(struct cursor *cur)
{
	struct value v = cur->field ? column_value(cur->stmt, 2) : value_null();
	return !cur->field || value_equal(&v, &cur->value);
}

int cursor_next(struct cursor *cur, struct value *key, int64_t *serial, struct err *e)
{
	int r;
	while ((r = stmt_step(cur->conn, cur->stmt, e)) > 0 && !fits(cur))
		;
	if (r > 0) {
		*key = column_value(cur->stmt, 0);
		*serial = sqlite3_column_int64(cur->stmt, 1);
	}
	return r;
}

void cursor_close(struct cursor *cur)
{
	if (!cur)
		return;
	sqlite3_reset(cur->stmt);
	if (!*cur->slot)
		*cur->slot = cur->stmt;
	else
		sqlite3_finalize(cur->stmt);
	free(cur);
}

int store_count(struct conn *c, const struct model *m, int64_t *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, m, ROW_COUNT, NULL, &stmt, e);
	if (r)
		return r;
	r = stmt_step(c, stmt, e);
	if (r < 0)
		return r;
	*out = sqlite3_column_int64(stmt, 0);
	return 0;
}

static int grow_keys(struct value **keys, size_t n, size_t *cap)
{
	if (n < *cap)
		return 0;
	size_t more = *cap ? *cap * 2 : 16;
	struct value *grown = realloc(*keys, more * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*keys = grown;
	*cap = more;
	return 0;
}

static int collect_keys(struct conn *c, sqlite3_stmt *stmt, struct arena *a, struct value **keys, size_t *n,
			struct err *e)
{
	size_t cap = 0;
	int r;
	while ((r = stmt_step(c, stmt, e)) > 0) {
		struct value v = column_value(stmt, 0);
		if (grow_keys(keys, *n, &cap) || value_copy(a, &v, &(*keys)[*n]))
			return err_nomem(e);
		++*n;
	}
	return r;
}

int stmt_keys(struct conn *c, sqlite3_stmt *stmt, struct arena *a, struct value **keys, size_t *n, struct err *e)
{
	struct value *collected = NULL;
	size_t count = 0;
	int r = collect_keys(c, stmt, a, &collected, &count, e);
	struct value *copy = r || !count ? NULL : (struct value *)arena_copy(a, collected, count * sizeof(*copy));
	free(collected);
	if (r)
		return r;
	if (count && !copy)
		return err_nomem(e);
	*keys = copy;
	*n = count;
	return 0;
}

int store_children(struct conn *c, const struct model *child, const struct field *by, const struct value *key,
		   struct arena *a, struct value **keys, size_t *n, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, child, FIELD_KEYS, by, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	return stmt_keys(c, stmt, a, keys, n, e);
}

/* ---- what a row must satisfy ---- */

static bool unchanged(const struct value *old, const struct value *row, const struct field *f)
{
	return row[f->index].kind == VALUE_NULL || (old && value_equal(&old[f->index], &row[f->index]));
}

/* A new record may refer to itself. */
static bool refers_to_itself(const struct model *m, const struct value *row, const struct field *f)
{
	return f->references == m && value_equal(&row[f->index], &row[m->key->index]);
}

/* A row that is about to be written, and who gives up unique values for it. */
struct candidate {
	struct conn *conn;
	const struct model *model;
	const struct value *old, *row;
	store_yields *yields; /* NULL: nobody */
	void *data;
	bool *dangling; /* set by a reference to nothing; NULL: that is a problem */
};

static int check_reference(const struct candidate *x, const struct field *f, struct err *e)
{
	stmt_auto *stmt = NULL;
	const struct value *row = x->row;
	if (!f->references || unchanged(x->old, row, f) || refers_to_itself(x->model, row, f))
		return 0;
	int r = conn_statement(x->conn, f->references, ROW_EXISTS, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, &row[f->index]);
	r = stmt_step(x->conn, stmt, e);
	if (r)
		return r < 0 ? r : 0;
	if (x->dangling) {
		*x->dangling = true;
		return 0;
	}
	buf_auto name = BUF_INIT;
	value_plain(&name, f->type, &row[f->index]);
	problem_at(e, EBADMSG, f->name, "%s has no record %.100s", f->references->name, buf_text(&name));
	return 0;
}

/* Nobody is told the key of a record that is not there for him. */
static bool sees(struct conn *c, const struct model *m, const struct value *key)
{
	stmt_auto *stmt = NULL;
	err_auto ignored = ERR_INIT;
	return !conn_filters(c, m) || row_find(c, m, ROW_GET, key, &stmt, &ignored) == 0;
}

static int check_unique(const struct candidate *x, const struct field *f, struct err *e)
{
	stmt_auto *stmt = NULL;
	struct value none = value_null();
	const struct model *m = x->model;
	if (!f->unique || f == m->key || unchanged(x->old, x->row, f))
		return 0;
	int r = conn_statement(x->conn, m, FIELD_TAKEN, f, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, &x->row[f->index]);
	bind_value(stmt, 2, x->old ? &x->old[m->key->index] : &none);
	r = stmt_step(x->conn, stmt, e);
	if (r <= 0)
		return r;
	buf_auto name = BUF_INIT;
	struct value key = column_value(stmt, 0);
	if (x->yields && x->yields(x->data, m, &key, f))
		return 0;
	if (!sees(x->conn, m, &key)) {
		problem_at(e, EEXIST, f->name, "is already the value of another record");
		return 0;
	}
	value_plain(&name, m->key->type, &key);
	problem_at(e, EEXIST, f->name, "is already the value of %s %.100s", m->name, buf_text(&name));
	return 0;
}

static bool has_checks(const struct model *m)
{
	for (size_t i = 0; i < m->nfields; i++)
		if (m->fields[i].check)
			return true;
	return false;
}

/* As in a table's CHECK, null is as good as true. */
static int check_expressions(struct conn *c, const struct model *m, const struct value *row, struct err *e)
{
	stmt_auto *stmt = NULL;
	if (!has_checks(m))
		return 0;
	int r = conn_statement(c, m, ROW_CHECK, NULL, &stmt, e);
	if (r)
		return r;
	for (size_t i = 0; i < m->nfields; i++)
		bind_value(stmt, (int)i + 1, &row[i]);
	r = stmt_step(c, stmt, e);
	for (size_t i = 0; r > 0 && i < m->nfields; i++) {
		const struct field *f = &m->fields[i];
		int column = (int)i;
		if (sqlite3_column_type(stmt, column) != SQLITE_NULL && sqlite3_column_double(stmt, column) == 0)
			problem_at(e, EBADMSG, f->name, "must satisfy the check %s", f->check);
	}
	return r < 0 ? r : 0;
}

int store_check_among(struct conn *c, const struct model *m, const struct value *old, const struct value *row,
		      store_yields *yields, void *data, bool *dangling, struct err *e)
{
	const struct candidate x = {c, m, old, row, yields, data, dangling};
	int r = 0;
	for (size_t i = 0; !r && i < m->nfields; i++) {
		r = check_reference(&x, &m->fields[i], e);
		if (!r)
			r = check_unique(&x, &m->fields[i], e);
	}
	if (!r)
		r = check_expressions(c, m, row, e);
	return r ? r : -e->code;
}

int store_check(struct conn *c, const struct model *m, const struct value *old, const struct value *row, struct err *e)
{
	return store_check_among(c, m, old, row, NULL, NULL, NULL, e);
}
