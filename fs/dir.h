/*
 * dir.h - names in directories: finding one, and listings that are streamed in key order and never cut off.
 */
#ifndef ROWFS_DIR_H
#define ROWFS_DIR_H

#include "mount.h"

/* What a name in a directory stands for. */
enum entry_kind {
	ENTRY_NONE, /* nothing; it may be created */
	ENTRY_MADE, /* a model's directory or what view.h knows */
	ENTRY_RECORD,
	ENTRY_UNSAVED, /* a record name that is open and was never saved */
	ENTRY_SCRATCH,
	ENTRY_REJECTED, /* in .rejected */
	ENTRY_DELETED,  /* in .deleted */
	ENTRY_BY,       /* a directory or link in .by (by.h) */
	ENTRY_SHOWN     /* any other file that is only read */
};

struct entry {
	enum entry_kind kind;
	bool record_name;          /* ends in .json and has no leading dot */
	bool valid;                /* of a record name: it is the canonical name of a key */
	const struct model *model; /* whose directory; NULL: the root or a made directory */
	struct value key;          /* of a valid record name, or ENTRY_DELETED; text in the arena */
	const struct field *field; /* of ENTRY_BY, with its value; text in the arena */
	struct value value;
	struct stat st; /* ENTRY_NONE: unset */
};

/* 0 also for ENTRY_NONE; -ENAMETOOLONG, -ENOENT where parent is no directory, or the store's errors. */
int dir_find(struct mount *m, uint64_t parent, const char *name, const struct actor *who, struct arena *a,
	     struct entry *out, struct err *e);

/* What a directory of its own names answers for one, rc being what its stat was: it is of the kind, or there is none.
 */
int dir_found(struct entry *out, enum entry_kind kind, int rc, struct err *e);

/* 0 or -EACCES: whether the caller may read, write or search the directory. */
int dir_may(const struct mount *m, fuse_req_t req, uint64_t ino, int wanted);
void dir_reply_entry(struct mount *m, fuse_req_t req, const struct stat *st, bool kept);

/*
 * A listing under way. An offset says where to go on: 0 and up to LISTING_FIRST are the dots', the others each
 * directory's own, rising.
 */
struct listing {
	fuse_req_t req;
	struct mount *m;
	uid_t uid;              /* who lists */
	struct by_place *place; /* of by.h */
	char *data;
	size_t size, used;
};
#define LISTING_FIRST 3

/* False when the buffer is full: the kernel asks again from the last offset it has. */
bool listing_add(struct listing *l, const char *name, const struct stat *st, off_t next);

void dir_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void dir_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
/* Plain READDIR: attributes that come with names would have to be cached to be of use, and nothing is. */
void dir_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);

#endif
