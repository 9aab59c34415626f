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
int stage_drop_rows(struct stage *g, struct err *e);
/*
 * With the lock: requests of which all or none are staged, as many as come one by one or a single one: the rows are
 * taken back by a savepoint, the steps by what they were, and keys that were given are free again. With -errno as
 * result they are refused; what stage_change_end returns is what has become of them.
 */
int stage_change_begin(struct stage *g, bool many, struct err *e);
int stage_change_end(struct stage *g, int result, struct err *e);
/* Between the two: one request. */
int stage_request(struct stage *g, const struct actor *actor, const struct request *request, struct outcome *outcome,
		  struct arena *a, struct err *e);
/* With the lock: for stage_held. */
void stage_tell_held(struct stage *g);
/* With the lock: the same, and what a user sees follows what is stored again. */
void stage_settle(struct stage *g);
/* ---- stage_conflict.c ---- */

/* A commit was refused for the step: what others have done to its record, where it is that. *why tells it. */
void stage_note_conflict(struct stage *g, const struct actor *actor, struct step *step, struct err *why);
/* With the lock: where the transaction removes the record itself, which others have done, nothing is left to be done.
 */
void stage_drop_removed(struct stage *g, const struct step *step);
/*
 * With the lock, of a request that is staged: what others had done to records when a commit was refused is what it is
 * for now. True in *done where all that it makes is noted by that.
 */
int stage_settle_conflicts(struct stage *g, const struct request *r, const struct value *key, json_t *document,
			   bool *done, struct err *e);

/* ---- stage.c ---- */

/* A later document for the step's record laid over that of the step. */
int stage_compose(struct step *last, const struct request *r, json_t *document, struct buf *text, struct err *e);
/* The document without what it says of a version: that was looked at. */
int stage_print(json_t *document, struct buf *text, struct err *e);
/* With the lock: whether a request may come. */
int stage_may_change(const struct stage *g, struct err *e);

#endif
