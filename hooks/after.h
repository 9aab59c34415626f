/*
 * after.h - runs the programs of after_commit in a thread of its own, one after another in the order of the commits.
 *
 * A save puts its tasks in the queue while it still holds the write transaction, so that the order is that of the
 * commits, and settles them when the commit has succeeded or failed. A failure stands in the journal and changes
 * nothing else. The thread starts with the first task: after daemonizing.
 */
#ifndef ROWFS_AFTER_H
#define ROWFS_AFTER_H

#include "change.h"
#include "event.h"

struct after;
struct task;

int after_new(struct after **out, struct saver *s, struct err *e);
/* Waits for what is queued, at most TIMEOUT_DRAIN_MS; then ends it, and the journal tells what was not run. */
void after_free(struct after *a);

/* Appends a task to the save's list; everything is copied. */
int after_prepare(struct task **list, const struct saver *s, const struct hook *h, const struct event_object *event,
		  struct err *e);
/* Puts the list in the queue; it is *not* run before it is settled. The list stays the caller's until then. */
int after_reserve(struct after *a, struct task *list, struct err *e);
/* Lets it run, or drops it. Also for a list that was never reserved, which is freed. */
void after_settle(struct after *a, struct task *list, bool committed);

#endif
