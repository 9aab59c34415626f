/*
 * bounds.h - what a program of a hook or a queue may use and write: as mount.conf says, with the defaults of limits.h.
 *
 * launch.c imposes them (confine.h), but `output`, which whoever reads it counts.
 */
#ifndef ROWFS_BOUNDS_H
#define ROWFS_BOUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../store/arena.h"
#include "../store/conf.h"

struct bounds {
	long long cpu_ms; /* 0: LIMIT_PROGRAM_CPU_S, or the time-out where that is longer */
	long long memory, files, processes, output;
	bool new_privileges; /* setuid programs work */
	bool confined;       /* may write beneath these alone */
	const char **paths;  /* absolute */
	size_t npaths;
};

extern const struct bounds default_bounds;

/* Whether the name is that of a directive of bounds. */
bool bounds_has(const char *name);
/* Reads such a directive. Mistakes go to the conf; -ENOMEM. */
int bounds_read(struct bounds *b, const struct directive *d, struct conf *c, struct arena *a);
/* All names, NULL-terminated, for "did you mean". */
size_t bounds_names(const char **names, size_t room);
bool bounds_equal(const struct bounds *a, const struct bounds *b);
/* What differs from the defaults, as it is written in mount.conf, each with a blank in front and ";" behind. */
void bounds_print(const struct bounds *b, FILE *to);

#endif
