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
hook_read_kind hook_read_enqueue;

#endif
