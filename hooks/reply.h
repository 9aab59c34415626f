/*
 * reply.h - what a hook answers: an edit, a refusal, "handled", further saves.
 */
#ifndef ROWFS_REPLY_H
#define ROWFS_REPLY_H

#include "change.h"

/* Carries out what the program `name` answers. -ECANCELED for a refusal and for an answer that is none. */
int reply_take(struct saving *v, const struct hook *h, struct change *c, const char *name, json_t *answer,
	       struct err *e);
/* The same for the JSON object that it wrote, or nothing when there are only blanks. */
int reply_read(struct saving *v, const struct hook *h, struct change *c, const char *name, const struct buf *out,
	       struct err *e);
/* Binds an edit: VERB_REPLACE for a whole record, VERB_PATCH for single fields. Takes it. `by` is for the sentence. */
int reply_edit(struct saving *v, struct change *c, const char *by, json_t *edit, enum verb verb, struct err *e);

#endif
