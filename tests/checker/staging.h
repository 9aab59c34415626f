/*
 * staging.h - what is staged in a transaction, for the files that stage (staging.c), settle (settle.c) and commit it
 * (replay.c).
 */
#ifndef STAGING_H
#define STAGING_H

#include "checker.h"

struct part {
	bool given;
	struct datum value;
};

/* A change of one record; several documents for it one after the other are one step. */
struct step {
	enum { STEP_SAVE, STEP_DELETE, STEP_MOVE, STEP_EXCHANGE } kind;
	int model, key, to_model, to;
	bool existed, cancelled; /* existed: what is saved, or what a move replaces, inside and before */
	bool based;              /* base is what was stored when it was made */
	struct row base;
	bool target_based; /* of a move or an exchange: so was target */
	struct row target;
	bool fresh; /* what it makes was not there, nor had an earlier step */
	enum { NO_CONFLICT, CHANGED, REMOVED, MADE } conflict;
	bool of_target;     /* the conflict is of `to` */
	struct row current; /* what was stored when it was refused for that, of CHANGED and MADE */
	enum save_kind save;
	struct part parts[FIELDS_MAX];
	const char *status;
};

struct staging {
	bool staged[MODELS][KEYS];
	int seen[MODELS][KEYS]; /* changes of the stored record that the inside shows */
	int last[MODELS][KEYS]; /* the last step of the record, counted from 1 */
	struct step *steps;
	int n, room;
};

/* ---- staging.c ---- */

/* The last step of the record; NULL: none. */
struct step *last_step(struct staging *g, int model, int key);
struct step *add_step(struct world *w, int kind, int model, int key);
/* Its document is what the record is to be, or what is given. */
void set_parts(struct step *step, int model, const struct row *row);
int staging_size(const struct staging *g);
void staging_free(struct staging *g); /* NULL is fine */
/* From here on the inside shows what is stored. */
void staging_start(struct world *w);

/* ---- settle.c ---- */

/* A commit was refused with rc for the step: the errno that it tells. */
int note_conflict(struct world *w, struct step *step, int rc);
/* Before a further change of the record is noted; row is what it will be, NULL: nothing. True: there is nothing more to
 * note. */
bool settle(struct world *w, int model, int key, const struct row *row);
/* A further change of the record is one of what it is now. */
void renew(struct staging *g, int model, int key);

#endif
