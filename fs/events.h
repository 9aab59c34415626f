/*
 * events.h - .events: a line for each record that a commit changed, as it happens; reading waits for the next.
 *
 * No thread waits: a read that has nothing to answer is kept, and answered by the commit, by an interrupt, or at the
 * end of the mount. Lines stand in a ring; a reader that LIMIT_EVENTS of them have overtaken is told so.
 */
#ifndef ROWFS_FS_EVENTS_H
#define ROWFS_FS_EVENTS_H

#include "mount.h"

struct events;
struct event_reader;

/* After the store is opened; nothing where the mount is read-only, on which nothing happens. */
int events_start(struct mount *m, struct err *e);
/* Commits have happened: answers who waits. From any thread, with no lock held. */
void events_wake(struct mount *m);
/* No request waits afterwards, and none will: before the session is destroyed. */
void events_end(struct mount *m);
void events_free(struct mount *m);

/* Shows what happens from now on, of models whose files who asks may read. */
int events_open(struct mount *m, fuse_req_t req, struct event_reader **out, struct err *e);
void events_close(struct mount *m, struct event_reader *r); /* NULL is fine */
/* Both answer the request, now or later. */
void events_read(struct mount *m, fuse_req_t req, struct event_reader *r, size_t size, bool wait);
void events_poll(struct mount *m, fuse_req_t req, struct event_reader *r, struct fuse_pollhandle *poll);

#endif
