/*
 * confine.h - imposing bounds on a program that is about to be executed: resource limits, no new privileges, Landlock.
 *
 * What needs memory or can fail with a sentence is done before the clone (confine_prepare); what the child does is
 * system calls only.
 */
#ifndef ROWFS_CONFINE_H
#define ROWFS_CONFINE_H

#include <stdbool.h>
#include <sys/resource.h>

#include "../store/err.h"
#include "bounds.h"

enum { CONFINE_LIMITS = 5 };

struct confinement {
	struct {
		int resource;
		struct rlimit limit;
	} limits[CONFINE_LIMITS];
	bool no_new_privileges;
	int ruleset; /* of Landlock; -1: none */
};

/* Whether the kernel can keep a program from writing. */
bool confine_supported(void);
/* -errno with a sentence. timeout_ms 0: the program has none. */
int confine_prepare(struct confinement *c, const struct bounds *b, long long timeout_ms, struct err *e);
void confine_release(struct confinement *c);
/* In the child; -1 and errno. While it still has the daemon's descriptors: what it may write. */
int confine_writing(const struct confinement *c);
/* Once it has its own three alone, before it becomes another user: what it may use. */
int confine_use(const struct confinement *c);

#endif
