/*
 * forget.c - the thread by which the kernel forgets what has ended in .txn/.
 */
#include "forget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ended {
	struct ended *next;
	char name[];
};

struct forgets {
	struct fuse_session *session;
	pthread_t thread;
	pthread_mutex_t lock; /* a leaf; guards what follows */
	pthread_cond_t added;
	struct ended *first;
	bool stopping;
	bool joined; /* of those who start and stop */
};

/* NULL when it is to stop. */
static struct ended *take(struct forgets *f)
{
	pthread_mutex_lock(&f->lock);
	while (!f->first && !f->stopping)
		pthread_cond_wait(&f->added, &f->lock);
	struct ended *taken = f->stopping ? NULL : f->first;

	if (taken)
		f->first = taken->next;
	pthread_mutex_unlock(&f->lock);
	return taken;
}

static void *run(void *data)
{
	struct forgets *f = data;
	struct ended *ended;

	while ((ended = take(f))) {
		fuse_lowlevel_notify_inval_entry(f->session, node_made(NODE_TXN, 0), ended->name, strlen(ended->name));
		free(ended);
	}
	return NULL;
}

int forget_start(struct mount *m, struct fuse_session *session, struct err *e)
{
	struct forgets *f = calloc(1, sizeof(*f));

	if (!f)
		return err_nomem(e);
	f->session = session;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->added, NULL);
	f->joined = pthread_create(&f->thread, NULL, run, f) != 0;
	m->forgets = f;
	return f->joined ? err_set(e, EAGAIN, "no thread can be started for transactions that have ended") : 0;
}

void forget_name(struct mount *m, const char *name)
{
	struct forgets *f = m->forgets;
	struct ended *ended = f ? malloc(sizeof(*ended) + strlen(name) + 1) : NULL;

	if (!ended)
		return; /* the kernel forgets it when memory is short */
	strcpy(ended->name, name);
	pthread_mutex_lock(&f->lock);
	ended->next = f->first;
	f->first = ended;
	pthread_cond_signal(&f->added);
	pthread_mutex_unlock(&f->lock);
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
