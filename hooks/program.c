/*
 * program.c - one program from start to reaped: a poll loop over its three pipes and its pidfd, a time-out that ends
 * it.
 *
 * How it is started, and how what it leaves behind is ended, stands in launch.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../store/clock.h"
#include "../store/limits.h"
#include "launch.h"

enum { CHUNK = 64 << 10 };

struct run {
	const struct program *program;
	struct program_result *result;
	struct launched *launched;
	size_t written;     /* of the input */
	long long deadline; /* of what is next: the time-out, then KILL */
	int broken;         /* the errno of a pipe that can't be read or written */
	bool terminated, killed;
};

static void terminate(struct run *r)
{
	if (r->terminated)
		return;
	r->terminated = true;
	kill(-r->launched->pid, SIGTERM);
	r->deadline = monotonic_ms() + TIMEOUT_TERM_MS;
}

static void past_deadline(struct run *r)
{
	if (!r->terminated) {
		r->result->timed_out = true;
		terminate(r);
	} else if (!r->killed) {
		r->killed = true;
		kill(-r->launched->pid, SIGKILL);
	}
}

static void feed(struct run *r)
{
	int *fd = &r->launched->fds[STREAM_INPUT];
	size_t left = r->program->input_len - r->written;
	ssize_t n = left ? write(*fd, r->program->input + r->written, left) : 0;
	if (n > 0)
		r->written += (size_t)n;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 && errno != EPIPE) /* a program need not read what it gets */
		r->broken = errno;
	if (n < 0 || r->written == r->program->input_len)
		launched_close(r->launched, STREAM_INPUT);
}

static void keep_output(struct run *r, const char *data, size_t len)
{
	struct buf *out = &r->result->out;
	size_t most = program_output(r->program);
	if (out->len + len > most) {
		r->result->too_much = true;
		len = most - out->len;
		terminate(r);
	}
	buf_add(out, data, len);
}

/* A log keeps the whole text; the end of it tells what went wrong. */
static void make_room(struct buf *err, size_t len)
{
	size_t most = len < LIMIT_HOOK_STDERR / 2 ? LIMIT_HOOK_STDERR / 2 : 0;
	if (err->len + len <= LIMIT_HOOK_STDERR || err->len <= most)
		return;
	memmove(err->data, err->data + err->len - most, most);
	buf_resize(err, most);
}

static void keep_errors(struct run *r, const char *data, size_t len)
{
	struct buf *err = &r->result->err;
	if (r->program->log) {
		r->program->log(r->program->log_data, data, len);
		make_room(err, len);
	}
	size_t room = LIMIT_HOOK_STDERR - err->len;
	buf_add(err, data, len < room ? len : room);
}

static void (*const keep[STREAMS])(struct run *, const char *, size_t) = {
    [STREAM_OUTPUT] = keep_output,
    [STREAM_ERRORS] = keep_errors,
};

/* One read; false when there is nothing now or never. */
static bool take(struct run *r, enum stream stream)
{
	char chunk[CHUNK];
	int *fd = &r->launched->fds[stream];
	ssize_t n = *fd < 0 ? 0 : read(*fd, chunk, sizeof chunk);
	if (n > 0)
		keep[stream](r, chunk, (size_t)n);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return n > 0;
	if (n < 0)
		r->broken = errno;
	launched_close(r->launched, stream);
	return false;
}

static bool wants_stop(const struct program *p)
{
	return p->stop && __atomic_load_n(p->stop, __ATOMIC_ACQUIRE);
}

/* Milliseconds that poll may wait; -1: for ever. */
static int patience(struct run *r)
{
	long long left = r->deadline - monotonic_ms();
	long long tick = r->program->tick ? r->program->tick(r->program->log_data) : -1;
	if (r->killed)
		left = -1;
	else if (left < 0)
		left = 0;
	if (tick >= 0 && (left < 0 || tick < left))
		left = tick;
	return left > INT_MAX ? INT_MAX : (int)left;
}

static void watch(struct run *r)
{
	struct launched *l = r->launched;
	enum { EXIT = STREAMS, WAKE, WATCHED };
	for (bool running = true; running;) {
		struct pollfd fds[WATCHED] = {
		    {l->fds[STREAM_INPUT], POLLOUT, 0},
		    {l->fds[STREAM_OUTPUT], POLLIN, 0},
		    {l->fds[STREAM_ERRORS], POLLIN, 0},
		    {l->pidfd, POLLIN, 0},
		    {r->program->stop && !r->terminated ? r->program->wake_fd : -1, POLLIN, 0},
		};
		poll(fds, WATCHED, patience(r));
		if (fds[STREAM_INPUT].revents)
			feed(r);
		for (int i = STREAM_OUTPUT; i < STREAMS; i++)
			if (fds[i].revents)
				take(r, i);
		if (!r->terminated && wants_stop(r->program)) {
			r->result->stopped = true;
			terminate(r);
		}
		running = !fds[EXIT].revents;
		if (running && monotonic_ms() >= r->deadline)
			past_deadline(r);
	}
}

/* What stands in the pipes; more can only come from those that it left behind, and nobody waits for them. */
static void drain(struct run *r)
{
	for (int i = STREAM_OUTPUT; i < STREAMS; i++) {
		int size = fcntl(r->launched->fds[i], F_GETPIPE_SZ);
		for (int taken = 0; taken <= size && take(r, i); taken += CHUNK)
			;
	}
}

int program_run(const struct program *p, struct program_result *r, struct err *e)
{
	*r = (struct program_result){.status = -1};
	struct launched l;
	int result = launch(p, &l, e);
	if (result < 0)
		return result;
	struct run run = {.program = p, .result = r, .launched = &l, .deadline = monotonic_ms() + p->timeout_ms};
	watch(&run);
	drain(&run);
	launched_reap(&l, p, r);
	if (buf_failed(&r->out) || buf_failed(&r->err))
		result = err_nomem(e);
	else if (run.broken)
		result = err_set(e, EIO, "%s: what it reads or writes was cut off: %s", program_name(p),
				 strerror(run.broken));
	if (result < 0)
		program_result_release(r);
	return result;
}

size_t program_output(const struct program *p)
{
	return (size_t)(p->bounds ? p->bounds : &default_bounds)->output;
}

void program_result_release(struct program_result *r)
{
	buf_release(&r->out);
	buf_release(&r->err);
}

void program_init(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &ignore, NULL);
}
