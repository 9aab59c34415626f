/*
 * stage_parts.h - what a stage is, for the files that prepare it (stage.c) and save it (stage_commit.c).
 */
#ifndef ROWFS_STAGE_PARTS_H
#define ROWFS_STAGE_PARTS_H

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
	_Atomic size_t held; /* read without it */
};

/* With the lock: all that is staged goes. */
void stage_drop(struct stage *g);
void stage_drop_rows(struct stage *g);
/* With the lock: stage_save. */
int stage_request(struct stage *g, const struct actor *actor, const struct request *request, struct outcome *outcome,
		  struct arena *a, struct err *e);
/* With the lock: for stage_held. */
void stage_tell_held(struct stage *g);
/* With the lock: the same, and what a user sees follows what is stored again. */
void stage_settle(struct stage *g);
/* With the lock: opens the connection when it is first needed, for most programs never look. */
int stage_connect(struct stage *g, struct err *e);
/* With the lock: whether a request may come. */
int stage_may_change(const struct stage *g, struct err *e);

#endif
