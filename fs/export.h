/*
 * export.h - MODEL/.export: all records as JSON Lines, made while they are read.
 *
 * LIMIT_EXPORT bytes at a time come from one snapshot; a record that is there throughout comes exactly once.
 */
#ifndef ROWFS_FS_EXPORT_H
#define ROWFS_FS_EXPORT_H

#include "mount.h"

struct export;

int export_open(const struct model *model, struct export **out, struct err *e);
void export_close(struct export *x); /* NULL is fine */
/* As the viewer sees them: appends up to len bytes from the offset, which only goes on: -ESPIPE. */
int export_read(struct mount *m, struct export *x, uid_t viewer, size_t len, int64_t offset, struct buf *out,
		struct err *e);

#endif
