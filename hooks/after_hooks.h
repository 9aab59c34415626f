/*
 * after_hooks.h - the hooks of after_commit by the names under which their programs are recorded.
 *
 * A name is the hook's words as a JSON array, with the model's name beside it: it must be known again by a later mount.
 */
#ifndef ROWFS_AFTER_HOOKS_H
#define ROWFS_AFTER_HOOKS_H

#include "change.h"

struct after_hooks {
	struct saver *saver;
	const char **names; /* by hook; NULL: not one of these */
	struct arena arena;
};

/*
 * Makes the table of what waits where there are such hooks, and compares what earlier mounts have left in it: programs
 * of hooks that mount.conf does not have any more are held, and the journal tells; others are due at once.
 */
int after_hooks_open(struct after_hooks *a, struct saver *s, struct err *e);
void after_hooks_release(struct after_hooks *a);
const char *after_hooks_name(const struct after_hooks *a, const struct hook *h);
/* NULL: mount.conf has none. */
const struct hook *after_hooks_find(const struct after_hooks *a, const char *model, const char *name);

#endif
