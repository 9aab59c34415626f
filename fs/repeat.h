/*
 * repeat.h - inotify for changes of jobs that no program made through the mount.
 *
 * The kernel tells watchers what programs do to files, not what the daemon does to its records. So a process
 * of the daemon repeats such a change through the mount: it creates, writes or removes the job's file as a program
 * would, and the daemon, which knows it, answers and does nothing. No request ever waits for it; it may wait for
 * requests, as any program does. What changes twice before its turn is repeated once.
 */
#ifndef ROWFS_REPEAT_H
#define ROWFS_REPEAT_H

#include "mount.h"

struct repeater;

/* Once the mount is about to answer. */
int repeat_start(struct mount *m, struct err *e);
/* Repeats nothing more; what is under way ends with the session's connection. */
void repeat_end(struct mount *m);
/* After that. */
void repeat_stop(struct mount *m);
/* Once nothing is saved any more. */
void repeat_free(struct mount *m);

/* Requests of that process, which are answered here: true. */
bool repeat_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
bool repeat_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
bool repeat_create(fuse_req_t req, fuse_ino_t parent, const char *name, struct fuse_file_info *fi);
bool repeat_write(fuse_req_t req, size_t size);
bool repeat_unlink(fuse_req_t req);
bool repeat_flush(fuse_req_t req, struct fuse_file_info *fi);
/* The process looks whether a directory is this mount's. */
void repeat_seen(fuse_req_t req, fuse_ino_t ino);

#endif
