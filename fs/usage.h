/*
 * usage.h - how much of the daemon's memory the open files of each user hold: texts that are read, and unsaved ones.
 */
#ifndef ROWFS_USAGE_H
#define ROWFS_USAGE_H

#include <stddef.h>
#include <sys/types.h>

#include "../store/err.h"

struct mount;
struct handle;
struct usages; /* of all users, of the mount and of what is inside it; its lock is a leaf */

int usages_start(struct mount *m, struct err *e);
/* When nothing is open any more. */
void usages_stop(struct mount *m);

/*
 * The handle's texts are counted anew, with `more` bytes that are about to come. -ENOSPC over LIMIT_OPEN_FILES or
 * LIMIT_OPEN_BYTES of the opener, or LIMIT_OPEN_TOTAL of all, and nothing is counted then.
 */
int usage_count(struct mount *m, struct handle *h, size_t more, struct err *e);
/* Bytes that may still be added to it. */
size_t usage_left(struct mount *m, struct handle *h);
/* The handle closes. */
void usage_forget(struct mount *m, struct handle *h);

#endif
