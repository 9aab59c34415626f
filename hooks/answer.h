/*
 * answer.h - what a save answers: whether its hooks can make such a row, and which row of a save it is.
 */
#ifndef ROWFS_HOOK_ANSWER_H
#define ROWFS_HOOK_ANSWER_H

#include "change.h"

/* An `answer` that no hook makes true is a mistake at its model's word. */
void answers_check(const struct hooks *h, struct conf *c, const struct schema *s);
/* With several requests in one save, finds for each change the first of the rows that its hooks have made. */
void answers_settle(const struct saving *v);
/*
 * Fills answer and answer_key of the outcome of a request's change, which is alone in its save, so that the first such
 * row is the one, or is settled; texts lie in the arena. -ENOMEM.
 */
int answer_find(const struct saving *v, const struct change *c, bool alone, struct outcome *out, struct arena *a);

#endif
