/*
 * sqlite_job.c - queues in the database: who is due, left and over; unique jobs; pauses; logs.
 *
 * All is asked through two partial indexes of the queue's table (sqlite_table.c), one of the jobs that are queued or
 * run and one of those that have ended, so that neither a long past nor a hundred thousand jobs of next year cost
 * anything. Times are compared without their Z: with it, 12:00:00.5Z would come before 12:00:00Z.
 */
#include "clock.h"
#include "sqlite.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define IN_MS(time) "CAST((julianday(" time ") - julianday('now')) * 86400000 AS INTEGER)"
#define QUEUED      JOB_ACTIVE_SQL " AND $a = 'queued'"
#define RUNNING     JOB_ACTIVE_SQL " AND $a = 'running'"
/* The priorities that queued jobs have, from the highest down: one look into the index each. */
#define PRIORITIES                                                                                                     \
	"WITH RECURSIVE level (n) AS (SELECT * FROM (SELECT $p FROM $T WHERE " QUEUED " ORDER BY $p DESC LIMIT 1) "    \
	"UNION ALL SELECT (SELECT $p FROM $T WHERE " QUEUED " AND $p < level.n ORDER BY $p DESC LIMIT 1) FROM level "  \
	"WHERE level.n IS NOT NULL) "

const char *const job_templates[JOB_STATEMENTS_END - JOB_STATEMENTS] = {
    [JOB_DUE - JOB_STATEMENTS] = PRIORITIES "SELECT $K FROM level CROSS JOIN $T WHERE " QUEUED
					    " AND $p = level.n AND " JOB_WHEN_SQL " <= ?1 LIMIT ?2",
    [JOB_NEXT - JOB_STATEMENTS] = PRIORITIES
    "SELECT " IN_MS("min((SELECT " JOB_WHEN_SQL " FROM $T WHERE " QUEUED " AND $p = level.n ORDER BY " JOB_WHEN_SQL
		    " LIMIT 1))") " FROM level WHERE level.n IS NOT NULL",
    [JOB_EXPIRED - JOB_STATEMENTS] = "SELECT $K FROM $T WHERE " RUNNING " AND rtrim($l, 'Z') <= ?1 LIMIT ?2",
    [JOB_NEXT_LEASE - JOB_STATEMENTS] = "SELECT " IN_MS("min(rtrim($l, 'Z'))") " FROM $T WHERE " RUNNING,
    [JOB_LEFT - JOB_STATEMENTS] = "SELECT $K FROM $T WHERE " RUNNING " AND $b = 'rowfs' AND ?1 LIMIT ?2",
    [JOB_OVER - JOB_STATEMENTS] =
	"SELECT $K FROM $T WHERE " JOB_ENDED_SQL " AND " JOB_END_SQL " <= ?1 ORDER BY " JOB_END_SQL " LIMIT ?2",
    [JOB_NEXT_OVER - JOB_STATEMENTS] =
	"SELECT " IN_MS(JOB_END_SQL) " FROM $T WHERE " JOB_ENDED_SQL " ORDER BY " JOB_END_SQL " LIMIT 1",
    [JOB_RUNNING - JOB_STATEMENTS] = "SELECT count(*) FROM $T WHERE " RUNNING,
    [JOB_DOUBLE - JOB_STATEMENTS] = "SELECT $K FROM $T WHERE " QUEUED " AND $E AND $K IS NOT $k ORDER BY $K LIMIT 1",
    [JOB_PAUSED - JOB_STATEMENTS] = "SELECT 1 FROM rowfs_paused WHERE queue = $t",
    [JOB_PAUSE - JOB_STATEMENTS] = "INSERT OR IGNORE INTO rowfs_paused (queue, since) VALUES ($t, ?1)",
    [JOB_RESUME - JOB_STATEMENTS] = "DELETE FROM rowfs_paused WHERE queue = $t",
    [JOB_STATES - JOB_STATEMENTS] =
	"SELECT $a, count(*), 0 FROM $T WHERE " JOB_ACTIVE_SQL " GROUP BY $a UNION ALL "
	"SELECT $a, count(*), sum(" JOB_END_SQL " > ?1) FROM $T WHERE " JOB_ENDED_SQL " GROUP BY $a",
    [JOB_OLDEST_RUNNING - JOB_STATEMENTS] = "SELECT $K FROM $T WHERE " RUNNING " ORDER BY $q, $K LIMIT ?1",
    [JOB_LAST_FAILED - JOB_STATEMENTS] =
	"SELECT $K FROM $T WHERE " JOB_ENDED_SQL " AND $a = 'failed' ORDER BY " JOB_END_SQL " DESC LIMIT ?1",
    [LOG_RANGE - JOB_STATEMENTS] = "SELECT (SELECT at FROM $Q WHERE key = ?1 ORDER BY at LIMIT 1), "
				   "(SELECT at + length(text) FROM $Q WHERE key = ?1 ORDER BY at DESC LIMIT 1)",
    [LOG_READ - JOB_STATEMENTS] = "SELECT at, text FROM $Q WHERE key = ?1 AND at >= COALESCE((SELECT at FROM $Q WHERE "
				  "key = ?1 AND at <= ?2 ORDER BY at DESC LIMIT 1), 0) ORDER BY at",
    [LOG_ADD - JOB_STATEMENTS] =
	"INSERT INTO $Q (key, at, text) SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM $T WHERE $K = ?1)",
    [LOG_TRIM - JOB_STATEMENTS] = "DELETE FROM $Q WHERE key = ?1 AND at < ?2",
};

/* ---- times ---- */

/* Now, or that long ago, as the columns have it but its Z. */
static size_t time_text(int64_t ago_ms, char *out)
{
	int64_t ms = realtime_ms() - ago_ms;
	ms = ms < 0 ? 0 : ms;
	size_t len = value_now((struct timespec){ms / 1000, ms % 1000 * 1000000}, out);
	return len && out[len - 1] == 'Z' ? len - 1 : len;
}

/* ---- which jobs ---- */

static const struct {
	enum statement list, next; /* next is JOB_STATEMENTS_END where there is none */
} groups[JOB_GROUPS] = {
    [JOBS_DUE] = {JOB_DUE, JOB_NEXT},
    [JOBS_EXPIRED] = {JOB_EXPIRED, JOB_NEXT_LEASE},
    [JOBS_LEFT] = {JOB_LEFT, JOB_STATEMENTS_END},
    [JOBS_OVER] = {JOB_OVER, JOB_NEXT_OVER},
};

int queue_jobs(struct conn *c, const struct model *queue, enum job_group group, size_t most, struct arena *a,
	       struct keys *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	char time[64];
	*out = (struct keys){0};
	if (group == JOBS_OVER && queue->queue->keep_ms < 0)
		return 0;
	int r = conn_statement(c, queue, groups[group].list, NULL, &stmt, e);
	if (r)
		return r;
	size_t len = time_text(group == JOBS_OVER ? queue->queue->keep_ms : 0, time);
	sqlite3_bind_text(stmt, 1, time, (int)len, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, (sqlite3_int64)most);
	return stmt_keys(c, stmt, a, &out->of, &out->n, e);
}

int queue_next(struct conn *c, const struct model *queue, enum job_group group, int64_t *in_ms, struct err *e)
{
	stmt_auto *stmt = NULL;
	*in_ms = QUEUE_NEVER;
	if (group == JOBS_OVER && queue->queue->keep_ms < 0)
		return 0;
	int r = conn_statement(c, queue, groups[group].next, NULL, &stmt, e);
	if (r == 0)
		r = stmt_step(c, stmt, e);
	if (r <= 0 || sqlite3_column_type(stmt, 0) == SQLITE_NULL)
		return r < 0 ? r : 0;
	*in_ms = sqlite3_column_int64(stmt, 0) + 1 + (group == JOBS_OVER ? queue->queue->keep_ms : 0);
	return 0;
}

int queue_running(struct conn *c, const struct model *queue, int64_t *n, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, queue, JOB_RUNNING, NULL, &stmt, e);
	if (r == 0)
		r = stmt_step(c, stmt, e);
	*n = r > 0 ? sqlite3_column_int64(stmt, 0) : 0;
	return r < 0 ? r : 0;
}

int queue_double(struct conn *c, const struct model *queue, const struct value *row, struct arena *a, struct value *key,
		 struct err *e)
{
	stmt_auto *stmt = NULL;
	if (queue->queue->nunique == 0)
		return 0;
	int r = conn_statement(c, queue, JOB_DOUBLE, NULL, &stmt, e);
	if (r)
		return r;
	for (size_t i = 0; i < queue->nfields; i++)
		bind_value(stmt, (int)i + 1, &row[i]);
	r = stmt_step(c, stmt, e);
	if (r <= 0)
		return r;
	struct value found = column_value(stmt, 0);
	return value_copy(a, &found, key) < 0 ? err_nomem(e) : 1;
}

/* ---- statistics ---- */

int queue_states(struct conn *c, const struct model *queue, struct arena *a, struct queue_state **out, size_t *n,
		 struct err *e)
{
	enum { MOST = 16, RECENT_MS = 60000 };
	stmt_auto *stmt = NULL;
	char since[64];
	*n = 0;
	*out = arena_alloc(a, MOST * sizeof **out);
	int r = *out ? conn_statement(c, queue, JOB_STATES, NULL, &stmt, e) : err_nomem(e);
	if (r)
		return r;
	sqlite3_bind_text(stmt, 1, since, (int)time_text(RECENT_MS, since), SQLITE_STATIC);
	while ((r = stmt_step(c, stmt, e)) > 0 && *n < MOST) {
		struct value status = column_value(stmt, 0);
		bool text = status.kind == VALUE_TEXT;
		(*out)[*n] = (struct queue_state){
		    .status = text ? arena_copy(a, status.text.data, status.text.len) : "null",
		    .n = sqlite3_column_int64(stmt, 1),
		    .recent = sqlite3_column_int64(stmt, 2),
		};
		if (!(*out)[(*n)++].status)
			return err_nomem(e);
	}
	return r < 0 ? r : 0;
}

static int some_keys(struct conn *c, const struct model *queue, enum statement statement, size_t most, struct arena *a,
		     struct keys *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	*out = (struct keys){0};
	int r = conn_statement(c, queue, statement, NULL, &stmt, e);
	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)most);
	return stmt_keys(c, stmt, a, &out->of, &out->n, e);
}

int queue_rows_running(struct conn *c, const struct model *queue, size_t most, struct arena *a, struct keys *out,
		       struct err *e)
{
	return some_keys(c, queue, JOB_OLDEST_RUNNING, most, a, out, e);
}

int queue_rows_failed(struct conn *c, const struct model *queue, size_t most, struct arena *a, struct keys *out,
		      struct err *e)
{
	return some_keys(c, queue, JOB_LAST_FAILED, most, a, out, e);
}

/* ---- pausing ---- */

int queue_paused(struct conn *c, const struct model *queue, bool *paused, struct err *e)
{
	stmt_auto *stmt = NULL;
	*paused = false;
	if (!c->store->queues)
		return 0;
	int r = conn_statement(c, queue, JOB_PAUSED, NULL, &stmt, e);
	if (r == 0)
		r = stmt_step(c, stmt, e);
	*paused = r > 0;
	return r < 0 ? r : 0;
}

static int set_paused(struct txn *t, const struct model *queue, bool paused, struct err *e)
{
	stmt_auto *stmt = NULL;
	char now[64];
	int r = conn_statement(t->conn, queue, paused ? JOB_PAUSE : JOB_RESUME, NULL, &stmt, e);
	if (r)
		return r;
	if (paused)
		sqlite3_bind_text(stmt, 1, now, (int)time_text(0, now), SQLITE_STATIC);
	return stmt_step(t->conn, stmt, e);
}

/* In a transaction of its own. */
static int finish(struct txn *t, int result, struct err *e)
{
	if (result == 0)
		return txn_commit(t, e);
	txn_rollback(t);
	return result;
}

int queue_pause(struct store *s, const struct model *queue, bool paused, struct err *e)
{
	struct txn t;
	int r = txn_begin(s, &t, e);
	return r ? r : finish(&t, set_paused(&t, queue, paused, e), e);
}

/* ---- logs ---- */

int queue_log_range(struct conn *c, const struct model *queue, const struct value *key, struct log_range *out,
		    struct err *e)
{
	stmt_auto *stmt = NULL;
	*out = (struct log_range){0};
	if (!c->store->queues)
		return 0;
	int r = conn_statement(c, queue, LOG_RANGE, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	r = stmt_step(c, stmt, e);
	if (r > 0)
		*out = (struct log_range){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1)};
	return r < 0 ? r : 0;
}

static void add_part(struct buf *out, sqlite3_stmt *stmt, int64_t from, size_t *left)
{
	int64_t at = sqlite3_column_int64(stmt, 0);
	const char *text = sqlite3_column_blob(stmt, 1);
	int64_t len = sqlite3_column_bytes(stmt, 1), skip = from > at ? from - at : 0;
	if (skip >= len)
		return;
	size_t n = (size_t)(len - skip) < *left ? (size_t)(len - skip) : *left;
	buf_add(out, text + skip, n);
	*left -= n;
}

int queue_log_read(struct conn *c, const struct model *queue, const struct value *key, int64_t from, size_t len,
		   struct buf *out, struct err *e)
{
	stmt_auto *stmt = NULL;
	if (!c->store->queues)
		return 0;
	int r = conn_statement(c, queue, LOG_READ, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	sqlite3_bind_int64(stmt, 2, from);
	while (len > 0 && (r = stmt_step(c, stmt, e)) > 0)
		add_part(out, stmt, from, &len);
	return r < 0 ? r : 0;
}

static int add_to_log(struct txn *t, const struct model *queue, const struct value *key, const char *text, size_t len,
		      int64_t at, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(t->conn, queue, LOG_ADD, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	sqlite3_bind_int64(stmt, 2, at);
	sqlite3_bind_blob64(stmt, 3, text, len, SQLITE_STATIC);
	r = stmt_step(t->conn, stmt, e);
	if (r == 0 && sqlite3_changes(t->conn->db) == 0)
		return err_set(e, ENOENT, "the job is gone");
	return r;
}

/* Leaves room, so that a log that is full does not lose something with every line. */
static int trim_log(struct txn *t, const struct model *queue, const struct value *key, int64_t end, struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(t->conn, queue, LOG_TRIM, NULL, &stmt, e);
	if (r)
		return r;
	bind_value(stmt, 1, key);
	sqlite3_bind_int64(stmt, 2, end - LIMIT_JOB_LOG / 4 * 3);
	return stmt_step(t->conn, stmt, e);
}

static int write_log(struct txn *t, const struct model *queue, const struct value *key, const char *text, size_t len,
		     int64_t *end, struct err *e)
{
	struct log_range range;
	int r = queue_log_range(t->conn, queue, key, &range, e);
	if (r == 0)
		r = add_to_log(t, queue, key, text, len, range.end, e);
	*end = range.end + (int64_t)len;
	if (r == 0 && *end - range.start > LIMIT_JOB_LOG)
		r = trim_log(t, queue, key, *end, e);
	return r;
}

int queue_log_add(struct store *s, const struct model *queue, const struct value *key, const char *text, size_t len,
		  int64_t *end, struct err *e)
{
	struct txn t;
	int r = txn_begin(s, &t, e);
	return r ? r : finish(&t, write_log(&t, queue, key, text, len, end, e), e);
}

/* ---- opening ---- */

static int has_log(struct store *s, const struct model *m, struct err *e)
{
	buf_auto name = BUF_INIT;
	buf_printf(&name, "rowfs_log_%s", m->table);
	return buf_failed(&name) ? err_nomem(e) : find_object(&s->writer, "table", buf_text(&name), NULL, e);
}

/* A database that was never mounted for writing has none of it. */
static int look_for_tables(struct store *s, struct err *e)
{
	int r = find_object(&s->writer, "table", "rowfs_paused", NULL, e);
	for (size_t i = 0; i < s->schema->nmodels && r > 0; i++)
		if (s->schema->models[i].queue)
			r = has_log(s, &s->schema->models[i], e);
	s->queues = r > 0;
	return r < 0 ? r : 0;
}

/* SQLite writes with pwrite, of which inotify knows; the log's file is there while any connection is open. */
static void watch_files(struct store *s)
{
	buf_auto wal = BUF_INIT;
	buf_printf(&wal, "%s-wal", s->schema->database);
	s->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (s->watch_fd < 0)
		return;
	int files = inotify_add_watch(s->watch_fd, s->schema->database, IN_MODIFY) >= 0;
	files += inotify_add_watch(s->watch_fd, buf_text(&wal), IN_MODIFY) >= 0;
	if (files == 2)
		return;
	close(s->watch_fd);
	s->watch_fd = -1;
}

int queue_watch_fd(const struct store *s)
{
	return s->watch_fd;
}

bool queue_watch_drain(const struct store *s)
{
	char events[4096];
	bool any = false;
	while (s->watch_fd >= 0 && read(s->watch_fd, events, sizeof events) > 0)
		any = true;
	return any;
}

int queues_open(struct store *s, struct err *e)
{
	int r = look_for_tables(s, e);
	if (r < 0 || s->memory || s->read_only || !s->queues)
		return r;
	watch_files(s);
	return 0;
}

void queues_close(struct store *s)
{
	if (s->watch_fd >= 0)
		close(s->watch_fd);
}
