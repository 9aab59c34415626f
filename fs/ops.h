/*
 * ops.h - the table of what the kernel may ask.
 */
#ifndef ROWFS_OPS_H
#define ROWFS_OPS_H

#include "mount.h"

extern const struct fuse_lowlevel_ops ops_table;

#endif
