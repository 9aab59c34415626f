/*
 * steps.h - the requests of a transaction that is being prepared, in order, and the last one of each record.
 */
#ifndef ROWFS_STEPS_H
#define ROWFS_STEPS_H

#include "save.h"

struct step {
	enum request_kind kind;
	const struct model *model, *new_model;
	struct value key, new_key;
	enum expect expect;
	const char *text; /* NULL without one */
	size_t len;
	char *rewritten;              /* the text, where it is not the first one; the first one stays in the arena */
	char checksum[CHECKSUM_SIZE]; /* that its record had before its first step; "": any */
	char target[CHECKSUM_SIZE];   /* of MOVE: that of what it replaces */
	char current[CHECKSUM_SIZE];  /* that either had when a commit was refused for it; "": none was */
	bool of_target;               /* current is */
	bool cancelled;
};

struct step_place;

struct steps {
	struct step **of;
	size_t n, room;
	struct arena
	    arena;        /* the steps lie in it one behind the other, each with its text: a commit walks through it */
	size_t cancelled; /* of the n */
	bool outdated;    /* some have a current checksum */
	size_t bytes;     /* of all texts */
	struct step_place *index;
	size_t used, places;
};

void steps_release(struct steps *s);
/* -EFBIG when one more with so many bytes would be too much. */
int steps_room(const struct steps *s, size_t bytes, struct err *e);
/* The last step of the record that is not cancelled; NULL: none. */
struct step *steps_find(const struct steps *s, const struct model *m, const struct value *key);
const struct step *steps_last(const struct steps *s);
/* Copies what the request points to. */
int steps_add(struct steps *s, const struct request *r, struct err *e);
/* A further request for the record is one for what it is now: whoever makes it has been told. */
void steps_renew(struct steps *s, const struct model *m, const struct value *key);
int steps_rewrite(struct steps *s, struct step *step, enum request_kind kind, const struct buf *text, struct err *e);
void steps_cancel(struct steps *s, struct step *step);
struct request steps_request(const struct step *step, bool trusted);

#endif
