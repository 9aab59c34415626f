/*
 * sqlite_stage.c - rows over the stored ones: what a transaction that is being prepared would make of the tables.
 *
 * A model that has staged rows gets a table rowfs_staged_TABLE in the connection's own temporary database, which is in
 * memory, and a temporary view of the table's name. SQLite finds temporary names first, so every statement about the
 * model's rows, made anew, reads stored and staged rows as one table. A row that is gone keeps its values there.
 *
 * Since tables come and go there, SQLite prepares statements anew when they are used next, also those that end a
 * savepoint or a snapshot, for which there may be no memory. Then the connection stays as it is, and stage_ready tries
 * again before anybody sees it. A statement without memory may also roll back all since BEGIN; nothing is done outside
 * of a transaction then.
 */
#include "clock.h"
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>

/* Numbers of staged rows that are not stored yet; stored ones count from 1. */
#define FIRST_SERIAL (KEY_MAX / 2)

/* Whether the model has its table and view; STAGED_NEW: they go with what was staged since stage_begin. */
enum { STAGED_NONE, STAGED_KEPT, STAGED_NEW };

static const char *const table = "CREATE TEMP TABLE $Z ($K $d PRIMARY KEY, ";
static const char *const times =
    "rowfs_serial INTEGER, rowfs_mtime INTEGER, rowfs_ctime INTEGER, "
    "rowfs_place INTEGER, rowfs_gone INTEGER);\nCREATE INDEX temp.$z ON $Z (rowfs_serial);\n";
static const char *const stored = "CREATE TEMP VIEW $T AS SELECT $C, $s AS rowfs_serial, ";
static const char *const stamps[] = {"0 AS rowfs_mtime, 0 AS rowfs_ctime",
				     "s.mtime AS rowfs_mtime, s.ctime AS rowfs_ctime"};
static const char *const staged =
    " FROM main.$T AS t $J WHERE NOT EXISTS (SELECT 1 FROM temp.$Z AS x WHERE x.$K = t.$K) "
    "UNION ALL SELECT $c, rowfs_serial, rowfs_mtime, rowfs_ctime FROM temp.$Z WHERE NOT rowfs_gone;\n";

static void write_tables(struct buf *b, const struct store *s, const struct model *m)
{
	sql_text(b, s, m, m->key, table);
	for (size_t i = 0; i < m->nfields; i++)
		if (&m->fields[i] != m->key)
			sql_text(b, s, m, &m->fields[i], "$F $d, ");
	sql_text(b, s, m, NULL, times);
	for (size_t i = 0; i < m->nfields; i++)
		if (&m->fields[i] != m->key && (field_indexed(m, &m->fields[i]) || store_finds_by(s, m, &m->fields[i])))
			sql_text(b, s, m, &m->fields[i], "CREATE INDEX temp.$z ON $Z ($F, rowfs_place);\n");
	sql_text(b, s, m, NULL, stored);
	buf_str(b, stamps[s->tables[m->index].stamped]);
	sql_named(b, s, m, NULL, NAMES_STORED, staged);
}

/* ---- connections ---- */

void stage_hand_out(struct conn *c, uid_t viewer, void (*ended)(void *data), void *data)
{
	store_view_as(c, viewer);
	c->ended = ended;
	c->ended_data = data;
}

int stage_open(struct store *s, struct conn **out, struct err *e)
{
	int flags = s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	struct conn *c = malloc(sizeof(*c));
	if (!c)
		return err_nomem(e);
	int r = s->memory ? err_set(e, EROFS, "a database in memory is read only inside a transaction")
			  : conn_open(c, s, s->schema->database, flags, READER_CACHE_KIB, e);
	if (r == 0) {
		*out = c;
		return 0;
	}
	if (!s->memory)
		conn_close(c);
	free(c);
	return r;
}

void stage_close(struct conn *c)
{
	if (!c)
		return;
	conn_close(c);
	free(c);
}

int stage_hold(struct conn *c, struct err *e)
{
	c->held = true;
	return conn_snapshot(c, e);
}

static bool is_writer(const struct conn *c)
{
	return c == &c->store->writer;
}

static int rolled_back(struct err *e)
{
	return err_set(e, ENOMEM, "the database had no memory and rolled the transaction back");
}

static bool is_staged(const struct conn *c, const struct model *m)
{
	return c->staged && c->staged[m->index];
}

int stage_prepare(struct conn *c, const struct model *m, struct err *e)
{
	buf_auto sql = BUF_INIT;
	if (is_staged(c, m))
		return 0;
	if (!c->staged)
		c->staged = calloc(c->store->schema->nmodels, sizeof(*c->staged));
	write_tables(&sql, c->store, m);
	if (!c->staged || buf_failed(&sql))
		return err_nomem(e);
	if (sqlite3_get_autocommit(c->db))
		return rolled_back(e);
	conn_forget(c, m);
	c->staged[m->index] = STAGED_NEW; /* also where only a part is made, which stage_end takes back */
	return conn_exec(c, buf_text(&sql), e);
}

static int drop(struct conn *c, const struct model *m, struct err *e)
{
	buf_auto sql = BUF_INIT;
	conn_forget(c, m);
	sql_text(&sql, c->store, m, NULL, "DROP VIEW IF EXISTS temp.$T; DROP TABLE IF EXISTS temp.$Z");
	int r = buf_failed(&sql) ? err_nomem(e) : conn_exec(c, buf_text(&sql), e);
	if (r == 0)
		c->staged[m->index] = STAGED_NONE;
	return r;
}

int stage_discard(struct conn *c, struct err *e)
{
	const struct schema *schema = c->store->schema;
	int r = stage_ready(c, e);
	for (size_t i = 0; !r && c->staged && i < schema->nmodels; i++)
		if (c->staged[i] && drop(c, &schema->models[i], e) < 0)
			r = -e->code;
	return r;
}

void stage_undone(struct conn *c)
{
	c->staging = STAGING_NONE;
	for (size_t i = 0; c->staged && i < c->store->schema->nmodels; i++)
		if (c->staged[i]) {
			c->staged[i] = STAGED_NONE;
			conn_forget(c, &c->store->schema->models[i]);
		}
}

/* ---- rows ---- */

int stage_begin(struct conn *c, struct err *e)
{
	c->kept_for = NULL;
	int r = conn_snapshot(c, e);
	if (!r)
		r = conn_prepare_controls(c, CONTROL_STAGE, CONTROL_STAGE_UNDO, e);
	if (!r)
		r = conn_control(c, CONTROL_STAGE, e);
	if (!r)
		c->staging = STAGING_OPEN;
	return r;
}

/* What was made since stage_begin is there no more when it is taken back. */
static void settle_tables(struct conn *c, bool keep)
{
	for (size_t i = 0; c->staged && i < c->store->schema->nmodels; i++) {
		if (c->staged[i] != STAGED_NEW)
			continue;
		c->staged[i] = keep ? STAGED_KEPT : STAGED_NONE;
		if (!keep)
			conn_forget(c, &c->store->schema->models[i]);
	}
}

/* Whether SQLite has rolled back all since BEGIN, which may be more than what is staged now. */
static bool notice_rollback(struct conn *c)
{
	if (!(c->begun || is_writer(c)) || !sqlite3_get_autocommit(c->db))
		return false;
	c->lost |= !is_writer(c) && (c->held || c->keeps);
	c->begun = c->keeps = c->resting = false;
	c->staging = STAGING_NONE;
	settle_tables(c, false);
	return true;
}

static int end_savepoint(struct conn *c, struct err *e)
{
	bool keep = c->staging == STAGING_KEEP;
	int r = keep ? 0 : conn_control(c, CONTROL_STAGE_UNDO, e);
	if (!r)
		r = conn_control(c, CONTROL_STAGE_KEEP, e);
	if (r)
		return r;
	settle_tables(c, keep);
	c->staging = STAGING_NONE;
	return 0;
}

static int end_snapshot(struct conn *c, struct err *e)
{
	int r = conn_control(c, CONTROL_COMMIT, e);
	if (!r)
		c->begun = c->keeps = c->resting = false;
	return r;
}

int stage_end(struct conn *c, bool keep, struct err *e)
{
	err_auto later = ERR_INIT;
	c->staging = keep ? STAGING_KEEP : STAGING_UNDO;
	if (notice_rollback(c) || (end_savepoint(c, &later) < 0 && notice_rollback(c)))
		return keep ? rolled_back(e) : 0;
	c->keeps |= keep;
	return 0;
}

int stage_ready(struct conn *c, struct err *e)
{
	err_auto why = ERR_INIT;
	notice_rollback(c);
	int r = c->staging > STAGING_OPEN ? end_savepoint(c, &why) : 0;
	if (!r && c->resting)
		r = end_snapshot(c, &why);
	if (r && notice_rollback(c))
		r = 0;
	if (is_writer(c) && sqlite3_get_autocommit(c->db))
		return rolled_back(e);
	if (c->lost)
		return err_set(e, ENOMEM, "there was no memory for what the transaction shows; commit it or drop it");
	return r ? err_set(e, why.code, "%s", why.text) : 0;
}

void stage_rest(struct conn *c)
{
	err_auto later = ERR_INIT;
	if (notice_rollback(c) || !c->begun)
		return;
	c->resting = true;
	stage_ready(c, &later);
}

void stage_keep_stamp(struct conn *c, const struct model *m, const struct stamp *stamp)
{
	c->kept_for = m;
	c->kept = *stamp;
}

static struct stamp first_stamp(struct conn *c, const struct model *m)
{
	if (c->kept_for != m)
		return (struct stamp){.serial = FIRST_SERIAL + ++c->staged_serial};
	c->kept_for = NULL;
	return c->kept;
}

/* Of the row that is to be staged: the number it has or gets, and a time later than before. */
static int new_stamp(struct conn *c, const struct model *m, const struct value *key, struct stamp *stamp, struct err *e)
{
	err_auto why = ERR_INIT;
	arena_auto a = ARENA_INIT;
	int64_t now = realtime_ns();
	int r = store_get(c, m, key, &a, NULL, stamp, &why);
	if (r == -ENOENT)
		*stamp = first_stamp(c, m);
	else if (r < 0)
		return err_set(e, why.code, "%s", why.text);
	if (model_integer_key(m) && key->integer >= 0)
		stamp->serial = key->integer;
	stamp->mtime_ns = now > stamp->mtime_ns ? now : stamp->mtime_ns + 1;
	return 0;
}

int stage_put(struct conn *c, const struct model *m, const struct value *row, struct err *e)
{
	stmt_auto *stmt = NULL;
	struct stamp stamp;
	int r = new_stamp(c, m, &row[m->key->index], &stamp, e);
	if (!r)
		r = conn_statement(c, m, STAGED_PUT, NULL, &stmt, e);
	if (r)
		return r;
	for (size_t i = 0; i < m->nfields; i++)
		bind_value(stmt, (int)i + 1, &row[i]);
	sqlite3_bind_int64(stmt, (int)m->nfields + 1, stamp.serial);
	sqlite3_bind_int64(stmt, (int)m->nfields + 2, stamp.mtime_ns);
	return stmt_step(c, stmt, e);
}

int stage_remove(struct conn *c, const struct model *m, const struct value *key, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, m, STAGED_GONE, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	r = stmt_step(c, stmt, e);
	return r || sqlite3_changes(c->db) ? r : err_set(e, ENOENT, "%s has no such record", m->name);
}

int stage_forget(struct conn *c, const struct model *m, const struct value *key, struct err *e)
{
	stmt_auto *stmt = NULL;
	if (!is_staged(c, m))
		return 0;
	int r = conn_statement(c, m, STAGED_FORGET, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	return stmt_step(c, stmt, e);
}

int stage_removed(struct conn *c, const struct model *m, const struct value *key, struct arena *a, struct value *row,
		  struct err *e)
{
	stmt_auto *stmt = NULL;
	if (!is_staged(c, m))
		return 0;
	int r = conn_statement(c, m, STAGED_WAS, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	r = stmt_step(c, stmt, e);
	for (size_t i = 0; r > 0 && i < m->nfields; i++) {
		struct value v = column_value(stmt, (int)i);
		if (value_copy(a, &v, &row[i]) < 0)
			return err_nomem(e);
	}
	return r;
}
