/*
 * events.c - the ring of lines, its readers, and requests that wait.
 *
 * Its lock is a leaf: it is taken by the thread that commits, inside its turn, and no reply is made and no function of
 * libfuse called under it. A request is named by its address: `arriving` while it makes itself interruptible, `waiting`
 * when it is kept. Whoever takes it out of there, under the lock, answers it.
 */
#include "events.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "../store/json.h"

struct line {
	const struct model *model; /* NULL: the line was never made */
	uid_t uid;                 /* who made the change */
	char *text;
	size_t len;
};

struct event_reader {
	struct event_reader *next, **link;
	int64_t at;      /* the next line */
	struct buf rest; /* of a line that did not fit */
	fuse_req_t arriving, waiting;
	size_t size; /* that it asks for */
	bool interrupted;
	struct fuse_pollhandle *poll;
	uid_t uid;
	unsigned char sees[]; /* by model index: enum sight */
};

/* Of a model whose records are not for everybody a reader sees what he did himself. */
enum sight { SEES_OWN, SEES_ALL };

struct events {
	pthread_mutex_t lock;
	struct line ring[LIMIT_EVENTS];
	int64_t next; /* number of the next line */
	struct event_reader *readers;
	bool ended;
	size_t waking;            /* threads that are about to call libfuse */
	pthread_cond_t all_awake; /* there is none */
};

/* ---- lines ---- */

static void print_line(struct buf *b, const struct changed_row *row, const char *time)
{
	static const char *const verbs[VERB_COUNT] = {
	    [VERB_CREATE] = "create", [VERB_PATCH] = "update", [VERB_DELETE] = "delete"};
	buf_auto path = BUF_INIT;

	buf_printf(b, "{\"time\":\"%s\",\"txn\":%" PRIu64 ",\"uid\":%u,\"verb\":\"%s\",\"model\":", time, row->txn,
		   (unsigned)row->uid, verbs[row->verb]);
	json_write_string(b, row->model->name, strlen(row->model->name));
	buf_str(b, ",\"key\":");
	value_write(b, row->model->key->type, &row->key, -1);
	buf_str(b, ",\"path\":");
	buf_printf(&path, "%s/", row->model->name);
	if (record_name(row->model, &row->key, &path) == 0)
		json_write_string(b, buf_text(&path), path.len);
	else
		buf_str(b, "null");
	buf_str(b, "}\n");
	b->failed |= buf_failed(&path);
}

/* The number is used up also where there is no memory for the line. */
static void put(struct events *v, const struct model *model, uid_t uid, struct buf *text)
{
	struct line *line = &v->ring[v->next++ % LIMIT_EVENTS];

	free(line->text);
	*line = (struct line){text->data ? model : NULL, uid, text->data, text->len};
	*text = (struct buf)BUF_INIT;
}

/* Lines that were never made count as overtaken. */
static void skip(struct events *v, size_t n)
{
	for (size_t i = 0; i < n && i < LIMIT_EVENTS; i++) {
		struct buf none = BUF_INIT;
		put(v, NULL, 0, &none);
	}
	if (n > LIMIT_EVENTS)
		v->next += (int64_t)(n - LIMIT_EVENTS);
}

static void changed(void *data, const struct changed_row *rows, size_t n, size_t more)
{
	struct mount *m = data;
	struct events *v = m->events;
	struct timespec now;
	char time[32];

	clock_gettime(CLOCK_REALTIME, &now);
	value_now(now, time);
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < n; i++) {
		struct buf text = BUF_INIT;

		if (rows[i].model->hidden)
			continue;
		print_line(&text, &rows[i], time);
		if (buf_failed(&text))
			buf_release(&text);
		put(v, rows[i].model, rows[i].uid, &text);
	}
	skip(v, more);
	pthread_mutex_unlock(&v->lock);
}

/* ---- reading ---- */

static bool sees(const struct event_reader *r, const struct line *line)
{
	return !line->model || r->sees[line->model->index] == SEES_ALL || line->uid == r->uid;
}

static bool has_news(const struct events *v, const struct event_reader *r)
{
	if (r->rest.len > 0 || r->at + LIMIT_EVENTS < v->next)
		return true;
	for (int64_t i = r->at; i < v->next; i++) {
		if (sees(r, &v->ring[i % LIMIT_EVENTS]))
			return true;
	}
	return false;
}

static void tell_lost(struct event_reader *r, int64_t lost)
{
	if (lost > 0)
		buf_printf(&r->rest, "{\"lost\":%" PRId64 "}\n", lost);
}

/* Fills up to size bytes, at least one if there is news. */
static void fill(const struct events *v, struct event_reader *r, size_t size, struct buf *out)
{
	int64_t lost = r->at + LIMIT_EVENTS < v->next ? v->next - LIMIT_EVENTS - r->at : 0;

	r->at += lost;
	for (; r->at < v->next && r->rest.len < size; r->at++) {
		const struct line *line = &v->ring[r->at % LIMIT_EVENTS];
		if (!line->text) {
			lost++;
			continue;
		}
		tell_lost(r, lost);
		lost = 0;
		if (sees(r, line))
			buf_add(&r->rest, line->text, line->len);
	}
	tell_lost(r, lost);
	size_t n = r->rest.len < size ? r->rest.len : size;
	if (n == 0)
		return;
	buf_add(out, r->rest.data, n);
	memmove(r->rest.data, r->rest.data + n, r->rest.len - n);
	buf_resize(&r->rest, r->rest.len - n);
}

static void answer(fuse_req_t req, const struct buf *out)
{
	if (buf_failed(out))
		fuse_reply_err(req, ENOMEM);
	else
		fuse_reply_buf(req, out->data, out->len);
}

/* ---- waiting ---- */

/* From libfuse: who waits was interrupted. The reader may be gone already. */
static void interrupted(fuse_req_t req, void *data)
{
	struct events *v = ((struct mount *)data)->events;
	bool mine = false;

	pthread_mutex_lock(&v->lock);
	for (struct event_reader *r = v->readers; r && !mine; r = r->next) {
		r->interrupted |= r->arriving == req;
		mine = r->waiting == req;
		if (mine)
			r->waiting = NULL;
	}
	pthread_mutex_unlock(&v->lock);
	if (mine)
		fuse_reply_err(req, EINTR);
}

/* 0: the request is kept, or is answered by now; else the error to answer. */
static int keep(struct mount *m, fuse_req_t req, struct event_reader *r, size_t size, struct buf *out)
{
	struct events *v = m->events;
	int code = 0;

	fuse_req_interrupt_func(req, interrupted, m);
	pthread_mutex_lock(&v->lock);
	r->arriving = NULL;
	if (r->interrupted)
		code = EINTR;
	else if (v->ended)
		code = ENODEV;
	else if (has_news(v, r))
		fill(v, r, size, out);
	else {
		r->waiting = req;
		r->size = size;
	}
	pthread_mutex_unlock(&v->lock);
	return code;
}

void events_read(struct mount *m, fuse_req_t req, struct event_reader *r, size_t size, bool wait)
{
	struct events *v = m->events;
	buf_auto out = BUF_INIT;
	int code = 0;

	pthread_mutex_lock(&v->lock);
	bool news = has_news(v, r), busy = r->arriving || r->waiting;
	if (news)
		fill(v, r, size, &out);
	else if (busy || !wait)
		code = busy ? EBUSY : EAGAIN;
	else
		r->arriving = req, r->interrupted = false;
	pthread_mutex_unlock(&v->lock);
	if (!news && code == 0) {
		code = keep(m, req, r, size, &out);
		if (code == 0 && out.len == 0 && !buf_failed(&out))
			return;
	}
	if (code)
		fuse_reply_err(req, code);
	else
		answer(req, &out);
}

void events_poll(struct mount *m, fuse_req_t req, struct event_reader *r, struct fuse_pollhandle *poll)
{
	struct events *v = m->events;
	struct fuse_pollhandle *before = NULL;

	pthread_mutex_lock(&v->lock);
	bool news = has_news(v, r);
	if (poll) {
		before = r->poll;
		r->poll = poll;
	}
	pthread_mutex_unlock(&v->lock);
	if (before)
		fuse_pollhandle_destroy(before);
	fuse_reply_poll(req, news ? POLLIN | POLLRDNORM : 0);
}

/* Takes out one request, or one poll handle, that there is something for. */
static bool next_woken(struct events *v, fuse_req_t *req, struct fuse_pollhandle **poll, struct buf *out)
{
	*req = NULL;
	*poll = NULL;
	pthread_mutex_lock(&v->lock);
	for (struct event_reader *r = v->readers; r && !v->ended && !*req && !*poll; r = r->next) {
		if ((!r->waiting && !r->poll) || !has_news(v, r))
			continue;
		*poll = r->poll;
		r->poll = NULL;
		if (!r->waiting)
			continue;
		*req = r->waiting;
		r->waiting = NULL;
		fill(v, r, r->size, out);
	}
	bool found = *req || *poll;
	v->waking += found;
	pthread_mutex_unlock(&v->lock);
	return found;
}

static void woken(struct events *v)
{
	pthread_mutex_lock(&v->lock);
	if (--v->waking == 0)
		pthread_cond_broadcast(&v->all_awake);
	pthread_mutex_unlock(&v->lock);
}

void events_wake(struct mount *m)
{
	struct fuse_pollhandle *poll;
	fuse_req_t req;

	for (;;) {
		buf_auto out = BUF_INIT;

		if (!next_woken(m->events, &req, &poll, &out))
			return;
		if (req)
			answer(req, &out);
		if (poll) {
			fuse_lowlevel_notify_poll(poll);
			fuse_pollhandle_destroy(poll);
		}
		woken(m->events);
	}
}

static fuse_req_t take_waiting(struct events *v)
{
	fuse_req_t req = NULL;

	pthread_mutex_lock(&v->lock);
	v->ended = true;
	for (struct event_reader *r = v->readers; r && !req; r = r->next) {
		req = r->waiting;
		r->waiting = NULL;
	}
	pthread_mutex_unlock(&v->lock);
	return req;
}

void events_end(struct mount *m)
{
	fuse_req_t req;

	while ((req = take_waiting(m->events)))
		fuse_reply_err(req, ENODEV);
	pthread_mutex_lock(&m->events->lock);
	while (m->events->waking)
		pthread_cond_wait(&m->events->all_awake, &m->events->lock);
	pthread_mutex_unlock(&m->events->lock);
}

/* ---- readers ---- */

int events_open(struct mount *m, fuse_req_t req, struct event_reader **out, struct err *e)
{
	struct events *v = m->events;
	size_t n = m->schema->nmodels;
	struct event_reader *r = calloc(1, sizeof(*r) + n * sizeof(r->sees[0]));

	if (!r)
		return err_nomem(e);
	r->uid = fuse_req_ctx(req)->uid;
	for (size_t i = 0; i < n; i++) {
		const struct model *model = &m->schema->models[i];
		const struct stat st = {.st_mode = S_IFREG | model->mode, .st_uid = m->uid, .st_gid = m->gid};
		bool all = store_sees_all(m->store, r->uid) || !model->restricted;
		r->sees[i] = all && mount_may(req, &st, R_OK) == 0 ? SEES_ALL : SEES_OWN;
	}
	pthread_mutex_lock(&v->lock);
	r->at = v->next;
	r->next = v->readers;
	r->link = &v->readers;
	if (r->next)
		r->next->link = &r->next;
	v->readers = r;
	pthread_mutex_unlock(&v->lock);
	store_watch(m->store, true);
	*out = r;
	return 0;
}

void events_close(struct mount *m, struct event_reader *r)
{
	struct events *v = m->events;

	if (!r)
		return;
	pthread_mutex_lock(&v->lock);
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	if (!v->readers)
		store_watch(m->store, false);
	pthread_mutex_unlock(&v->lock);
	if (r->poll)
		fuse_pollhandle_destroy(r->poll);
	buf_release(&r->rest);
	free(r);
}

int events_start(struct mount *m, struct err *e)
{
	struct events *v = calloc(1, sizeof(*v));

	if (!v)
		return err_nomem(e);
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->all_awake, NULL);
	m->events = v;
	store_on_rows(m->store, changed, m);
	return 0;
}

void events_free(struct mount *m)
{
	struct events *v = m->events;

	if (!v)
		return;
	for (size_t i = 0; i < LIMIT_EVENTS; i++)
		free(v->ring[i].text);
	pthread_cond_destroy(&v->all_awake);
	pthread_mutex_destroy(&v->lock);
	free(v);
	m->events = NULL;
}
