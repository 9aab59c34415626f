/*
 * sqlite_history.c - rowfs_history: the versions that records of models with `history` had, one row a version.
 *
 * The last row of a record is its present version; it is no earlier one, and not shown, as long as its mtime is the
 * record's. A row is begun, without a text, before the save changes anything, and gets its text at the end, when all
 * hooks have done their part. What the table lacks, because a record is older than its history or SQL has changed it,
 * is added when it is about to change again; nobody is known then.
 */
#include "clock.h"
#include "sqlite.h"

#include <errno.h>
#include <string.h>

enum { LIST_AT_ONCE = 100 };

static const char tables[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS rowfs_history_record (number INTEGER PRIMARY KEY AUTOINCREMENT, "
    "model INTEGER NOT NULL, key ANY NOT NULL, UNIQUE (model, key)) STRICT;"
    "CREATE TABLE IF NOT EXISTS rowfs_history (serial INTEGER PRIMARY KEY AUTOINCREMENT, model INTEGER NOT NULL, "
    "record INTEGER NOT NULL, time INTEGER NOT NULL, mtime INTEGER NOT NULL, ended INTEGER, verb TEXT NOT NULL, "
    "uid INTEGER, gid INTEGER, pid INTEGER, comm TEXT, owner INTEGER, text TEXT) STRICT;"
    "CREATE INDEX IF NOT EXISTS rowfs_history_versions ON rowfs_history (record, serial);"
    "CREATE INDEX IF NOT EXISTS rowfs_history_begun ON rowfs_history (model) WHERE text IS NULL;"
    "CREATE INDEX IF NOT EXISTS rowfs_history_ended ON rowfs_history (model, ended) WHERE ended IS NOT NULL;"
    "COMMIT";

/* What ended before is too old. */
static int64_t horizon(const struct model *m)
{
	return m->history_ms ? realtime_ns() - m->history_ms * 1000000 : 0;
}

/* ---- statements ---- */

static int step(struct conn *c, const struct model *m, enum statement statement, const int64_t *numbers, int n,
		struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, m, statement, NULL, &stmt, e);
	if (r)
		return r;
	for (int i = 0; i < n; i++)
		sqlite3_bind_int64(stmt, i + 1, numbers[i]);
	r = stmt_step(c, stmt, e);
	return r < 0 ? r : 0;
}

/* Runs the statement with the integers; fills *e. */
#define STEP(c, m, statement, ...)                                                                                     \
	step(c, m, statement, (const int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), e)

static bool is_kept(const struct conn *c, const struct model *m)
{
	return c->store->history && c->store->tables[m->index].stamped;
}

/* Whose versions alone are there; VIEW_ALL: all. */
static int64_t viewer_of(const struct conn *c, const struct model *m)
{
	return conn_filters(c, m) ? c->viewer : VIEW_ALL;
}

int store_version_record(struct conn *c, const struct model *m, const struct value *key, int64_t *number, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = is_kept(c, m) ? conn_statement(c, m, HISTORY_RECORD, NULL, &stmt, e) : 0;
	if (r || !stmt)
		return r;
	bind_value(stmt, 1, key);
	sqlite3_bind_int64(stmt, 2, viewer_of(c, m));
	r = stmt_step(c, stmt, e);
	if (r > 0)
		*number = sqlite3_column_int64(stmt, 0);
	return r;
}

static int add_record(struct conn *c, const struct model *m, const struct value *key, int64_t *number, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = store_version_record(c, m, key, number, e);
	if (r)
		return r < 0 ? r : 0;
	r = conn_statement(c, m, HISTORY_ADD_RECORD, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	r = stmt_step(c, stmt, e);
	*number = sqlite3_last_insert_rowid(c->db);
	return r < 0 ? r : 0;
}

struct last {
	int64_t serial, mtime, time;
	bool begun; /* without a text yet */
};

/* The last row of the record before the serial; serial 0 where there is none. */
static int read_last(struct conn *c, const struct model *m, int64_t record, int64_t before, struct last *out,
		     struct buf *text, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, m, HISTORY_LAST, NULL, &stmt, e);
	*out = (struct last){0};
	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, record);
	sqlite3_bind_int64(stmt, 2, before);
	r = stmt_step(c, stmt, e);
	if (r <= 0)
		return r;
	*out = (struct last){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
			     sqlite3_column_int64(stmt, 2), sqlite3_column_type(stmt, 3) == SQLITE_NULL};
	if (text)
		buf_add(text, sqlite3_column_text(stmt, 3), (size_t)sqlite3_column_bytes(stmt, 3));
	return text && buf_failed(text) ? err_nomem(e) : 0;
}

/* ---- writing ---- */

static void bind_owner(sqlite3_stmt *stmt, int at, const struct model *m, const struct stamp *stamp)
{
	if (m->owned)
		sqlite3_bind_int64(stmt, at, stamp->owner);
	else
		sqlite3_bind_null(stmt, at);
}

/* text NULL: begun. by->verb alone: nobody is known. */
static int add_version(struct conn *c, const struct model *m, int64_t record, int64_t time, const struct stamp *stamp,
		       const struct version *by, const struct buf *text, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, m, HISTORY_ADD, NULL, &stmt, e);
	if (r)
		return r;
	sqlite3_clear_bindings(stmt);
	sqlite3_bind_int64(stmt, 1, record);
	sqlite3_bind_int64(stmt, 2, time);
	sqlite3_bind_int64(stmt, 3, stamp->mtime_ns);
	bind_owner(stmt, 10, m, stamp);
	sqlite3_bind_text(stmt, 4, by->verb, -1, SQLITE_STATIC);
	if (by->known) {
		sqlite3_bind_int64(stmt, 5, by->uid);
		sqlite3_bind_int64(stmt, 6, by->gid);
		sqlite3_bind_int64(stmt, 7, by->pid);
		sqlite3_bind_text(stmt, 8, by->comm, -1, SQLITE_STATIC);
	}
	if (text)
		sqlite3_bind_text64(stmt, 9, buf_text(text), text->len, SQLITE_STATIC, SQLITE_UTF8);
	r = stmt_step(c, stmt, e);
	return r < 0 ? r : 0;
}

/* The version that is about to go, unless it is the last one that is kept. */
static int add_missing(struct conn *c, const struct model *m, const struct value *key, int64_t record,
		       const struct last *last, struct err *e)
{
	struct stamp stamp;
	buf_auto text = BUF_INIT;
	err_auto why = ERR_INIT;
	int r = store_version(c, m, key, &text, &stamp, &why);
	if (r == -ENOENT || (r == 0 && last->serial && last->mtime == stamp.mtime_ns))
		return 0;
	if (r)
		return err_set(e, why.code, "%s", why.text);
	int64_t time = stamp.mtime_ns > last->time ? stamp.mtime_ns : last->time + 1;
	r = last->serial ? STEP(c, m, HISTORY_END, last->serial, time) : 0;
	return r ? r : add_version(c, m, record, time, &stamp, &(struct version){.verb = "other"}, &text, e);
}

int txn_version_begin(struct txn *t, const struct model *m, const struct value *key, const struct version *by,
		      struct err *e)
{
	int64_t record = 0;
	struct last last;
	int r = txn_alive(t, e);
	if (!r)
		r = add_record(t->conn, m, key, &record, e);
	if (!r)
		r = read_last(t->conn, m, record, INT64_MAX, &last, NULL, e);
	if (!r && last.begun) /* in the same transaction */
		return strcmp(by->verb, "delete") ? STEP(t->conn, m, HISTORY_AGAIN, last.serial) : 0;
	if (r)
		return r;
	r = add_missing(t->conn, m, key, record, &last, e);
	return r ? r : add_version(t->conn, m, record, 0, &(struct stamp){0}, by, NULL, e);
}

static int prune(struct conn *c, const struct model *m, int64_t record, struct err *e)
{
	int r = m->history ? STEP(c, m, HISTORY_PRUNE_COUNT, record, m->history) : 0;
	if (!r && m->history_ms)
		r = STEP(c, m, HISTORY_PRUNE_AGE, horizon(m));
	return r ? r : STEP(c, m, HISTORY_FORGET, record);
}

/* A version that was begun: the record is gone, or as it was, or has this text now. */
static int end_version(struct conn *c, const struct model *m, int64_t serial, int64_t record, const struct value *key,
		       struct err *e)
{
	struct last before;
	struct stamp stamp = {0};
	buf_auto text = BUF_INIT, earlier = BUF_INIT;
	err_auto why = ERR_INIT;
	stmt_auto *stmt = NULL;
	int r = read_last(c, m, record, serial, &before, &earlier, e);
	if (r)
		return r;
	r = store_version(c, m, key, &text, &stamp, &why);
	if (r && r != -ENOENT)
		return err_set(e, why.code, "%s", why.text);
	bool same = r == 0 && before.serial && text.len == earlier.len && !strcmp(buf_text(&text), buf_text(&earlier));
	if (same)
		return STEP(c, m, HISTORY_DROP, serial) || STEP(c, m, HISTORY_TOUCH, before.serial, stamp.mtime_ns)
			   ? -e->code
			   : 0;
	if (before.serial && STEP(c, m, HISTORY_END, before.serial, realtime_ns()))
		return -e->code;
	if (r == -ENOENT)
		return STEP(c, m, HISTORY_DROP, serial);
	r = conn_statement(c, m, HISTORY_FILL, NULL, &stmt, e);
	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, serial);
	sqlite3_bind_int64(stmt, 2, stamp.mtime_ns > before.time ? stamp.mtime_ns : before.time + 1);
	sqlite3_bind_int64(stmt, 3, stamp.mtime_ns);
	sqlite3_bind_text64(stmt, 4, buf_text(&text), text.len, SQLITE_STATIC, SQLITE_UTF8);
	bind_owner(stmt, 5, m, &stamp);
	r = stmt_step(c, stmt, e);
	return r < 0 ? r : 0;
}

/* 1: the next that was begun. */
static int next_begun(struct conn *c, const struct model *m, struct arena *a, int64_t *serial, int64_t *record,
		      struct value *key, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, m, HISTORY_BEGUN, NULL, &stmt, e);
	if (r == 0)
		r = stmt_step(c, stmt, e);
	if (r <= 0)
		return r;
	struct value v = column_value(stmt, 2);
	*serial = sqlite3_column_int64(stmt, 0);
	*record = sqlite3_column_int64(stmt, 1);
	return value_copy(a, &v, key) ? err_nomem(e) : 1;
}

int txn_versions_end(struct txn *t, const struct model *m, struct err *e)
{
	int64_t serial, record;
	int r = txn_alive(t, e);
	while (!r) {
		arena_auto a = ARENA_INIT;
		struct value key;
		r = next_begun(t->conn, m, &a, &serial, &record, &key, e);
		if (r <= 0)
			return r;
		r = end_version(t->conn, m, serial, record, &key, e);
		if (!r)
			r = prune(t->conn, m, record, e);
	}
	return r;
}

/* ---- reading ---- */

static int read_version(sqlite3_stmt *stmt, struct arena *a, struct version *out, struct err *e)
{
	struct value verb = column_value(stmt, 3), comm = column_value(stmt, 7), text = column_value(stmt, 10), copy;
	*out = (struct version){.serial = sqlite3_column_int64(stmt, 0),
				.record = sqlite3_column_int64(stmt, 1),
				.time_ns = sqlite3_column_int64(stmt, 2),
				.known = sqlite3_column_type(stmt, 4) != SQLITE_NULL,
				.uid = (uid_t)sqlite3_column_int64(stmt, 4),
				.gid = (gid_t)sqlite3_column_int64(stmt, 5),
				.pid = (pid_t)sqlite3_column_int64(stmt, 6),
				.owner = column_uid(stmt, 8),
				.size = (size_t)sqlite3_column_int64(stmt, 9)};
	if (value_copy(a, &text, &out->text))
		return err_nomem(e);
	if (value_copy(a, &verb, &copy))
		return err_nomem(e);
	out->verb = copy.kind == VALUE_TEXT ? copy.text.data : "";
	if (value_copy(a, &comm, &copy))
		return err_nomem(e);
	out->comm = copy.kind == VALUE_TEXT ? copy.text.data : "";
	return 0;
}

int store_version_get(struct conn *c, const struct model *m, int64_t record, int64_t number, struct arena *a,
		      struct version *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = is_kept(c, m) ? conn_statement(c, m, record ? HISTORY_BY_TIME : HISTORY_BY_SERIAL, NULL, &stmt, e) : 0;
	if (r || !stmt)
		return r;
	sqlite3_bind_int64(stmt, 1, horizon(m));
	sqlite3_bind_int64(stmt, 2, number);
	sqlite3_bind_int64(stmt, 3, viewer_of(c, m));
	if (record)
		sqlite3_bind_int64(stmt, 4, record);
	r = stmt_step(c, stmt, e);
	return r > 0 && read_version(stmt, a, out, e) ? -e->code : r;
}

int store_version_list(struct conn *c, const struct model *m, int64_t record, int64_t after, struct arena *a,
		       struct version **list, size_t *n, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = is_kept(c, m) ? conn_statement(c, m, HISTORY_LIST, NULL, &stmt, e) : 0;
	*n = 0;
	if (r || !stmt)
		return r;
	*list = arena_alloc(a, LIST_AT_ONCE * sizeof(**list));
	if (!*list)
		return err_nomem(e);
	sqlite3_bind_int64(stmt, 1, horizon(m));
	sqlite3_bind_int64(stmt, 2, after);
	sqlite3_bind_int64(stmt, 3, viewer_of(c, m));
	sqlite3_bind_int64(stmt, 4, record);
	sqlite3_bind_int64(stmt, 5, LIST_AT_ONCE);
	while ((r = stmt_step(c, stmt, e)) > 0)
		if (read_version(stmt, a, &(*list)[(*n)++], e))
			return -e->code;
	return r;
}

int store_version_next_record(struct conn *c, const struct model *m, int64_t after, struct arena *a, int64_t *number,
			      struct value *key, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = is_kept(c, m) ? conn_statement(c, m, HISTORY_NEXT_RECORD, NULL, &stmt, e) : 0;
	if (r || !stmt)
		return r;
	sqlite3_bind_int64(stmt, 1, after);
	sqlite3_bind_int64(stmt, 2, viewer_of(c, m));
	r = stmt_step(c, stmt, e);
	if (r <= 0)
		return r;
	struct value v = column_value(stmt, 1);
	*number = sqlite3_column_int64(stmt, 0);
	return value_copy(a, &v, key) ? err_nomem(e) : 1;
}

int store_is_version(struct conn *c, const struct model *m, const struct value *key, const char *text, size_t len,
		     struct err *e)
{
	stmt_auto *stmt = NULL;
	int64_t record;
	int r = store_version_record(c, m, key, &record, e);
	if (r <= 0)
		return r;
	r = conn_statement(c, m, HISTORY_HAS, NULL, &stmt, e);
	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, horizon(m));
	sqlite3_bind_int64(stmt, 2, record);
	sqlite3_bind_int64(stmt, 3, viewer_of(c, m));
	sqlite3_bind_text64(stmt, 4, text, len, SQLITE_STATIC, SQLITE_UTF8);
	return stmt_step(c, stmt, e);
}

/* ---- opening ---- */

/* Writes only where there is something to write: an ordinary start takes no lock. */
static void prune_all(struct store *s)
{
	err_auto ignored = ERR_INIT;
	struct err *e = &ignored;
	for (size_t i = 0; i < s->schema->nmodels; i++) {
		const struct model *m = &s->schema->models[i];
		if (!m->keeps_history || !m->history_ms)
			continue;
		do
			STEP(&s->writer, m, HISTORY_PRUNE_AGE, horizon(m));
		while (!ignored.code && sqlite3_changes(s->writer.db) > 0);
		STEP(&s->writer, m, HISTORY_FORGET_ALL);
	}
}

int history_open(struct store *s, struct err *e)
{
	bool wanted = false;
	int r = find_object(&s->writer, "table", "rowfs_history", NULL, e);
	if (r < 0)
		return r;
	s->history = r > 0;
	for (size_t i = 0; i < s->schema->nmodels; i++)
		wanted |= s->schema->models[i].keeps_history;
	if (s->read_only || !wanted)
		return 0;
	if (s->history) {
		prune_all(s);
		return 0;
	}
	r = conn_exec(&s->writer, tables, e);
	s->history = !r;
	return r;
}
