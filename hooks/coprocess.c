/*
 * coprocess.c - a running program of pipe hooks.
 *
 *   none --ask: start--> idle --ask--> asked --one line--> idle
 *   asked --died, late, too much, no answer--> ended, reaped: none
 *   idle --died, or wrote unasked--> found by the next ask: none, start
 *
 * A program that did not keep to one line for one event is ended, because its next line might answer an older question:
 * a save must never be let through by the answer to another. The session stands in the saver's table as long as the
 * program runs, so its processes can't save to the mount even when nobody asks: the save might be waiting for them.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../store/clock.h"
#include "../store/json.h"
#include "../store/limits.h"
#include "../store/log.h"
#include "act.h"
#include "change.h"
#include "coprocess.h"
#include "event.h"
#include "launch.h"

enum { CHUNK = 16 << 10 };

struct coprocess {
	pthread_mutex_t lock; /* busy */
	pthread_cond_t free;
	bool busy; /* somebody asks; everything below is that thread's */
	struct program program;
	struct waiting waiting;
	bool running;
	struct launched launched;
	struct program_result result; /* of the question that is being asked: what it wrote, how it ended */
	struct arena arena;
};

struct question {
	struct coprocess *c;
	const struct buf *line;
	size_t written;
	long long deadline;
	bool ended; /* it has closed its output, or is gone */
};

/* ---- start and end ---- */

static int coprocess_new(struct coprocess **out, struct saver *s, const struct hook *h, struct err *e)
{
	struct coprocess *c = calloc(1, sizeof *c);
	if (!c)
		return err_nomem(e);
	pthread_mutex_init(&c->lock, NULL);
	clock_cond_init(&c->free);
	c->waiting.saver = s;
	c->program = (struct program){
	    .argv = h->argv,
	    .user = h->user,
	    .bounds = &h->bounds,
	    .env = program_env(&c->arena, s, h->user),
	    .directory = s->schema->conf->directory,
	    .started = session_started,
	    .ended = session_ended,
	    .data = &c->waiting,
	    .wake_fd = -1,
	};
	*out = c;
	return c->program.env ? 0 : err_nomem(e);
}

const char *coprocess_name(const struct coprocess *c)
{
	return program_name(&c->program);
}

static int start(struct coprocess *c, struct err *e)
{
	err_auto why = ERR_INIT;
	int result = c->running ? 0 : launch(&c->program, &c->launched, &why);
	if (result < 0)
		return err_set(e, result == -ENOMEM ? ENOMEM : ECANCELED, "%s", why.text);
	c->running = true;
	return 0;
}

static bool has_ended(const struct coprocess *c, long long within_ms)
{
	struct pollfd fd = {c->launched.pidfd, POLLIN, 0};
	long long until = monotonic_ms() + within_ms;
	int ready;
	do {
		long long left = until - monotonic_ms();
		ready = poll(&fd, 1, left < 0 ? 0 : (int)left);
	} while (ready < 0 && errno == EINTR);
	return ready > 0;
}

/* Reaps it, and ends it first when it still runs. */
static void end(struct coprocess *c)
{
	pid_t group = c->launched.pid;
	if (!has_ended(c, 0))
		kill(-group, SIGTERM);
	if (!has_ended(c, TIMEOUT_TERM_MS))
		kill(-group, SIGKILL);
	launched_reap(&c->launched, &c->program, &c->result);
	c->running = false;
}

static void coprocess_free(struct coprocess *c)
{
	if (!c)
		return;
	if (c->running) {
		launched_close(&c->launched, STREAM_INPUT);
		has_ended(c, TIMEOUT_TERM_MS);
		end(c);
	}
	program_result_release(&c->result);
	pthread_cond_destroy(&c->free);
	pthread_mutex_destroy(&c->lock);
	arena_release(&c->arena);
	free(c);
}

int coprocesses_new(struct saver *s, struct err *e)
{
	const struct hooks *hooks = s->hooks;
	s->coprocesses = calloc(hooks->ninstances + 1, sizeof(struct coprocess *));
	int result = s->coprocesses ? 0 : err_nomem(e);
	for (size_t i = 0; i < hooks->n && result == 0; i++) {
		const struct hook *h = &hooks->all[i];
		if (h->kind == HOOK_PIPE && !s->coprocesses[h->instance])
			result = coprocess_new(&s->coprocesses[h->instance], s, h, e);
	}
	return result;
}

void coprocesses_free(struct saver *s)
{
	for (size_t i = 0; s->coprocesses && i < s->hooks->ninstances; i++)
		coprocess_free(s->coprocesses[i]);
	free(s->coprocesses);
}

/* ---- one question ---- */

static void feed(struct question *q)
{
	struct launched *l = &q->c->launched;
	ssize_t n = write(l->fds[STREAM_INPUT], q->line->data + q->written, q->line->len - q->written);
	if (n > 0)
		q->written += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		q->ended = true;
}

static void take_output(struct question *q)
{
	char chunk[CHUNK];
	struct buf *out = &q->c->result.out;
	ssize_t n = read(q->c->launched.fds[STREAM_OUTPUT], chunk, sizeof chunk);
	if (n > 0)
		buf_add(out, chunk, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		q->ended = true;
	q->c->result.too_much = out->len > program_output(&q->c->program);
}

/* Kept for the sentence when it ends; read in any case, for a full pipe would stop it. */
static void take_errors(struct coprocess *c)
{
	char chunk[CHUNK];
	struct buf *err = &c->result.err;
	ssize_t n = read(c->launched.fds[STREAM_ERRORS], chunk, sizeof chunk);
	size_t room = LIMIT_HOOK_STDERR - err->len;
	if (n > 0)
		buf_add(err, chunk, (size_t)n < room ? (size_t)n : room);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		launched_close(&c->launched, STREAM_ERRORS);
}

static bool is_answered(const struct question *q)
{
	const struct buf *out = &q->c->result.out;
	return q->written == q->line->len && out->len && memchr(out->data, '\n', out->len);
}

static void wait_and_take(struct question *q)
{
	struct coprocess *c = q->c;
	struct launched *l = &c->launched;
	enum { EXIT = STREAMS, WATCHED };
	struct pollfd fds[WATCHED] = {
	    {q->written < q->line->len ? l->fds[STREAM_INPUT] : -1, POLLOUT, 0},
	    {l->fds[STREAM_OUTPUT], POLLIN, 0},
	    {l->fds[STREAM_ERRORS], POLLIN, 0},
	    {l->pidfd, POLLIN, 0},
	};
	long long left = q->deadline - monotonic_ms();
	if (left <= 0) {
		c->result.timed_out = true;
		return;
	}
	if (poll(fds, WATCHED, left > INT_MAX ? INT_MAX : (int)left) <= 0)
		return;
	if (fds[STREAM_INPUT].revents)
		feed(q);
	if (fds[STREAM_ERRORS].revents)
		take_errors(c);
	if (fds[STREAM_OUTPUT].revents)
		take_output(q);
	else if (fds[EXIT].revents) /* a child of it may hold its output open */
		q->ended = true;
}

static int say_ended(struct coprocess *c, struct err *e)
{
	if (buf_failed(&c->result.out) || buf_failed(&c->result.err))
		return err_nomem(e);
	if (program_verdict(&c->program, &c->result, e) < 0)
		return -e->code;
	return err_set(e, ECANCELED, "%s ended without an answer", program_name(&c->program));
}

static void take_last_words(struct coprocess *c)
{
	for (size_t before = 1, taken = 0; before != taken && c->launched.fds[STREAM_ERRORS] >= 0;) {
		before = c->result.err.len;
		take_errors(c);
		taken = c->result.err.len;
	}
}

static int refuse_ended(struct question *q, struct err *e)
{
	struct coprocess *c = q->c;
	if (q->ended)
		has_ended(c, TIMEOUT_TERM_MS);
	take_last_words(c);
	end(c);
	return say_ended(c, e);
}

static int read_answer(struct coprocess *c, json_t **answer, struct err *e)
{
	err_auto why = ERR_INIT;
	const char *name = program_name(&c->program), *text = buf_text(&c->result.out);
	size_t len = (size_t)(strchrnul(text, '\n') - text);
	if (len + 1 != c->result.out.len)
		return err_set(e, ECANCELED, "%s answers more than one line for one event", name);
	if (json_read(text, len, answer, &why) < 0)
		return err_set(e, ECANCELED, "%s answers what is no JSON object: %s", name, why.text);
	if (json_integer_value(json_object_get(*answer, "version")) == 1)
		return 0;
	json_decref(*answer);
	*answer = NULL;
	return err_set(e, ECANCELED, "%s answers without \"version\":1, which every answer to an event has", name);
}

static int ask(struct question *q, json_t **answer, struct err *e)
{
	struct coprocess *c = q->c;
	feed(q);
	while (!q->ended && !c->result.timed_out && !c->result.too_much && !is_answered(q))
		wait_and_take(q);
	if (!is_answered(q) || c->result.too_much || buf_failed(&c->result.out))
		return refuse_ended(q, e);
	int result = read_answer(c, answer, e);
	if (result < 0)
		end(c);
	return result;
}

/* True when the program is there and silent. What it wrote unasked could be taken for an answer. */
static bool is_idle(struct coprocess *c)
{
	struct pollfd fds[] = {{c->launched.fds[STREAM_OUTPUT], POLLIN, 0}, {c->launched.pidfd, POLLIN, 0}};
	return poll(fds, sizeof fds / sizeof *fds, 0) == 0;
}

static void reset(struct coprocess *c)
{
	program_result_release(&c->result);
	c->result = (struct program_result){.status = -1};
}

/* Others may be asking, each for as long as its time-out: nobody waits longer for a turn than for an answer. */
static int take_turn(struct coprocess *c, long long timeout_ms, struct err *e)
{
	struct timespec until = monotonic_at(monotonic_ms() + timeout_ms);
	int code = 0;
	pthread_mutex_lock(&c->lock);
	while (c->busy && code == 0)
		code = pthread_cond_timedwait(&c->free, &c->lock, &until);
	bool taken = !c->busy;
	c->busy = true;
	pthread_mutex_unlock(&c->lock);
	if (taken)
		return 0;
	return err_set(e, ETIMEDOUT, "%s was busy with other saves for %lld ms", program_name(&c->program), timeout_ms);
}

static void end_turn(struct coprocess *c)
{
	pthread_mutex_lock(&c->lock);
	c->busy = false;
	pthread_cond_signal(&c->free);
	pthread_mutex_unlock(&c->lock);
}

int coprocess_ask(struct coprocess *c, const struct buf *line, long long timeout_ms, json_t **answer, struct err *e)
{
	if (take_turn(c, timeout_ms, e) < 0)
		return -e->code;
	reset(c);
	if (c->running && !is_idle(c)) {
		end(c);
		log_info("%s has ended, or wrote a line that nobody asked for, and is started again",
			 program_name(&c->program));
		reset(c);
	}
	int result = start(c, e);
	c->program.timeout_ms = timeout_ms;
	struct question q = {.c = c, .line = line, .deadline = monotonic_ms() + timeout_ms};
	if (result == 0)
		result = ask(&q, answer, e);
	end_turn(c);
	return result;
}
