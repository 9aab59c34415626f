/*
 * serve.h - the threads that take the kernel's requests.
 *
 * There is always one that waits for the next, up to LIMIT_THREADS; a few that have nothing to do stay. It is not
 * libfuse's loop, which ends the mount when there is no memory to read a request into, or no thread, and cancels its
 * threads at the end, for which glibc must be able to load a library.
 */
#ifndef ROWFS_SERVE_H
#define ROWFS_SERVE_H

#include "mount.h"

struct serving;

int serving_new(struct serving **out, struct mount *m, struct fuse_session *session);
/* Until the mount is gone or serving_stop. 0, or -errno of what can't go on. */
int serving_run(struct serving *s);
/* serving_run returns when the requests that are served have been. From any thread, before serving_free. */
void serving_stop(struct serving *s);
void serving_free(struct serving *s);

#endif
