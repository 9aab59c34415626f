/*
 * program.h - runs a program without a shell: own session, clean environment, bounded output, a time-out that ends it.
 *
 * Nothing is inherited but the three standard streams. The child is started with posix_spawn or vfork semantics, so
 * that a large daemon starts it fast. It is always reaped, and after it ended or timed out everything left in its
 * process group gets TERM, then KILL after TIMEOUT_TERM_MS. A descriptor kept open by a grandchild does not keep the
 * caller waiting.
 */
#ifndef ROWFS_PROGRAM_H
#define ROWFS_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

#include "../store/buf.h"
#include "../store/err.h"
#include "bounds.h"

/* Whom a program runs as. */
struct user {
	const char *name;
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t ngroups;
	const char *home;
};

struct program {
	const char *const *argv;
	const char *const *env; /* NULL-terminated NAME=VALUE */
	const char *directory;
	const struct user *user; /* NULL: the daemon's */
	const char *input;       /* for its standard input */
	size_t input_len;
	const struct bounds *bounds; /* NULL: the defaults */
	long long timeout_ms;
	void (*started)(void *data, pid_t session); /* before it executes anything; NULL is fine */
	void (*ended)(void *data, pid_t session);
	void *data;
	/* What it writes to standard error, as it comes; NULL is fine. */
	void (*log)(void *data, const char *text, size_t len);
	/* Called while it runs; answers after how many milliseconds to call again, -1: not by itself. NULL is fine. */
	long long (*tick)(void *data);
	void *log_data;            /* of both */
	const volatile bool *stop; /* not NULL: looked at when poll wakes; true ends it as a time-out does */
	int wake_fd;               /* readable: look at *stop; -1: none */
};

struct program_result {
	bool timed_out;
	bool stopped;        /* by *stop */
	bool too_much;       /* standard output over its bound: ended */
	int status;          /* exit status 0 to 255, or -1 */
	int signal;          /* that ended it, or 0 */
	struct buf out, err; /* err: the first LIMIT_HOOK_STDERR bytes; the last, where there is a log */
};

/* -errno with a sentence that names the program when it could not be started ("hooks/fulfil: No such file or
 * directory"). */
int program_run(const struct program *p, struct program_result *r, struct err *e);
void program_result_release(struct program_result *r);
/* How many bytes it may write to its standard output. */
size_t program_output(const struct program *p);
/* "hooks/fulfil" for messages: its path relative to its directory when it lies below it. */
const char *program_name(const struct program *p);

/* Once, before any thread: ignores SIGPIPE. */
void program_init(void);

#endif
