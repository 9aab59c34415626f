/*
 * repeat_process.h - the process that does what a program would do to the files of jobs (repeat.h), an order at a time.
 *
 * A process, since a daemon that waits for itself can't even be killed: the kernel ends its requests when it closes the
 * mount's descriptor, and closes that when the last thread has ended. It acts below a descriptor of the queue's
 * directory, which is open for a few files at a time, since it keeps the mount from being unmounted.
 */
#ifndef ROWFS_REPEAT_PROCESS_H
#define ROWFS_REPEAT_PROCESS_H

#include <limits.h>
#include <sys/types.h>

#include "../store/err.h"

/* What has become of a job's file; behind that, what the process does to the directory. */
enum repeated { CREATED, CHANGED, GONE, NOTHING, OPEN, ASK, CLOSE };

/* One byte comes back when it is done. */
struct order {
	enum repeated what;
	char name[PATH_MAX]; /* of the directory that is opened; else in it */
};

/* *socket takes orders; at its end the process ends. */
int repeat_process_start(pid_t *pid, int *socket, struct err *e);

#endif
