/*
 * sqlite_text.c - the text of every statement about a model's rows.
 *
 * Statements are templates in one table; a $ and a letter stand for what depends on the model. Every identifier is
 * quoted. Alias t is the model's table, s its sidecar rowfs_stat_TABLE, which keeps serial and times beside the rows.
 * Where rows are staged (sqlite_stage.c) t is a view, which has the sidecar's columns too.
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

#define DELETED_COLUMNS "serial, key, uid, time, length(CAST(text AS BLOB))"

#define VERSION_COLUMNS "serial, record, time, verb, uid, gid, pid, comm, owner, length(CAST(text AS BLOB))"
/* Whether a viewer, or with 0 anybody, sees a version of the record. */
#define SEES(viewer)                                                                                                   \
	"(" viewer " = 0 OR EXISTS (SELECT 1 FROM rowfs_history WHERE record = number AND owner = " viewer "))"
/* Not the present version of its record, nor too old. ?1 is the horizon, ?3 as above. */
#define IS_EARLIER                                                                                                     \
	"(?3 = 0 OR owner = ?3) AND model = $D AND text IS NOT NULL AND (ended >= ?1 OR (ended IS NULL AND mtime IS "  \
	"NOT (SELECT mtime FROM $S "                                                                                   \
	"WHERE key = (SELECT key FROM rowfs_history_record WHERE number = record))))"

static const char *const templates[STATEMENTS] = {
    [ROW_GET] = "SELECT $C, $s, $M$W FROM $T AS t $J WHERE t.$K = ?1",
    [ROW_FIELDS] = "SELECT $C FROM $T AS t WHERE t.$K = ?1",
    [ROW_KEY_OF] = "SELECT t.$K FROM $R WHERE $s = ?1",
    [ROW_CURSOR] = "SELECT t.$K, $s FROM $R WHERE $s > ?1 AND $s <= $L$Y ORDER BY $s",
    [ROW_COUNT] = "SELECT count(*) FROM $T AS t$y",
    [ROW_EXISTS] = "SELECT 1 FROM $T AS t WHERE t.$K = ?1$Y",
    [ROW_CHECK] = "SELECT $X FROM (SELECT $V)",
    [ROW_OWNER] = "SELECT 0$W FROM (SELECT $V) AS t",
    [ROW_INSERT] = "INSERT INTO $T ($c) VALUES ($P)",
    [ROW_INDEXED] = "SELECT 1 FROM $T WHERE $K = $k$I",
    [ROW_UPDATE] = "UPDATE $T SET $U WHERE $K = $k",
    [ROW_UPDATE_PLAIN] = "UPDATE $T SET $u WHERE $K = $k",
    [ROW_UPDATE_KEY] = "UPDATE $T SET $A WHERE $K = $o",
    [ROW_DELETE] = "DELETE FROM $T WHERE $K = ?1",
    [STAMP_KEEP] = "INSERT OR REPLACE INTO $S (key, mtime, ctime) VALUES (?1, ?2, ?3)",
    [STAMP_KEEP_SERIAL] = "INSERT OR REPLACE INTO $S (key, mtime, ctime, serial) VALUES (?1, ?2, ?3, ?4)",
    [KEY_NEXT] = "SELECT max(COALESCE((SELECT max($K) FROM main.$T), 0), "
		 "COALESCE((SELECT max(seq) FROM $N WHERE name = $t COLLATE NOCASE), 0)) + 1",
    [KEY_RAISE] = "UPDATE $N SET seq = max(seq, ?1) WHERE name = $t COLLATE NOCASE",
    [KEY_LOWER] = "UPDATE $N SET seq = ?1 WHERE name = $t COLLATE NOCASE AND seq = ?2",
    [KEY_BELOW] = "SELECT COALESCE((SELECT max($K) FROM main.$T WHERE $K < ?1), 0)",
    [KEY_ADD] = "INSERT INTO $N (name, seq) SELECT name, ?1 FROM sqlite_schema "
		"WHERE type = 'table' AND name = $t COLLATE NOCASE",
    [DELETED_KEEP] = "INSERT OR REPLACE INTO rowfs_deleted (model, key, uid, time, text, secrets) "
		     "VALUES ($D, ?1, ?2, ?3, ?4, ?5)",
    /* The oldest have the lowest serials; a delete adds one and looks at several, so that none piles up. */
    [DELETED_PRUNE] = "DELETE FROM rowfs_deleted WHERE serial IN (SELECT serial FROM "
		      "(SELECT serial, time FROM rowfs_deleted ORDER BY serial LIMIT 8) WHERE time < ?1)",
    [DELETED_FORGET] = "DELETE FROM rowfs_deleted WHERE model = $D AND serial = ?1",
    [DELETED_BY_KEY] = "SELECT " DELETED_COLUMNS ", text, secrets FROM rowfs_deleted "
		       "WHERE time >= ?1 AND model = $D AND key = ?2",
    [DELETED_BY_SERIAL] = "SELECT " DELETED_COLUMNS ", text, secrets FROM rowfs_deleted "
			  "WHERE time >= ?1 AND model = $D AND serial = ?2",
    [DELETED_LIST] = "SELECT " DELETED_COLUMNS " FROM rowfs_deleted WHERE time >= ?1 AND model = $D "
		     "AND serial > ?2 AND (?3 = 0 OR uid = ?3) ORDER BY serial LIMIT ?4",
    [HISTORY_RECORD] = "SELECT number FROM rowfs_history_record WHERE model = $D AND key = ?1 AND " SEES("?2"),
    [HISTORY_ADD_RECORD] = "INSERT INTO rowfs_history_record (model, key) VALUES ($D, ?1)",
    [HISTORY_LAST] = "SELECT serial, mtime, time, text FROM rowfs_history WHERE record = ?1 AND serial < ?2 "
		     "ORDER BY serial DESC LIMIT 1",
    [HISTORY_ADD] = "INSERT INTO rowfs_history (model, record, time, mtime, verb, uid, gid, pid, comm, text, owner) "
		    "VALUES ($D, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [HISTORY_AGAIN] = "UPDATE rowfs_history SET verb = 'replace' WHERE serial = ?1 AND verb = 'delete'",
    [HISTORY_BEGUN] = "SELECT serial, record, (SELECT key FROM rowfs_history_record WHERE number = record) "
		      "FROM rowfs_history WHERE model = $D AND text IS NULL LIMIT 1",
    [HISTORY_FILL] = "UPDATE rowfs_history SET time = ?2, mtime = ?3, text = ?4, owner = ?5 WHERE serial = ?1",
    [HISTORY_DROP] = "DELETE FROM rowfs_history WHERE serial = ?1",
    [HISTORY_TOUCH] = "UPDATE rowfs_history SET mtime = ?2 WHERE serial = ?1",
    [HISTORY_END] = "UPDATE rowfs_history SET ended = ?2 WHERE serial = ?1 AND ended IS NULL",
    [HISTORY_PRUNE_COUNT] =
	"DELETE FROM rowfs_history WHERE record = ?1 AND serial <= (SELECT serial FROM rowfs_history "
	"WHERE record = ?1 AND ended IS NOT NULL ORDER BY serial DESC LIMIT 1 OFFSET ?2)",
    /* A save adds one and looks at several, so that none piles up. */
    [HISTORY_PRUNE_AGE] = "DELETE FROM rowfs_history WHERE serial IN (SELECT serial FROM rowfs_history "
			  "WHERE model = $D AND ended < ?1 ORDER BY ended LIMIT 8)",
    [HISTORY_FORGET] = "DELETE FROM rowfs_history_record WHERE number = ?1 AND NOT EXISTS "
		       "(SELECT 1 FROM rowfs_history WHERE record = ?1)",
    [HISTORY_FORGET_ALL] = "DELETE FROM rowfs_history_record WHERE model = $D AND NOT EXISTS "
			   "(SELECT 1 FROM rowfs_history WHERE record = number)",
    [HISTORY_BY_SERIAL] = "SELECT " VERSION_COLUMNS ", text FROM rowfs_history WHERE serial = ?2 AND " IS_EARLIER,
    [HISTORY_BY_TIME] =
	"SELECT " VERSION_COLUMNS ", text FROM rowfs_history WHERE record = ?4 AND time = ?2 AND " IS_EARLIER,
    [HISTORY_LIST] =
	"SELECT " VERSION_COLUMNS ", NULL FROM rowfs_history WHERE record = ?4 AND serial > ?2 AND " IS_EARLIER
	" ORDER BY serial LIMIT ?5",
    [HISTORY_NEXT_RECORD] = "SELECT number, key FROM rowfs_history_record WHERE model = $D AND number > ?1 AND " SEES(
	"?2") " ORDER BY number LIMIT 1",
    [HISTORY_HAS] = "SELECT 1 FROM rowfs_history WHERE record = ?2 AND text = ?4 AND " IS_EARLIER,
    [FIELD_TAKEN] = "SELECT $K FROM $T WHERE $F = ?1 AND $K IS NOT ?2 LIMIT 1",
    [FIELD_KEYS] = "SELECT t.$K FROM $T AS t WHERE t.$F = ?1$Y ORDER BY t.$K",
    [FIELD_COUNT] = "SELECT count(*) FROM $T AS t WHERE t.$F = ?1$Y",
    [FIELD_SHOWN] = "SELECT * FROM (SELECT $C, $O AS rowfs_order FROM $T AS t WHERE t.$F = ?1$Y "
		    "ORDER BY $O DESC LIMIT ?2) ORDER BY rowfs_order",
    [FIELD_EMBEDDED] = "SELECT $C FROM $T AS t WHERE t.$F = ?1 ORDER BY $O",
    [FIELD_RECORDS] = "SELECT t.$K, $j, t.$F FROM $B WHERE t.$F IS ?1 AND $j > ?2 AND $j <= $L$Y ORDER BY $j",
    [FIELD_FIRST] = "SELECT t.$F FROM $T AS t WHERE t.$F IS NOT NULL$Y ORDER BY t.$F LIMIT 1",
    [FIELD_NEXT] = "SELECT t.$F FROM $T AS t WHERE t.$F > ?1$Y ORDER BY t.$F LIMIT 1",
    [FIELD_HAS_NULL] = "SELECT 1 FROM $T AS t WHERE t.$F IS NULL$Y LIMIT 1",
    [STAGED_PUT] = "INSERT OR REPLACE INTO $Z ($c, rowfs_serial, rowfs_mtime, rowfs_ctime, rowfs_place, rowfs_gone) "
		   "VALUES ($P, ?$1, ?$2, ?$2, $G, 0)",
    [STAGED_GONE] = "INSERT OR REPLACE INTO $Z ($c, rowfs_serial, rowfs_mtime, rowfs_ctime, rowfs_gone) "
		    "SELECT $C, t.rowfs_serial, t.rowfs_mtime, t.rowfs_ctime, 1 FROM $T AS t WHERE t.$K = ?1",
    [DELETED_STAGE] =
	"INSERT OR REPLACE INTO rowfs_staged_deleted (model, key, uid, time, text, secrets, serial, gone) "
	"VALUES ($D, ?1, ?2, ?3, ?4, ?5, ?6, 0)",
    [DELETED_STAGE_GONE] = "INSERT OR REPLACE INTO rowfs_staged_deleted (model, key, gone) VALUES ($D, ?1, 1)",
    [DELETED_UNSTAGE] = "DELETE FROM rowfs_staged_deleted WHERE model = $D AND key = ?1",
    [STAGED_FORGET] = "DELETE FROM $Z WHERE $K = ?1",
    [STAGED_WAS] = "SELECT $C FROM $Z AS t WHERE t.$K = ?1 AND t.rowfs_gone",
};

#define NOT_STAGED "NOT EXISTS (SELECT 1 FROM $Z AS x WHERE x.$K = t.$K)"
/* Of a field's values, both in the order of an index. */
#define STAGED_VALUE(condition)                                                                                        \
	"SELECT t.$F AS value FROM main.$T AS t WHERE " condition " AND " NOT_STAGED "$Y "                             \
	"UNION ALL SELECT t.$F FROM $Z AS t WHERE " condition " AND NOT t.rowfs_gone$Y ORDER BY value LIMIT 1"

/*
 * Of staged models these do without the view, which SQLite reads whole and sorts where a column of the user's table has
 * another type than rowfs gives it: two arms that are merged as they are.
 */
static const char *const staged_templates[STATEMENTS] = {
    [ROW_CURSOR] =
	"SELECT t.$K, $s AS rowfs_serial FROM $R WHERE $s > ?1 AND $s <= $L AND " NOT_STAGED
	"$Y UNION ALL SELECT t.$K, t.rowfs_serial FROM $Z AS t WHERE t.rowfs_serial > ?1 AND t.rowfs_serial <= $L "
	"AND NOT t.rowfs_gone$Y ORDER BY rowfs_serial",
    [FIELD_RECORDS] =
	"SELECT t.$K, $j AS rowfs_place, t.$F FROM $B WHERE t.$F IS ?1 AND $j > ?2 AND $j <= $L AND " NOT_STAGED
	"$Y UNION ALL SELECT t.$K, t.rowfs_place, t.$F FROM $Z AS t WHERE t.$F IS ?1 AND t.rowfs_place > ?2 "
	"AND t.rowfs_place <= $L AND NOT t.rowfs_gone$Y ORDER BY rowfs_place",
    [FIELD_FIRST] = STAGED_VALUE("t.$F IS NOT NULL"),
    [FIELD_NEXT] = STAGED_VALUE("t.$F > ?1"),
    [FIELD_HAS_NULL] = STAGED_VALUE("t.$F IS NULL"),
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
	const struct context c = {b, s, m, f, naming, false};
	write_template(&c, template);
}

static const char *template_of(enum statement statement)
{
	bool job = statement >= JOB_STATEMENTS && statement < JOB_STATEMENTS_END;
	return job ? job_templates[statement - JOB_STATEMENTS] : templates[statement];
}

bool statement_filters(enum statement statement)
{
	const char *template = template_of(statement);
	return strstr(template, "$Y") || strstr(template, "$y");
}

void sql_statement(struct buf *b, const struct conn *c, const struct model *m, enum statement statement,
		   const struct field *f, bool filter)
{
	struct context x = {b, c->store, m, f, NAMES_PLAIN, filter};
	const char *template = template_of(statement);
	if (c->staged && c->staged[m->index])
		x.naming = NAMES_STAGED;
	if (x.naming == NAMES_STAGED && staged_templates[statement]) {
		x.naming = NAMES_STORED;
		template = staged_templates[statement];
	}
	write_template(&x, template);
}
