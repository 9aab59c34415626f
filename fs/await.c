/*
 * await.c - the list of those who wait, and the thread that answers them.
 *
 * The lock guards the list; only the thread takes waits out, so it walks the list without the lock. No reply is sent
 * under it: libfuse calls `interrupted` with the request's lock held, and a reply takes that lock. A wait is freed
 * after libfuse was told to forget it, so that `interrupted` never sees one that is gone.
 */
#include "await.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "../store/clock.h"
#include "tree.h"

struct wait {
	struct mount *m;
	fuse_req_t req; /* a read; NULL: a poll */
	struct fuse_pollhandle *poll;
	struct handle *h; /* a poll's may be gone: it is only compared */
	uint64_t ino;
	size_t size;
	off_t off;
	bool interrupted, forgotten; /* the lock */
	struct wait *next;
};

struct waits {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct wait *first;
	bool dirty, stopping, started;
	pthread_t thread;
};

/* ---- one wait ---- */

/* 1: the job has ended, and its text is appended; 0: not yet. */
static int show(struct mount *m, uint64_t ino, uid_t viewer, struct buf *text, struct err *e)
{
	struct node node = node_decode(ino);
	const struct actor who = {.uid = viewer};
	struct stat st;
	int rc = tree_kind(node.kind)->show(m, &node, &who, &st, text, e);

	return rc == 0 ? text->len > 0 : rc;
}

/* The same for a descriptor, which keeps the text. */
static int look(struct mount *m, struct handle *h, struct err *e)
{
	pthread_mutex_lock(&h->lock);
	int rc = h->text.len ? 1 : show(m, h->ino, h->opener.uid, &h->text, e);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

/* A copy: the reader may close the descriptor as soon as it has the text. */
static void reply_text(fuse_req_t req, struct handle *h, size_t size, off_t off)
{
	buf_auto out = BUF_INIT;

	pthread_mutex_lock(&h->lock);
	size_t from = (size_t)off < h->text.len ? (size_t)off : h->text.len, left = h->text.len - from;
	buf_add(&out, buf_text(&h->text) + from, size < left ? size : left);
	pthread_mutex_unlock(&h->lock);
	if (buf_failed(&out))
		fuse_reply_err(req, ENOMEM);
	else
		fuse_reply_buf(req, out.data, out.len);
}

static void reply(fuse_req_t req, struct handle *h, size_t size, off_t off, int rc)
{
	if (rc < 0)
		fuse_reply_err(req, rc == -EINTR ? EINTR : err_clamp(-rc));
	else
		reply_text(req, h, size, off);
}

static void interrupted(fuse_req_t req, void *data)
{
	struct wait *w = data;
	struct waits *all = w->m->waits;

	(void)req;
	pthread_mutex_lock(&all->lock);
	w->interrupted = all->dirty = true;
	pthread_cond_signal(&all->changed);
	pthread_mutex_unlock(&all->lock);
}

static void finish(struct wait *w, int rc)
{
	if (w->req) {
		fuse_req_interrupt_func(w->req, NULL, NULL);
		reply(w->req, w->h, w->size, w->off, rc);
	}
	if (w->poll) {
		if (!w->forgotten)
			fuse_lowlevel_notify_poll(w->poll);
		fuse_pollhandle_destroy(w->poll);
	}
	free(w);
}

/* ---- the thread ---- */

/* What the wait is answered with; false: it goes on. */
static bool is_over(struct wait *w, int *rc)
{
	err_auto e = ERR_INIT;
	struct waits *all = w->m->waits;

	pthread_mutex_lock(&all->lock);
	*rc = w->interrupted || w->forgotten ? -EINTR : all->stopping ? -EIO : 0;
	pthread_mutex_unlock(&all->lock);
	buf_auto ignored = BUF_INIT;
	if (*rc == 0)
		*rc = w->req ? look(w->m, w->h, &e) : show(w->m, w->ino, VIEW_ALL, &ignored, &e);
	return *rc != 0;
}

static void take_out(struct waits *all, struct wait *w)
{
	pthread_mutex_lock(&all->lock);
	struct wait **at = &all->first;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	pthread_mutex_unlock(&all->lock);
}

static void answer_all(struct waits *all, struct wait *w)
{
	while (w) {
		struct wait *next = w->next;
		int rc;

		if (is_over(w, &rc)) {
			take_out(all, w);
			finish(w, rc);
		}
		w = next;
	}
}

/* Until something has changed; NULL: nobody waits and the mount ends. */
static struct wait *next_round(struct waits *all)
{
	struct timespec until = monotonic_at(monotonic_ms() + POLL_FOREIGN_MS);
	int rc = 0;

	pthread_mutex_lock(&all->lock);
	while (!all->dirty && !all->stopping && rc == 0)
		rc = all->first ? pthread_cond_timedwait(&all->changed, &all->lock, &until)
				: pthread_cond_wait(&all->changed, &all->lock);
	all->dirty = false;
	struct wait *first = all->first;
	pthread_mutex_unlock(&all->lock);
	return first;
}

static bool goes_on(struct waits *all)
{
	pthread_mutex_lock(&all->lock);
	bool goes_on = !all->stopping || all->first;
	pthread_mutex_unlock(&all->lock);
	return goes_on;
}

static void *run(void *data)
{
	struct waits *all = data;

	while (goes_on(all))
		answer_all(all, next_round(all));
	return NULL;
}

/* ---- for the requests ---- */

static void add(struct waits *all, struct wait *w)
{
	pthread_mutex_lock(&all->lock);
	w->next = all->first;
	all->first = w;
	all->dirty = true; /* it may have ended since it was looked at */
	pthread_cond_signal(&all->changed);
	pthread_mutex_unlock(&all->lock);
}

static struct wait *wait_new(struct mount *m, struct handle *h)
{
	struct wait *w = calloc(1, sizeof(*w));

	if (w)
		*w = (struct wait){.m = m, .h = h, .ino = h->ino};
	return w;
}

void await_read(fuse_req_t req, struct handle *h, size_t size, off_t off)
{
	struct mount *m = fuse_req_userdata(req);
	err_auto e = ERR_INIT;
	int rc = look(m, h, &e);
	struct wait *w = rc == 0 ? wait_new(m, h) : NULL;

	if (!w) {
		reply(req, h, size, off, rc == 0 ? -ENOMEM : rc);
		return;
	}
	w->req = req;
	w->size = size;
	w->off = off;
	fuse_req_interrupt_func(req, interrupted, w); /* before the thread can answer it */
	add(m->waits, w);
}

void await_poll(fuse_req_t req, struct handle *h, struct fuse_pollhandle *ph)
{
	struct mount *m = fuse_req_userdata(req);
	err_auto e = ERR_INIT;
	bool ready = look(m, h, &e) != 0;
	struct wait *w = ph && !ready ? wait_new(m, h) : NULL;

	if (w) {
		w->poll = ph;
		add(m->waits, w);
	} else if (ph) {
		fuse_pollhandle_destroy(ph);
	}
	fuse_reply_poll(req, ready ? POLLIN | POLLRDNORM : 0);
}

void await_forget(struct mount *m, struct handle *h)
{
	struct waits *all = m->waits;

	pthread_mutex_lock(&all->lock);
	struct wait **at = &all->first;
	while (*at) {
		struct wait *w = *at;
		if (w->h == h)
			w->forgotten = all->dirty = true;
		at = &w->next;
	}
	pthread_cond_signal(&all->changed);
	pthread_mutex_unlock(&all->lock);
}

void await_wake(struct mount *m)
{
	struct waits *all = m->waits;

	pthread_mutex_lock(&all->lock);
	if (all->first && !all->dirty) {
		all->dirty = true;
		pthread_cond_signal(&all->changed);
	}
	pthread_mutex_unlock(&all->lock);
}

/* ---- start and stop ---- */

int await_start(struct mount *m, struct err *e)
{
	struct waits *all = m->waits = calloc(1, sizeof(*all));

	if (!all)
		return err_nomem(e);
	pthread_mutex_init(&all->lock, NULL);
	clock_cond_init(&all->changed);
	all->started = pthread_create(&all->thread, NULL, run, all) == 0;
	return all->started ? 0 : err_set(e, EAGAIN, "no thread can be started for those who wait for jobs");
}

void await_stop(struct mount *m)
{
	struct waits *all = m->waits;

	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	all->stopping = true;
	pthread_cond_signal(&all->changed);
	pthread_mutex_unlock(&all->lock);
	if (all->started)
		pthread_join(all->thread, NULL);
	all->started = false;
}

void await_free(struct mount *m)
{
	struct waits *all = m->waits;

	if (!all)
		return;
	await_stop(m); /* where the mount never served */
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->lock);
	free(all);
	m->waits = NULL;
}
