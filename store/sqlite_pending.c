/*
 * sqlite_pending.c - the table rowfs_after: programs that are to run after a commit, until they have.
 *
 * A row is written by the transaction that causes it, so ids are in the order of the commits, and it goes when its
 * program has succeeded. next_try is 0 before the first try; held rows are those of hooks that mount.conf does not
 * have.
 */
#include "sqlite.h"

#include <errno.h>
#include <string.h>

#define WAITS   "held = 0 AND next_try = 0"
#define OTHERS  "id NOT IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
#define NOW     "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
#define COLUMNS "id, batch, created, next_try, failed, attempts, held, uid, pid, model, path, hook, event, message"

_Static_assert(LIMIT_AFTER == 8, "OTHERS has a place for each program that runs");

/*
 * NEXT_NEW looks at the first one of each model that was never tried: it may run unless one of the same save before it
 * still has to. Models are walked by the index, so that a long queue of one costs nothing; + keeps SQLite from using
 * that index where the few ids of one save are asked for.
 */
static const char *const texts[PENDING_STATEMENTS] = {
    [PENDING_ADD] = "INSERT INTO rowfs_after (batch, created, uid, pid, model, path, hook, event) "
		    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [PENDING_REMOVE] = "DELETE FROM rowfs_after WHERE id = ?1",
    [PENDING_FAIL] = "UPDATE rowfs_after SET attempts = ?2, next_try = ?3, failed = ?4, message = ?5 WHERE id = ?1",
    [PENDING_HOLD] = "UPDATE rowfs_after SET held = ?3 WHERE model = ?1 AND hook = ?2",
    [PENDING_HURRY] = "UPDATE rowfs_after SET next_try = " NOW " WHERE next_try > " NOW,
    [PENDING_NEXT_NEW] =
	"WITH RECURSIVE m (model) AS (SELECT min(model) FROM rowfs_after WHERE " WAITS " UNION ALL "
	"SELECT (SELECT min(model) FROM rowfs_after WHERE " WAITS " AND model > m.model) FROM m "
	"WHERE m.model IS NOT NULL), first (id) AS (SELECT (SELECT min(id) FROM rowfs_after WHERE " WAITS
	" AND model = m.model) FROM m WHERE m.model IS NOT NULL) "
	"SELECT " COLUMNS " FROM rowfs_after AS a WHERE id IN (SELECT id FROM first) AND " OTHERS
	" AND NOT EXISTS (SELECT 1 FROM rowfs_after AS b WHERE b.id >= a.batch AND b.id < a.id AND +b.held = 0 AND "
	"+b.next_try = 0) ORDER BY id LIMIT 1",
    [PENDING_NEXT_AGAIN] = "SELECT " COLUMNS " FROM rowfs_after WHERE held = 0 AND next_try > 0 "
			   "AND (next_try <= ?9 OR failed > ?9) " /* the clock has been set back */
			   "AND " OTHERS " ORDER BY next_try LIMIT 1",
    [PENDING_DUE] = "SELECT min(next_try) FROM rowfs_after WHERE held = 0 AND next_try > 0 AND " OTHERS,
    [PENDING_GET] = "SELECT " COLUMNS " FROM rowfs_after WHERE id = ?1",
    [PENDING_FOLLOWING] = "SELECT " COLUMNS " FROM rowfs_after WHERE id > ?1 ORDER BY id LIMIT 1",
    [PENDING_LAST_FAILED] =
	"SELECT " COLUMNS " FROM rowfs_after WHERE message IS NOT NULL ORDER BY failed DESC LIMIT 1",
    [PENDING_TOTAL] = "SELECT count(*), coalesce(sum(held), 0), min(created) FROM rowfs_after",
    [PENDING_GROUPS] = "SELECT model, hook, min(path), max(held), min(held), count(*) FROM rowfs_after "
		       "GROUP BY model, hook ORDER BY min(id)",
};

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS rowfs_after (id INTEGER PRIMARY KEY AUTOINCREMENT, batch INTEGER NOT NULL, "
    "created INTEGER NOT NULL, uid INTEGER NOT NULL, pid INTEGER NOT NULL, model TEXT NOT NULL, path TEXT NOT NULL, "
    "hook TEXT NOT NULL, event TEXT NOT NULL, held INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, "
    "next_try INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, message TEXT) STRICT;"
    "CREATE INDEX IF NOT EXISTS rowfs_after_next ON rowfs_after (held, next_try, model);"
    "COMMIT";

/* 1: there is the table. */
static int open_table(struct store *s, bool create, struct err *e)
{
	int r = find_object(&s->writer, "table", "rowfs_after", NULL, e);
	if (r || !create || s->read_only)
		return r;
	r = conn_exec(&s->writer, schema, e);
	if (r && !sqlite3_get_autocommit(s->writer.db))
		sqlite3_exec(s->writer.db, "ROLLBACK", NULL, NULL, NULL);
	return r ? r : 1;
}

int store_pending_open(struct store *s, bool create, struct err *e)
{
	turn_wait(s);
	int r = open_table(s, create, e);
	s->pending = r > 0;
	turn_pass(s);
	return r < 0 ? r : 0;
}

static int statement(struct conn *c, enum pending_statement which, sqlite3_stmt **out, struct err *e)
{
	int r = c->pending[which] ? 0 : conn_prepare(c, texts[which], &c->pending[which], e);
	*out = c->pending[which];
	return r;
}

/* ---- writing ---- */

static int run(struct txn *t, sqlite3_stmt *stmt, struct err *e)
{
	int r = txn_alive(t, e);
	return r ? r : stmt_step(t->conn, stmt, e);
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	sqlite3_bind_text(stmt, at, text, text ? (int)strlen(text) : 0, SQLITE_STATIC);
}

int txn_pending_add(struct txn *t, const struct pending *p, int64_t *id, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = statement(t->conn, PENDING_ADD, &stmt, e);
	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, p->batch ? p->batch : INT64_MAX); /* the first of a save waits for none of it */
	sqlite3_bind_int64(stmt, 2, p->created_ms);
	sqlite3_bind_int64(stmt, 3, p->uid);
	sqlite3_bind_int64(stmt, 4, p->pid);
	bind_text(stmt, 5, p->model);
	bind_text(stmt, 6, p->path);
	bind_text(stmt, 7, p->hook);
	bind_text(stmt, 8, p->event);
	r = run(t, stmt, e);
	if (r == 0)
		*id = sqlite3_last_insert_rowid(t->conn->db);
	return r;
}

int txn_pending_remove(struct txn *t, int64_t id, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = statement(t->conn, PENDING_REMOVE, &stmt, e);
	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, id);
	r = run(t, stmt, e);
	if (r == 0 && sqlite3_changes(t->conn->db) == 0)
		return err_set(e, ENOENT, "no program of after_commit with the number %lld waits", (long long)id);
	return r;
}

int txn_pending_fail(struct txn *t, const struct pending *p, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = statement(t->conn, PENDING_FAIL, &stmt, e);
	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, p->id);
	sqlite3_bind_int64(stmt, 2, p->attempts);
	sqlite3_bind_int64(stmt, 3, p->next_ms);
	sqlite3_bind_int64(stmt, 4, p->failed_ms);
	bind_text(stmt, 5, p->message);
	return run(t, stmt, e);
}

int txn_pending_hold(struct txn *t, const char *model, const char *hook, bool held, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = statement(t->conn, PENDING_HOLD, &stmt, e);
	if (r)
		return r;
	bind_text(stmt, 1, model);
	bind_text(stmt, 2, hook);
	sqlite3_bind_int(stmt, 3, held);
	return run(t, stmt, e);
}

int txn_pending_hurry(struct txn *t, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = statement(t->conn, PENDING_HURRY, &stmt, e);
	return r ? r : run(t, stmt, e);
}

/* ---- reading ---- */

static const char *column_text(sqlite3_stmt *stmt, int column, struct arena *a, bool *failed)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);
	if (!text)
		return NULL;
	text = arena_copy(a, text, (size_t)sqlite3_column_bytes(stmt, column));
	*failed |= !text;
	return text;
}

static int read_pending(sqlite3_stmt *stmt, struct arena *a, struct pending *out, struct err *e)
{
	bool failed = false;
	*out = (struct pending){
	    .id = sqlite3_column_int64(stmt, 0),
	    .batch = sqlite3_column_int64(stmt, 1),
	    .created_ms = sqlite3_column_int64(stmt, 2),
	    .next_ms = sqlite3_column_int64(stmt, 3),
	    .failed_ms = sqlite3_column_int64(stmt, 4),
	    .attempts = sqlite3_column_int64(stmt, 5),
	    .held = sqlite3_column_int(stmt, 6),
	    .uid = sqlite3_column_int64(stmt, 7),
	    .pid = sqlite3_column_int64(stmt, 8),
	    .model = column_text(stmt, 9, a, &failed),
	    .path = column_text(stmt, 10, a, &failed),
	    .hook = column_text(stmt, 11, a, &failed),
	    .event = column_text(stmt, 12, a, &failed),
	    .message = column_text(stmt, 13, a, &failed),
	};
	return failed ? err_nomem(e) : 0;
}

/* The statement with its parameters bound: 1 and *out, or 0. */
static int find(struct conn *c, sqlite3_stmt *stmt, struct arena *a, struct pending *out, struct err *e)
{
	int r = stmt_step(c, stmt, e);
	if (r <= 0)
		return r;
	r = read_pending(stmt, a, out, e);
	return r < 0 ? r : 1;
}

static void bind_running(sqlite3_stmt *stmt, const int64_t running[LIMIT_AFTER])
{
	for (int i = 0; i < LIMIT_AFTER; i++)
		sqlite3_bind_int64(stmt, i + 1, running[i]);
}

int store_pending_next(struct conn *c, bool again, int64_t now_ms, const int64_t running[LIMIT_AFTER], struct arena *a,
		       struct pending *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = statement(c, again ? PENDING_NEXT_AGAIN : PENDING_NEXT_NEW, &stmt, e);
	if (r)
		return r;
	bind_running(stmt, running);
	if (again)
		sqlite3_bind_int64(stmt, 9, now_ms);
	return find(c, stmt, a, out, e);
}

int store_pending_due(struct conn *c, const int64_t running[LIMIT_AFTER], int64_t *due_ms, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = statement(c, PENDING_DUE, &stmt, e);
	if (r)
		return r;
	bind_running(stmt, running);
	r = stmt_step(c, stmt, e);
	if (r < 0)
		return r;
	*due_ms = sqlite3_column_type(stmt, 0) == SQLITE_NULL ? -1 : sqlite3_column_int64(stmt, 0);
	return 0;
}

static int by_id(struct conn *c, enum pending_statement which, int64_t id, struct arena *a, struct pending *out,
		 struct err *e)
{
	stmt_auto *stmt = NULL;
	if (!c->store->pending)
		return 0;
	int r = statement(c, which, &stmt, e);
	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, id);
	return find(c, stmt, a, out, e);
}

int store_pending_get(struct conn *c, int64_t id, struct arena *a, struct pending *out, struct err *e)
{
	int r = by_id(c, PENDING_GET, id, a, out, e);
	return r == 0 ? err_set(e, ENOENT, "no program of after_commit with this number waits") : r < 0 ? r : 0;
}

int store_pending_following(struct conn *c, int64_t id, struct arena *a, struct pending *out, struct err *e)
{
	return by_id(c, PENDING_FOLLOWING, id, a, out, e);
}

int store_pending_last_failed(struct conn *c, struct arena *a, struct pending *out, struct err *e)
{
	return by_id(c, PENDING_LAST_FAILED, 0, a, out, e);
}

int store_pending_total(struct conn *c, struct pending_total *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	*out = (struct pending_total){.kept = c->store->pending};
	if (!c->store->pending)
		return 0;
	int r = statement(c, PENDING_TOTAL, &stmt, e);
	if (r == 0)
		r = stmt_step(c, stmt, e);
	if (r < 0)
		return r;
	out->n = sqlite3_column_int64(stmt, 0);
	out->held = sqlite3_column_int64(stmt, 1);
	out->since_ms = sqlite3_column_int64(stmt, 2);
	return 0;
}

int store_pending_groups(struct conn *c, struct arena *a, struct pending_group **out, struct err *e)
{
	stmt_auto *stmt = NULL;
	struct pending_group **end = out;
	*out = NULL;
	if (!c->store->pending)
		return 0;
	int r = statement(c, PENDING_GROUPS, &stmt, e);
	while (r >= 0 && (r = stmt_step(c, stmt, e)) > 0) {
		bool failed = false;
		struct pending_group *g = arena_alloc(a, sizeof *g);
		if (!g)
			return err_nomem(e);
		g->model = column_text(stmt, 0, a, &failed);
		g->hook = column_text(stmt, 1, a, &failed);
		g->path = column_text(stmt, 2, a, &failed);
		g->any_held = sqlite3_column_int(stmt, 3);
		g->all_held = sqlite3_column_int(stmt, 4);
		g->n = sqlite3_column_int64(stmt, 5);
		if (failed)
			return err_nomem(e);
		*end = g;
		end = &g->next;
	}
	return r;
}
