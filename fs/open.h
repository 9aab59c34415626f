/*
 * open.h - opening what a number stands for, or a name that is new.
 */
#ifndef ROWFS_OPEN_H
#define ROWFS_OPEN_H

#include "handle.h"

/* flags are open(2)'s. -EACCES, -EROFS, -EDEADLK, -ENOENT, or the store's errors. */
int open_node(struct mount *m, fuse_req_t req, fuse_ino_t ino, int flags, struct handle **out, struct err *e);
/*
 * Opens what has the name by now; else makes a scratch file, or a record that is nothing before its first save. Fills
 * *st where nobody has to be asked for the attributes: of a record's name that is new.
 */
int open_create(struct mount *m, fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, int flags,
		struct handle **out, struct stat *st, struct err *e);

/*
 * An open found its file gone, which the kernel had just looked up. ESTALE makes it look once more, and then create
 * what should be there; but only once, and a second one would be the program's. 0 or the errno to be told.
 */
int open_gone(fuse_req_t req);
/* An open that found its file: whatever was gone before is over. */
void open_found(fuse_req_t req);

#endif
