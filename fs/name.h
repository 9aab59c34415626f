/*
 * name.h - what happens to names: unlink, rename, link, symlink.
 *
 *     rename of        onto a record name            onto a scratch name
 *     scratch file     saves it; the file goes       renames it
 *     record           changes the key, or moves     a scratch copy; the record stays
 *                      it to the other model
 *     unsaved name     ENOENT                        ENOENT
 *     deleted record   brings it back                a scratch copy
 *
 * link does the same but keeps the source. The error of a save is the call's error; the source stays then.
 */
#ifndef ROWFS_NAME_H
#define ROWFS_NAME_H

#include "mount.h"

void name_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void name_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
		 unsigned flags);
void name_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name);
void name_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void name_readlink(fuse_req_t req, fuse_ino_t ino);
/* mkdir and mknod: refused in model directories. */
void name_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void name_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void name_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);

#endif
