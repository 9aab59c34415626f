/*
 * forget.c - the thread by which the kernel forgets what has ended in .txn/.
 */
#include "forget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../store/clock.h"
#include "transaction.h"

enum { FIRST_PAUSE_MS = 100, LONGEST_PAUSE_MS = 60000 };

struct ended {
	struct ended *next;
	int64_t due_ms, pause_ms;
	uint64_t root;
	char name[]; /* "" once it was told */
};

struct forgets {
	struct mount *mount;
	struct fuse_session *session;
	pthread_t thread;
	pthread_mutex_t lock; /* a leaf; guards what follows */
	pthread_cond_t added; /* of the monotonic clock */
	struct ended *first;
	bool stopping;
	bool joined; /* of those who start and stop */
};

/* With the lock; NULL: there is none. */
static struct ended **next_due(struct forgets *f)
{
	struct ended **due = &f->first;

	for (struct ended **at = due; *at; at = &(*at)->next)
		if ((*at)->due_ms < (*due)->due_ms)
			due = at;
	return *due ? due : NULL;
}

/* With the lock: until something is added, or the time. */
static void wait_until(struct forgets *f, int64_t ms)
{
	struct timespec until = monotonic_at(ms);

	pthread_cond_timedwait(&f->added, &f->lock, &until);
}

/* NULL when it is to stop. */
static struct ended *take(struct forgets *f)
{
	struct ended *taken = NULL;

	pthread_mutex_lock(&f->lock);
	while (!f->stopping && !taken) {
		struct ended **due = next_due(f);

		if (!due) {
			pthread_cond_wait(&f->added, &f->lock);
		} else if ((*due)->due_ms > monotonic_ms()) {
			wait_until(f, (*due)->due_ms);
		} else {
			taken = *due;
			*due = taken->next;
		}
	}
	pthread_mutex_unlock(&f->lock);
	return taken;
}

static void add(struct forgets *f, struct ended *ended)
{
	pthread_mutex_lock(&f->lock);
	ended->next = f->first;
	f->first = ended;
	pthread_cond_signal(&f->added);
	pthread_mutex_unlock(&f->lock);
}

static void forget_entry(struct forgets *f, uint64_t directory, const char *name)
{
	fuse_lowlevel_notify_inval_entry(f->session, directory, name, strlen(name));
}

/* With its directories goes what is in them. Where the name stands for another one, the kernel has seen that. */
static void tell(struct forgets *f, struct ended *ended)
{
	if (*ended->name && !transaction_is_named(f->mount, ended->name))
		forget_entry(f, node_made(NODE_TXN, 0), ended->name);
	*ended->name = '\0';
	for (size_t i = 0; i < f->mount->schema->nmodels; i++)
		forget_entry(f, ended->root, f->mount->schema->models[i].name);
	forget_entry(f, ended->root, "ctl");
	forget_entry(f, ended->root, "answer.json");
}

static void look_later(struct forgets *f, struct ended *ended)
{
	ended->due_ms = monotonic_ms() + ended->pause_ms;
	ended->pause_ms = 4 * ended->pause_ms < LONGEST_PAUSE_MS ? 4 * ended->pause_ms : LONGEST_PAUSE_MS;
	add(f, ended);
}

static void *run(void *data)
{
	struct forgets *f = data;
	struct ended *ended;

	while ((ended = take(f))) {
		enum transaction_use use = transaction_use(f->mount, ended->root);

		if (use == TRANSACTION_FORGOTTEN) {
			free(ended);
			continue;
		}
		if (use == TRANSACTION_KNOWN)
			tell(f, ended);
		look_later(f, ended);
	}
	return NULL;
}

int forget_start(struct mount *m, struct fuse_session *session, struct err *e)
{
	struct forgets *f = calloc(1, sizeof(*f));

	if (!f)
		return err_nomem(e);
	f->mount = m;
	f->session = session;
	pthread_mutex_init(&f->lock, NULL);
	clock_cond_init(&f->added);
	f->joined = pthread_create(&f->thread, NULL, run, f) != 0;
	m->forgets = f;
	return f->joined ? err_set(e, EAGAIN, "no thread can be started for transactions that have ended") : 0;
}

void forget_name(struct mount *m, const char *name, uint64_t root)
{
	struct forgets *f = m->forgets;
	struct ended *ended = f ? malloc(sizeof(*ended) + strlen(name) + 1) : NULL;

	if (!ended)
		return; /* the kernel forgets it when memory is short */
	/* A file that was closed just now is the kernel's for an instant more. */
	*ended = (struct ended){.due_ms = monotonic_ms() + FIRST_PAUSE_MS, .pause_ms = FIRST_PAUSE_MS, .root = root};
	strcpy(ended->name, name);
	add(f, ended);
}

void forget_stop(struct mount *m)
{
	struct forgets *f = m->forgets;

	if (!f || f->joined)
		return;
	pthread_mutex_lock(&f->lock);
	f->stopping = true;
	pthread_cond_signal(&f->added);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	f->joined = true;
}

void forget_free(struct mount *m)
{
	struct forgets *f = m->forgets;

	if (!f)
		return;
	forget_stop(m);
	while (f->first) {
		struct ended *next = f->first->next;

		free(f->first);
		f->first = next;
	}
	pthread_cond_destroy(&f->added);
	pthread_mutex_destroy(&f->lock);
	free(f);
	m->forgets = NULL;
}
