/* generate.h - what generate.c and its documents share. */
#ifndef GENERATE_H
#define GENERATE_H

#include "checker.h"

uint64_t draw(struct generator *g);
int below(struct generator *g, int n);
bool chance(struct generator *g, int percent);

/* A text for the record, good or bad; small: a merge patch. */
void make_document(struct generator *g, struct world *w, int model, int key, bool small, struct text *out);

#endif
