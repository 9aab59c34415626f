/*
 * attempt.c - what a job goes through when it is started once.
 *
 * What the runner writes is a merge patch that says what has become of which start (request.attempt); what follows
 * from it is job_state.c's. Whatever happens, a program that has ended is told of in the end: a refusal by a hook makes
 * it a failure, a hook that refuses that too is passed by, and a store that fails is asked again.
 */
#include "attempt.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "../store/clock.h"
#include "../store/limits.h"
#include "../store/log.h"
#include "../store/phase.h"
#include "act.h"
#include "event.h"
#include "job_patch.h"
#include "job_state.h"
#include "launch.h"

enum { STATUS_AGAIN = 75, STORE_PAUSE_MS = 1000, STORE_TRIES = 10 };

/* ---- the job's row ---- */

static int read_row(struct conn *c, struct attempt *a, struct err *e)
{
	err_auto why = ERR_INIT;
	struct value *row = arena_alloc(&a->arena, a->queue->nfields * sizeof *row);
	if (!row)
		return err_nomem(e);
	int result = store_get(c, a->queue, &a->key, &a->arena, row, NULL, &why);
	if (result < 0 && result != -ENOENT)
		return err_set(e, why.code, "%s", why.text);
	a->claimed = result == 0 && job_runs(a->queue, row); /* or somebody was faster than its start */
	a->row = a->claimed ? row : NULL;
	a->number = a->claimed ? job_integer(a->queue, row, QUEUE_ATTEMPTS) : 0;
	return 0;
}

static int read_rows(struct saver *s, struct attempt **list, size_t n, struct err *e)
{
	struct conn *c = store_read_begin(s->store, e);
	int result = c ? 0 : -e->code;
	for (size_t i = 0; i < n && result == 0; i++)
		if (list[i]->claimed)
			result = read_row(c, list[i], e);
	store_read_end(c);
	return result;
}

static const char *path_of(struct attempt *a)
{
	return record_path(&a->arena, a->queue, &a->key);
}

/* ---- what became of it ---- */

static void again(struct buf *patch, const struct attempt *a, long long ms, bool counted)
{
	patch_text(patch, a->queue, QUEUE_STATUS, "queued");
	patch_time(patch, a->queue, QUEUE_RUN_AT, ms);
	if (!counted)
		patch_integer(patch, a->queue, QUEUE_ATTEMPTS, a->number - 1);
}

static bool is_last(const struct attempt *a)
{
	return a->number >= job_integer(a->queue, a->row, QUEUE_MAX_ATTEMPTS);
}

static void fail(struct buf *patch, const struct attempt *a, const char *why)
{
	if (is_last(a))
		patch_text(patch, a->queue, QUEUE_STATUS, "failed");
	else
		again(patch, a, job_backoff_ms(a->queue->queue, a->number), true);
	patch_error(patch, a->queue, a->row, why);
}

/* A program may end well although it was asked to stop: then it has done its work. */
static void say_end(struct buf *patch, const struct attempt *a, const struct program_result *r, const struct err *why)
{
	if (r->stopped && why->code)
		again(patch, a, 0, false);
	else if (r->status == STATUS_AGAIN && !r->timed_out && !r->too_much)
		again(patch, a, job_backoff_ms(a->queue->queue, 1), false);
	else if (why->code)
		fail(patch, a, why->text);
	else {
		patch_text(patch, a->queue, QUEUE_STATUS, "done");
		patch_result(patch, a->queue, &r->out);
	}
}

static bool store_failed(const struct err *e)
{
	return e->code == ETIMEDOUT || e->code == ENOSPC || e->code == EDQUOT || e->code == EIO || e->code == ENOMEM;
}

/* False: the mount ends. */
static bool pause_for_store(struct attempt *a)
{
	struct pollfd fd = {a->wake_fd, POLLIN, 0};
	return poll(&fd, 1, STORE_PAUSE_MS) == 0;
}

/* 0, or why it is not stored, which trying again would not change. */
static int save_end(struct attempt *a, struct buf *patch, int tries, bool quiet, struct err *e)
{
	struct request r = patch_request(a->queue, &a->key, patch, a->number);
	r.quiet = quiet;
	for (;;) {
		err_auto why = ERR_INIT;
		if (buf_failed(patch))
			return err_nomem(e);
		if (patch_save(a->saver, a->actor, &r, 1, &why) == 0)
			return 0;
		if (!store_failed(&why) || --tries <= 0 || !pause_for_store(a))
			return err_set(e, why.code, "%s", why.text);
	}
}

static void tell(struct attempt *a, const char *what, const struct err *e)
{
	log_info("%s: %s: %s", path_of(a), what, e->text);
}

static bool is_settled(struct attempt *a, int result, const struct err *e)
{
	if (result == 0)
		return true;
	if (e->code == EBUSY || e->code == ENOENT) {
		if (!a->lost)
			tell(a, "the end of a start is not stored", e);
		return true;
	}
	return false;
}

/* Its end could not be stored as it was: too large a result, a hook that refuses it. It must not seem to run for ever.
 */
static void store_failure(struct attempt *a, const struct err *why)
{
	for (int quiet = 0; quiet < 2; quiet++) {
		err_auto e = ERR_INIT;
		buf_auto patch = BUF_INIT;
		fail(&patch, a, why->text);
		int result = save_end(a, &patch, quiet ? INT_MAX : 1, quiet, &e);
		if (is_settled(a, result, &e))
			return;
		tell(a, "its failure is not stored", &e);
	}
}

/* False: there is no memory to say what has happened. */
static bool write_back(struct attempt *a, const struct program_result *r, const struct err *why)
{
	err_auto e = ERR_INIT;
	buf_auto patch = BUF_INIT;
	say_end(&patch, a, r, why);
	int result = save_end(a, &patch, STORE_TRIES, false, &e);
	if (is_settled(a, result, &e))
		return true;
	tell(a, "the end of a start is not stored", &e);
	if (e.code == ENOMEM)
		return false;
	store_failure(a, &e);
	return true;
}

static void tell_last_failure(struct attempt *a, const struct program_result *r, const struct err *why)
{
	if (why->code && !r->stopped && r->status != STATUS_AGAIN && is_last(a))
		journal_add(a->saver->journal, a->actor->uid, 0, path_of(a), why);
}

/* ---- running ---- */

/* A job's message is the last line that its program wrote to standard error. */
static void last_line(const struct buf *text, struct err *why, struct program_result *r)
{
	const char *start = buf_text(text), *end = start + text->len;
	while (end > start && strchr(" \t\r\n", end[-1]))
		end--;
	const char *line = memrchr(start, '\n', (size_t)(end - start));
	line = line ? line + 1 : start;
	if (why->code == 0 || end == line || r->timed_out || r->too_much || r->signal)
		return;
	int code = why->code;
	err_release(why);
	err_set(why, code, "%.*s", (int)(end - line), line);
}

static void keep_lease(struct attempt *a)
{
	err_auto e = ERR_INIT;
	a->renew_at_ms = monotonic_ms() + TIMEOUT_LEASE_MS / 3;
	if (job_renew(a->saver, a->actor, a->queue, &a->key, a->number, TIMEOUT_LEASE_MS, &e) == 0)
		return;
	if (e.code == EBUSY || e.code == ENOENT)
		attempt_stop(a, true);
	else
		tell(a, "the lease of a job is not renewed", &e);
}

static void log_text(void *data, const char *text, size_t len)
{
	struct attempt *a = data;
	job_log_add(&a->log, text, len);
}

static long long tick(void *data)
{
	struct attempt *a = data;
	if (monotonic_ms() >= a->renew_at_ms)
		keep_lease(a);
	long long renew_in = a->renew_at_ms - monotonic_ms(), log_in = job_log_tick(&a->log);
	renew_in = renew_in < 0 ? 0 : renew_in;
	return log_in >= 0 && log_in < renew_in ? log_in : renew_in;
}

static void run_program(struct attempt *a, struct program_result *r, struct err *why)
{
	struct event_object event = {
	    .name = "job", .verb = VERB_CREATE, .model = a->queue, .key = &a->key, .row = a->row, .actor = a->actor};
	const struct queue_program *how = &a->saver->hooks->queues[a->queue->index];
	struct program p = {
	    .argv = a->queue->queue->argv,
	    .user = how->user,
	    .bounds = &how->bounds,
	    .timeout_ms = a->queue->queue->timeout_ms,
	    .started = guard_started,
	    .ended = guard_ended,
	    .data = a->guard,
	    .stop = (const volatile bool *)&a->stop,
	    .wake_fd = a->wake_fd,
	    .log = log_text,
	    .tick = tick,
	    .log_data = a,
	};
	*r = (struct program_result){.status = -1};
	a->renew_at_ms = monotonic_ms() + TIMEOUT_LEASE_MS / 3;
	if (event_program(&p, &a->arena, &event, a->saver, why) < 0 || program_run(&p, r, why) < 0)
		return;
	program_verdict(&p, r, why);
	last_line(&r->err, why, r);
}

void attempt_run(struct attempt *a)
{
	struct program_result r;
	err_auto why = ERR_INIT;
	phase("job-claimed");
	run_program(a, &r, &why);
	phase("job-ran");
	job_log_store(&a->log);
	if (!__atomic_load_n(&a->lost, __ATOMIC_ACQUIRE)) {
		tell_last_failure(a, &r, &why);
		while (!write_back(a, &r, &why) && pause_for_store(a))
			;
	}
	job_log_close(&a->log); /* when the end could be stored, so can this */
	phase("job-finished");
	program_result_release(&r);
}

void attempt_stop(struct attempt *a, bool lost)
{
	if (lost)
		__atomic_store_n(&a->lost, true, __ATOMIC_RELEASE);
	__atomic_store_n(&a->stop, true, __ATOMIC_RELEASE);
	eventfd_write(a->wake_fd, 1);
}

/* ---- before it runs ---- */

static int claim(struct attempt **list, size_t n, struct err *e)
{
	arena_auto arena = ARENA_INIT;
	buf_auto patch = BUF_INIT;
	struct request *requests = arena_alloc(&arena, n * sizeof *requests);
	if (!requests)
		return err_nomem(e);
	patch_text(&patch, list[0]->queue, QUEUE_STATUS, "running");
	requests[0] = patch_request(list[0]->queue, &list[0]->key, &patch, 0);
	for (size_t i = 1; i < n; i++) {
		requests[i] = requests[0];
		requests[i].key = list[i]->key;
	}
	int result = buf_failed(&patch) ? err_nomem(e) : patch_save(list[0]->saver, list[0]->actor, requests, n, e);
	for (size_t i = 0; i < n && result == 0; i++)
		list[i]->claimed = true;
	return result;
}

/* A hook does not let it be claimed: other jobs go on meanwhile. */
static void postpone(struct attempt *a, const struct err *why)
{
	err_auto e = ERR_INIT;
	buf_auto patch = BUF_INIT;
	log_warning("%s: can't be started: %s", path_of(a), why->text);
	patch_time(&patch, a->queue, QUEUE_RUN_AT, job_backoff_ms(a->queue->queue, 1));
	struct request r = patch_request(a->queue, &a->key, &patch, 0);
	r.quiet = true;
	if (buf_failed(&patch) || patch_save(a->saver, a->actor, &r, 1, &e) < 0)
		tell(a, "nor can it be put off", &e);
}

static int claim_each(struct attempt **list, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		err_auto why = ERR_INIT;
		if (claim(&list[i], 1, &why) == 0 || why.code == EBUSY || why.code == ENOENT)
			continue;
		if (store_failed(&why))
			return err_set(e, why.code, "%s", why.text);
		postpone(list[i], &why);
	}
	return 0;
}

int attempts_claim(struct attempt **list, size_t n, struct err *e)
{
	err_auto why = ERR_INIT;
	int result = claim(list, n, &why);
	if (result < 0)
		result = claim_each(list, n, e);
	if (result == 0)
		result = read_rows(list[0]->saver, list, n, e);
	for (size_t i = 0; i < n; i++) {
		list[i]->log.queue = list[i]->queue;
		list[i]->log.key = &list[i]->key;
	}
	return result;
}

int attempt_give_back(struct attempt *a, struct err *e)
{
	buf_auto patch = BUF_INIT;
	if (!a->row && read_rows(a->saver, &a, 1, e) < 0)
		return -e->code;
	if (!a->claimed)
		return 0;
	again(&patch, a, job_backoff_ms(a->queue->queue, 1), false);
	struct request r = patch_request(a->queue, &a->key, &patch, a->number);
	return buf_failed(&patch) ? err_nomem(e) : patch_save_anyway(a->saver, a->actor, &r, e);
}
