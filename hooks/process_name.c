/*
 * process_name.c - /proc/PID/comm, which stays open: who saves once often saves again, and to open it takes 5 us.
 *
 * The descriptor is of the process and not of its number: it tells the name of the day, and fails when the process has
 * gone, also where another one has the number by then.
 */
#include "process_name.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
	pthread_mutex_t lock; /* a leaf */
	pid_t pid;
	int fd; /* of pid != 0 */
} last = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void forget(void)
{
	if (last.pid)
		close(last.fd);
	last.pid = 0;
}

static ssize_t read_last(pid_t pid, char *comm)
{
	return last.pid == pid ? pread(last.fd, comm, COMM_SIZE - 1, 0) : -1;
}

static ssize_t read_anew(pid_t pid, char *comm)
{
	char path[64];

	forget();
	snprintf(path, sizeof path, "/proc/%ld/comm", (long)pid);
	last.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (last.fd < 0)
		return -1;
	last.pid = pid;
	return read_last(pid, comm);
}

void process_name(pid_t pid, char *comm)
{
	if (!pid) {
		strcpy(comm, "rowfs");
		return;
	}
	pthread_mutex_lock(&last.lock);
	ssize_t n = read_last(pid, comm);
	if (n < 0)
		n = read_anew(pid, comm);
	pthread_mutex_unlock(&last.lock);
	comm[n > 0 ? n : 0] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	for (char *c = comm; *c; c++) /* any bytes may be a name; JSON takes UTF-8 only */
		if (*c & 0x80)
			*c = '?';
}
