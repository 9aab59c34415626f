/*
 * name.h - names alone: unlink, symlink, and what model directories refuse; and what rename.c shares with it.
 */
#ifndef ROWFS_NAME_H
#define ROWFS_NAME_H

#include "dir.h"

/* A name and what it stands for. */
struct end {
	uint64_t parent;
	const char *name;
	struct entry entry;
};

/* Whether the caller may take names out of the directory: a model's, or his own files that rowfs shows him. */
int name_may_remove(struct mount *m, fuse_req_t req, uint64_t parent);
int name_may_add(struct mount *m, fuse_req_t req, uint64_t parent);
/* Carries out the one request of a save, with the text unless it is NULL, and notes a refusal under the name. */
int name_save(struct mount *m, const struct actor *actor, struct request *request, const struct buf *text,
	      const struct end *at, struct arena *a, struct err *e);

/* Requests of the kernel. */
void name_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void name_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void name_readlink(fuse_req_t req, fuse_ino_t ino);
/* mkdir and mknod: refused in model directories. */
void name_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void name_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void name_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);

#endif
