/*
 * import.h - MODEL/.import: JSON Lines that are saved in one transaction when they are closed.
 *
 * What is written is put aside in a file without a name beside the database; the close saves it, each line as the file
 * of its key, and starts anew. A close without a write since the last one does nothing, and one behind half a line
 * refuses: who writes may be another process that still has it open. What was refused stays refused.
 */
#ifndef ROWFS_FS_IMPORT_H
#define ROWFS_FS_IMPORT_H

#include "mount.h"

struct import;

int import_open(const struct model *model, struct import **out, struct err *e);
void import_close(struct import *i); /* NULL is fine */
/* Refusals are noted here, each once. */
int import_write(struct mount *m, struct import *i, const struct actor *actor, const char *data, size_t len,
		 struct err *e);
/* close(2) and fsync(2). */
int import_sync(struct mount *m, struct import *i, const struct actor *actor, struct err *e);
void import_reset(struct import *i);

/* For .info/status: one line for each that is being saved. */
void import_print(struct mount *m, struct buf *out);

#endif
