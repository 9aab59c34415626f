/*
 * sqlite_deleted.c - rowfs_deleted: the last version of each record that was deleted within a day, one a model and key.
 *
 * What the file showed and what it can't show stand in two columns, so that whoever reads the one never has the other.
 * Serials rise with time. What is too old is never found, and goes by and by: some of it with every further delete, all
 * of it when the store is opened. When the last one was deleted is in memory, too: most creates need not look.
 */
#include "clock.h"
#include "sqlite.h"

#include <errno.h>
#include <time.h>

enum { LIST_AT_ONCE = 100 };

/* Serials of what is kept in a transaction that is prepared. */
#define FIRST_STAGED (KEY_MAX / 2)

#define TIME_MAX_MS (INT64_MAX / 1000000) /* who wants nanoseconds may multiply */

static const char table[] = "CREATE TABLE IF NOT EXISTS rowfs_deleted (serial INTEGER PRIMARY KEY AUTOINCREMENT, "
			    "model INTEGER NOT NULL, key ANY NOT NULL, uid INTEGER NOT NULL, time INTEGER NOT NULL, "
			    "text TEXT NOT NULL, secrets TEXT NOT NULL, UNIQUE (model, key)) STRICT";

static int64_t horizon(void)
{
	return realtime_ms() - TIMEOUT_DELETED_MS;
}

/* ---- opening ---- */

static int step_with_horizon(struct conn *c, const char *sql, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r = conn_prepare(c, sql, &stmt, e);
	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, horizon());
	r = stmt_step(c, stmt, e);
	sqlite3_finalize(stmt);
	return r;
}

/* Writes only where there is something to write: an ordinary start takes no lock. Another one may do it instead. */
static void prune_all(struct store *s)
{
	err_auto ignored = ERR_INIT;
	if (step_with_horizon(&s->writer,
			      "SELECT 1 FROM rowfs_deleted WHERE time < ?1 AND "
			      "serial = (SELECT min(serial) FROM rowfs_deleted)",
			      &ignored) > 0)
		step_with_horizon(&s->writer,
				  "DELETE FROM rowfs_deleted WHERE serial < COALESCE((SELECT serial FROM "
				  "rowfs_deleted WHERE time >= ?1 ORDER BY serial LIMIT 1), ~(1 << 63))",
				  &ignored);
}

/* For all models: that of the last one. */
static int read_last_time(struct store *s, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r = conn_prepare(&s->writer, "SELECT time FROM rowfs_deleted ORDER BY serial DESC LIMIT 1", &stmt, e);
	if (r == 0)
		r = stmt_step(&s->writer, stmt, e);
	for (size_t i = 0; r > 0 && i < s->schema->nmodels; i++)
		s->tables[i].deleted_ms = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return r < 0 ? r : 0;
}

int deleted_open(struct store *s, struct err *e)
{
	int r = find_object(&s->writer, "table", "rowfs_deleted", NULL, e);
	if (r < 0)
		return r;
	s->deleted = r > 0;
	if (s->read_only)
		return 0;
	if (s->deleted) {
		prune_all(s);
		return read_last_time(s, e);
	}
	r = conn_exec(&s->writer, table, e);
	s->deleted = !r;
	return r;
}

/* ---- writing ---- */

/* By DELETED_KEEP, or by DELETED_STAGE. */
static int insert(struct conn *c, const struct model *m, enum statement statement, const struct value *row, uid_t uid,
		  const struct buf *text, struct err *e)
{
	stmt_auto *stmt = NULL;
	buf_auto secrets = BUF_INIT;
	int64_t now = realtime_ms();
	record_close(&secrets, record_open(&secrets, m, row, SHOW_SECRETS, -1, NULL), -1);
	if (buf_failed(text) || buf_failed(&secrets))
		return err_nomem(e);
	int r = conn_statement(c, m, statement, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, &row[m->key->index]);
	sqlite3_bind_int64(stmt, 2, uid);
	sqlite3_bind_int64(stmt, 3, now);
	sqlite3_bind_text64(stmt, 4, buf_text(text), text->len, SQLITE_STATIC, SQLITE_UTF8);
	sqlite3_bind_text64(stmt, 5, buf_text(&secrets), secrets.len, SQLITE_STATIC, SQLITE_UTF8);
	if (statement == DELETED_STAGE)
		sqlite3_bind_int64(stmt, 6, FIRST_STAGED + ++c->staged_serial);
	if (now > c->store->tables[m->index].deleted_ms)
		c->store->tables[m->index].deleted_ms = now;
	return stmt_step(c, stmt, e);
}

static int step_with_integer(struct txn *t, const struct model *m, enum statement statement, int64_t integer,
			     struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = txn_alive(t, e);
	if (!r)
		r = conn_statement(t->conn, m, statement, NULL, &stmt, e);
	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, integer);
	return stmt_step(t->conn, stmt, e);
}

/* The file's text; of a record that has grown too long for a file, its own fields. */
static int show_deleted(struct conn *c, const struct model *m, const struct value *key, const struct value *row,
			struct buf *text, struct err *e)
{
	err_auto why = ERR_INIT;
	int r = store_show(c, m, key, text, NULL, &why);
	if (r != -EFBIG)
		return r ? err_set(e, why.code, "%s", why.text) : 0;
	buf_reset(text);
	record_close(text, record_open(text, m, row, SHOW_FILE, 0, NULL), 0);
	buf_char(text, '\n');
	return 0;
}

static int keep(struct conn *c, const struct model *m, enum statement statement, const struct value *key, uid_t uid,
		struct err *e)
{
	arena_auto a = ARENA_INIT;
	buf_auto text = BUF_INIT;
	struct value row[m->nfields];
	int r = store_get(c, m, key, &a, row, NULL, e);
	if (!r)
		r = show_deleted(c, m, key, row, &text, e);
	return r ? r : insert(c, m, statement, row, uid, &text, e);
}

int txn_keep_deleted(struct txn *t, const struct model *m, const struct value *key, uid_t uid, struct err *e)
{
	int r = txn_alive(t, e);
	if (!r)
		r = keep(t->conn, m, DELETED_KEEP, key, uid, e);
	return r ? r : step_with_integer(t, m, DELETED_PRUNE, horizon(), e);
}

int txn_forget_deleted(struct txn *t, const struct model *m, int64_t serial, struct err *e)
{
	return step_with_integer(t, m, DELETED_FORGET, serial, e);
}

int store_forget_deleted(struct store *s, const struct model *m, int64_t serial, struct err *e)
{
	struct txn t;
	int r = txn_begin(s, &t, e);
	if (r)
		return r;
	r = txn_forget_deleted(&t, m, serial, e);
	if (r) {
		txn_rollback(&t);
		return r;
	}
	return txn_commit(&t, e);
}

/* ---- what a transaction that is prepared would delete and bring back ---- */

/* Names of the temporary database come first: whoever reads rowfs_deleted on the connection finds the view. */
static const char staged[] =
    "CREATE TEMP TABLE IF NOT EXISTS rowfs_staged_deleted (serial INTEGER PRIMARY KEY, model INTEGER, key, uid "
    "INTEGER, "
    "time INTEGER, text TEXT, secrets TEXT, gone INTEGER, UNIQUE (model, key));\n"
    "CREATE TEMP VIEW IF NOT EXISTS rowfs_deleted AS SELECT * FROM main.rowfs_deleted AS d WHERE NOT EXISTS "
    "(SELECT 1 FROM temp.rowfs_staged_deleted AS x WHERE x.model = d.model AND x.key = d.key) UNION ALL "
    "SELECT serial, model, key, uid, time, text, secrets FROM temp.rowfs_staged_deleted WHERE NOT gone";

static int prepare(struct conn *c, struct err *e)
{
	int r = conn_snapshot(c, e);
	return r ? r : conn_exec(c, staged, e);
}

int stage_keep_deleted(struct conn *c, const struct model *m, const struct value *key, uid_t uid, struct err *e)
{
	int r = prepare(c, e);
	return r ? r : keep(c, m, DELETED_STAGE, key, uid, e);
}

static int step_with_key(struct conn *c, const struct model *m, enum statement statement, const struct value *key,
			 struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = prepare(c, e);
	if (!r)
		r = conn_statement(c, m, statement, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	return stmt_step(c, stmt, e);
}

int stage_forget_deleted(struct conn *c, const struct model *m, const struct value *key, struct err *e)
{
	return step_with_key(c, m, DELETED_STAGE_GONE, key, e);
}

int stage_undelete(struct conn *c, const struct model *m, const struct value *key, struct err *e)
{
	return step_with_key(c, m, DELETED_UNSTAGE, key, e);
}

/* ---- reading ---- */

bool store_deleted_since(const struct store *s, const struct model *m, int64_t time_ms)
{
	return s->tables[m->index].deleted_ms >= time_ms;
}

static int read_deleted(sqlite3_stmt *stmt, struct arena *a, struct deleted *out, struct err *e)
{
	struct value key = column_value(stmt, 1), text = column_value(stmt, 5), secrets = column_value(stmt, 6);
	*out = (struct deleted){
	    .serial = sqlite3_column_int64(stmt, 0),
	    .uid = (uid_t)sqlite3_column_int64(stmt, 2),
	    .time_ms = sqlite3_column_int64(stmt, 3),
	    .size = (size_t)sqlite3_column_int64(stmt, 4),
	};
	if (out->time_ms > TIME_MAX_MS)
		out->time_ms = TIME_MAX_MS;
	if (value_copy(a, &key, &out->key) || value_copy(a, &text, &out->text) ||
	    value_copy(a, &secrets, &out->secrets))
		return err_nomem(e);
	return 0;
}

int store_get_deleted(struct conn *c, const struct model *m, const struct value *key, int64_t serial, struct arena *a,
		      struct deleted *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	struct value number = value_integer(serial);
	int r = 0;
	if (c->store->deleted)
		r = conn_statement(c, m, key ? DELETED_BY_KEY : DELETED_BY_SERIAL, NULL, &stmt, e);
	if (r || !stmt)
		return r;
	sqlite3_bind_int64(stmt, 1, horizon());
	bind_value(stmt, 2, key ? key : &number);
	r = stmt_step(c, stmt, e);
	if (r > 0 && read_deleted(stmt, a, out, e))
		return -e->code;
	return r;
}

int store_list_deleted(struct conn *c, const struct model *m, int64_t after, uid_t uid, struct arena *a,
		       struct deleted **list, size_t *n, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = 0;
	*n = 0;
	if (c->store->deleted)
		r = conn_statement(c, m, DELETED_LIST, NULL, &stmt, e);
	if (r || !stmt)
		return r;
	*list = arena_alloc(a, LIST_AT_ONCE * sizeof(**list));
	if (!*list)
		return err_nomem(e);
	sqlite3_bind_int64(stmt, 1, horizon());
	sqlite3_bind_int64(stmt, 2, after);
	sqlite3_bind_int64(stmt, 3, uid);
	sqlite3_bind_int(stmt, 4, LIST_AT_ONCE);
	while ((r = stmt_step(c, stmt, e)) > 0)
		if (read_deleted(stmt, a, &(*list)[(*n)++], e))
			return -e->code;
	return r;
}
