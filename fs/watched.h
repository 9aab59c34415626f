/*
 * watched.h - may somebody be watching a queue with inotify?
 *
 * The kernel does not tell who watches, but whoever does holds an inode, and what the kernel has looked up and not
 * forgotten can be counted. Most of it only lies in its cache. So when no program has come for a while, the process of
 * repeat.c asks for the directory once more and is told that there is none: the kernel then drops what nobody holds,
 * forgets it, and looks again. What is left is held by somebody: by a watch, an open file or a working directory.
 *
 * A wrong yes costs time, a wrong no would lose events: whatever is not sure is a yes.
 */
#ifndef ROWFS_WATCHED_H
#define ROWFS_WATCHED_H

#include "mount.h"

struct watched;

int watched_new(struct mount *m, struct err *e);
void watched_free(struct mount *m);

/* The kernel is about to be told of the inode, or has forgotten it; others than those of queues don't matter. program:
 * not for the process that repeats changes. */
void watched_lookup(struct mount *m, uint64_t ino, bool program);
void watched_forget(struct mount *m, uint64_t ino, uint64_t n);
/* How long the kernel may keep the name of a directory that rowfs makes, in seconds. */
double watched_timeout(const struct mount *m, uint64_t ino);

bool watched_perhaps(const struct mount *m, const struct model *queue);

/* For one thread alone: whether it is time to ask; before asking; then, `own` are the look-ups that asking itself has
 * left: true when nobody watches. */
bool watched_is_quiet(struct mount *m, const struct model *queue);
void watched_ask(struct mount *m, const struct model *queue);
bool watched_by_nobody(struct mount *m, const struct model *queue, int64_t own);

#endif
