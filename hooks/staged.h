/*
 * staged.h - what a change does where rows are only staged (stage.h): the rows over the stored ones, and keys.
 */
#ifndef ROWFS_STAGED_H
#define ROWFS_STAGED_H

#include "change.h"

/* change_apply. A delete is -EBUSY where what refers to the record restricts it. */
int staged_apply(struct saving *v, struct change *c, struct err *e);
/* Gives the row a key that no file can have, c->key, so that its own is free; references follow. */
int staged_set_aside(struct saving *v, struct change *c, struct err *e);
/* A key that nobody else gets: it may be shown before anything is saved. */
int staged_next_key(struct saving *v, const struct model *m, struct value *key, struct err *e);
/* The request was staged, or refused: then the keys that were reserved for it are free again. */
void staged_settle_keys(struct saving *v, bool keep);
/* Of a new embedded record: the next one for an only child that comes with its parent, else one for a while. */
int staged_child_key(struct saving *v, const struct change *c, struct value *key, struct err *e);
/* Sets c->deleted where the record is gone only here: 1; 0 where it is not. */
int staged_recall(struct saving *v, struct change *c, const struct value *key, struct err *e);
/* Puts the keys that new embedded records were given into the document: true where it has changed. */
bool staged_tell_keys(const struct change *c, json_t *document);

#endif
