/*
 * attempt.h - one start of one job: claim it, run its program, write back what became of it.
 */
#ifndef ROWFS_ATTEMPT_H
#define ROWFS_ATTEMPT_H

#include "change.h"

struct attempt {
	struct saver *saver;
	const struct actor *actor;
	const bool *stop; /* set: the program is ended and the job queued again */
	int wake_fd;      /* readable once *stop is set */
	const struct model *queue;
	struct value key;
	struct value *row; /* as claimed */
	int64_t number;    /* 1 for the first */
	struct arena arena;
};

/* Finds the next due job of the queue: 1, or 0 and *next_ms as store_due_job. */
int attempt_find(struct attempt *a, long long *next_ms, struct err *e);
/* The job is running from here on. -ENOENT: somebody has deleted it. */
int attempt_claim(struct attempt *a, struct err *e);
/* Runs the program and writes back: done, failed, or queued again. */
void attempt_run(struct attempt *a);
/* Queues a claimed job that could not be started again. */
void attempt_give_back(struct attempt *a);
/* Queues a job again that an earlier daemon left running. */
int attempt_recover(struct saver *s, const struct actor *actor, const struct model *queue, const struct value *key,
		    struct err *e);

#endif
