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
	char *text; /* NULL without one */
	size_t len;
	char checksum[CHECKSUM_SIZE]; /* that its record had before its first step; "": any */
	char target[CHECKSUM_SIZE];   /* of MOVE: that of what it replaces; of EXCHANGE: of the other */
	char current[CHECKSUM_SIZE];  /* that either had when a commit was refused for it; "": none was */
	bool of_target;               /* current is */
	bool cancelled;
	char *memory; /* of the keys' texts */
};

struct step_place;
struct step_before;

struct steps {
	struct step **of;
	size_t n, room;
	size_t cancelled; /* of the n */
	bool outdated;    /* some have a current checksum */
	size_t bytes;     /* of all texts */
	struct step_place *index;
	size_t used, places;
	struct steps *mark; /* what they were at steps_mark; NULL: there is none */
	struct step_before *before;
};

void steps_release(struct steps *s);
/* -EFBIG when one more with so many bytes would be too much. */
int steps_room(const struct steps *s, size_t bytes, struct err *e);
/* From here on all can be taken back. Then either is called once. */
int steps_mark(struct steps *s, struct err *e);
void steps_keep(struct steps *s);
void steps_take_back(struct steps *s);
/* The last step of the record that is not cancelled; NULL: none. */
struct step *steps_find(const struct steps *s, const struct model *m, const struct value *key);
const struct step *steps_last(const struct steps *s);
/* Copies what the request points to. */
int steps_add(struct steps *s, const struct request *r, struct err *e);
/* A further request for the record is one for what it is now: whoever makes it has been told. */
int steps_renew(struct steps *s, const struct model *m, const struct value *key, struct err *e);
int steps_rewrite(struct steps *s, struct step *step, enum request_kind kind, const struct buf *text, struct err *e);
void steps_cancel(struct steps *s, struct step *step);
struct request steps_request(const struct step *step, bool trusted);

#endif
