/*
 * job.h - the runner: starts the programs of queues, writes status and result back through save().
 */
#ifndef ROWFS_JOB_H
#define ROWFS_JOB_H

#include "save.h"

struct runner;

/* Jobs that were running when the last daemon ended are queued again. Starts threads: after daemonizing. */
int runner_start(struct runner **out, struct saver *s, struct err *e);
/* Wakes the runner: rows of these models were touched (store_on_commit). Never blocks. */
void runner_wake(struct runner *r, const bool *models);
/* Starts no more jobs, waits TIMEOUT_DRAIN_MS for the running ones, ends the rest and queues them again. */
void runner_stop(struct runner *r);

#endif
