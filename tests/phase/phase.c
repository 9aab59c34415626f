/*
 * phase.c - what phase() does in build/phases/rowfs: the file that ROWFS_PHASE names says at which phase, and what.
 *
 *   NAME kill    the daemon is killed as by kill -9
 *   NAME stop    it stops as by kill -STOP
 *   NAME wait    the thread that came there waits until FILE.reached is removed
 *
 * Whoever gets there first renames the file to FILE.reached: it happens once, and the test sees that it has.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../store/phase.h"

static void kill_all(const char *reached)
{
	(void)reached;
	raise(SIGKILL); /* the thread that came here goes no further */
}

static void stop_all(const char *reached)
{
	(void)reached;
	raise(SIGSTOP);
}

static void wait_here(const char *reached)
{
	static const struct timespec pause = {0, 5 * 1000 * 1000};
	while (access(reached, F_OK) == 0)
		nanosleep(&pause, NULL);
}

static const struct {
	const char *name;
	void (*run)(const char *reached);
} actions[] = {{"kill", kill_all}, {"stop", stop_all}, {"wait", wait_here}};

/* "NAME ACTION" without the line's end; false where there is none. */
static bool read_order(const char *path, char *order, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, order, size - 1);
	close(fd);
	order[n > 0 ? n : 0] = 0;
	order[strcspn(order, "\n")] = 0;
	return n > 0;
}

bool phase(const char *name)
{
	char order[64], reached[4096];
	const char *path = getenv("ROWFS_PHASE");
	if (!path || !read_order(path, order, sizeof order))
		return false;
	char *action = strchr(order, ' ');
	if (!action)
		return false;
	*action++ = 0;
	snprintf(reached, sizeof reached, "%s.reached", path);
	if (strcmp(order, name) != 0 || rename(path, reached) < 0)
		return false;
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
		if (strcmp(actions[i].name, action) == 0)
			actions[i].run(reached);
	return false;
}
