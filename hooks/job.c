/*
 * job.c - the runner: one thread looks for due jobs, each job that runs has a thread of its own (attempt.c).
 *
 *   queued --attempt_claim--> running --attempt_run--> done | failed | queued (again, later)
 *   running --recover (at start), attempt_run (at stop)--> queued
 *
 * Only the dispatcher claims, so no job is started twice. The lock guards slots and flags; nothing is saved and no
 * program runs under it.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../store/limits.h"
#include "../store/log.h"
#include "attempt.h"
#include "job.h"

/* A job that runs. */
struct slot {
	struct attempt attempt;
	struct runner *runner;
	pthread_t thread;
	bool ended; /* may be joined */
	struct slot *next;
};

struct runner {
	struct saver *saver;
	struct actor actor;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct slot *slots;
	bool dirty;    /* look at the queues */
	bool stopping; /* start no more */
	bool stop;     /* end the programs */
	int wake_fd;   /* readable once stop is set */
	pthread_t dispatcher;
};

static long long monotonic_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static struct timespec at_ms(long long ms)
{
	return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

/* A queue without a program is worked by others. */
static bool is_ours(const struct model *m)
{
	return m->queue && m->queue->argv;
}

/* ---- slots ---- */

static void slot_free(struct slot *slot)
{
	arena_release(&slot->attempt.arena);
	free(slot);
}

static void *run_slot(void *data)
{
	struct slot *slot = data;
	struct runner *r = slot->runner;
	attempt_run(&slot->attempt);
	pthread_mutex_lock(&r->lock);
	slot->ended = true;
	r->dirty = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* Joins what has ended; with the lock held, as an ended thread takes it no more. */
static void collect(struct runner *r)
{
	for (struct slot **at = &r->slots; *at;) {
		struct slot *slot = *at;
		if (!slot->ended) {
			at = &slot->next;
			continue;
		}
		*at = slot->next;
		pthread_join(slot->thread, NULL);
		slot_free(slot);
	}
}

static long running(struct runner *r, const struct model *queue)
{
	long n = 0;
	pthread_mutex_lock(&r->lock);
	collect(r);
	for (const struct slot *slot = r->slots; slot; slot = slot->next)
		n += slot->attempt.queue == queue;
	pthread_mutex_unlock(&r->lock);
	return n;
}

static bool stopping(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	bool stopping = r->stopping;
	pthread_mutex_unlock(&r->lock);
	return stopping;
}

static int start_thread(struct slot *slot, struct err *e)
{
	struct runner *r = slot->runner;
	pthread_mutex_lock(&r->lock);
	int code = pthread_create(&slot->thread, NULL, run_slot, slot);
	if (code == 0) {
		slot->next = r->slots;
		r->slots = slot;
	}
	pthread_mutex_unlock(&r->lock);
	return code ? err_set(e, EIO, "no thread for a job: %s", strerror(code)) : 0;
}

/* ---- the dispatcher ---- */

/* 1: started one; 0: none is due. */
static int start_next(struct runner *r, const struct model *queue, long long *next_ms, struct err *e)
{
	struct slot *slot = calloc(1, sizeof *slot);
	if (!slot)
		return err_nomem(e);
	slot->runner = r;
	slot->attempt = (struct attempt){
	    .saver = r->saver,
	    .actor = &r->actor,
	    .stop = &r->stop,
	    .wake_fd = r->wake_fd,
	    .queue = queue,
	};
	int result = attempt_find(&slot->attempt, next_ms, e);
	if (result > 0)
		result = attempt_claim(&slot->attempt, e) < 0 ? -e->code : 1;
	if (result > 0 && start_thread(slot, e) == 0)
		return 1;
	if (result > 0) {
		attempt_give_back(&slot->attempt);
		result = -e->code;
	}
	slot_free(slot);
	return result;
}

/* Fills the queue's workers. Milliseconds until it is worth looking again, -1: when something happens. */
static long long work(struct runner *r, const struct model *queue)
{
	long long next_ms = -1;
	while (!stopping(r) && running(r, queue) < queue->queue->workers) {
		err_auto e = ERR_INIT;
		int result = start_next(r, queue, &next_ms, &e);
		if (result == 0)
			return next_ms;
		if (result < 0 && e.code != ENOENT) {
			log_warning("%s: no job can be started: %s", queue->name, e.text);
			return POLL_FOREIGN_MS;
		}
	}
	return -1;
}

static long long work_all(struct runner *r)
{
	const struct schema *s = r->saver->schema;
	long long soonest = -1;
	for (size_t i = 0; i < s->nmodels; i++) {
		if (!is_ours(&s->models[i]))
			continue;
		long long next = work(r, &s->models[i]);
		if (next >= 0 && (soonest < 0 || next < soonest))
			soonest = next;
	}
	return soonest;
}

/* Waits until the time, something happened, or it is time to look whether another program changed the database. */
static bool wait_for_work(struct runner *r, long long due)
{
	long long poll = monotonic_ms() + POLL_FOREIGN_MS;
	struct timespec until = at_ms(due < poll ? due : poll);
	int code = 0;
	pthread_mutex_lock(&r->lock);
	while (!r->dirty && !r->stopping && code == 0)
		code = pthread_cond_timedwait(&r->changed, &r->lock, &until);
	bool woken = r->dirty;
	r->dirty = false;
	pthread_mutex_unlock(&r->lock);
	return woken;
}

static void *dispatch(void *data)
{
	struct runner *r = data;
	long long due = 0;
	while (!stopping(r)) {
		bool look = wait_for_work(r, due);
		look |= store_changed_elsewhere(r->saver->store);
		if (!look && monotonic_ms() < due)
			continue;
		long long next = work_all(r);
		due = next < 0 ? LLONG_MAX : monotonic_ms() + next;
	}
	return NULL;
}

/* ---- start and stop ---- */

/* What was running when the last daemon ended. */
static int recover(struct runner *r, const struct model *queue, struct err *e)
{
	arena_auto arena = ARENA_INIT;
	struct value *keys = NULL;
	size_t n = 0;
	struct conn *c = store_read_begin(r->saver->store, e);
	if (!c)
		return -e->code;
	int result = store_jobs_with(c, queue, "running", &arena, &keys, &n, e);
	store_read_end(c);
	for (size_t i = 0; i < n && result == 0; i++)
		result = attempt_recover(r->saver, &r->actor, queue, &keys[i], e);
	return result;
}

static int recover_all(struct runner *r, struct err *e)
{
	const struct schema *s = r->saver->schema;
	int result = 0;
	for (size_t i = 0; i < s->nmodels && result == 0; i++)
		if (is_ours(&s->models[i]))
			result = recover(r, &s->models[i], e);
	return result;
}

static void runner_free(struct runner *r)
{
	if (r->wake_fd >= 0)
		close(r->wake_fd);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

int runner_start(struct runner **out, struct saver *s, struct err *e)
{
	struct runner *r = calloc(1, sizeof *r);
	if (!r)
		return err_nomem(e);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r->saver = s;
	r->actor = (struct actor){.uid = geteuid(), .gid = getegid()};
	r->dirty = true;
	r->wake_fd = eventfd(0, EFD_CLOEXEC);
	int result = r->wake_fd < 0 ? err_set(e, EIO, "no event descriptor: %s", strerror(errno)) : recover_all(r, e);
	*out = r; /* before the thread's own commits wake it */
	int code = result < 0 ? 0 : pthread_create(&r->dispatcher, NULL, dispatch, r);
	if (code)
		result = err_set(e, EIO, "no thread for jobs: %s", strerror(code));
	if (result < 0) {
		runner_free(r);
		*out = NULL;
	}
	return result;
}

void runner_wake(struct runner *r, const bool *models)
{
	const struct schema *s = r->saver->schema;
	bool queues = false;
	for (size_t i = 0; i < s->nmodels && !queues; i++)
		queues = models[i] && is_ours(&s->models[i]);
	if (!queues)
		return;
	pthread_mutex_lock(&r->lock);
	r->dirty = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void wait_for_slots(struct runner *r, const struct timespec *until)
{
	int code = 0;
	for (collect(r); r->slots && code == 0; collect(r))
		code = until ? pthread_cond_timedwait(&r->changed, &r->lock, until)
			     : pthread_cond_wait(&r->changed, &r->lock);
}

void runner_stop(struct runner *r)
{
	if (!r)
		return;
	struct timespec until = at_ms(monotonic_ms() + TIMEOUT_DRAIN_MS);
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->dispatcher, NULL);
	pthread_mutex_lock(&r->lock);
	wait_for_slots(r, &until);
	__atomic_store_n(&r->stop, true, __ATOMIC_RELEASE);
	eventfd_write(r->wake_fd, 1);
	wait_for_slots(r, NULL);
	pthread_mutex_unlock(&r->lock);
	runner_free(r);
}
