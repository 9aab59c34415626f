/*
 * runner.h - inside of the runner, for hooks/job*.c alone: job.c is the dispatcher's thread, job_slot.c what runs,
 * job_work.c what is to be done in a queue.
 *
 * The lock guards slots and flags; nothing is saved and no program runs under it. Only the dispatcher adds slots and
 * joins them.
 */
#ifndef ROWFS_RUNNER_H
#define ROWFS_RUNNER_H

#include <limits.h>
#include <pthread.h>

#include "attempt.h"
#include "job.h"

#define NEVER LLONG_MAX

/* A job that runs, or is about to. */
struct slot {
	struct attempt attempt;
	struct runner *runner;
	pthread_t thread;
	bool ended;    /* may be joined */
	bool stranded; /* claimed, but neither started nor given back so far: it has no thread */
	struct slot *next;
};

struct watched {
	const struct model *queue;
	bool dirty;         /* look at it; the lock */
	bool touched;       /* look at it soon; the lock */
	long long due_ms;   /* look at it then */
	long long prune_ms; /* not before */
	size_t unprunable;  /* ended jobs that could not be removed the last time */
	bool freed;         /* the last look queued jobs again, whose leases had run out: another follows at once */
};

struct runner {
	struct saver *saver;
	struct actor actor;
	struct observer observer;
	struct job_logs logs;
	struct guard guard;
	struct watched *queues;
	size_t nqueues;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a slot has ended */
	struct slot *slots;
	bool stopping;      /* start no more */
	int wake_fd;        /* an eventfd: queues are dirty, or stopping is set */
	int clock_fd;       /* a timerfd, readable when the clock was set; -1: only a look tells */
	long long clock_ms; /* what the clock was ahead of CLOCK_MONOTONIC at the last look */
	int watch_fd;
	long long watch_ms; /* look then whether another program has changed anything; NEVER: when watch_fd tells */
	pthread_t dispatcher;
};

/* ---- slots (job_slot.c) ---- */

/* Joins what has ended. */
void slots_collect(struct runner *r);
long slots_running(struct runner *r, const struct model *queue);
bool slots_have(struct runner *r, const struct model *queue, const struct value *key);
/* Claims the jobs and starts those that it gets. */
int slots_start(struct runner *r, const struct model *queue, const struct keys *keys, struct err *e);
/* Gives those of the queue back that could not be started; false: some are left for another try. */
bool slots_rescue(struct runner *r, const struct model *queue);
/* Those that are left: the next mount, or the end of their lease, queues them. */
void slots_forget(struct runner *r);
/* Ends programs whose jobs another program has ended or removed by SQL. */
void slots_check(struct runner *r);
/* The observer: a save has ended or removed a job that runs. */
void slots_job_changed(void *data, const struct saved_change *c);
/* With the lock held: until all have ended, or the time. */
void slots_wait(struct runner *r, const struct timespec *until);

/* With the lock held. */
void runner_dirty(struct runner *r, const struct model *queue);
bool runner_stopping(struct runner *r);

/* ---- a queue (job_work.c) ---- */

/* Does what is due; true where it is worth to look again at once. Sets w->due_ms. */
bool queue_work(struct runner *r, struct watched *w);
/* Queues again what was running when the last runner ended. */
int queue_recover(struct runner *r, const struct model *queue, struct err *e);

#endif
