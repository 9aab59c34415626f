/*
 * job_state.h - what a save may do with a job, and what follows from it: the state machine of queues.
 *
 * It is part of every save of a queue's record, whoever writes the status and however: the runner, an editor, `>>`, a
 * program that works a queue without `run`, a hook. A claim is a change from queued to running inside the transaction,
 * so of two that claim one job at the same time the second finds it running and is refused.
 *
 *              +------------ retry -----------------------------+
 *              v                                                |
 *   enqueue -> queued -- claim --> running -- finish --> done, failed
 *              |  ^                 |   |
 *              |  +--- give back ---+   +--- cancel --> cancelled
 *              +------------- cancel ------------------------^
 *
 *   enqueue     a job that equals a waiting one in the fields of `unique` is dropped (refused, where a user writes it)
 *   claim       attempts + 1, started_at, worker, lease_until; not while the queue is paused, nor before run_at, nor
 *               when `limit` jobs run
 *   finish      by the worker alone; finished_at, and the lease ends
 *   give back   by the worker alone; it runs again after the queue's backoff, or at the run_at that is written with it
 *   cancel      by whoever may write; rm cancels a job that runs, and removes any other
 *   retry       at once, or at the run_at that is written with it; one more start than before is allowed
 *
 * Who is not the worker, or names other `attempts` than the job has, gets EBUSY, as does every change that the picture
 * does not have. Hooks and the runner are trusted with who they are, not with what they ask for at the wrong time: what
 * the runner writes counts only for the start that it is about (request.attempt).
 */
#ifndef ROWFS_JOB_STATE_H
#define ROWFS_JOB_STATE_H

#include "change.h"

/* The runner itself as a worker. */
#define WORKER_ROWFS "rowfs"

/* Before the document is bound: is it about the job as it is? */
int job_check_document(struct saving *v, const struct change *c, struct err *e);
/* The row as bound: whether it may be, and what else changes with it. Sets c->dropped for a double. */
int job_enter(struct saving *v, struct change *c, struct value *row, struct err *e);
/* A removal, of which c->old is read: 1: it has become a cancellation, c->row is filled; 0: the job goes. */
int job_remove(struct saving *v, struct change *c, struct err *e);
/* A new key: not while it runs. */
int job_check_move(struct saving *v, const struct change *c, struct err *e);

/* True where the row is a job that runs. */
bool job_runs(const struct model *queue, const struct value *row);
/* That many milliseconds from the time, as a datetime in the arena; VALUE_NULL: no memory. */
struct value job_time(struct arena *a, struct timespec from, long long ms);
/* Before the next start after this many: backoff, doubled with each, and up to a quarter more, so that jobs that failed
 * together part. */
long long job_backoff_ms(const struct queue *q, int64_t attempts);

#endif
