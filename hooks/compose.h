/*
 * compose.h - two documents for one record, one after the other, as one.
 */
#ifndef ROWFS_COMPOSE_H
#define ROWFS_COMPOSE_H

#include <jansson.h>
#include <stdbool.h>

#include "../store/model.h"

/*
 * What `later` does to a record behind `first`, which it is laid over: a merge patch over a whole document (put) or
 * over another patch. A member null stays null, for an absent one of a whole document is its default. -ENOMEM.
 */
int compose_merge(const struct model *m, json_t *first, bool put, const json_t *later);
/* A whole document that follows another one keeps what no file shows, as the record would. -ENOMEM. */
int compose_put(const struct model *m, const json_t *first, json_t *later);

#endif
