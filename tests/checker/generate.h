/* generate.h - what generate.c and its documents share. */
#ifndef GENERATE_H
#define GENERATE_H

#include "checker.h"

uint64_t draw(struct generator *g);
int below(struct generator *g, int n);
bool chance(struct generator *g, int percent);

/* A text for the record, good or bad; small: a merge patch. */
void make_document(struct generator *g, struct world *w, int model, int key, bool small, struct text *out);

/* ---- generate.c, for generate_staging.c ---- */

struct call *generate_push(struct generator *g, enum call_kind kind);
void generate_data(struct call *c, const void *data, size_t len);
int generate_key(struct generator *g);
/* As a shell saves. */
void generate_echo(struct generator *g, struct world *w, int model, int key);

/* ---- generate_staging.c ---- */

void generate_reserve(struct generator *g, struct world *w);
void generate_value(struct generator *g, struct world *w);
void generate_import(struct generator *g, struct world *w);
/* Begin, look at, end one. */
void generate_transaction(struct generator *g, struct world *w);
/* What others do to a record of one, and what is then done about it. */
void generate_conflict(struct generator *g, struct world *w);

#endif
