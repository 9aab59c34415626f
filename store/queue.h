/*
 * queue.h - what only queues ask of the database: which jobs are due, left, over; their logs; which queues are paused.
 *
 * Part of store.h, with its rules for threads and errors. Times that are answered are milliseconds from now, negative
 * in the past.
 */
#ifndef ROWFS_QUEUE_H
#define ROWFS_QUEUE_H

#include "store.h"

/* Keys in the arena. */
struct keys {
	struct value *of;
	size_t n;
};

/* What jobs are looked for by. */
enum job_group {
	JOBS_DUE,     /* queued and due, by priority (highest first), run_at, key */
	JOBS_EXPIRED, /* running with a lease that has run out */
	JOBS_LEFT,    /* running in the hands of rowfs itself */
	JOBS_OVER,    /* ended longer than `keep` ago, the oldest first */
	JOB_GROUPS
};
/* At most `most` of them. */
int queue_jobs(struct conn *c, const struct model *queue, enum job_group group, size_t most, struct arena *a,
	       struct keys *out, struct err *e);

/* When the next job comes into the group by itself; QUEUE_NEVER without one. Not for JOBS_LEFT. */
#define QUEUE_NEVER INT64_MAX
int queue_next(struct conn *c, const struct model *queue, enum job_group group, int64_t *in_ms, struct err *e);

int queue_running(struct conn *c, const struct model *queue, int64_t *n, struct err *e);
/* 1: a queued job other than this one has the same values in the `unique` fields; its key, in the arena. 0: none. */
int queue_double(struct conn *c, const struct model *queue, const struct value *row, struct arena *a, struct value *key,
		 struct err *e);

/* ---- pausing ---- */

int queue_paused(struct conn *c, const struct model *queue, bool *paused, struct err *e);
/* In a durable transaction of its own. */
int queue_pause(struct store *s, const struct model *queue, bool paused, struct err *e);

/* ---- statistics ---- */

struct queue_state {
	const char *status;
	int64_t n;
	int64_t recent; /* ended in the last minute */
};
int queue_states(struct conn *c, const struct model *queue, struct arena *a, struct queue_state **out, size_t *n,
		 struct err *e);
/* Rows of the queue, in the arena: the jobs that run, oldest start first; the last that failed, newest first. */
int queue_rows_running(struct conn *c, const struct model *queue, size_t most, struct arena *a, struct keys *out,
		       struct err *e);
int queue_rows_failed(struct conn *c, const struct model *queue, size_t most, struct arena *a, struct keys *out,
		      struct err *e);

/* ---- logs ---- */

/*
 * A job's log is a text of which the newest LIMIT_JOB_LOG bytes are kept: those from `start` to `end`, counted from the
 * first byte it ever had. It goes with the job.
 */
struct log_range {
	int64_t start, end;
};
int queue_log_range(struct conn *c, const struct model *queue, const struct value *key, struct log_range *out,
		    struct err *e);
/* Appends at most len bytes from `from` on, which is not before the start. */
int queue_log_read(struct conn *c, const struct model *queue, const struct value *key, int64_t from, size_t len,
		   struct buf *out, struct err *e);
/* Appends, in a durable transaction of its own; *end is where the text ends then. -ENOENT: the job is gone. */
int queue_log_add(struct store *s, const struct model *queue, const struct value *key, const char *text, size_t len,
		  int64_t *end, struct err *e);

/* ---- who else writes ---- */

/* A descriptor that is readable when somebody has written the database, this process included; -1: there is none. */
int queue_watch_fd(const struct store *s);
/* Whether something was written since the last call. */
bool queue_watch_drain(const struct store *s);

#endif
