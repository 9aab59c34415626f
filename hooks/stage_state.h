/*
 * stage_state.h - what stage.c, which prepares, and stage_commit.c share.
 *
 *   OPEN --stage_commit--> COMMITTING --refused--> OPEN, or --committed--> COMMITTED; any --stage_abort--> GONE
 */
#ifndef ROWFS_STAGE_STATE_H
#define ROWFS_STAGE_STATE_H

#include <pthread.h>

#include "change.h"
#include "stage.h"
#include "steps.h"

enum stage_state { OPEN, COMMITTING, COMMITTED, GONE };

struct stage {
	struct saver *saver;
	struct conn *conn;
	struct txn txn; /* inside which it is */
	bool inside, trusted;
	const char *const *methods; /* of the requests, each of which is a step; NULL: they are not kept apart */
	struct staging staging;
	pthread_mutex_t lock; /* guards what follows, and the connection */
	enum stage_state state;
	bool aborted; /* while it is being committed */
	struct steps steps;
};

/* All with the lock. */

/* 0 while it is OPEN. */
int stage_may_change(const struct stage *g, struct err *e);
/* The rows go; with the steps: nothing is staged, and the state is GONE. */
void stage_drop_rows(struct stage *g);
void stage_drop(struct stage *g);

#endif
