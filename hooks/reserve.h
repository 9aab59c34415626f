/*
 * reserve.h - keys for a record that is not saved yet.
 */
#ifndef ROWFS_RESERVE_H
#define ROWFS_RESERVE_H

#include <jansson.h>

#include "../store/store.h"

/*
 * Puts reserved keys into the document of a new record of the model: its own where it has none, and those of the only
 * children (embeds-one) that it brings and of theirs, so that others can refer to them before anything is saved.
 * Entries of lists get theirs when they are saved, and so does what has no integer key. What is no document is left
 * alone.
 */
int reserve_keys(struct store *s, const struct model *m, json_t *document, struct err *e);

#endif
