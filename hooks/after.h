/*
 * after.h - runs the programs of after_commit: at least once, in the order of the commits, again when they fail.
 *
 * What is to run is recorded by the transaction that causes it (store/sqlite_pending.c) and stays recorded until its
 * program has succeeded, so that neither a failure nor a crash loses it. One thread looks what is next when a save or
 * the end of a program wakes it, or when a failed one is due; each program has a thread of its own. The first tries of
 * one model, and those of one save, run one after the other; others run beside them, LIMIT_AFTER at once.
 */
#ifndef ROWFS_AFTER_H
#define ROWFS_AFTER_H

#include "change.h"
#include "event.h"

struct after;

/* Also compares what waits with the hooks: what mount.conf does not have any more is held, and the journal tells. */
int after_new(struct after **out, struct saver *s, struct err *e);
/* Runs what earlier mounts left. Starts a thread: after daemonizing. */
int after_start(struct after *a, struct err *e);
/* Starts no more; waits for the running ones at most TIMEOUT_DRAIN_MS, then ends them. They stay recorded. */
void after_free(struct after *a);

/* Records a program in the transaction. *batch is 0 for the first one of a save, and left alone until the last. */
int after_record(struct after *a, struct txn *t, const struct hook *h, const struct event_object *event, int64_t *batch,
		 struct err *e);
/* Something was recorded and committed. Never blocks. */
void after_wake(struct after *a);

/* ---- what waits, for people (after_show.c); they take the saver's store only ---- */

/* The lines of .info/status; `all`: also what failed of other users than uid. */
int after_print_status(struct saver *s, uid_t uid, bool all, struct buf *out, struct err *e);
/* One as JSON; created may be NULL. -ENOENT. */
int after_show(struct saver *s, int64_t id, struct buf *out, struct timespec *created, struct err *e);
/* The first id above; 0: none. */
int after_following(struct saver *s, int64_t id, int64_t *next, struct err *e);
/* It will not run again. -ENOENT. */
int after_drop(struct saver *s, int64_t id, struct err *e);

#endif
