/*
 * hook_read.h - what hook.c and hook_enqueue.c share while mount.conf is read.
 */
#ifndef ROWFS_HOOK_READ_H
#define ROWFS_HOOK_READ_H

#include "hook.h"

struct hook_reader {
	struct hooks *hooks;
	struct conf *conf;
	const struct schema *schema;
	size_t room; /* of hooks->all */
	struct err *e;
};

/* Reads the n words behind the kind's. Mistakes go to the conf; -ENOMEM. */
typedef int hook_read_kind(struct hook_reader *r, const struct word *words, size_t n, struct hook *h);
hook_read_kind hook_read_enqueue, hook_read_program, hook_read_plugin;
/* The directive `as USER`. */
int hook_read_as(struct hook_reader *r, const struct directive *d, const struct user **out);
/* `as` and bounds of the queues' programs. */
int hook_read_queues(struct hook_reader *r);
/* Gives a pipe hook the instance of an earlier one with the same words, or a new one. */
void hook_share(struct hooks *hooks, struct hook *h);

#endif
