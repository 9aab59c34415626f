/*
 * launch.c - starting a program: pipes, clone, execve, and the end of everything in its group.
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../store/clock.h"
#include "../store/limits.h"
#include "confine.h"
#include "launch.h"

/* ThreadSanitizer takes clone for a fork, whatever its flags, and stops watching; glibc's other name it leaves alone.
 */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
int __clone(int (*function)(void *), void *stack, int flags, void *argument, ...);
#define clone __clone
#endif

enum { STACK_SIZE = 64 << 10, REAP_POLL_MS = 2 };

/* What the child needs; it writes `error` and `told`. */
struct start {
	const struct program *program;
	const char *path;
	int child_end[STREAMS];
	struct confinement confinement;
	sigset_t no_signals;
	int error;
	bool told; /* that it has started */
	struct launched *launched;
};

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

/*
 * Ignored signals survive execve, and handlers must not run on the memory that is shared until then. By its number, for
 * glibc's function leaves out 32 and 33, which its posix_spawn ignores: make hands that on. Zeros stand for SIG_DFL.
 */
static void reset_signals(const sigset_t *none)
{
	static const unsigned long standard[8];
	for (int signal = 1; signal < NSIG; signal++)
		syscall(SYS_rt_sigaction, signal, standard, NULL, (size_t)NSIG / 8);
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

/* By their numbers: glibc's functions change the user of every thread of the daemon. */
static int become(const struct user *user)
{
	if (!user)
		return 0;
	if (syscall(SYS_setgroups, user->ngroups, user->groups) < 0)
		return -1;
	if (syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0)
		return -1;
	return (int)syscall(SYS_setresuid, user->uid, user->uid, user->uid);
}

/* No sanitizer may keep books of frames that never return. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static int child_main(void *data)
{
	struct start *s = data;
	const struct program *p = s->program;
	setsid();
	if (p->started)
		p->started(p->data, getpid());
	s->told = true;
	if (confine_writing(&s->confinement) == 0 && place_streams(s->child_end) == 0 &&
	    confine_use(&s->confinement) == 0 && become(p->user) == 0 && (!p->directory || chdir(p->directory) == 0)) {
		reset_signals(&s->no_signals);
		execve(s->path, (char *const *)p->argv, (char *const *)p->env);
	}
	s->error = errno;
	return 127;
}

static int open_pipes(struct start *s)
{
	for (int i = 0; i < STREAMS; i++) {
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		bool in = i == STREAM_INPUT;
		s->child_end[i] = ends[in ? 0 : 1];
		s->launched->fds[i] = ends[in ? 1 : 0];
		if (fcntl(s->launched->fds[i], F_SETFL, O_NONBLOCK) < 0)
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

static int start_child(struct start *s)
{
	struct launched *l = s->launched;
	char *stack = malloc(STACK_SIZE);
	if (!stack)
		return -ENOMEM;
	sigset_t all, before;
	sigfillset(&all);
	sigemptyset(&s->no_signals);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	l->pid = clone(child_main, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, s, &l->pidfd);
	int result = l->pid < 0 ? -errno : 0;
	if (result == 0 && !s->told && s->program->started) /* valgrind makes a fork of it: memory is not shared then */
		s->program->started(s->program->data, l->pid);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	free(stack);
	if (result == 0 && s->error) {
		waitpid(l->pid, NULL, 0);
		close_at(&l->pidfd);
		if (s->program->ended)
			s->program->ended(s->program->data, l->pid);
		result = -s->error;
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

int launch(const struct program *p, struct launched *l, struct err *e)
{
	char path[PATH_MAX];
	struct start s = {.program = p, .child_end = {-1, -1, -1}, .launched = l};
	*l = (struct launched){.pidfd = -1, .fds = {-1, -1, -1}};
	if (confine_prepare(&s.confinement, p->bounds ? p->bounds : &default_bounds, p->timeout_ms, e) < 0)
		return -e->code;
	s.path = find_program(p, path, sizeof path);
	int result = s.path ? open_pipes(&s) : -ENOENT;
	if (result == 0)
		result = start_child(&s);
	confine_release(&s.confinement);
	close_all(s.child_end);
	if (result < 0)
		close_all(l->fds);
	return result < 0 ? say_not_started(p, s.path, -result, e) : 0;
}

void launched_close(struct launched *l, enum stream stream)
{
	close_at(&l->fds[stream]);
}

/* ---- when it has ended ---- */

static void reap(const struct launched *l, struct program_result *r)
{
	int status;
	if (waitpid(l->pid, &status, 0) < 0)
		return;
	if (WIFEXITED(status))
		r->status = WEXITSTATUS(status);
	else if (WIFSIGNALED(status))
		r->signal = WTERMSIG(status);
}

/* The state in /proc/PID/stat, behind the name in brackets: what only waits to be reaped by init can't be ended. */
static bool is_left(int proc, const char *pid, pid_t group)
{
	char path[32], text[512];
	snprintf(path, sizeof path, "%.20s/stat", pid);
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
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

static bool any_left(int proc, const char *entries, long size, pid_t group)
{
	for (long at = 0; at < size;) {
		const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_left(proc, entry->d_name, group))
			return true;
		at += entry->d_reclen;
	}
	return false;
}

/* By the system's calls: the guard, forked from a process with threads, may find the locks of malloc taken. */
bool launched_left(pid_t group)
{
	_Alignas(struct dirent64) char entries[16 << 10];
	if (kill(-group, 0) < 0)
		return false;
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool found = proc < 0;
	for (long n; !found && (n = syscall(SYS_getdents64, proc, entries, sizeof entries)) > 0;)
		found = any_left(proc, entries, n, group);
	if (proc >= 0)
		close(proc);
	return found;
}

/* TERM reaches the group while its leader is still there to be reaped, so the number can't be another's. */
void launched_reap(struct launched *l, const struct program *p, struct program_result *r)
{
	pid_t group = l->pid;
	long long until = monotonic_ms() + TIMEOUT_TERM_MS;
	kill(-group, SIGTERM);
	reap(l, r);
	while (launched_left(group) && monotonic_ms() < until)
		poll(NULL, 0, REAP_POLL_MS);
	kill(-group, SIGKILL);
	close_all(l->fds);
	close_at(&l->pidfd);
	if (p->ended)
		p->ended(p->data, group);
}
