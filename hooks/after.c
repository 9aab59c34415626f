/*
 * after.c - the queue and the thread of after_commit.
 *
 * A task waits as RESERVED from before the commit, so that no later commit's task overtakes it, then becomes READY or
 * DROPPED. The lock is a leaf; no program runs under it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../store/limits.h"
#include "../store/log.h"
#include "act.h"
#include "after.h"

enum task_state { RESERVED, READY, DROPPED };

struct task {
	struct program program;
	struct actor actor;
	const char *path; /* of the record, for the journal */
	enum task_state state;
	bool queued;
	struct task *sibling; /* of the same save */
	struct task *next;    /* in the queue */
	struct arena arena;
};

struct after {
	struct saver *saver;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct task *head, **tail;
	pthread_t thread;
	bool running, finishing;
	bool stop; /* ends the program that runs */
	int wake_fd;
};

/* ---- tasks ---- */

static void task_free(struct task *t)
{
	struct arena arena = t->arena; /* it holds the task */
	arena_release(&arena);
}

static const char **copy_list(struct arena *a, const char *const *from)
{
	size_t n = 0;
	while (from[n])
		n++;
	const char **to = arena_alloc(a, (n + 1) * sizeof *to);
	for (size_t i = 0; to && i < n; i++)
		if (!(to[i] = arena_copy(a, from[i], strlen(from[i]))))
			return NULL;
	return to;
}

int after_prepare(struct task **list, const struct saver *s, const struct hook *h, const struct event_object *event,
		  struct err *e)
{
	struct arena arena = ARENA_INIT;
	struct task *t = arena_alloc(&arena, sizeof *t);
	if (!t)
		return err_nomem(e);
	t->actor = *event->actor;
	t->program = (struct program){.timeout_ms = h->timeout_ms, .wake_fd = -1};
	t->program.argv = copy_list(&arena, h->argv);
	t->path = record_path(&arena, event->model, event->key);
	int result = t->program.argv ? event_program(&t->program, &arena, event, s, e) : err_nomem(e);
	if (result < 0) {
		arena_release(&arena);
		return result;
	}
	t->arena = arena;
	while (*list)
		list = &(*list)->sibling;
	*list = t;
	return 0;
}

/* ---- the thread ---- */

static void tell(struct after *a, const struct task *t, const struct err *e)
{
	journal_add(a->saver->journal, t->actor.uid, t->actor.pid, t->path, e);
	log_warning("%s: after_commit: %s", t->path, e->text);
}

static void run_task(struct after *a, struct task *t)
{
	err_auto why = ERR_INIT;
	struct program_result r;
	t->program.stop = (volatile bool *)&a->stop;
	t->program.wake_fd = a->wake_fd;
	if (program_run(&t->program, &r, &why) == 0) {
		program_verdict(&t->program, &r, &why);
		program_result_release(&r);
	}
	if (why.code)
		tell(a, t, &why);
}

static void skip_task(struct after *a, const struct task *t)
{
	err_auto why = ERR_INIT;
	err_set(&why, ECANCELED, "%s was not run because the mount ended", program_name(&t->program));
	tell(a, t, &why);
}

/* The first task when it may be taken out; waits for one. NULL: finished. */
static struct task *next_task(struct after *a)
{
	pthread_mutex_lock(&a->lock);
	while (a->head ? a->head->state == RESERVED : !a->finishing)
		pthread_cond_wait(&a->changed, &a->lock);
	struct task *t = a->head;
	if (t && !(a->head = t->next))
		a->tail = &a->head;
	pthread_mutex_unlock(&a->lock);
	return t;
}

static void *run_tasks(void *data)
{
	struct after *a = data;
	for (struct task *t; (t = next_task(a)); task_free(t)) {
		if (t->state == DROPPED)
			continue;
		if (__atomic_load_n(&a->stop, __ATOMIC_ACQUIRE))
			skip_task(a, t);
		else
			run_task(a, t);
	}
	pthread_mutex_lock(&a->lock);
	a->running = false;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* ---- from the saves ---- */

int after_new(struct after **out, struct saver *s, struct err *e)
{
	struct after *a = calloc(1, sizeof *a);
	if (!a)
		return err_nomem(e);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	a->saver = s;
	a->tail = &a->head;
	a->wake_fd = -1;
	*out = a;
	return 0;
}

/* With the lock held. */
static int start(struct after *a, struct err *e)
{
	if (a->running)
		return 0;
	if (a->wake_fd < 0)
		a->wake_fd = eventfd(0, EFD_CLOEXEC);
	int code = a->wake_fd < 0 ? errno : pthread_create(&a->thread, NULL, run_tasks, a);
	if (code)
		return err_set(e, EIO, "no thread for after_commit programs: %s", strerror(code));
	a->running = true;
	return 0;
}

int after_reserve(struct after *a, struct task *list, struct err *e)
{
	pthread_mutex_lock(&a->lock);
	int result = list ? start(a, e) : 0;
	for (struct task *t = result == 0 ? list : NULL; t; t = t->sibling) {
		t->queued = true;
		*a->tail = t;
		a->tail = &t->next;
	}
	pthread_mutex_unlock(&a->lock);
	return result;
}

void after_settle(struct after *a, struct task *list, bool committed)
{
	if (!list)
		return;
	pthread_mutex_lock(&a->lock);
	for (struct task *t = list, *next; t; t = next) {
		next = t->sibling;
		t->state = committed ? READY : DROPPED;
		if (!t->queued)
			task_free(t);
	}
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

void after_free(struct after *a)
{
	if (!a)
		return;
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TIMEOUT_DRAIN_MS / 1000;
	pthread_mutex_lock(&a->lock);
	bool started = a->wake_fd >= 0 && a->running;
	a->finishing = true;
	pthread_cond_broadcast(&a->changed);
	while (a->running && pthread_cond_timedwait(&a->changed, &a->lock, &until) == 0)
		;
	pthread_mutex_unlock(&a->lock);
	__atomic_store_n(&a->stop, true, __ATOMIC_RELEASE);
	if (started) {
		eventfd_write(a->wake_fd, 1);
		pthread_join(a->thread, NULL);
	}
	if (a->wake_fd >= 0)
		close(a->wake_fd);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
