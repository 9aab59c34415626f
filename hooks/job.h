/*
 * job.h - the runner: starts the programs of queues, writes status and result back through save(), frees jobs whose
 * worker is gone, removes those that have ended long ago.
 */
#ifndef ROWFS_JOB_H
#define ROWFS_JOB_H

#include "save.h"

struct runner;

/* Jobs that were running when the last mount ended are queued again. Starts threads: after daemonizing. */
int runner_start(struct runner **out, struct saver *s, struct err *e);
/* Wakes the runner: rows of these models were touched (store_on_commit). Never blocks. */
void runner_wake(struct runner *r, const bool *models);
/* Starts no more jobs, waits TIMEOUT_DRAIN_MS for the running ones, ends the rest and queues them again. From any
 * thread; whoever may use the mount still can. */
void runner_drain(struct runner *r);
/* The same, and frees it. NULL is fine. */
void runner_stop(struct runner *r);

/* Pauses the queue, or lets it go on. r NULL: it is worked by others. */
int runner_pause(struct runner *r, struct saver *s, const struct model *queue, bool paused, struct err *e);
/* The worker of the job is the user: its lease begins anew. Else nothing. */
int runner_renew(struct saver *s, const struct actor *actor, const struct model *queue, const struct value *key,
		 struct err *e);

struct job_logs;
/* The logs that its programs write; NULL for NULL. */
struct job_logs *runner_logs(struct runner *r);

#endif
