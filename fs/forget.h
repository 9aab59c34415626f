/*
 * forget.h - has the kernel forget directories of .txn/ that have ended, with all that it has looked up in them.
 *
 * By itself it keeps what it knows until memory is short, and each number that it knows holds the inside of its
 * transaction. A thread tells it, because that waits for the lock of .txn/, which a request may hold. What is in use, as
 * ctl is when the end comes, it would only lose the way to, and keep: it is told when no file is open there, and again,
 * ever more seldom, as long as it knows anything (somebody's working directory).
 */
#ifndef ROWFS_FORGET_H
#define ROWFS_FORGET_H

#include "mount.h"

/* Before the first request. */
int forget_start(struct mount *m, struct fuse_session *session, struct err *e);
/*
 * The name in .txn/ has ended, behind which the kernel knows the number; "": the kernel has removed the name itself. Nothing
 * where it was not started, or has stopped.
 */
void forget_name(struct mount *m, const char *name, uint64_t root);
/* While requests are still served, or when there can be none any more. Once more is fine. */
void forget_stop(struct mount *m);
void forget_free(struct mount *m);

#endif
