/*
 * guard.h - a small process beside the daemon that outlives its crash, to end the programs of jobs that it leaves.
 *
 * Programs run in sessions of their own: when the daemon is killed, they go on, and the next daemon would start their
 * jobs a second time beside them. The guard hears of each program before that executes anything. When the daemon is
 * gone it ends what is left, as a time-out does, and only then lets go of the database (store_hold_fd), which it holds
 * too: the next mount starts when the last program of this one has ended.
 */
#ifndef ROWFS_GUARD_H
#define ROWFS_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

#include "../store/err.h"

struct guard {
	pid_t pid;         /* 0: there is none */
	int fd;            /* a socket; its end tells the guard that the daemon is gone */
	_Atomic bool lost; /* it was ended by somebody, and that is told */
};

/* hold_fd as of store_hold_fd. Forks: the guard uses nothing but system calls and its own stack and pages. */
int guard_start(struct guard *g, int hold_fd, struct err *e);
/* All programs have ended. */
void guard_stop(struct guard *g);

/* `started` and `ended` of a program; data is the guard. */
void guard_started(void *data, pid_t session);
void guard_ended(void *data, pid_t session);

#endif
