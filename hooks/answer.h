/*
 * answer.h - what a save answers: whether its hooks can make such a row, and which row of a save it is.
 */
#ifndef ROWFS_HOOK_ANSWER_H
#define ROWFS_HOOK_ANSWER_H

#include "change.h"

/* An `answer` that no hook makes true is a mistake at its model's word. */
void answers_check(const struct hooks *h, struct conf *c, const struct schema *s);
/* Fills answer and answer_key of the outcome of a request's change; texts lie in the arena. -ENOMEM. */
int answer_find(const struct saving *v, const struct change *c, bool alone, struct outcome *out, struct arena *a);

#endif
