/*
 * sqlite_show.c - records as text: what their files show, and what their checksums are made of.
 *
 * Records are printed straight from the columns of the statements. indent is the depth of what is printed, or -1 for
 * one line without blanks, of which the checksum is made. What a record embeds is sqlite_embed.c's.
 */
#include "sqlite.h"

#include <errno.h>

#include "sha256.h"

/* ---- children ---- */

static int count_children(struct conn *c, const struct relation *relation, const struct value *key, int64_t *out,
			  struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, relation->child, FIELD_COUNT, relation->by, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	r = stmt_step(c, stmt, e);
	*out = r > 0 ? sqlite3_column_int64(stmt, 0) : 0;
	return r < 0 ? r : 0;
}

static void line(struct buf *out, int depth)
{
	buf_char(out, '\n');
	buf_fill(out, ' ', (size_t)depth * 2);
}

static void show_child(struct buf *out, const struct relation *relation, sqlite3_stmt *stmt, int indent)
{
	struct value row[relation->child->nfields];
	stmt_row(stmt, relation->child, row);
	size_t members = record_open(out, relation->child, row, SHOW_FILE, indent, relation->by);
	record_close(out, members, indent);
}

static int show_one(struct conn *c, const struct relation *relation, const struct value *key, int indent,
		    struct buf *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, relation->child, FIELD_SHOWN, relation->by, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	sqlite3_bind_int(stmt, 2, 1);
	r = stmt_step(c, stmt, e);
	if (r > 0)
		show_child(out, relation, stmt, indent);
	if (r == 0)
		buf_str(out, "null");
	return r < 0 ? r : 0;
}

static int show_list(struct conn *c, const struct relation *relation, const struct value *key, long limit,
		     struct buf *out, long *shown, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, relation->child, FIELD_SHOWN, relation->by, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	sqlite3_bind_int64(stmt, 2, limit);
	buf_char(out, '[');
	*shown = 0;
	while ((r = stmt_step(c, stmt, e)) > 0) {
		buf_str(out, (*shown)++ ? "," : "");
		line(out, 2);
		show_child(out, relation, stmt, 2);
	}
	if (*shown)
		line(out, 1);
	buf_char(out, ']');
	return r;
}

/* limit: of the relation, or less where the text would become too long. Returns the number of members written. */
static int show_many(struct conn *c, const struct relation *relation, const struct value *key, long limit,
		     size_t before, struct buf *out, struct err *e)
{
	long shown;
	int64_t total = 0;
	int r = show_list(c, relation, key, limit, out, &shown, e);
	if (!r && shown == limit)
		r = count_children(c, relation, key, &total, e);
	if (r)
		return r;
	if (total <= shown)
		return 1;
	buf_auto name = BUF_INIT;
	buf_printf(&name, "%s_total", relation->child->name);
	record_member(out, buf_text(&name), before + 1, 0);
	buf_printf(out, "%lld", (long long)total);
	return 2;
}

/* A relation of which there is no more than what is shown. */
static int show_whole(struct conn *c, const struct relation *relation, const struct value *key, int indent,
		      struct buf *out, struct err *e)
{
	return relation_embeds(relation) ? embedded_show(c, relation, key, indent, out, e)
					 : show_one(c, relation, key, indent, out, e);
}

/* All that is embedded is shown, has-many as far as the limit allows. Returns the number of members written. */
static int show_relation(struct conn *c, const struct relation *relation, const struct value *key, unsigned shorter,
			 size_t members, struct buf *out, struct err *e)
{
	record_member(out, relation->child->name, members, 0);
	if (relation->kind == HAS_MANY)
		return show_many(c, relation, key, relation->limit >> shorter, members, out, e);
	int r = show_whole(c, relation, key, 1, out, e);
	return r < 0 ? r : 1;
}

/* ---- lines ---- */

/* With those relations that are wanted, of which there is no more than what is shown. */
static int show_line(struct conn *c, const struct model *m, const struct value *row, const struct value *key,
		     bool (*wanted)(const struct relation *relation), struct buf *out, struct err *e)
{
	size_t members = record_open(out, m, row, SHOW_FILE, -1, NULL);
	for (size_t i = 0; i < m->nrelations; i++) {
		const struct relation *relation = &m->relations[i];
		if (!wanted(relation))
			continue;
		record_member(out, relation->child->name, members++, -1);
		int r = show_whole(c, relation, key, -1, out, e);
		if (r < 0)
			return r;
	}
	record_close(out, members, -1);
	buf_char(out, '\n');
	return buf_failed(out) ? err_nomem(e) : 0;
}

int store_line(struct conn *c, const struct model *m, const struct value *key, struct buf *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	struct value row[m->nfields];
	int r = row_find(c, m, ROW_FIELDS, key, &stmt, e);
	if (r)
		return r;
	stmt_row(stmt, m, row);
	return show_line(c, m, row, key, relation_embeds, out, e);
}

/* ---- checksums ---- */

static bool is_in_checksum(const struct relation *relation)
{
	return relation->in_checksum;
}

/* Of what the file shows to the viewer: a child that he does not see counts for nothing. */
static int row_checksum(struct conn *c, const struct model *m, const struct value *row, const struct value *key,
			char *out, struct err *e)
{
	buf_auto text = BUF_INIT;
	int r = show_line(c, m, row, key, is_in_checksum, &text, e);
	if (r == 0)
		sha256_hex(text.data, text.len, out);
	return r;
}

int store_checksum(struct conn *c, const struct model *m, const struct value *key, char out[CHECKSUM_SIZE],
		   struct err *e)
{
	stmt_auto *stmt = NULL;
	struct value row[m->nfields];
	int r = row_find(c, m, ROW_FIELDS, key, &stmt, e);
	if (r)
		return r;
	stmt_row(stmt, m, row);
	return row_checksum(c, m, row, key, out, e);
}

/* ---- files ---- */

/* *longest tells the most children of a list that were allowed; 0: there was nothing to shorten. */
static int show_relations(struct conn *c, const struct model *m, const struct value *key, unsigned shorter,
			  size_t *members, struct buf *out, long *longest, struct err *e)
{
	*longest = 0;
	for (size_t i = 0; i < m->nrelations; i++) {
		const struct relation *relation = &m->relations[i];
		long limit = relation->kind == HAS_MANY ? relation->limit >> shorter : 0;
		int r = show_relation(c, relation, key, shorter, *members, out, e);
		if (r < 0)
			return r;
		*members += (size_t)r;
		*longest = limit > *longest ? limit : *longest;
	}
	return 0;
}

static int too_long(const struct model *m, const struct value *key, struct err *e)
{
	buf_auto name = BUF_INIT;
	value_plain(&name, m->key->type, key);
	return err_set(e, EFBIG, "%s %.100s and what it embeds have a text of more than %d bytes", m->name,
		       buf_text(&name), LIMIT_RECORD);
}

static void show_end(struct buf *out, size_t members, const char *checksum)
{
	if (*checksum)
		record_checksum(out, checksum, members++);
	record_close(out, members, 0);
	buf_char(out, '\n');
}

static int show_row(struct conn *c, const struct model *m, sqlite3_stmt *stmt, const struct value *key, struct buf *out,
		    struct err *e)
{
	struct value row[m->nfields];
	char checksum[CHECKSUM_SIZE] = "";
	size_t start = out->len, members, fields;
	long longest;
	stmt_row(stmt, m, row);
	int r = m->checksum_in_file ? row_checksum(c, m, row, key, checksum, e) : 0;
	fields = record_open(out, m, row, SHOW_FILE, 0, NULL);
	size_t fields_end = out->len;
	for (unsigned shorter = 0; r == 0; shorter++) {
		members = fields;
		r = show_relations(c, m, key, shorter, &members, out, &longest, e);
		show_end(out, members, checksum);
		if (r || buf_failed(out) || longest == 0 || out->len - start <= LIMIT_RECORD)
			break;
		buf_resize(out, fields_end);
	}
	if (r)
		return r;
	if (m->embeds && out->len - start > LIMIT_RECORD)
		return too_long(m, key, e);
	return buf_failed(out) ? err_nomem(e) : 0;
}

static int version_members(struct conn *c, const struct model *m, const struct value *key, size_t members,
			   struct buf *out, struct err *e)
{
	for (size_t i = 0; i < m->nrelations; i++) {
		const struct relation *relation = &m->relations[i];
		if (!relation_embeds(relation))
			continue;
		record_member(out, relation->child->name, members++, 0);
		int r = embedded_show(c, relation, key, 1, out, e);
		if (r < 0)
			return r;
	}
	show_end(out, members, "");
	return 0;
}

/* Of a record that SQL has made too long for a file, its own fields. */
int store_version(struct conn *c, const struct model *m, const struct value *key, struct buf *out, struct stamp *stamp,
		  struct err *e)
{
	stmt_auto *stmt = NULL;
	struct value row[m->nfields];
	int r = row_find(c, m, ROW_GET, key, &stmt, e);
	if (r)
		return r;
	stmt_stamp(c, stmt, m, stamp);
	stmt_row(stmt, m, row);
	size_t members = record_open(out, m, row, SHOW_FILE, 0, NULL), fields_end = out->len;
	r = version_members(c, m, key, members, out, e);
	if (r == 0 && out->len > LIMIT_RECORD) {
		buf_resize(out, fields_end);
		show_end(out, members, "");
	}
	return r == 0 && buf_failed(out) ? err_nomem(e) : r;
}

int store_show(struct conn *c, const struct model *m, const struct value *key, struct buf *out, struct stamp *stamp,
	       struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = row_find(c, m, stamp ? ROW_GET : ROW_FIELDS, key, &stmt, e);
	if (r)
		return r;
	stmt_stamp(c, stmt, m, stamp);
	return show_row(c, m, stmt, key, out, e);
}
