/*
 * await.h - reads that wait for a job to end (.wait/KEY.json).
 *
 * A read that has to wait keeps no thread: its request is put aside and answered by one thread of the mount, once the
 * job has ended, is gone, or the reader is interrupted (EINTR). That thread sleeps while nobody waits, and else until
 * a commit touches a queue; once in POLL_FOREIGN_MS it looks for what other programs have changed.
 */
#ifndef ROWFS_AWAIT_H
#define ROWFS_AWAIT_H

#include "handle.h"

struct waits;

int await_start(struct mount *m, struct err *e);
/* Answers what still waits: the mount ends. Before the session is destroyed. */
void await_stop(struct mount *m);
/* Once nothing is committed any more. */
void await_free(struct mount *m);
/* Rows of queues have changed. Never blocks. */
void await_wake(struct mount *m);

/* Answers the request, now or later. */
void await_read(fuse_req_t req, struct handle *h, size_t size, off_t off);
/* Answers it now; the handle is told when it becomes readable, if ph is not NULL. Takes ph. */
void await_poll(fuse_req_t req, struct handle *h, struct fuse_pollhandle *ph);
/* The handle is closed. */
void await_forget(struct mount *m, struct handle *h);

#endif
