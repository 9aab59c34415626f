/*
 * job_log.c - logs that grow: a part in the database, the newest in memory.
 *
 * Places are counted from the first byte that the log ever had. What is pending leaves memory only after its commit,
 * and a reader looks at memory before it looks at the database, so that it misses nothing in between.
 */
#include "job_log.h"

#include <errno.h>
#include <string.h>

#include "../store/clock.h"
#include "../store/limits.h"
#include "../store/log.h"
#include "launch.h"

enum { MUCH = 64 << 10 };

/* ---- writing ---- */

static int64_t stored_end(const struct job_log *log)
{
	err_auto ignored = ERR_INIT;
	struct log_range range = {0};
	struct conn *c = store_read_begin(log->store, &ignored);
	if (c)
		queue_log_range(c, log->queue, log->key, &range, &ignored);
	store_read_end(c);
	return range.end;
}

static void enlist(struct job_log *log)
{
	log->at = stored_end(log);
	log->listed = true;
	pthread_mutex_lock(&log->logs->lock);
	log->next = log->logs->first;
	log->logs->first = log;
	pthread_mutex_unlock(&log->logs->lock);
}

static void delist(struct job_log *log)
{
	pthread_mutex_lock(&log->logs->lock);
	struct job_log **at = &log->logs->first;
	while (*at && *at != log)
		at = &(*at)->next;
	if (*at)
		*at = log->next;
	pthread_mutex_unlock(&log->logs->lock);
}

/* The first bytes of what is pending; the rest begins at the place. */
static void forget(struct job_log *log, size_t len, int64_t at)
{
	struct buf *pending = &log->pending;
	pthread_mutex_lock(&log->logs->lock);
	memmove(pending->data, pending->data + len, pending->len - len);
	buf_resize(pending, pending->len - len);
	log->at = at;
	pthread_mutex_unlock(&log->logs->lock);
}

/* It stays, the newest of it, and is tried again: a disk that is full now need not be so later. */
static void keep(struct job_log *log, const struct err *why)
{
	if (!log->late)
		log_warning("%s: a part of a job's log can't be stored yet: %s", log->queue->name, why->text);
	log->late = true;
	log->due_ms = monotonic_ms() + TIMEOUT_LOG_MS;
	if (log->pending.len > LIMIT_JOB_LOG)
		forget(log, log->pending.len - LIMIT_JOB_LOG, log->at);
}

/* Only this thread changes what is pending: it needs no lock to read it. */
void job_log_store(struct job_log *log)
{
	err_auto e = ERR_INIT;
	size_t len = log->pending.len;
	int64_t end = log->at + (int64_t)len;
	log->due_ms = 0;
	if (len == 0)
		return;
	int result = queue_log_add(log->store, log->queue, log->key, log->pending.data, len, &end, &e);
	if (result < 0 && e.code != ENOENT) {
		keep(log, &e);
		return;
	}
	log->gone = result < 0;
	log->late = false;
	forget(log, len, end);
}

void job_log_add(struct job_log *log, const char *text, size_t len)
{
	if (log->gone)
		return;
	if (!log->listed)
		enlist(log);
	if (log->due_ms == 0)
		log->due_ms = monotonic_ms() + TIMEOUT_LOG_MS;
	pthread_mutex_lock(&log->logs->lock);
	buf_add(&log->pending, text, len);
	bool lost = buf_failed(&log->pending);
	log->pending.failed = false; /* what comes next need not be lost */
	pthread_mutex_unlock(&log->logs->lock);
	if (lost)
		log_warning("%s: there is no memory for a part of a job's log", log->queue->name);
	if (log->pending.len >= MUCH && !log->late)
		job_log_store(log);
	else if (log->pending.len >= 2 * LIMIT_JOB_LOG)
		forget(log, log->pending.len - LIMIT_JOB_LOG, log->at);
}

long long job_log_tick(struct job_log *log)
{
	if (log->due_ms == 0)
		return -1;
	long long left = log->due_ms - monotonic_ms();
	if (left > 0)
		return left;
	job_log_store(log);
	return log->late ? TIMEOUT_LOG_MS : -1;
}

void job_log_close(struct job_log *log)
{
	if (!log->listed)
		return;
	job_log_store(log);
	if (log->late)
		log_warning("%s: the end of a job's log is lost", log->queue->name);
	delist(log);
	buf_release(&log->pending);
	log->listed = false;
}

/* ---- reading ---- */

/* The whole text as it is now: what is stored from start to end, and behind it `text` from `at` on. */
struct view {
	struct conn *conn;
	struct log_range stored;
	struct buf text;
	int64_t at;
};

static void copy_pending(struct job_logs *logs, const struct model *queue, const struct value *key, struct view *v)
{
	if (!logs)
		return;
	pthread_mutex_lock(&logs->lock);
	for (struct job_log *log = logs->first; log; log = log->next) {
		if (log->queue != queue || !value_equal(log->key, key))
			continue;
		v->at = log->at;
		buf_add(&v->text, log->pending.data, log->pending.len);
	}
	pthread_mutex_unlock(&logs->lock);
}

static int look(struct job_logs *logs, struct store *s, const struct model *queue, const struct value *key,
		struct view *v, struct err *e)
{
	*v = (struct view){0};
	copy_pending(logs, queue, key, v);
	v->conn = buf_failed(&v->text) ? NULL : store_read_begin(s, e);
	if (!v->conn)
		return buf_failed(&v->text) ? err_nomem(e) : -e->code;
	return queue_log_range(v->conn, queue, key, &v->stored, e);
}

static void view_end(struct view *v)
{
	store_read_end(v->conn);
	buf_release(&v->text);
}

static int64_t end_of(const struct view *v)
{
	int64_t end = v->text.len ? v->at + (int64_t)v->text.len : 0;
	return end > v->stored.end ? end : v->stored.end;
}

int job_log_size(struct job_logs *logs, struct store *s, const struct model *queue, const struct value *key,
		 int64_t *size, struct err *e)
{
	struct view v;
	int result = look(logs, s, queue, key, &v, e);
	*size = result == 0 ? end_of(&v) - v.stored.start : 0;
	view_end(&v);
	return result;
}

static void read_pending(const struct view *v, int64_t from, size_t len, struct buf *out)
{
	int64_t skip = from - v->at;
	if (skip < 0 || skip >= (int64_t)v->text.len)
		return;
	size_t left = v->text.len - (size_t)skip;
	buf_add(out, v->text.data + skip, len < left ? len : left);
}

int job_log_read(struct job_logs *logs, struct store *s, const struct model *queue, const struct value *key,
		 int64_t offset, size_t len, struct buf *out, struct err *e)
{
	struct view v;
	size_t before = out->len;
	int result = look(logs, s, queue, key, &v, e);
	int64_t from = v.stored.start + offset;
	if (result == 0 && from < v.stored.end)
		result = queue_log_read(v.conn, queue, key, from, len, out, e);
	size_t got = out->len - before;
	if (result == 0 && got < len)
		read_pending(&v, from + (int64_t)got, len - got, out);
	view_end(&v);
	if (result == 0 && buf_failed(out))
		result = err_nomem(e);
	return result;
}
