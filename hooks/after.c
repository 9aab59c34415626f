/*
 * after.c - the dispatcher and the threads of after_commit programs.
 *
 *   recorded, next_try 0 --dispatch--> runs --success--> gone
 *   runs --failure, exit status 75--> recorded, next_try later --dispatch--> runs
 *   runs --the mount ends or crashes--> recorded as before, for the next mount
 *
 * The lock guards the list of runs and the flags; it is a leaf, and no program runs and nothing is stored under it.
 * Only the dispatcher adds runs and joins them.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "../store/clock.h"
#include "../store/limits.h"
#include "../store/log.h"
#include "../store/phase.h"
#include "act.h"
#include "after.h"
#include "after_hooks.h"

enum {
	STATUS_AGAIN = 75,
	FIRST_BACKOFF_MS = 1000,
	LONGEST_BACKOFF_MS = 3600 * 1000,
	LIMIT_AGAIN = LIMIT_AFTER / 2, /* second tries at once: failing programs leave room for others */
	STORE_PAUSE_MS = 1000          /* before the store is asked again that has failed */
};

/* A program that runs. */
struct run {
	struct after *after;
	const struct hook *hook;
	struct pending pending;
	bool again, ended;
	pthread_t thread;
	struct arena arena;
	struct run *next;
};

struct after {
	struct saver *saver;
	struct after_hooks hooks;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct run *runs;
	bool started, dirty, stopping;
	bool stop; /* ends the programs that run */
	int wake_fd;
	pthread_t dispatcher;
};

/* ---- recording ---- */

int after_record(struct after *a, struct txn *t, const struct hook *h, const struct event_object *event, int64_t *batch,
		 struct err *e)
{
	arena_auto arena = ARENA_INIT;
	buf_auto line = BUF_INIT;
	int64_t id;
	event_write(&line, event);
	struct pending p = {
	    .batch = *batch,
	    .created_ms = realtime_ms(),
	    .uid = event->actor->uid,
	    .pid = event->actor->pid,
	    .model = event->model->name,
	    .path = record_path(&arena, event->model, event->key),
	    .hook = after_hooks_name(&a->hooks, h),
	    .event = buf_text(&line),
	};
	if (!p.path || buf_failed(&line))
		return err_nomem(e);
	int result = txn_pending_add(t, &p, &id, e);
	if (result == 0 && !*batch)
		*batch = id;
	return result;
}

/* ---- what became of a program ---- */

/* Doubled with every attempt, and up to a quarter more, so that what failed together parts. */
static long long backoff_ms(int64_t attempts)
{
	long long ms = FIRST_BACKOFF_MS;
	unsigned random = 0;
	for (int64_t i = 1; i < attempts && ms < LONGEST_BACKOFF_MS; i++)
		ms *= 2;
	if (ms > LONGEST_BACKOFF_MS)
		ms = LONGEST_BACKOFF_MS;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = (unsigned)monotonic_ms();
	return ms + random % (ms / 4 + 1);
}

static int store_end(struct run *r, bool succeeded, struct err *e)
{
	struct txn t;
	int result = txn_begin(r->after->saver->store, &t, e);
	if (result < 0)
		return result;
	result = succeeded ? txn_pending_remove(&t, r->pending.id, e) : txn_pending_fail(&t, &r->pending, e);
	if (result < 0)
		txn_rollback(&t);
	else
		result = txn_commit(&t, e);
	return result == -ENOENT ? 0 : result; /* somebody has dropped it */
}

/* False: the mount ends. */
static bool pause_after_failure(struct after *a)
{
	struct timespec until = monotonic_at(monotonic_ms() + STORE_PAUSE_MS);
	pthread_mutex_lock(&a->lock);
	while (!a->stopping && pthread_cond_timedwait(&a->changed, &a->lock, &until) == 0)
		;
	bool goes_on = !a->stopping;
	pthread_mutex_unlock(&a->lock);
	return goes_on;
}

/* Until it is stored the program counts as running: it must not be started again because the disk is full. */
static void settle(struct run *r, bool succeeded)
{
	for (bool again = true; again;) {
		err_auto e = ERR_INIT;
		if (store_end(r, succeeded, &e) == 0)
			return;
		log_warning("%s: the end of an after_commit program can't be stored: %s", r->pending.path, e.text);
		again = pause_after_failure(r->after);
	}
}

static void tell(struct run *r, const char *program, const struct err *why)
{
	err_auto told = ERR_INIT;
	err_set(&told, why->code, "after_commit run %s: %s", program, why->text);
	journal_add(r->after->saver->journal, (uid_t)r->pending.uid, (pid_t)r->pending.pid, r->pending.path, &told);
	log_warning("%s: %s", r->pending.path, told.text);
}

static void fail(struct run *r, const char *program, bool asked, const struct err *why)
{
	struct pending *p = &r->pending;
	p->attempts++;
	p->failed_ms = realtime_ms();
	p->next_ms = p->failed_ms + backoff_ms(p->attempts);
	p->message = asked ? NULL : why->text; /* status 75 is no failure */
	if (!asked)
		tell(r, program, why);
	settle(r, false);
}

/* ---- running ---- */

static int prepare(struct run *r, struct program *p, struct err *e)
{
	struct after *a = r->after;
	struct event_object event;
	struct actor actor;
	*p = (struct program){
	    .argv = r->hook->argv,
	    .user = r->hook->user,
	    .bounds = &r->hook->bounds,
	    .timeout_ms = r->hook->timeout_ms,
	    .stop = (volatile bool *)&a->stop,
	    .wake_fd = a->wake_fd,
	};
	int result = event_read(&event, &actor, a->saver->schema, r->pending.event, &r->arena, e);
	if (result < 0)
		return result;
	p->directory = a->saver->schema->conf->directory;
	p->env = event_env(&r->arena, &event, a->saver, r->hook->user);
	p->input = arena_printf(&r->arena, "%s\n", r->pending.event);
	if (!p->env || !p->input)
		return err_nomem(e);
	p->input_len = strlen(p->input);
	return 0;
}

static void carry_out(struct run *r)
{
	err_auto why = ERR_INIT;
	struct program p;
	struct program_result result = {.status = -1};
	phase("after-starts");
	if (prepare(r, &p, &why) == 0 && program_run(&p, &result, &why) == 0)
		program_verdict(&p, &result, &why);
	phase("after-ran");
	bool asked = result.status == STATUS_AGAIN && !result.timed_out && !result.too_much;
	if (result.stopped)
		log_info("%s: %s was ended because the mount ends; it runs again with the next", r->pending.path,
			 program_name(&p));
	else if (why.code)
		fail(r, program_name(&p), asked, &why);
	else
		settle(r, true);
	phase("after-settled");
	program_result_release(&result);
}

static void *run_thread(void *data)
{
	struct run *r = data;
	struct after *a = r->after;
	carry_out(r);
	pthread_mutex_lock(&a->lock);
	r->ended = true;
	a->dirty = true;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* ---- the dispatcher ---- */

static void run_free(struct run *r)
{
	struct arena arena = r->arena;
	arena_release(&arena);
	free(r);
}

/* Joins what has ended; with the lock held, as an ended thread takes it no more. */
static void collect(struct after *a)
{
	for (struct run **at = &a->runs; *at;) {
		struct run *r = *at;
		if (!r->ended) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		pthread_join(r->thread, NULL);
		run_free(r);
	}
}

struct running {
	int64_t ids[LIMIT_AFTER];
	int n, again;
};

static struct running look_at_runs(struct after *a)
{
	struct running running = {.n = 0};
	pthread_mutex_lock(&a->lock);
	collect(a);
	for (const struct run *r = a->runs; r; r = r->next) {
		running.ids[running.n++] = r->pending.id;
		running.again += r->again;
	}
	pthread_mutex_unlock(&a->lock);
	return running;
}

/* 1: r->pending is to run now; 0: nothing is, and *due_ms may say when (-1: nothing known). */
static int find_next(struct run *r, const struct running *running, int64_t *due_ms, struct err *e)
{
	struct conn *c = store_read_begin(r->after->saver->store, e);
	if (!c)
		return -e->code;
	*due_ms = -1;
	int result = store_pending_next(c, false, 0, running->ids, &r->arena, &r->pending, e);
	if (result == 0 && running->again < LIMIT_AGAIN) {
		long long now = realtime_ms();
		result = store_pending_next(c, true, now, running->ids, &r->arena, &r->pending, e);
		r->again = result > 0;
		if (result == 0)
			result = store_pending_due(c, running->ids, due_ms, e);
	}
	store_read_end(c);
	return result;
}

static int start_thread(struct run *r, struct err *e)
{
	struct after *a = r->after;
	pthread_mutex_lock(&a->lock);
	int code = pthread_create(&r->thread, NULL, run_thread, r);
	if (code == 0) {
		r->next = a->runs;
		a->runs = r;
	}
	pthread_mutex_unlock(&a->lock);
	return code ? err_set(e, EIO, "no thread for an after_commit program: %s", strerror(code)) : 0;
}

static int start_next(struct after *a, int64_t *due_ms, struct err *e)
{
	struct running running = look_at_runs(a);
	*due_ms = -1;
	if (running.n == LIMIT_AFTER)
		return 0;
	struct run *r = calloc(1, sizeof *r);
	if (!r)
		return err_nomem(e);
	r->after = a;
	int result = find_next(r, &running, due_ms, e);
	if (result > 0 && !(r->hook = after_hooks_find(&a->hooks, r->pending.model, r->pending.hook)))
		result = err_set(e, EIO, "%s waits for a hook that mount.conf does not have", r->pending.path);
	if (result > 0)
		result = start_thread(r, e) < 0 ? -e->code : 1;
	if (result <= 0)
		run_free(r);
	return result;
}

/* Starts what may run. Milliseconds until it is worth looking again; -1: when something happens. */
static long long start_all(struct after *a)
{
	int64_t due_ms;
	int result;
	do {
		err_auto e = ERR_INIT;
		result = start_next(a, &due_ms, &e);
		if (result < 0) {
			log_warning("no after_commit program can be started: %s", e.text);
			return STORE_PAUSE_MS;
		}
	} while (result > 0 && !__atomic_load_n(&a->stopping, __ATOMIC_ACQUIRE));
	if (due_ms < 0)
		return -1;
	long long wait = due_ms - realtime_ms();
	return wait < 1 ? 1 : wait;
}

/* False: the mount ends. */
static bool wait_for_work(struct after *a, long long ms)
{
	struct timespec until = monotonic_at(monotonic_ms() + ms);
	int code = 0;
	pthread_mutex_lock(&a->lock);
	while (!a->dirty && !a->stopping && code == 0)
		code = ms < 0 ? pthread_cond_wait(&a->changed, &a->lock)
			      : pthread_cond_timedwait(&a->changed, &a->lock, &until);
	a->dirty = false;
	bool goes_on = !a->stopping;
	pthread_mutex_unlock(&a->lock);
	return goes_on;
}

static void *dispatch(void *data)
{
	struct after *a = data;
	for (long long ms = 0; wait_for_work(a, ms); ms = start_all(a))
		;
	return NULL;
}

void after_wake(struct after *a)
{
	int code = 0;
	pthread_mutex_lock(&a->lock);
	if (!a->started && !a->stopping)
		code = pthread_create(&a->dispatcher, NULL, dispatch, a);
	a->started |= code == 0;
	a->dirty = true;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	if (code)
		log_warning("after_commit programs wait, there is no thread for them: %s", strerror(code));
}

/* ---- start and stop ---- */

int after_new(struct after **out, struct saver *s, struct err *e)
{
	struct after *a = calloc(1, sizeof *a);
	if (!a)
		return err_nomem(e);
	pthread_mutex_init(&a->lock, NULL);
	clock_cond_init(&a->changed);
	a->saver = s;
	a->wake_fd = eventfd(0, EFD_CLOEXEC);
	int result = a->wake_fd < 0 ? err_set(e, EIO, "no event descriptor: %s", strerror(errno))
				    : after_hooks_open(&a->hooks, s, e);
	if (result < 0)
		after_free(a);
	else
		*out = a;
	return result;
}

int after_start(struct after *a, struct err *e)
{
	struct pending_total total;
	struct conn *c = store_read_begin(a->saver->store, e);
	if (!c)
		return -e->code;
	int result = store_pending_total(c, &total, e);
	store_read_end(c);
	if (result == 0 && total.n > total.held)
		after_wake(a);
	return result;
}

static void wait_for_runs(struct after *a, const struct timespec *until)
{
	int code = 0;
	for (collect(a); a->runs && code == 0; collect(a))
		code = until ? pthread_cond_timedwait(&a->changed, &a->lock, until)
			     : pthread_cond_wait(&a->changed, &a->lock);
}

void after_free(struct after *a)
{
	if (!a)
		return;
	struct timespec until = monotonic_at(monotonic_ms() + TIMEOUT_DRAIN_MS);
	pthread_mutex_lock(&a->lock);
	__atomic_store_n(&a->stopping, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	if (a->started)
		pthread_join(a->dispatcher, NULL);
	pthread_mutex_lock(&a->lock);
	wait_for_runs(a, &until);
	__atomic_store_n(&a->stop, true, __ATOMIC_RELEASE);
	eventfd_write(a->wake_fd, 1);
	wait_for_runs(a, NULL);
	pthread_mutex_unlock(&a->lock);
	if (a->wake_fd >= 0)
		close(a->wake_fd);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	after_hooks_release(&a->hooks);
	free(a);
}
