/*
 * sqlite_owner.c - whose a row is, and what a viewer sees: the one place where SQL asks that.
 *
 * A statement with $Y shows a viewer of a restricted model only what is his: it is prepared a second time, with the
 * predicate that is written here, and conn_statement binds the viewer. Others, and models without an owner, have the
 * plain text.
 */
#include "sqlite.h"

#include <errno.h>

/* ---- as SQL ---- */

static void write_column(struct buf *b, const char *alias, const struct field *f)
{
	buf_printf(b, "%s.", alias);
	sql_name(b, f->name);
}

static void write_parents(struct buf *b, const struct store *s, const struct model *m, const char *alias, int depth);

/* An expression for the row that the alias names. Each level of parents has an alias of its own. */
static void write_owner(struct buf *b, const struct store *s, const struct model *m, const char *alias, int depth)
{
	const struct ownership *o = &m->ownership;
	if (!o->field) {
		write_parents(b, s, m, alias, depth);
	} else if (!o->uid_field) {
		write_column(b, alias, o->field);
	} else {
		sql_text(b, s, o->field->references, o->uid_field, "(SELECT u.$F FROM $T AS u WHERE u.$K = ");
		write_column(b, alias, o->field);
		buf_char(b, ')');
	}
}

static void write_parents(struct buf *b, const struct store *s, const struct model *m, const char *alias, int depth)
{
	char above[16];
	snprintf(above, sizeof above, "o%d", depth);
	buf_str(b, "CASE");
	for (size_t i = 0; i < m->ownership.nparents; i++) {
		const struct parent *p = &m->ownership.parents[i];
		buf_str(b, " WHEN ");
		write_column(b, alias, p->by);
		buf_str(b, " IS NOT NULL THEN (SELECT ");
		if (p->model->owned)
			write_owner(b, s, p->model, above, depth + 1);
		else
			buf_str(b, "NULL");
		sql_text(b, s, p->model, NULL, " FROM $T AS ");
		buf_printf(b, "%s WHERE ", above);
		write_column(b, above, p->model->key);
		buf_str(b, " = ");
		write_column(b, alias, p->by);
		buf_char(b, ')');
	}
	buf_str(b, " END");
}

void sql_owner(struct buf *b, const struct store *s, const struct model *m)
{
	write_owner(b, s, m, "t", 0);
}

/* A list of owners lets SQLite use the index of the field that refers to them. */
void sql_visible(struct buf *b, const struct store *s, const struct model *m)
{
	const struct ownership *o = &m->ownership;
	if (!o->uid_field) {
		write_owner(b, s, m, "t", 0);
		buf_printf(b, " = ?%d", VIEWER_PARAMETER);
		return;
	}
	write_column(b, "t", o->field);
	sql_text(b, s, o->field->references, o->uid_field, " IN (SELECT u.$K FROM $T AS u WHERE u.$F");
	buf_printf(b, " = ?%d)", VIEWER_PARAMETER);
}

/* ---- who looks ---- */

bool conn_filters(const struct conn *c, const struct model *m)
{
	return m->restricted && c->viewer != VIEW_ALL;
}

bool store_sees_all(const struct store *s, uid_t uid)
{
	return uid == 0 || uid == s->uid;
}

uid_t store_view_as(struct conn *c, uid_t viewer)
{
	uid_t before = c->viewer;
	c->viewer = store_sees_all(c->store, viewer) ? VIEW_ALL : viewer;
	return before;
}

struct conn *store_read_as(struct store *s, uid_t viewer, struct err *e)
{
	struct conn *c = store_read_begin(s, e);
	if (c)
		store_view_as(c, viewer);
	return c;
}

/* ---- whose a row is ---- */

/* What is no uid is nobody's. */
uid_t column_uid(sqlite3_stmt *stmt, int column)
{
	int64_t uid = sqlite3_column_int64(stmt, column);
	bool is_one = sqlite3_column_type(stmt, column) == SQLITE_INTEGER && uid >= 0 && uid < NO_OWNER;
	return is_one ? (uid_t)uid : NO_OWNER;
}

int store_owner(struct conn *c, const struct model *m, const struct value *row, uid_t *owner, struct err *e)
{
	stmt_auto *stmt = NULL;
	*owner = NO_OWNER;
	int r = m->owned ? conn_statement(c, m, ROW_OWNER, NULL, &stmt, e) : 0;
	if (r || !stmt)
		return r;
	for (size_t i = 0; i < m->nfields; i++)
		bind_value(stmt, (int)i + 1, &row[i]);
	r = stmt_step(c, stmt, e);
	if (r > 0)
		*owner = column_uid(stmt, 1);
	return r < 0 ? r : 0;
}
