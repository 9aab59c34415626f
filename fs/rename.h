/*
 * rename.h - rename and link.
 *
 *     rename of        onto a record name            onto a scratch name
 *     scratch file     saves it; the file goes       renames it
 *     record           changes the key, or moves     a scratch copy; the record stays
 *                      it to the other model
 *     unsaved name     ENOENT                        ENOENT
 *     deleted record   brings it back                a scratch copy
 *
 * An exchange is of two records of one model, which get each other's keys; of two scratch files; or of the texts of a
 * scratch file and a record.
 *
 * link does the same as rename but keeps the source. The error of a save is the call's error; the source stays then.
 */
#ifndef ROWFS_RENAME_H
#define ROWFS_RENAME_H

#include "mount.h"

void rename_name(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
		 unsigned flags);
void rename_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name);

#endif
