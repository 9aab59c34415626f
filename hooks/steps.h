/*
 * steps.h - the requests of a transaction that is being prepared, in order, and the last one of each record.
 */
#ifndef ROWFS_STEPS_H
#define ROWFS_STEPS_H

#include "save.h"

/* What others have done to a record that a step is for, when a commit was refused for it. */
enum conflict { NO_CONFLICT, CONFLICT_CHANGED, CONFLICT_REMOVED, CONFLICT_MADE };

struct step {
	enum request_kind kind;
	const struct model *model, *new_model;
	struct value key, new_key;
	enum expect expect;
	const char *text; /* NULL without one */
	size_t len;
	char *rewritten;              /* the text, where it is not the first one; the first one stays in the arena */
	char checksum[CHECKSUM_SIZE]; /* that its record had before its first step; "": any */
	char target[CHECKSUM_SIZE];   /* of MOVE: that of what it replaces; of EXCHANGE: of the other */
	enum conflict conflict;
	bool of_target;              /* it is about new_key */
	char current[CHECKSUM_SIZE]; /* of what has changed or was made */
	bool fresh;                  /* what it makes was not there, stored or by an earlier step */
	bool cancelled;
};

struct step_place;
struct step_before;

struct steps {
	struct step **of;
	size_t n, room;
	struct arena
	    arena;        /* the steps lie in it one behind the other, each with its text: a commit walks through it */
	size_t cancelled; /* of the n */
	bool conflicts;   /* some may have one */
	size_t bytes;     /* of all texts */
	struct step_place *index;
	size_t used, places;
	struct steps *mark; /* what they were at steps_mark; NULL: there is none */
	bool many;          /* what came since lies in an arena of its own */
	struct step_before *before;
};

void steps_release(struct steps *s);
/* -EFBIG when one more with so many bytes would be too much. */
int steps_room(const struct steps *s, size_t bytes, struct err *e);
/* From here on all can be taken back, many with their memory. Then either is called once. */
int steps_mark(struct steps *s, bool many, struct err *e);
void steps_keep(struct steps *s);
void steps_take_back(struct steps *s);
/* The last step of the record that is not cancelled; NULL: none. */
struct step *steps_find(const struct steps *s, const struct model *m, const struct value *key);
const struct step *steps_last(const struct steps *s);
/* Copies what the request points to. */
int steps_add(struct steps *s, const struct request *r, struct err *e);
/* A further request for a record that has changed is one for what it is now: whoever makes it has been told. */
int steps_renew(struct steps *s, const struct model *m, const struct value *key, struct err *e);
int steps_rewrite(struct steps *s, struct step *step, enum request_kind kind, const struct buf *text, struct err *e);
int steps_cancel(struct steps *s, struct step *step, struct err *e);
/* Before anything else of a step changes, so that it can be taken back. */
int steps_remember(struct steps *s, struct step *step, struct err *e);
/* An EXCHANGE becomes the move of the one that has the key now: it is what new_key has, where `other` is. */
int steps_halve(struct steps *s, struct step *step, bool other, struct err *e);
struct request steps_request(const struct step *step, bool trusted);

#endif
