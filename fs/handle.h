/*
 * handle.h - open files: the text that a reader pinned, the draft that a writer has not saved yet.
 *
 * A handle belongs to one open(2) and lives in fi->fh. Its lock guards its draft and is held during the save that a
 * write or a close asks for; readers of other handles never wait for it. Records that are open for writing stand in
 * mount.handles, so that a name that was never saved can be found and a process sees the size of its own draft; all
 * others stand in mount.others, so that fstat works when the record is gone.
 */
#ifndef ROWFS_HANDLE_H
#define ROWFS_HANDLE_H

#include <stdatomic.h>

#include "draft.h"
#include "mount.h"

struct handle {
	struct handle *next, **link; /* in mount.handles or mount.others */
	enum node_kind kind;         /* NODE_RECORD (saved or not), NODE_MEMORY (scratch), or made by rowfs */
	uint64_t ino;
	const struct model *model;
	struct value key;    /* NODE_RECORD; VALUE_NULL for .new until it was saved */
	char *key_text;      /* memory of a text key */
	char *name;          /* in the model's directory, for messages */
	int flags;           /* of open(2) */
	struct actor opener; /* as whom it reads and saves, whoever else has the descriptor; pid is its thread */
	bool unsaved;        /* no record had the name when it was opened; mount.lock */
	bool saved;          /* a save went through */
	bool told;           /* the draft as it stands is incomplete, and .errors says so */
	bool gone;           /* the unsaved name was removed; mount.lock */
	struct scratch *scratch;
	struct import *import;
	struct export *export;
	struct event_reader *events;
	pthread_mutex_t lock;
	bool counted; /* among the opener's (usage.h), with so many bytes */
	size_t bytes;
	struct draft draft;       /* where open for writing */
	struct buf text;          /* what reads see, pinned at the open; a draft's reads see the draft */
	_Atomic int64_t size;     /* of the draft; -1 when a save has taken all of it */
	char base[CHECKSUM_SIZE]; /* of the record that the draft began as, where it was opened to be read too; else ""
				   */
	int64_t answer_offset;    /* .new: where the answer starts; -1 until it is read */
};

bool handle_writes(const struct handle *h);

/* Record that exists (record true) or a new name; -ENOENT, -EIO, ... */
int handle_open_record(struct mount *m, const struct actor *actor, const struct model *model, const struct value *key,
		       const char *name, uint64_t ino, int flags, bool record, struct handle **out, struct err *e);
/* Takes the reference. */
int handle_open_scratch(struct mount *m, struct scratch *s, int flags, struct handle **out, struct err *e);
/* A text that is only read; takes it. */
int handle_open_text(struct mount *m, const struct actor *actor, enum node_kind kind, uint64_t ino, int flags,
		     struct buf *text, struct handle **out, struct err *e);
/* MODEL/.new, or .txn/.run: what is written is a save, and the answer is read. */
int handle_open_new(struct mount *m, const struct actor *actor, enum node_kind kind, const struct model *model,
		    uint64_t ino, int flags, struct handle **out, struct err *e);
/* Takes the reader. */
int handle_open_events(struct mount *m, struct event_reader *events, uint64_t ino, int flags, struct handle **out,
		       struct err *e);
/* NODE_IMPORT or NODE_EXPORT */
int handle_open_lines(struct mount *m, const struct actor *actor, enum node_kind kind, const struct model *model,
		      uint64_t ino, int flags, struct handle **out, struct err *e);
void handle_close(struct mount *m, struct handle *h);
/* At the end of the mount: after a lazy unmount or a signal the kernel does not close what is open. */
void handle_close_all(struct mount *m);
/* Whether any file is open. */
bool handle_any(struct mount *m);

/* The writer, who need not be who opened it, is told of by its pid. */
int handle_write(struct mount *m, struct handle *h, const struct actor *writer, const char *data, size_t len,
		 int64_t offset, struct err *e);
/* Appends up to len bytes from offset to out. */
int handle_read(struct mount *m, struct handle *h, size_t len, int64_t offset, struct buf *out, struct err *e);
int handle_truncate(struct mount *m, struct handle *h, int64_t size, struct err *e);
/* How much there is to read: of what was pinned, or of the draft; -1 for what the handle does not know. */
int64_t handle_length(struct handle *h);
/* fsync and close. */
int handle_sync(struct mount *m, struct handle *h, const struct actor *writer, struct err *e);

/* ---- of handle_open.c, for handle.c; with the handle's lock ---- */

int handle_set_key(struct handle *h, const struct value *key, struct err *e);
/* As who opened it sees the record. checksum: of the same version; NULL: it is not wanted. */
int handle_show(struct mount *m, const struct handle *h, struct buf *out, char *checksum, struct err *e);
/* What stat tells the process of its own draft. */
void handle_note_size(struct handle *h);

/* ---- names that are open for writing; mount.lock is taken ---- */

struct open_name {
	uint64_t ino;
	const struct model *model;
	struct value key; /* text in the arena */
	char *name;       /* in the arena */
	bool named;       /* the name leads to it; else what it stood for is gone */
	uid_t uid;        /* who opened it */
};
/*
 * A name that was never saved, or with name NULL any by number; false where there is none. In a model with owners it is
 * there for who opened it, root and who mounted.
 */
bool handle_find(struct mount *m, const struct model *model, const char *name, uint64_t ino, uid_t viewer,
		 struct arena *a, struct open_name *out);
/* The name goes, its descriptors stay and will save nothing. */
bool handle_remove_unsaved(struct mount *m, const struct model *model, const char *name, uid_t viewer);
/* The size of the process's newest draft of the record that holds unsaved bytes; -1 without one. */
int64_t handle_draft_size(struct mount *m, const struct model *model, const struct value *key, pid_t pid);

#endif
