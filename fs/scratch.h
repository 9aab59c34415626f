/*
 * scratch.h - files whose name is no record name: editors' swap, backup and temporary files, kept in memory.
 *
 * They have owner, mode, times and extended attributes as on tmpfs, are bounded per user in number and size, and are
 * gone at unmount. Hard links are names of one file. All functions take mount.lock themselves unless they say
 * otherwise; the struct lives until its last name and its last descriptor are gone.
 */
#ifndef ROWFS_SCRATCH_H
#define ROWFS_SCRATCH_H

#include "mount.h"

struct xattr {
	struct xattr *next;
	size_t len;
	char *value;
	char name[];
};

/* A name in a model's directory. */
struct scratch_name {
	struct scratch_name *next;
	struct scratch *scratch;
	const struct model *model;
	uid_t uid;      /* who gave it */
	int64_t serial; /* place in listings; never used again */
	char *name;
};

struct scratch {
	struct scratch *next;
	uint64_t ino;
	unsigned opens;
	uid_t payer; /* who made it: it is counted as his (usage.h) */
	size_t held;
	struct stat st;  /* without ino and size; st_nlink: names */
	struct buf data; /* of a symlink: its target */
	struct xattr *xattrs;
	char *error; /* sentence of the last refused save from it; NULL: none */
};

/* Makes one; -EEXIST, -EACCES (digits only: vim's probe file), -ENOSPC, -ENAMETOOLONG, -ENOMEM. *out is opened once. */
int scratch_create(struct mount *m, const struct model *model, const char *name, mode_t mode, const struct actor *who,
		   struct scratch **out, struct err *e);
/* A copy of the bytes under the name, which is replaced. For backups of records. */
int scratch_copy(struct mount *m, const struct model *model, const char *name, const struct stat *like,
		 const struct actor *who, const struct buf *text, bool replace, struct stat *st, struct err *e);

/* Finds by name or number and opens it; NULL: none. scratch_put closes. */
struct scratch *scratch_find(struct mount *m, const struct model *model, const char *name, uid_t viewer);
struct scratch *scratch_get(struct mount *m, uint64_t ino);
void scratch_put(struct mount *m, struct scratch *s);

void scratch_stat(struct mount *m, struct scratch *s, struct stat *st);
/* Takes the name away; -ENOENT. */
int scratch_unlink(struct mount *m, const struct model *model, const char *name, uid_t uid);
/* To another name, replacing what is there unless noreplace (-EEXIST); -ENOENT. */
int scratch_rename(struct mount *m, const struct model *from_model, const char *from, const struct model *model,
		   const char *name, uid_t uid, bool noreplace);
/* Each gets the other's name; -ENOENT. */
int scratch_exchange(struct mount *m, const struct model *model, const char *name, const struct model *other_model,
		     const char *other, uid_t uid);
/* One more name for the file; -EEXIST, -ENOSPC, -ENOENT when its last name is gone. */
int scratch_link(struct mount *m, struct scratch *s, const struct model *model, const char *name, uid_t uid,
		 struct err *e);
/* One of the file's names, copied into out; NULL: it has none. */
const struct model *scratch_any_name(struct mount *m, struct scratch *s, struct buf *out);

int scratch_write(struct mount *m, struct scratch *s, const char *data, size_t len, int64_t offset, struct err *e);
/* Bytes from offset into out; the number of bytes. */
size_t scratch_read(struct mount *m, struct scratch *s, char *out, size_t len, int64_t offset);
int scratch_truncate(struct mount *m, struct scratch *s, int64_t size, struct err *e);
/* A copy of the whole content. */
int scratch_content(struct mount *m, struct scratch *s, struct buf *out);
void scratch_set_error(struct mount *m, struct scratch *s, const char *sentence);

int scratch_setxattr(struct mount *m, struct scratch *s, const char *name, const char *value, size_t len, int flags);
int scratch_removexattr(struct mount *m, struct scratch *s, const char *name);
/* Appended to out; -ENODATA. */
int scratch_getxattr(struct mount *m, struct scratch *s, const char *name, struct buf *out);
int scratch_listxattr(struct mount *m, struct scratch *s, struct buf *out);
/* When the file goes. With mount.lock. */
void scratch_release_xattrs(struct scratch *s);
size_t scratch_xattrs_size(const struct scratch *s);
/* With mount.lock: counts what it holds for who made it, with `more` bytes that are about to come (usage.h); and when
 * they have. */
int scratch_hold(struct mount *m, struct scratch *s, size_t more, struct err *e);
void scratch_settle(struct mount *m, struct scratch *s);

/* The next name in the model's directory above *serial, which is set: copied into name, with attributes. False: none.
 */
bool scratch_next(struct mount *m, const struct model *model, uid_t viewer, int64_t *serial, struct buf *name,
		  struct stat *st);
/* What is open stays until it is closed. */
void scratch_drop_names(struct mount *m);
/* At unmount: their names go to the log. */
void scratch_release_all(struct mount *m);

#endif
