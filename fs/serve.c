/*
 * serve.c - a thread reads a request and serves it; before it serves the last that waits for one is replaced.
 *
 * No more wait in the kernel than there are processors: it wakes one for each request, in vain where another that has
 * just answered takes it. The others rest here, and who came last is called first.
 *
 * SIGUSR1 interrupts a thread that waits: it is sent to those alone, so that no request is disturbed.
 */
#include "serve.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../store/clock.h"
#include "../store/limits.h"
#include "closing.h"

enum { PAUSE_NS = 10 * 1000 * 1000, AGAIN_MS = 20 };

struct server {
	struct server *next;
	struct serving *of;
	pthread_t thread;
	struct fuse_buf request;
	bool waits;              /* for a request */
	struct server *rests_on; /* the next in serving.resting */
	pthread_cond_t called;
};

struct serving {
	struct mount *mount;
	struct fuse_session *session;
	pthread_mutex_t lock;   /* a leaf; guards what follows */
	pthread_cond_t changed; /* of the monotonic clock: the last server has ended, or all are to end */
	struct server *servers;
	struct server *resting;
	unsigned n, waiting, nresting;
	unsigned enough; /* that wait */
	int error;
};

static void do_nothing(int signal)
{
	(void)signal;
}

int serving_new(struct serving **out, struct mount *m, struct fuse_session *session)
{
	struct sigaction action = {.sa_handler = do_nothing};
	struct serving *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->mount = m;
	s->session = session;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	s->enough = processors < 2 ? 2 : processors > LIMIT_IDLE_THREADS ? LIMIT_IDLE_THREADS : (unsigned)processors;
	pthread_mutex_init(&s->lock, NULL);
	clock_cond_init(&s->changed);
	sigaction(SIGUSR1, &action, NULL);
	*out = s;
	return 0;
}

void serving_free(struct serving *s)
{
	if (!s)
		return;
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- a server ---- */

static void *serve(void *data);

/* With the lock. The others go on where it can't be. */
static int start_server(struct serving *s)
{
	struct server *new = calloc(1, sizeof(*new));
	pthread_attr_t detached;

	if (!new)
		return -ENOMEM;
	new->of = s;
	pthread_cond_init(&new->called, NULL);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	int code = pthread_create(&new->thread, &detached, serve, new);
	pthread_attr_destroy(&detached);
	if (code) {
		pthread_cond_destroy(&new->called);
		free(new);
		return -code;
	}
	new->next = s->servers;
	s->servers = new;
	s->n++;
	s->waiting++;
	new->waits = true;
	return 0;
}

static void set_waits(struct server *self, bool waits)
{
	self->waits = waits;
	self->of->waiting += waits ? 1U : -1U;
}

/* With the lock: the one that rests and came last. */
static void call(struct serving *s)
{
	struct server *called = s->resting;

	s->resting = called->rests_on;
	s->nresting--;
	set_waits(called, true);
	pthread_cond_signal(&called->called);
}

/* With the lock, until it is called. */
static void rest(struct server *self)
{
	struct serving *s = self->of;

	self->rests_on = s->resting;
	s->resting = self;
	s->nresting++;
	while (!self->waits)
		pthread_cond_wait(&self->called, &s->lock);
}

/* A request that waits for another one must not be the last that is served. */
static void begin_request(struct server *self)
{
	struct serving *s = self->of;

	pthread_mutex_lock(&s->lock);
	set_waits(self, false);
	if (s->waiting == 0 && s->resting)
		call(s);
	else if (s->waiting == 0 && s->n < LIMIT_THREADS)
		start_server(s);
	pthread_mutex_unlock(&s->lock);
}

/* False: enough others are idle. */
static bool end_request(struct server *self)
{
	struct serving *s = self->of;

	pthread_mutex_lock(&s->lock);
	bool rests = s->waiting >= s->enough, stays = !rests || s->nresting < LIMIT_IDLE_THREADS;
	if (rests && stays && !fuse_session_exited(s->session))
		rest(self);
	else
		set_waits(self, true);
	pthread_mutex_unlock(&s->lock);
	return stays;
}

static bool passes(int error)
{
	return error == EINTR || error == EAGAIN || error == ENOMEM;
}

/* Where the mount has gone there is nothing to read; of an unmount that comes while a request is taken ECONNABORTED. */
static void note_end(struct serving *s, int error)
{
	pthread_mutex_lock(&s->lock);
	if (error != ENODEV && error != ECONNABORTED && !s->error)
		s->error = -error;
	fuse_session_exit(s->session);
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* False: there are none any more. */
static bool take_request(struct server *self)
{
	static const struct timespec pause = {0, PAUSE_NS};
	struct serving *s = self->of;

	while (!fuse_session_exited(s->session)) {
		int got = fuse_session_receive_buf(s->session, &self->request);
		if (got > 0)
			return true;
		if (got == 0 || !passes(-got))
			note_end(s, got == 0 ? ENODEV : -got);
		else if (got == -ENOMEM)
			nanosleep(&pause, NULL);
	}
	return false;
}

static void leave(struct server *self)
{
	struct serving *s = self->of;
	struct server **at = &s->servers;

	free(self->request.mem);
	pthread_cond_destroy(&self->called);
	pthread_mutex_lock(&s->lock);
	while (*at != self)
		at = &(*at)->next;
	*at = self->next;
	set_waits(self, false);
	if (--s->n == 0)
		pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	free(self);
}

static void *serve(void *data)
{
	struct server *self = data;

	while (take_request(self)) {
		begin_request(self);
		closing_take(self->of->mount, self->request.mem, self->request.size);
		fuse_session_process_buf(self->of->session, &self->request);
		if (!end_request(self))
			break;
	}
	leave(self);
	return NULL;
}

/* ---- all of them ---- */

/* With the lock, for some milliseconds without: a signal that comes between a look at the session and the read that
 * follows interrupts nothing, so it is sent until all have ended. */
static void interrupt(struct serving *s)
{
	struct timespec again = monotonic_at(monotonic_ms() + AGAIN_MS);

	while (s->resting)
		call(s);
	for (struct server *each = s->servers; each; each = each->next)
		if (each->waits)
			pthread_kill(each->thread, SIGUSR1);
	pthread_cond_timedwait(&s->changed, &s->lock, &again);
}

int serving_run(struct serving *s)
{
	pthread_mutex_lock(&s->lock);
	int rc = start_server(s);
	while (s->n > 0)
		if (fuse_session_exited(s->session))
			interrupt(s);
		else
			pthread_cond_wait(&s->changed, &s->lock);
	rc = rc ? rc : s->error;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void serving_stop(struct serving *s)
{
	pthread_mutex_lock(&s->lock);
	fuse_session_exit(s->session);
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}
