/*
 * sqlite_embed.c - reading what a record embeds: as the member of its file, and as rows.
 *
 * One statement a level and relation, which stays on its row while deeper ones run: no model embeds itself, so that
 * none of them is needed twice at once.
 */
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Stands before the first record. */
static int open_embedded(struct conn *c, const struct relation *relation, const struct value *key, sqlite3_stmt **out,
			 struct err *e)
{
	int r = conn_statement(c, relation->child, FIELD_EMBEDDED, relation->by, out, e);
	if (r == 0)
		bind_value(*out, 1, key);
	return r;
}

/* ---- as text ---- */

static int show_relation(struct conn *c, const struct relation *relation, const struct value *key, struct buf *out,
			 int indent, struct err *e);

static int below(int indent)
{
	return indent < 0 ? -1 : indent + 1;
}

static int show_record(struct conn *c, const struct relation *relation, sqlite3_stmt *stmt, struct buf *out, int indent,
		       struct err *e)
{
	const struct model *m = relation->child;
	struct value row[m->nfields];
	stmt_row(stmt, m, row);
	size_t members = record_open(out, m, row, SHOW_FILE, indent, relation->by);
	for (size_t i = 0; i < m->nrelations; i++) {
		if (!relation_embeds(&m->relations[i]))
			continue;
		record_member(out, m->relations[i].child->name, members++, indent);
		int r = show_relation(c, &m->relations[i], &row[m->key->index], out, below(indent), e);
		if (r < 0)
			return r;
	}
	record_close(out, members, indent);
	return 0;
}

static void line(struct buf *out, int indent)
{
	if (indent < 0)
		return;
	buf_char(out, '\n');
	buf_fill(out, ' ', (size_t)indent * 2);
}

static int show_list(struct conn *c, const struct relation *relation, sqlite3_stmt *stmt, struct buf *out, int indent,
		     struct err *e)
{
	int r;
	const char *comma = "";
	buf_char(out, '[');
	while ((r = stmt_step(c, stmt, e)) > 0 && out->len <= 2 * LIMIT_RECORD) {
		buf_str(out, comma);
		line(out, below(indent));
		r = show_record(c, relation, stmt, out, below(indent), e);
		if (r < 0)
			return r;
		comma = ",";
	}
	if (*comma)
		line(out, indent);
	buf_char(out, ']');
	return r < 0 ? r : 0;
}

/* indent: of the member's value. */
static int show_relation(struct conn *c, const struct relation *relation, const struct value *key, struct buf *out,
			 int indent, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = open_embedded(c, relation, key, &stmt, e);
	if (r < 0)
		return r;
	if (relation_many(relation))
		return show_list(c, relation, stmt, out, indent, e);
	r = stmt_step(c, stmt, e);
	if (r > 0)
		return show_record(c, relation, stmt, out, indent, e);
	buf_str(out, "null");
	return r;
}

int embedded_show(struct conn *c, const struct relation *relation, const struct value *key, int indent, struct buf *out,
		  struct err *e)
{
	return show_relation(c, relation, key, out, indent, e);
}

/* ---- as rows ---- */

struct rows {
	struct value *values;
	size_t n, room; /* rows */
};

static int add_row(struct rows *rows, const struct model *m, sqlite3_stmt *stmt, struct arena *a)
{
	if (rows->n == rows->room) {
		size_t room = rows->room ? 2 * rows->room : 16;
		struct value *grown = realloc(rows->values, room * m->nfields * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		rows->values = grown;
		rows->room = room;
	}
	struct value *row = rows->values + rows->n++ * m->nfields;
	for (size_t i = 0; i < m->nfields; i++) {
		struct value v = column_value(stmt, (int)i);
		if (value_copy(a, &v, &row[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

int store_embedded(struct conn *c, const struct relation *relation, const struct value *key, struct arena *a,
		   struct value **rows, size_t *n, struct err *e)
{
	stmt_auto *stmt = NULL;
	struct rows found = {0};
	int r = open_embedded(c, relation, key, &stmt, e);
	while (r == 0 && (r = stmt_step(c, stmt, e)) > 0)
		r = add_row(&found, relation->child, stmt, a) < 0 ? err_nomem(e) : 0;
	size_t size = found.n * relation->child->nfields * sizeof **rows;
	*rows = r == 0 && found.n ? (struct value *)arena_copy(a, found.values, size) : NULL;
	*n = found.n;
	free(found.values);
	return r < 0 ? r : *n && !*rows ? err_nomem(e) : 0;
}
