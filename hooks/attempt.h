/*
 * attempt.h - one start of one job: claim it, run its program, write back what became of it.
 *
 * A job changes through save() only, by the rules of job_state.h, so its hooks fire, its file follows and what its
 * program wrote is checked. A job that was cancelled, deleted or given another status while it ran keeps that.
 */
#ifndef ROWFS_ATTEMPT_H
#define ROWFS_ATTEMPT_H

#include "change.h"
#include "guard.h"
#include "job_log.h"

struct attempt {
	struct saver *saver;
	const struct actor *actor;
	struct guard *guard;
	const struct model *queue;
	struct value key; /* text in the arena */
	bool claimed;
	bool stop;             /* set from outside: the program is ended */
	bool lost;             /* with stop: the job is not ours any more; else it is queued again */
	int wake_fd;           /* an eventfd, readable once stop is set */
	struct value *row;     /* as claimed */
	int64_t number;        /* 1 for the first */
	long long renew_at_ms; /* the lease */
	struct job_log log;
	struct arena arena;
};

/*
 * Claims all of them with one commit; where that is refused, each by itself. Those that could be have `claimed`. A job
 * whose claim is refused by a hook waits for its backoff. -errno: the store has failed; those that are claimed all the same
 * can't be run, and must be given back.
 */
int attempts_claim(struct attempt **list, size_t n, struct err *e);
/* Runs the program and writes back: done, failed, or queued again. */
void attempt_run(struct attempt *a);
/* Queues a claimed job that could not be started again. -errno: it must be tried once more. */
int attempt_give_back(struct attempt *a, struct err *e);
/* Ends it from another thread. lost: the job is not ours any more. */
void attempt_stop(struct attempt *a, bool lost);

#endif
