/*
 * launch.h - a program from clone to running, and the end of its group. What happens in between is the caller's:
 * program.c runs one to its end, coprocess.c keeps one.
 */
#ifndef ROWFS_LAUNCH_H
#define ROWFS_LAUNCH_H

#include "program.h"

enum stream { STREAM_INPUT, STREAM_OUTPUT, STREAM_ERRORS, STREAMS };

struct launched {
	pid_t pid;        /* its session and group too */
	int pidfd;        /* readable once it has ended */
	int fds[STREAMS]; /* our ends, non-blocking; -1: closed */
};

/* -errno with a sentence that names the program; nothing is left then. */
int launch(const struct program *p, struct launched *l, struct err *e);
void launched_close(struct launched *l, enum stream stream);
/*
 * After it has ended: reaps it, fills status and signal of the result, ends what its group still has and closes
 * everything. `ended` is called.
 */
void launched_reap(struct launched *l, const struct program *p, struct program_result *r);

/* True where the group has a process that has not ended. */
bool launched_left(pid_t group);

#endif
