/*
 * sqlite_by.c - records by the value of a field, and the values that a field has: walks over the field's index.
 *
 * Without an index, in a view for example, the same statements find the same rows, slowly.
 */
#include "sqlite.h"

bool store_finds_by(const struct store *s, const struct model *m, const struct field *f)
{
	if (f == m->key || !field_in_file(f) || f->type == TYPE_JSON)
		return false;
	return f->words || field_indexed(m, f) || s->tables[m->index].indexed[f->index];
}

int cursor_open_by(struct cursor **out, struct conn *c, const struct model *m, const struct field *f,
		   const struct value *value, int64_t after, struct err *e)
{
	const struct cursor by = {.conn = c, .model = m, .statement = FIELD_RECORDS, .field = f, .value = *value};
	int r = cursor_new(out, &by, e);
	if (r)
		return r;
	bind_value((*out)->stmt, 1, value);
	sqlite3_bind_int64((*out)->stmt, 2, after);
	return 0;
}

int store_next_value(struct conn *c, const struct model *m, const struct field *f, const struct value *after,
		     struct arena *a, struct value *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, m, after ? FIELD_NEXT : FIELD_FIRST, f, &stmt, e);
	if (r)
		return r;
	if (after)
		bind_value(stmt, 1, after);
	r = stmt_step(c, stmt, e);
	if (r <= 0)
		return r;
	struct value v = column_value(stmt, 0);
	return value_copy(a, &v, out) ? err_nomem(e) : 1;
}

int store_has_null(struct conn *c, const struct model *m, const struct field *f, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, m, FIELD_HAS_NULL, f, &stmt, e);
	return r ? r : stmt_step(c, stmt, e);
}
