/*
 * guard.c - the guard's process: a list of sessions, read from a socket, and what it does at the socket's end.
 */
#include "guard.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../store/clock.h"
#include "../store/limits.h"
#include "../store/log.h"
#include "../store/store.h"
#include "launch.h"

enum { NOTES, HOLD };
enum { MOST = 1 << 16, PAUSE_MS = 5, LONGEST_MS = 30000 };

struct note {
	pid_t session;
	int started; /* 0: it has ended */
};

struct list {
	pid_t *sessions;
	size_t n;
};

/* ---- in the daemon ---- */

/* False: somebody has ended the guard. What a program's process tells it must not end that by SIGPIPE. */
static bool tell(const struct guard *g, pid_t session, int started)
{
	struct note note = {session, started};
	ssize_t n = sizeof note;
	if (g->pid > 0)
		while ((n = send(g->fd, &note, sizeof note, MSG_NOSIGNAL)) < 0 && errno == EINTR)
			;
	return n == sizeof note;
}

void guard_started(void *data, pid_t session)
{
	tell(data, session, 1);
}

void guard_ended(void *data, pid_t session)
{
	struct guard *g = data;
	if (!tell(g, session, 0) && !atomic_exchange(&g->lost, true))
		log_warning("rowfs-guard was ended: after a crash nobody will end the programs of jobs");
}

void guard_stop(struct guard *g)
{
	if (g->pid <= 0)
		return;
	close(g->fd);
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
	g->pid = 0;
}

/* ---- in the guard ---- */

static void take_note(struct list *l, const struct note *note)
{
	size_t i = 0;
	while (i < l->n && l->sessions[i] != note->session)
		i++;
	if (note->started && i == l->n && l->n < MOST)
		l->sessions[l->n++] = note->session;
	if (!note->started && i < l->n)
		l->sessions[i] = l->sessions[--l->n];
}

static void signal_all(const struct list *l, int signal)
{
	for (size_t i = 0; i < l->n; i++)
		kill(-l->sessions[i], signal);
}

static void wait_for_all(const struct list *l, long long ms)
{
	long long until = monotonic_ms() + ms;
	for (size_t i = 0; i < l->n; i++)
		while (launched_left(l->sessions[i]) && monotonic_ms() < until)
			poll(NULL, 0, PAUSE_MS);
}

static void end_all(const struct list *l)
{
	signal_all(l, SIGTERM);
	wait_for_all(l, TIMEOUT_TERM_MS);
	signal_all(l, SIGKILL);
	wait_for_all(l, LONGEST_MS);
}

/* Nothing of the daemon may stay open in it: not the mount, nor the ends of pipes. */
static void leave_daemon(int notes_fd, int hold_fd)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "rowfs-guard");
	int in = fcntl(notes_fd, F_DUPFD, 3), hold = hold_fd >= 0 ? fcntl(hold_fd, F_DUPFD, 3) : -1;
	dup2(in, NOTES);
	if (hold >= 0)
		dup2(hold, HOLD);
	close_range(hold >= 0 ? HOLD + 1 : HOLD, ~0U, 0);
	if (chdir("/") < 0)
		return;
}

static void watch(void)
{
	struct list list = {.n = 0};
	struct note note;
	ssize_t n;
	list.sessions = mmap(NULL, MOST * sizeof *list.sessions, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (list.sessions == MAP_FAILED)
		_exit(1);
	while ((n = read(NOTES, &note, sizeof note)) != 0)
		if (n == sizeof note)
			take_note(&list, &note);
	if (list.n)
		store_hold_ending(HOLD); /* who mounts now waits a while */
	end_all(&list);
	_exit(0);
}

int guard_start(struct guard *g, int hold_fd, struct err *e)
{
	int ends[2];
	*g = (struct guard){.pid = 0};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(e, EIO, "no pair of sockets: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		leave_daemon(ends[0], hold_fd);
		watch();
	}
	close(ends[0]);
	if (pid < 0) {
		close(ends[1]);
		return err_set(e, EIO, "no process: %s", strerror(errno));
	}
	*g = (struct guard){.pid = pid, .fd = ends[1]};
	return 0;
}
