/*
 * job_work.c - what is to be done in a queue: jobs whose lease has run out are queued again, ended ones that were kept
 * long enough go, due ones are started.
 */
#include <errno.h>

#include "../store/clock.h"
#include "../store/limits.h"
#include "../store/log.h"
#include "job_patch.h"
#include "launch.h"
#include "runner.h"

enum { STUCK_PAUSE_MS = 60000 };

/* ---- what is to be done in a queue ---- */

/* What a look into the database finds. */
struct look {
	struct arena arena;
	struct keys expired, over, due;
	int64_t next; /* ms until there is something to do by the clock; QUEUE_NEVER */
};

static int next_of(struct conn *c, const struct model *queue, enum job_group group, struct look *l, struct err *e)
{
	int64_t in_ms;
	int result = queue_next(c, queue, group, &in_ms, e);
	if (result == 0 && in_ms < l->next)
		l->next = in_ms;
	return result;
}

/* How many jobs may be started. */
static int count_free(struct runner *r, struct conn *c, const struct model *queue, long *n, struct err *e)
{
	const struct queue *q = queue->queue;
	bool paused = false;
	int64_t all = 0;
	*n = q->argv ? q->workers - slots_running(r, queue) : 0;
	int result = *n > 0 ? queue_paused(c, queue, &paused, e) : 0;
	if (result == 0 && *n > 0 && q->limit)
		result = queue_running(c, queue, &all, e);
	if (q->limit && q->limit - all < *n)
		*n = q->limit - all;
	if (paused || *n < 0)
		*n = 0;
	*n = *n > LIMIT_CLAIMS ? LIMIT_CLAIMS : *n;
	return result;
}

static int look_for_due(struct runner *r, struct conn *c, const struct model *queue, struct look *l, struct err *e)
{
	long n;
	int result = count_free(r, c, queue, &n, e);
	if (result == 0 && n > 0)
		result = queue_jobs(c, queue, JOBS_DUE, (size_t)n, &l->arena, &l->due, e);
	if (result == 0 && n > 0 && l->due.n == 0)
		result = next_of(c, queue, JOBS_DUE, l, e);
	return result;
}

static int look_for_old(struct conn *c, const struct watched *w, struct look *l, struct err *e)
{
	int64_t in_ms = w->prune_ms - monotonic_ms();
	if (in_ms <= 0) {
		size_t most = LIMIT_PRUNED + w->unprunable;
		int result = queue_jobs(c, w->queue, JOBS_OVER, most, &l->arena, &l->over, e);
		return result < 0 || l->over.n ? result : next_of(c, w->queue, JOBS_OVER, l, e);
	}
	if (in_ms < l->next)
		l->next = in_ms;
	return 0;
}

static int look_at(struct runner *r, const struct watched *w, struct look *l, struct err *e)
{
	struct conn *c = store_read_begin(r->saver->store, e);
	if (!c)
		return -e->code;
	int result = queue_jobs(c, w->queue, JOBS_EXPIRED, LIMIT_CLAIMS, &l->arena, &l->expired, e);
	if (result == 0)
		result = next_of(c, w->queue, JOBS_EXPIRED, l, e);
	if (result == 0 && w->queue->queue->keep_ms >= 0)
		result = look_for_old(c, w, l, e);
	if (result == 0)
		result = look_for_due(r, c, w->queue, l, e);
	store_read_end(c);
	return result;
}

/* A job of the runner itself that could not renew its lease for so long is not over. True: one was queued again. */
static bool free_expired(struct runner *r, const struct model *queue, const struct keys *keys)
{
	bool freed = false;
	for (size_t i = 0; i < keys->n; i++) {
		err_auto e = ERR_INIT;
		if (slots_have(r, queue, &keys->of[i]))
			continue;
		if (job_rescue(r->saver, &r->actor, queue, &keys->of[i], "its lease ran out", &e) == 0)
			freed = true;
		else if (e.code != ENOENT && e.code != EBUSY)
			log_warning("%s: a job whose lease ran out can't be queued again: %s", queue->name, e.text);
	}
	return freed;
}

static int remove_jobs(struct runner *r, const struct model *queue, const struct value *keys, size_t n, struct err *e)
{
	arena_auto arena = ARENA_INIT;
	struct request *requests = arena_alloc(&arena, n * sizeof *requests);
	if (!requests)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		requests[i] = (struct request){.kind = REQUEST_DELETE,
					       .model = queue,
					       .key = keys[i],
					       .expect = EXPECT_RECORD,
					       .trusted = true,
					       .runner = true,
					       .forget = true};
	return save(r->saver, &r->actor, requests, n, NULL, &arena, e);
}

/* Those that something still refers to, or whose removal a hook refuses, stay; they are tried again after a while. */
static void prune(struct runner *r, struct watched *w, const struct keys *keys)
{
	err_auto e = ERR_INIT;
	size_t n = keys->n < LIMIT_PRUNED ? keys->n : LIMIT_PRUNED;
	bool all = keys->n <= LIMIT_PRUNED && remove_jobs(r, w->queue, keys->of, n, &e) == 0;
	w->unprunable = 0;
	for (size_t i = 0; i < keys->n && !all; i++) {
		err_auto why = ERR_INIT;
		w->unprunable += remove_jobs(r, w->queue, &keys->of[i], 1, &why) < 0;
	}
	if (!w->unprunable)
		return;
	log_info("%s: %zu jobs that are to go can't: %s", w->queue->name, w->unprunable, e.text);
	if (w->unprunable == keys->n)
		w->prune_ms = monotonic_ms() + STUCK_PAUSE_MS;
}

/* True where it is worth to look again at once. */
bool queue_work(struct runner *r, struct watched *w)
{
	err_auto e = ERR_INIT;
	struct look l = {.next = QUEUE_NEVER};
	int result = slots_rescue(r, w->queue) ? 0 : err_set(&e, EAGAIN, "one that is claimed can't be queued again");
	if (result == 0)
		result = look_at(r, w, &l, &e);
	bool freed = result == 0 && l.expired.n && free_expired(r, w->queue, &l.expired);
	w->freed = freed && !w->freed;
	if (result == 0 && l.over.n)
		prune(r, w, &l.over);
	if (result == 0 && l.due.n)
		result = slots_start(r, w->queue, &l.due, &e);
	bool again = result == 0 && (w->freed || l.due.n == LIMIT_CLAIMS || l.over.n);
	arena_release(&l.arena);
	if (result < 0)
		log_warning("%s: no job can be started: %s", w->queue->name, e.text);
	int64_t wait = result < 0 || l.expired.n ? POLL_FOREIGN_MS : l.next < 1 ? 1 : l.next;
	if (wait > POLL_CLOCK_MS && wait != QUEUE_NEVER)
		wait = POLL_CLOCK_MS; /* clocks are set, and machines sleep */
	w->due_ms = wait == QUEUE_NEVER ? NEVER : monotonic_ms() + wait;
	return again;
}

/* What was running when the last runner ended. */
int queue_recover(struct runner *r, const struct model *queue, struct err *e)
{
	arena_auto arena = ARENA_INIT;
	struct keys keys;
	struct conn *c = store_read_begin(r->saver->store, e);
	if (!c)
		return -e->code;
	int result = queue_jobs(c, queue, JOBS_LEFT, SIZE_MAX / 2, &arena, &keys, e);
	store_read_end(c);
	for (size_t i = 0; i < keys.n && result == 0; i++) {
		err_auto why = ERR_INIT;
		result = job_rescue(r->saver, &r->actor, queue, &keys.of[i], "rowfs ended while it ran", &why);
		if (result == -ENOENT || result == -EBUSY)
			result = 0;
		else if (result < 0)
			err_set(e, why.code, "%s", why.text);
	}
	return result;
}
