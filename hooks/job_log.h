/*
 * job_log.h - the log of a job: what its programs wrote to standard error, start after start.
 *
 * What a running program writes can be read at once; it is stored after TIMEOUT_LOG_MS, when much has come, and at its
 * end; where that fails it stays in memory and is tried again. A crash of the daemon loses what was not stored yet.
 */
#ifndef ROWFS_JOB_LOG_H
#define ROWFS_JOB_LOG_H

#include <pthread.h>

#include "../store/queue.h"

/* The logs that are being written. */
struct job_logs {
	pthread_mutex_t lock; /* a leaf */
	struct job_log *first;
};

/* Of one start of a job; used by its thread alone, but for what the lock of `logs` guards. */
struct job_log {
	struct job_logs *logs;
	struct store *store;
	const struct model *queue;
	const struct value *key;
	struct buf pending;   /* not stored yet; the lock */
	int64_t at;           /* where it begins in the whole text; the lock */
	long long due_ms;     /* store it then, CLOCK_MONOTONIC; 0: nothing waits */
	bool listed, gone;    /* gone: the job was removed, nothing is kept any more */
	bool late;            /* it could not be stored: it is tried again when it is due */
	struct job_log *next; /* the lock */
};

void job_log_add(struct job_log *log, const char *text, size_t len);
/* Stores what is due; milliseconds until something is, -1: nothing waits. */
long long job_log_tick(struct job_log *log);
/* Stores what there is, if it can be. */
void job_log_store(struct job_log *log);
/* The last try: what can't be stored now is lost. */
void job_log_close(struct job_log *log);

/* The size of a job's log, and a part of it, appended to out. logs NULL: no program of this process writes any. */
int job_log_size(struct job_logs *logs, struct store *s, const struct model *queue, const struct value *key,
		 int64_t *size, struct err *e);
int job_log_read(struct job_logs *logs, struct store *s, const struct model *queue, const struct value *key,
		 int64_t offset, size_t len, struct buf *out, struct err *e);

#endif
