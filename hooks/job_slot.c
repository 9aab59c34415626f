/*
 * job_slot.c - the jobs that run, each with a thread of its own: started with one commit, ended from outside, waited
 * for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../store/limits.h"
#include "../store/log.h"
#include "../store/phase.h"
#include "job_state.h"
#include "runner.h"

/* ---- slots ---- */

static struct slot *slot_new(struct runner *r, const struct model *queue, const struct value *key, struct err *e)
{
	struct slot *slot = calloc(1, sizeof *slot);
	if (!slot) {
		err_nomem(e);
		return NULL;
	}
	slot->runner = r;
	slot->attempt = (struct attempt){
	    .saver = r->saver,
	    .actor = &r->actor,
	    .guard = &r->guard,
	    .queue = queue,
	    .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	    .log = {.logs = &r->logs, .store = r->saver->store},
	};
	if (slot->attempt.wake_fd < 0 || value_copy(&slot->attempt.arena, key, &slot->attempt.key) < 0) {
		err_set(e, slot->attempt.wake_fd < 0 ? errno : ENOMEM, "there is no room for it");
		if (slot->attempt.wake_fd >= 0)
			close(slot->attempt.wake_fd);
		arena_release(&slot->attempt.arena);
		free(slot);
		return NULL;
	}
	return slot;
}

static void slot_free(struct slot *slot)
{
	struct arena arena = slot->attempt.arena;
	close(slot->attempt.wake_fd);
	arena_release(&arena);
	free(slot);
}

void runner_dirty(struct runner *r, const struct model *queue)
{
	for (size_t i = 0; i < r->nqueues; i++)
		if (r->queues[i].queue == queue)
			r->queues[i].dirty = true;
	eventfd_write(r->wake_fd, 1);
}

static void *run_slot(void *data)
{
	struct slot *slot = data;
	struct runner *r = slot->runner;
	attempt_run(&slot->attempt);
	pthread_mutex_lock(&r->lock);
	slot->ended = true;
	runner_dirty(r, slot->attempt.queue);
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* Takes those out that have ended; they are joined without the lock. */
static struct slot *take_ended(struct runner *r)
{
	struct slot *ended = NULL;
	for (struct slot **at = &r->slots; *at;) {
		struct slot *slot = *at;
		if (!slot->ended) {
			at = &slot->next;
			continue;
		}
		*at = slot->next;
		slot->next = ended;
		ended = slot;
	}
	return ended;
}

void slots_collect(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	struct slot *ended = take_ended(r);
	pthread_mutex_unlock(&r->lock);
	while (ended) {
		struct slot *slot = ended;
		ended = slot->next;
		pthread_join(slot->thread, NULL);
		slot_free(slot);
	}
}

long slots_running(struct runner *r, const struct model *queue)
{
	long n = 0;
	pthread_mutex_lock(&r->lock);
	for (const struct slot *slot = r->slots; slot; slot = slot->next)
		n += slot->attempt.queue == queue && !slot->ended;
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* With the lock held. */
static struct slot *find_slot(struct runner *r, const struct model *queue, const struct value *key)
{
	struct slot *slot = r->slots;
	while (slot && !(slot->attempt.queue == queue && value_equal(&slot->attempt.key, key)))
		slot = slot->next;
	return slot;
}

bool slots_have(struct runner *r, const struct model *queue, const struct value *key)
{
	pthread_mutex_lock(&r->lock);
	bool found = find_slot(r, queue, key);
	pthread_mutex_unlock(&r->lock);
	return found;
}

/* False: no more are started. */
static bool add_slot(struct runner *r, struct slot *slot)
{
	pthread_mutex_lock(&r->lock);
	bool added = !r->stopping;
	if (added) {
		slot->next = r->slots;
		r->slots = slot;
	}
	pthread_mutex_unlock(&r->lock);
	return added;
}

static void drop_slot(struct runner *r, struct slot *slot)
{
	pthread_mutex_lock(&r->lock);
	struct slot **at = &r->slots;
	while (*at != slot)
		at = &(*at)->next;
	*at = slot->next;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	slot_free(slot);
}

bool runner_stopping(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	bool stopping = r->stopping;
	pthread_mutex_unlock(&r->lock);
	return stopping;
}

/* ---- jobs that are not the runner's any more ---- */

/* A save has ended or removed a job that runs. */
void slots_job_changed(void *data, const struct saved_change *c)
{
	struct runner *r = data;
	if (!c->model->queue || !c->old || !job_runs(c->model, c->old) || (c->row && job_runs(c->model, c->row)))
		return;
	pthread_mutex_lock(&r->lock);
	struct slot *slot = find_slot(r, c->model, &c->old[c->model->key->index]);
	if (slot)
		attempt_stop(&slot->attempt, true);
	pthread_mutex_unlock(&r->lock);
}

/* SQL has changed rows: those of other programs are not told of one by one. */
void slots_check(struct runner *r)
{
	err_auto e = ERR_INIT;
	struct conn *c = store_read_begin(r->saver->store, &e);
	pthread_mutex_lock(&r->lock);
	for (struct slot *slot = r->slots; slot && c; slot = slot->next) {
		struct attempt *a = &slot->attempt;
		arena_auto arena = ARENA_INIT;
		err_auto why = ERR_INIT;
		struct value *row = arena_alloc(&arena, a->queue->nfields * sizeof *row);
		if (slot->ended || !a->number || !row)
			continue;
		int result = store_get(c, a->queue, &a->key, &arena, row, NULL, &why);
		if (result == -ENOENT || (result == 0 && !job_runs(a->queue, row)))
			attempt_stop(a, true);
	}
	pthread_mutex_unlock(&r->lock);
	store_read_end(c);
}

/* ---- starting jobs ---- */

/* Stays among the slots, so that nobody takes it for one whose runner has died. */
static void strand(struct runner *r, struct slot *slot)
{
	pthread_mutex_lock(&r->lock);
	slot->stranded = true;
	pthread_mutex_unlock(&r->lock);
}

static bool is_stranded(const struct slot *slot, const struct model *queue)
{
	return slot->stranded && slot->attempt.queue == queue;
}

/* Only the dispatcher changes the list: it reads it without the lock. */
bool slots_rescue(struct runner *r, const struct model *queue)
{
	for (struct slot *slot = r->slots, *next; slot; slot = next) {
		err_auto e = ERR_INIT;
		next = slot->next;
		if (!is_stranded(slot, queue))
			continue;
		if (attempt_give_back(&slot->attempt, &e) < 0 && e.code != ENOENT && e.code != EBUSY)
			return false;
		drop_slot(r, slot);
	}
	return true;
}

void slots_forget(struct runner *r)
{
	for (struct slot *slot = r->slots, *next; slot; slot = next) {
		next = slot->next;
		if (slot->stranded)
			drop_slot(r, slot);
	}
}

static int start_thread(struct runner *r, struct slot *slot, struct err *e)
{
	pthread_mutex_lock(&r->lock);
	int code = pthread_create(&slot->thread, NULL, run_slot, slot);
	pthread_mutex_unlock(&r->lock);
	return code ? err_set(e, code, "no thread for a job: %s", strerror(code)) : 0;
}

/* They stand among the slots before they are claimed, so that a cancellation finds them. */
static size_t make_slots(struct runner *r, const struct model *queue, const struct keys *keys, struct attempt **list,
			 struct slot **slots, struct err *e)
{
	size_t n = 0;
	for (size_t i = 0; i < keys->n; i++) {
		if (slots_have(r, queue, &keys->of[i]))
			continue;
		struct slot *slot = slot_new(r, queue, &keys->of[i], e);
		if (!slot)
			break;
		if (!add_slot(r, slot)) {
			slot_free(slot);
			break;
		}
		slots[n] = slot;
		list[n++] = &slot->attempt;
	}
	return n;
}

int slots_start(struct runner *r, const struct model *queue, const struct keys *keys, struct err *e)
{
	struct attempt *list[LIMIT_CLAIMS];
	struct slot *slots[LIMIT_CLAIMS];
	size_t n = make_slots(r, queue, keys, list, slots, e);
	phase("job-found");
	int result = n ? attempts_claim(list, n, e) : 0;
	for (size_t i = 0; i < n; i++)
		if (!list[i]->claimed)
			drop_slot(r, slots[i]);
		else if (result < 0 || start_thread(r, slots[i], e) < 0)
			strand(r, slots[i]);
	return -e->code;
}

/* ---- waiting for them ---- */

static bool all_ended(const struct runner *r)
{
	for (const struct slot *slot = r->slots; slot; slot = slot->next)
		if (!slot->ended && !slot->stranded)
			return false;
	return true;
}

void slots_wait(struct runner *r, const struct timespec *until)
{
	int code = 0;
	while (!all_ended(r) && code == 0)
		code = until ? pthread_cond_timedwait(&r->changed, &r->lock, until)
			     : pthread_cond_wait(&r->changed, &r->lock);
}
