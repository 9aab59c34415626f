/*
 * phase.h - named places in the life of a save, at which the build of the tests can be stopped or killed.
 *
 * phase("NAME") is always false, so that it can stand in a chain of steps. Only build/phases/rowfs is compiled with
 * ROWFS_PHASES, see tests/phase/phase.c; everywhere else nothing is left of it. tests/mount/phases.sh kills the daemon
 * at every one.
 */
#ifndef ROWFS_PHASE_H
#define ROWFS_PHASE_H

#include <stdbool.h>

#ifdef ROWFS_PHASES
bool phase(const char *name);
#else
static inline bool phase(const char *name)
{
	(void)name;
	return false;
}
#endif

#endif
