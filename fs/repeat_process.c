/*
 * repeat_process.c - opens the directory of a queue, and creates, writes and removes files in it.
 */
#include "repeat_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void act(int directory, const struct order *o)
{
	int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (o->what == CREATED ? O_CREAT | O_EXCL : 0);

	if (o->what == GONE) {
		unlinkat(directory, o->name, 0);
		return;
	}
	int fd = openat(directory, o->name, flags, 0644);
	if (fd >= 0 && o->what == CHANGED && pwrite(fd, " ", 1, 0) < 0)
		close(fd), fd = -1;
	if (fd >= 0)
		close(fd);
}

static void leave(int *directory)
{
	if (*directory >= 0)
		close(*directory);
	*directory = -1;
}

static void enter(int *directory, const struct order *o)
{
	struct stat st;

	leave(directory);
	*directory = open(o->name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*directory >= 0)
		fstat(*directory, &st); /* the daemon sees which one it is */
}

static bool carry_out(int socket, int *directory, const struct order *o)
{
	if (o->what == OPEN || o->what == ASK)
		enter(directory, o);
	else if (o->what == CLOSE)
		leave(directory);
	else if (*directory >= 0)
		act(*directory, o);
	return write(socket, "", 1) == 1;
}

/* Forked from a process with threads: nothing here allocates. */
static void serve_orders(int socket)
{
	static struct order o;
	int directory = -1;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "rowfs-inotify");
	dup2(socket, 0);
	close_range(1, ~0U, 0); /* the kernel's descriptor of the mount above all */
	if (chdir("/") == 0)
		while (read(0, &o, sizeof(o)) == sizeof(o) && carry_out(0, &directory, &o))
			;
	_exit(0);
}

int repeat_process_start(pid_t *pid, int *socket, struct err *e)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(e, EIO, "no socket for inotify: %s", strerror(errno));
	*pid = fork();
	if (*pid == 0)
		serve_orders(ends[1]);
	close(ends[1]);
	*socket = ends[0];
	return *pid < 0 ? err_set(e, EAGAIN, "no process for inotify: %s", strerror(errno)) : 0;
}
