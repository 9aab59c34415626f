/*
 * closing.h - what the kernel has done with: files and directories that are closed, numbers that it forgets.
 *
 * These requests come once, and nobody looks at their answer. libfuse hands on nothing for which it has no memory, and
 * what they are about would stay until the unmount: so they are taken from the request as it was read. libfuse, which
 * has no operation for them, answers. Nothing here needs memory.
 */
#ifndef ROWFS_CLOSING_H
#define ROWFS_CLOSING_H

#include "mount.h"

/* The bytes of a request; nothing is done for others. */
void closing_take(struct mount *m, const void *request, size_t len);

#endif
