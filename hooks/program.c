/*
 * program.c - one program from start to reaped: clone, a poll loop over its three pipes and its pidfd, the end of its
 * group.
 *
 * The child shares the daemon's memory until it executes (CLONE_VM | CLONE_VFORK, as posix_spawn does), so starting it
 * costs the same however large the daemon is, `started` can run in it before it executes, and it leaves its errno where
 * the parent reads it. What the child may do is therefore little: system calls, and `started`, which may take a leaf
 * lock. Invariant: whatever happens, no descriptor, no child and no stack remains.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../store/limits.h"
#include "program.h"

/* ThreadSanitizer takes clone for a fork, whatever its flags, and stops watching; glibc's other name it leaves alone.
 */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
int __clone(int (*function)(void *), void *stack, int flags, void *argument, ...);
#define clone __clone
#endif

enum { STACK_SIZE = 64 << 10, CHUNK = 64 << 10, REAP_POLL_MS = 2 };

enum stream { INPUT, OUTPUT, ERRORS, STREAMS };

/* What the child needs; it writes `error`. */
struct launch {
	const struct program *program;
	const char *path;
	int child_end[STREAMS], parent_end[STREAMS];
	sigset_t no_signals;
	int error;
	pid_t pid;
	int pidfd;
};

struct run {
	const struct program *program;
	struct program_result *result;
	struct launch *launch;
	size_t written;     /* of the input */
	long long deadline; /* of what is next: the time-out, then KILL */
	bool terminated, killed;
};

static long long monotonic_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void close_at(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_all(int *fds)
{
	for (int i = 0; i < STREAMS; i++)
		close_at(&fds[i]);
}

/* ---- starting ---- */

/* Ignored signals survive execve, and handlers must not run on the memory that is shared until then. */
static void reset_signals(const sigset_t *none)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	for (int signal = 1; signal < NSIG; signal++)
		sigaction(signal, &standard, NULL);
	sigprocmask(SIG_SETMASK, none, NULL);
}

/*
 * The ends may be 0, 1 or 2 themselves in a daemon that closed its own: move them out of the way first. dup3 by its
 * number, for the sanitizers' table of descriptors is the parent's.
 */
static int place_streams(const int *ends)
{
	int moved[STREAMS];
	for (int i = 0; i < STREAMS; i++)
		if ((moved[i] = fcntl(ends[i], F_DUPFD, STREAMS)) < 0)
			return -1;
	for (int i = 0; i < STREAMS; i++)
		if (syscall(SYS_dup3, moved[i], i, 0) < 0)
			return -1;
	return close_range(STREAMS, ~0U, 0);
}

/* No sanitizer may keep books of frames that never return. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static int child_main(void *data)
{
	struct launch *l = data;
	const struct program *p = l->program;
	setsid();
	if (p->started)
		p->started(p->data, getpid());
	if (place_streams(l->child_end) == 0 && (!p->directory || chdir(p->directory) == 0)) {
		reset_signals(&l->no_signals);
		execve(l->path, (char *const *)p->argv, (char *const *)p->env);
	}
	l->error = errno;
	return 127;
}

static int open_pipes(struct launch *l)
{
	for (int i = 0; i < STREAMS; i++) {
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		bool in = i == INPUT;
		l->child_end[i] = ends[in ? 0 : 1];
		l->parent_end[i] = ends[in ? 1 : 0];
		if (fcntl(l->parent_end[i], F_SETFL, O_NONBLOCK) < 0)
			return -errno;
	}
	return 0;
}

static const char *env_path(const char *const *env)
{
	for (; env && *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return "/usr/local/bin:/usr/bin:/bin";
}

static bool is_program(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* A name without / is looked up in PATH here: execvpe would hand what has no #! line to a shell. */
static const char *find_program(const struct program *p, char *buf, size_t size)
{
	if (strchr(p->argv[0], '/'))
		return p->argv[0];
	for (const char *at = env_path(p->env); at; at = *at ? at + 1 : NULL) {
		const char *end = strchrnul(at, ':');
		struct buf path = {.limit = size - 1};
		buf_add(&path, at, (size_t)(end - at));
		buf_printf(&path, "/%s", p->argv[0]);
		bool fits = end > at && !buf_failed(&path);
		if (fits)
			memcpy(buf, buf_text(&path), path.len + 1);
		buf_release(&path);
		if (fits && is_program(buf))
			return buf;
		at = end;
	}
	return NULL;
}

static int start_child(struct launch *l)
{
	char *stack = malloc(STACK_SIZE);
	if (!stack)
		return -ENOMEM;
	sigset_t all, before;
	sigfillset(&all);
	sigemptyset(&l->no_signals);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	l->pid = clone(child_main, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, l, &l->pidfd);
	int result = l->pid < 0 ? -errno : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	free(stack);
	if (result == 0 && l->error) {
		waitpid(l->pid, NULL, 0);
		close_at(&l->pidfd);
		if (l->program->ended)
			l->program->ended(l->program->data, l->pid);
		result = -l->error;
	}
	return result;
}

const char *program_name(const struct program *p)
{
	size_t len = p->directory ? strlen(p->directory) : 0;
	const char *path = p->argv[0];
	return len && strncmp(path, p->directory, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

static int say_not_started(const struct program *p, const char *path, int code, struct err *e)
{
	const char *name = program_name(p);
	if (code == ENOMEM)
		return err_nomem(e);
	if (code == ENOENT && path && is_program(path))
		return err_set(e, code, "%s: the interpreter that its first line names does not exist", name);
	if (code == ENOEXEC)
		return err_set(e, code, "%s: no program; a script begins with #! and its interpreter", name);
	return err_set(e, code, "%s: %s", name, strerror(code));
}

static int launch(struct launch *l, struct err *e)
{
	char path[PATH_MAX];
	const struct program *p = l->program;
	l->path = find_program(p, path, sizeof path);
	int result = l->path ? open_pipes(l) : -ENOENT;
	if (result == 0)
		result = start_child(l);
	close_all(l->child_end);
	if (result < 0)
		close_all(l->parent_end);
	result = result < 0 ? say_not_started(p, l->path, -result, e) : 0;
	l->path = NULL;
	return result;
}

/* ---- while it runs ---- */

static void terminate(struct run *r)
{
	if (r->terminated)
		return;
	r->terminated = true;
	kill(-r->launch->pid, SIGTERM);
	r->deadline = monotonic_ms() + TIMEOUT_TERM_MS;
}

static void past_deadline(struct run *r)
{
	if (!r->terminated) {
		r->result->timed_out = true;
		terminate(r);
	} else if (!r->killed) {
		r->killed = true;
		kill(-r->launch->pid, SIGKILL);
	}
}

static void feed(struct run *r)
{
	int *fd = &r->launch->parent_end[INPUT];
	size_t left = r->program->input_len - r->written;
	ssize_t n = left ? write(*fd, r->program->input + r->written, left) : 0;
	if (n > 0)
		r->written += (size_t)n;
	if (r->written == r->program->input_len || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_at(fd);
}

static void keep_output(struct run *r, const char *data, size_t len)
{
	struct buf *out = &r->result->out;
	if (out->len + len > LIMIT_HOOK_OUTPUT) {
		r->result->too_much = true;
		len = LIMIT_HOOK_OUTPUT - out->len;
		terminate(r);
	}
	buf_add(out, data, len);
}

static void keep_errors(struct run *r, const char *data, size_t len)
{
	struct buf *err = &r->result->err;
	size_t room = LIMIT_HOOK_STDERR - err->len;
	buf_add(err, data, len < room ? len : room);
}

static void (*const keep[STREAMS])(struct run *, const char *, size_t) = {
    [OUTPUT] = keep_output,
    [ERRORS] = keep_errors,
};

/* One read; false when there is nothing now or never. */
static bool take(struct run *r, enum stream stream)
{
	char chunk[CHUNK];
	int *fd = &r->launch->parent_end[stream];
	ssize_t n = *fd < 0 ? 0 : read(*fd, chunk, sizeof chunk);
	if (n > 0)
		keep[stream](r, chunk, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_at(fd);
	return n > 0;
}

static bool wants_stop(const struct program *p)
{
	return p->stop && __atomic_load_n(p->stop, __ATOMIC_ACQUIRE);
}

static void watch(struct run *r)
{
	struct launch *l = r->launch;
	enum { EXIT = STREAMS, WAKE, WATCHED };
	for (bool running = true; running;) {
		struct pollfd fds[WATCHED] = {
		    {l->parent_end[INPUT], POLLOUT, 0},
		    {l->parent_end[OUTPUT], POLLIN, 0},
		    {l->parent_end[ERRORS], POLLIN, 0},
		    {l->pidfd, POLLIN, 0},
		    {r->program->stop && !r->terminated ? r->program->wake_fd : -1, POLLIN, 0},
		};
		long long left = r->deadline - monotonic_ms();
		poll(fds, WATCHED, r->killed ? -1 : left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left);
		if (fds[INPUT].revents)
			feed(r);
		for (int i = OUTPUT; i < STREAMS; i++)
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

/* ---- when it has ended ---- */

/* What stands in the pipes; more can only come from those that it left behind, and nobody waits for them. */
static void drain(struct run *r)
{
	for (int i = OUTPUT; i < STREAMS; i++) {
		int size = fcntl(r->launch->parent_end[i], F_GETPIPE_SZ);
		for (int taken = 0; taken <= size && take(r, i); taken += CHUNK)
			;
	}
}

static void reap(struct run *r)
{
	int status;
	if (waitpid(r->launch->pid, &status, 0) < 0)
		return;
	if (WIFEXITED(status))
		r->result->status = WEXITSTATUS(status);
	else if (WIFSIGNALED(status))
		r->result->signal = WTERMSIG(status);
}

/* The state in /proc/PID/stat, behind the name in brackets: what only waits to be reaped by init can't be ended. */
static bool is_left(const char *pid, pid_t group)
{
	char path[64], text[512];
	struct buf name = {.limit = sizeof path - 1};
	buf_printf(&name, "/proc/%.20s/stat", pid);
	memcpy(path, buf_text(&name), name.len + 1);
	buf_release(&name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *end = strrchr(text, ')');
	if (!end || strlen(end) < 5)
		return false;
	char *at = NULL;
	strtol(end + 4, &at, 10);
	return end[2] != 'Z' && strtol(at, NULL, 10) == group;
}

static bool group_left(pid_t group)
{
	if (kill(-group, 0) < 0)
		return false;
	DIR *dir = opendir("/proc");
	bool found = !dir;
	for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
		found = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_left(entry->d_name, group);
	if (dir)
		closedir(dir);
	return found;
}

/* TERM reaches the group while its leader is still there to be reaped, so the number can't be another's. */
static void end_group(struct run *r)
{
	pid_t group = r->launch->pid;
	long long until = monotonic_ms() + TIMEOUT_TERM_MS;
	kill(-group, SIGTERM);
	reap(r);
	while (group_left(group) && monotonic_ms() < until)
		poll(NULL, 0, REAP_POLL_MS);
	kill(-group, SIGKILL);
}

int program_run(const struct program *p, struct program_result *r, struct err *e)
{
	*r = (struct program_result){.status = -1};
	struct launch l = {.program = p, .pidfd = -1, .child_end = {-1, -1, -1}, .parent_end = {-1, -1, -1}};
	int result = launch(&l, e);
	if (result < 0)
		return result;
	struct run run = {.program = p, .result = r, .launch = &l, .deadline = monotonic_ms() + p->timeout_ms};
	watch(&run);
	drain(&run);
	end_group(&run);
	close_all(l.parent_end);
	close_at(&l.pidfd);
	if (p->ended)
		p->ended(p->data, l.pid);
	if (buf_failed(&r->out) || buf_failed(&r->err)) {
		program_result_release(r);
		return err_nomem(e);
	}
	return 0;
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
