/*
 * job.c - the runner: a thread, the dispatcher, that looks for what is to be done; each job that runs has a thread of
 * its own (job_slot.c, attempt.c).
 *
 * It sleeps until something was committed, a program ended, or something is due by the clock: of a hundred thousand
 * jobs of next year nothing is asked meanwhile. Changes by other programs are told by inotify (store/queue.h), and
 * looked at once in POLL_FOREIGN_MS.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../store/clock.h"
#include "../store/limits.h"
#include "../store/log.h"
#include "job_patch.h"
#include "job_state.h"
#include "launch.h"
#include "runner.h"

/* ---- the dispatcher ---- */

/*
 * In a queue that others work there is nothing to be started, only leases to look after: that it was touched is no
 * haste, and a save that makes a job there costs no more than the job.
 */
static bool take_dirty(struct runner *r, struct watched *w)
{
	pthread_mutex_lock(&r->lock);
	long long now = monotonic_ms();
	if (w->touched && w->due_ms > now + POLL_FOREIGN_MS)
		w->due_ms = now + POLL_FOREIGN_MS;
	bool take = (w->dirty && !r->stopping) || w->due_ms <= now;
	w->dirty = false;
	w->touched &= !take;
	pthread_mutex_unlock(&r->lock);
	return take;
}

/* A program that ends says so before its slot is collected here, or makes the queue dirty again: a job that it leaves
 * queued is never passed over for the slot that it has still. */
static void work(struct runner *r, struct watched *w)
{
	do
		slots_collect(r);
	while (!runner_stopping(r) && queue_work(r, w));
}

static void work_all(struct runner *r)
{
	for (size_t i = 0; i < r->nqueues; i++)
		if (take_dirty(r, &r->queues[i]))
			work(r, &r->queues[i]);
}

static void all_dirty(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->nqueues; i++)
		r->queues[i].dirty = true;
	pthread_mutex_unlock(&r->lock);
}

/*
 * Somebody has written the database, perhaps another program. The log's pages come before they are valid: what is not
 * seen yet is seen at the next look.
 */
static void look_elsewhere(struct runner *r)
{
	bool written = queue_watch_drain(r->saver->store) || r->watch_fd < 0;
	r->watch_ms = written ? monotonic_ms() + POLL_FOREIGN_MS : NEVER;
	if (!store_changed_elsewhere(r->saver->store))
		return;
	slots_check(r);
	all_dirty(r);
}

/*
 * Times of jobs are of the clock, and the sleep until them is not: when the clock is set, or the machine has slept, all
 * is due anew. The kernel tells so of a timer that can be cancelled; what is read from it is an error then.
 */
static void watch_clock(struct runner *r)
{
	enum { YEARS = 10 * 366 * 86400 };
	struct itimerspec late = {0};
	clock_gettime(CLOCK_REALTIME, &late.it_value);
	late.it_value.tv_sec += YEARS;
	if (r->clock_fd < 0)
		r->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (r->clock_fd >= 0)
		timerfd_settime(r->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &late, NULL);
}

static void look_at_clock(struct runner *r)
{
	enum { JUMP_MS = 500 };
	long long ahead = realtime_ms() - monotonic_ms();
	if (llabs(ahead - r->clock_ms) < JUMP_MS)
		return;
	r->clock_ms = ahead;
	all_dirty(r);
}

static long long next_due(const struct runner *r)
{
	long long due = NEVER;
	for (size_t i = 0; i < r->nqueues; i++)
		due = r->queues[i].due_ms < due ? r->queues[i].due_ms : due;
	return due;
}

static void sleep_until_work(struct runner *r)
{
	long long now = monotonic_ms(), due = next_due(r);
	struct pollfd fds[] = {
	    {r->wake_fd, POLLIN, 0}, {r->watch_ms == NEVER ? r->watch_fd : -1, POLLIN, 0}, {r->clock_fd, POLLIN, 0}};
	due = r->watch_ms < due ? r->watch_ms : due;
	long long wait = due == NEVER ? -1 : due <= now ? 0 : due - now;
	poll(fds, 3, wait > INT_MAX ? INT_MAX : (int)wait);
	eventfd_t ignored;
	if (fds[0].revents)
		eventfd_read(r->wake_fd, &ignored);
	if (fds[2].revents)
		watch_clock(r);
	look_at_clock(r);
	if (fds[1].revents || monotonic_ms() >= r->watch_ms)
		look_elsewhere(r);
}

/* What was running when the last mount ended. */
static void recover(struct runner *r)
{
	for (size_t i = 0; i < r->nqueues; i++) {
		err_auto e = ERR_INIT;
		if (queue_recover(r, r->queues[i].queue, &e) < 0)
			log_warning("%s: jobs that were running can't be queued again before their leases run out: %s",
				    r->queues[i].queue->name, e.text);
	}
}

static void *dispatch(void *data)
{
	struct runner *r = data;
	recover(r);
	all_dirty(r);
	while (!runner_stopping(r)) {
		work_all(r);
		sleep_until_work(r);
	}
	return NULL;
}

/* ---- start and stop ---- */

static int list_queues(struct runner *r, struct err *e)
{
	const struct schema *s = r->saver->schema;
	r->queues = calloc(s->nmodels + 1, sizeof *r->queues);
	if (!r->queues)
		return err_nomem(e);
	for (size_t i = 0; i < s->nmodels; i++)
		if (s->models[i].queue && !s->models[i].read_only)
			r->queues[r->nqueues++] = (struct watched){.queue = &s->models[i], .due_ms = NEVER};
	return 0;
}

static void runner_free(struct runner *r)
{
	guard_stop(&r->guard);
	if (r->wake_fd >= 0)
		close(r->wake_fd);
	if (r->clock_fd >= 0)
		close(r->clock_fd);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	pthread_mutex_destroy(&r->logs.lock);
	free(r->queues);
	free(r);
}

static struct runner *runner_new(struct saver *s)
{
	struct runner *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->logs.lock, NULL);
	clock_cond_init(&r->changed);
	r->saver = s;
	r->actor = (struct actor){.uid = geteuid(), .gid = getegid()};
	r->observer = (struct observer){.changed = slots_job_changed, .data = r};
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->watch_fd = queue_watch_fd(s->store);
	r->clock_fd = -1;
	watch_clock(r);
	return r;
}

/* Where the daemon starts programs. Without it jobs run too, but those that a crash leaves are not ended. */
static void start_guard(struct runner *r)
{
	err_auto e = ERR_INIT;
	bool runs = false;
	for (size_t i = 0; i < r->nqueues; i++)
		runs |= r->queues[i].queue->queue->argv != NULL;
	if (runs && guard_start(&r->guard, store_hold_fd(r->saver->store), &e) < 0)
		log_warning("after a crash nobody will end the programs of jobs: %s", e.text);
}

int runner_start(struct runner **out, struct saver *s, struct err *e)
{
	struct runner *r = runner_new(s);
	if (!r)
		return err_nomem(e);
	int result = r->wake_fd < 0 ? err_set(e, EIO, "no event descriptor: %s", strerror(errno)) : list_queues(r, e);
	*out = r; /* before the thread's own commits wake it */
	if (result == 0)
		start_guard(r);
	if (result == 0)
		saver_observe(s, &r->observer);
	int code = result < 0 ? 0 : pthread_create(&r->dispatcher, NULL, dispatch, r);
	if (code) {
		saver_forget(s, &r->observer);
		result = err_set(e, EIO, "no thread for jobs: %s", strerror(code));
	}
	if (result < 0) {
		runner_free(r);
		*out = NULL;
	}
	return result;
}

void runner_wake(struct runner *r, const bool *models)
{
	bool wake = false;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->nqueues; i++) {
		struct watched *w = &r->queues[i];
		if (!models[w->queue->index])
			continue;
		bool *mark = w->queue->queue->argv ? &w->dirty : &w->touched;
		wake |= !*mark;
		*mark = true;
	}
	pthread_mutex_unlock(&r->lock);
	if (wake)
		eventfd_write(r->wake_fd, 1);
}

void runner_drain(struct runner *r)
{
	long long end = monotonic_ms() + TIMEOUT_DRAIN_MS;
	struct timespec until = {.tv_sec = end / 1000, .tv_nsec = end % 1000 * 1000000};
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	eventfd_write(r->wake_fd, 1);
	slots_wait(r, &until);
	for (struct slot *slot = r->slots; slot; slot = slot->next)
		if (!slot->ended)
			attempt_stop(&slot->attempt, false);
	slots_wait(r, NULL);
	pthread_mutex_unlock(&r->lock);
}

void runner_stop(struct runner *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	eventfd_write(r->wake_fd, 1);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->dispatcher, NULL);
	runner_drain(r);
	slots_collect(r);
	slots_forget(r);
	saver_forget(r->saver, &r->observer);
	runner_free(r);
}

struct job_logs *runner_logs(struct runner *r)
{
	return r ? &r->logs : NULL;
}

/* ---- for users ---- */

int runner_pause(struct runner *r, struct saver *s, const struct model *queue, bool paused, struct err *e)
{
	int result = queue_pause(s->store, queue, paused, e);
	if (result < 0 || !r)
		return result;
	pthread_mutex_lock(&r->lock);
	runner_dirty(r, queue);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

int runner_renew(struct saver *s, const struct actor *actor, const struct model *queue, const struct value *key,
		 struct err *e)
{
	arena_auto arena = ARENA_INIT;
	char uid[24];
	struct value *row;
	int result = job_row(s, queue, key, &arena, &row, e);
	if (result < 0)
		return result;
	const struct value *worker = &row[queue->queue->fields[QUEUE_WORKER]->index];
	struct value self = value_text(uid, (size_t)snprintf(uid, sizeof uid, "%lu", (unsigned long)actor->uid));
	if (!job_runs(queue, row) || !value_equal(worker, &self))
		return 0;
	result = job_renew(s, actor, queue, key, job_integer(queue, row, QUEUE_ATTEMPTS), queue->queue->timeout_ms, e);
	return result;
}
