/*
 * sqlite_text.c - what a $ and a letter stand for in templates of SQL: that which depends on the model.
 *
 * Every identifier is quoted. Alias t is the model's table, s its sidecar rowfs_stat_TABLE, which keeps serial and
 * times beside the rows. Where rows are staged (sqlite_stage.c) t is a view, which has the sidecar's columns too.
 */
#include "sqlite.h"

#include <string.h>

struct context {
	struct buf *b;
	const struct store *s;
	const struct model *m;
	const struct field *f;
	enum naming naming;
	bool filter; /* for a viewer who sees only what is his */
};

static void quoted(struct buf *b, const char *text, char quote)
{
	buf_char(b, quote);
	for (; *text; text++) {
		if (*text == quote)
			buf_char(b, quote);
		buf_char(b, *text);
	}
	buf_char(b, quote);
}

void sql_name(struct buf *b, const char *name)
{
	quoted(b, name, '"');
}

void sql_literal(struct buf *b, const char *text)
{
	quoted(b, text, '\'');
}

static void write_table(const struct context *c)
{
	sql_name(c->b, c->m->table);
}

/* The table of staged rows; the name of its index over a field, or over the serials. */
static void write_staged(const struct context *c)
{
	buf_auto name = BUF_INIT;
	buf_printf(&name, "rowfs_staged_%s", c->m->table);
	sql_name(c->b, buf_text(&name));
	c->b->failed |= buf_failed(&name);
}

static void write_staged_index(const struct context *c)
{
	buf_auto name = BUF_INIT;
	buf_printf(&name, "rowfs_staged_%s_%zu", c->m->table, c->f ? c->f->index : c->m->nfields);
	sql_name(c->b, buf_text(&name));
	c->b->failed |= buf_failed(&name);
}

static void write_table_literal(const struct context *c)
{
	sql_literal(c->b, c->m->table);
}

static void write_sidecar(const struct context *c)
{
	buf_auto name = BUF_INIT;
	buf_printf(&name, "rowfs_stat_%s", c->m->table);
	sql_name(c->b, buf_text(&name));
	c->b->failed |= buf_failed(&name);
}

static void write_key(const struct context *c)
{
	sql_name(c->b, c->m->key->name);
}

static void write_field(const struct context *c)
{
	sql_name(c->b, c->f->name);
}

static void write_queue_field(const struct context *c, enum queue_field field)
{
	sql_name(c->b, c->m->queue->fields[field]->name);
}

static const struct {
	char letter;
	enum queue_field field;
} queue_letters[] = {
    {'a', QUEUE_STATUS}, {'w', QUEUE_RUN_AT},      {'p', QUEUE_PRIORITY},   {'l', QUEUE_LEASE_UNTIL},
    {'b', QUEUE_WORKER}, {'f', QUEUE_FINISHED_AT}, {'g', QUEUE_CREATED_AT}, {'q', QUEUE_STARTED_AT},
};

static void write_log_table(const struct context *c)
{
	buf_auto name = BUF_INIT;
	buf_printf(&name, "rowfs_log_%s", c->m->table);
	sql_name(c->b, buf_text(&name));
	c->b->failed |= buf_failed(&name);
}

static void write_unique_equal(const struct context *c)
{
	for (size_t i = 0; i < c->m->queue->nunique; i++) {
		const struct field *f = c->m->queue->unique[i];
		buf_str(c->b, i ? " AND " : "");
		sql_name(c->b, f->name);
		buf_printf(c->b, " IS ?%zu", f->index + 1);
	}
}

static void write_unique(const struct context *c)
{
	for (size_t i = 0; i < c->m->queue->nunique; i++) {
		buf_str(c->b, i ? ", " : "");
		sql_name(c->b, c->m->queue->unique[i]->name);
	}
}

static bool stamped(const struct context *c)
{
	return c->s->tables[c->m->index].stamped;
}

/* What numbers a record: its key, the sidecar's serial, or the rowid in a database that has no sidecar yet. */
static void write_serial(const struct context *c)
{
	if (c->naming == NAMES_STAGED) {
		buf_str(c->b, "t.rowfs_serial");
		return;
	}
	if (!model_integer_key(c->m)) {
		buf_str(c->b, stamped(c) ? "s.serial" : "t.rowid");
		return;
	}
	buf_str(c->b, "t.");
	write_key(c);
}

static void write_times(const struct context *c)
{
	if (c->naming == NAMES_STAGED)
		buf_str(c->b, "t.rowfs_mtime, t.rowfs_ctime");
	else
		buf_str(c->b, stamped(c) ? "s.mtime, s.ctime" : "0, 0");
}

/* In a statement that uses both names the view's would be found first. */
static const char *schema_of(const struct context *c)
{
	return c->naming == NAMES_STORED ? "main." : "";
}

/* A row without its sidecar's is still a record. */
static void write_join(const struct context *c)
{
	if (c->naming != NAMES_STAGED && stamped(c))
		sql_text(c->b, c->s, c->m, c->f, "LEFT JOIN $S AS s ON s.key = t.$K");
}

/* Rows in order of serial. CROSS JOIN makes SQLite walk the sidecar and look rows up, never sort. */
static void write_ordered_rows(const struct context *c)
{
	if (c->naming != NAMES_STAGED && stamped(c) && !model_integer_key(c->m))
		sql_text(c->b, c->s, c->m, c->f, "$S AS s CROSS JOIN ");
	buf_str(c->b, schema_of(c));
	sql_text(c->b, c->s, c->m, c->f, "$T AS t");
	if (c->naming != NAMES_STAGED && stamped(c) && !model_integer_key(c->m))
		sql_text(c->b, c->s, c->m, c->f, " ON t.$K = s.key");
}

/* The newest children have the highest key; of text keys the row number tells. */
static void write_order(const struct context *c)
{
	if (c->naming == NAMES_STAGED)
		buf_str(c->b, "t.rowfs_serial");
	else if (model_integer_key(c->m) || !c->s->tables[c->m->index].rowid)
		sql_text(c->b, c->s, c->m, c->f, "t.$K");
	else
		buf_str(c->b, "t.rowid");
}

static void write_owner(const struct context *c)
{
	if (!c->m->owned)
		return;
	buf_str(c->b, ", ");
	sql_owner(c->b, c->s, c->m);
}

static void write_visible(const struct context *c)
{
	if (!c->filter)
		return;
	buf_str(c->b, " AND ");
	sql_visible(c->b, c->s, c->m);
}

/*
 * What numbers the rows that an index over a field finds, in the order in which it has them: the row number, which the
 * key is if it is an integer. A table without row numbers has them sorted by the sidecar's.
 */
static void write_place(const struct context *c)
{
	if (!model_integer_key(c->m) && c->s->tables[c->m->index].rowid)
		buf_str(c->b, "t.rowid");
	else
		write_serial(c);
}

static void write_placed_rows(const struct context *c)
{
	bool joined = stamped(c) && !model_integer_key(c->m) && !c->s->tables[c->m->index].rowid;
	buf_str(c->b, schema_of(c));
	sql_text(c->b, c->s, c->m, c->f, joined ? "$T AS t JOIN $S AS s ON s.key = t.$K" : "$T AS t");
}

/* Of a staged row: that of the stored one, if there is one. */
static void write_staged_place(const struct context *c)
{
	bool by_row = !model_integer_key(c->m) && c->s->tables[c->m->index].rowid;
	sql_text(c->b, c->s, c->m, c->f, by_row ? "COALESCE((SELECT rowid FROM main.$T WHERE $K = $k), ?$1)" : "?$1");
}

/* The same where there is no other condition: SQLite counts without one without looking at rows. */
static void write_only_visible(const struct context *c)
{
	if (!c->filter)
		return;
	buf_str(c->b, " WHERE ");
	sql_visible(c->b, c->s, c->m);
}

static void write_sequence(const struct context *c)
{
	buf_str(c->b, c->s->tables[c->m->index].autoincrement ? "sqlite_sequence" : "rowfs_sequence");
}

static void write_number(const struct context *c)
{
	buf_printf(c->b, "%u", c->s->tables[c->m->index].number);
}

static void write_key_max(const struct context *c)
{
	buf_printf(c->b, "%lld", (long long)KEY_MAX);
}

/* For each field that `wanted` takes: prefix, quoted name, and with numbered " OPERATOR ?N". */
static size_t write_fields(const struct context *c, bool (*wanted)(const struct model *, const struct field *),
			   const char *separator, const char *prefix, const char *operator)
{
	size_t n = 0;
	for (size_t i = 0; i < c->m->nfields; i++) {
		const struct field *f = &c->m->fields[i];
		if (wanted && !wanted(c->m, f))
			continue;
		buf_str(c->b, n++ ? separator : "");
		buf_str(c->b, prefix);
		sql_name(c->b, f->name);
		if (operator)
			buf_printf(c->b, "%s?%zu", operator, i + 1);
	}
	return n;
}

static bool is_not_key(const struct model *m, const struct field *f)
{
	return f != m->key;
}

static bool is_plain(const struct model *m, const struct field *f)
{
	return f != m->key && !field_indexed(m, f);
}

static void write_columns(const struct context *c)
{
	write_fields(c, NULL, ", ", "t.", NULL);
}

static void write_names(const struct context *c)
{
	write_fields(c, NULL, ", ", "", NULL);
}

static void write_indexed_equal(const struct context *c)
{
	for (size_t i = 0; i < c->m->nfields; i++) {
		if (!field_indexed(c->m, &c->m->fields[i]))
			continue;
		buf_str(c->b, " AND ");
		sql_name(c->b, c->m->fields[i].name);
		buf_printf(c->b, " IS ?%zu", i + 1);
	}
}

static void write_assignments(const struct context *c)
{
	if (!write_fields(c, is_not_key, ", ", "", " = "))
		sql_text(c->b, c->s, c->m, c->f, "$K = $k");
}

/* A statement that does not name an indexed column leaves its index alone: a page less to write. */
static void write_plain_assignments(const struct context *c)
{
	if (!write_fields(c, is_plain, ", ", "", " = "))
		write_assignments(c);
}

static void write_all_assignments(const struct context *c)
{
	write_fields(c, NULL, ", ", "", " = ");
}

static void write_parameters(const struct context *c)
{
	for (size_t i = 0; i < c->m->nfields; i++)
		buf_printf(c->b, "%s?%zu", i ? ", " : "", i + 1);
}

static void write_named_parameters(const struct context *c)
{
	for (size_t i = 0; i < c->m->nfields; i++) {
		buf_printf(c->b, "%s?%zu AS ", i ? ", " : "", i + 1);
		sql_name(c->b, c->m->fields[i].name);
	}
}

static void write_key_parameter(const struct context *c)
{
	buf_printf(c->b, "?%zu", c->m->key->index + 1);
}

static void write_old_key_parameter(const struct context *c)
{
	buf_printf(c->b, "?%zu", c->m->nfields + 1);
}

static void write_type(const struct context *c)
{
	buf_str(c->b, sql_type(c->f->type));
}

static void write_serial_parameter(const struct context *c)
{
	buf_printf(c->b, "%zu", c->m->nfields + 1);
}

static void write_time_parameter(const struct context *c)
{
	buf_printf(c->b, "%zu", c->m->nfields + 2);
}

/* One column a field, so that column and field have the same number. */
static void write_checks(const struct context *c)
{
	for (size_t i = 0; i < c->m->nfields; i++) {
		const char *check = c->m->fields[i].check;
		buf_printf(c->b, check ? "%s(%s\n)" : "%s1", i ? ", " : "", check ? check : "");
	}
}

static const struct {
	char letter;
	void (*write)(const struct context *c);
} letters[] = {
    {'T', write_table},
    {'t', write_table_literal},
    {'S', write_sidecar},
    {'Z', write_staged},
    {'z', write_staged_index},
    {'d', write_type},
    {'1', write_serial_parameter},
    {'2', write_time_parameter},
    {'K', write_key},
    {'F', write_field},
    {'Q', write_log_table},
    {'E', write_unique_equal},
    {'e', write_unique},
    {'s', write_serial},
    {'M', write_times},
    {'J', write_join},
    {'R', write_ordered_rows},
    {'j', write_place},
    {'B', write_placed_rows},
    {'G', write_staged_place},
    {'O', write_order},
    {'N', write_sequence},
    {'L', write_key_max},
    {'D', write_number},
    {'C', write_columns},
    {'c', write_names},
    {'I', write_indexed_equal},
    {'U', write_assignments},
    {'u', write_plain_assignments},
    {'A', write_all_assignments},
    {'P', write_parameters},
    {'V', write_named_parameters},
    {'k', write_key_parameter},
    {'o', write_old_key_parameter},
    {'X', write_checks},
    {'W', write_owner},
    {'Y', write_visible},
    {'y', write_only_visible},
};

static void write_template(const struct context *c, const char *template)
{
	for (; *template; template ++) {
		if (*template != '$') {
			buf_char(c->b, *template);
			continue;
		}
		template ++;
		for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
			if (letters[i].letter == *template)
				letters[i].write(c);
		for (size_t i = 0; i < sizeof(queue_letters) / sizeof(queue_letters[0]); i++)
			if (queue_letters[i].letter == *template)
				write_queue_field(c, queue_letters[i].field);
	}
}

void sql_text(struct buf *b, const struct store *s, const struct model *m, const struct field *f, const char *template)
{
	sql_named(b, s, m, f, NAMES_PLAIN, template);
}

void sql_named(struct buf *b, const struct store *s, const struct model *m, const struct field *f, enum naming naming,
	       const char *template)
{
	sql_filtered(b, s, m, f, naming, false, template);
}

void sql_filtered(struct buf *b, const struct store *s, const struct model *m, const struct field *f,
		  enum naming naming, bool filter, const char *template)
{
	const struct context c = {b, s, m, f, naming, filter};
	write_template(&c, template);
}
