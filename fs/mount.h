/*
 * mount.h - what one mount works with, shared by all files of fs/.
 *
 * Nothing here changes after the mount but what its lock guards. Lock order: handle.lock, then mount.lock, then those
 * of store/store.h; mount.lock is never held across a call into store/ or hooks/.
 */
#ifndef ROWFS_MOUNT_H
#define ROWFS_MOUNT_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "../hooks/job.h"
#include "../hooks/save.h"
#include "../store/model.h"
#include "../store/store.h"
#include "node.h"

struct handle;
struct scratch;
struct scratch_name;
struct rejected;
struct answers;
struct stage;
struct transaction;
struct transactions;
struct forgets;
struct by_table;
struct by_place;
struct import;
struct events;
struct waits;
struct usages;
struct repeater;
struct watched;

/*
 * A transaction that is being prepared (transaction.h) is a mount inside the mount: what it shows and where a save in
 * it goes differ by `stage` alone, and what is open or in memory there is its own.
 */
enum { MOUNT_TOLD_GONE = 64 };

struct mount {
	struct stage *stage;               /* NULL: the mount itself */
	struct transaction *transaction;   /* of which this is the inside; NULL: the mount itself */
	struct transactions *transactions; /* shared by the mount and all that is inside it */
	struct forgets *forgets;           /* the same; NULL on a read-only mount */
	struct usages *usages;             /* the same */
	struct conf *conf;
	const struct schema *schema;
	struct hooks *hooks;
	struct store *store;
	struct saver *saver;
	struct waits *waits;
	struct repeater *repeater;     /* NULL without queues, and on a read-only mount */
	struct watched *watched;       /* by model index; NULL as repeater */
	struct runner *_Atomic runner; /* NULL on a read-only mount, and while it ends */
	struct journal *journal;
	struct events *events;
	const char *directory; /* absolute path of the mountpoint */
	bool read_only;
	uid_t uid; /* who mounted: owner of what has no other */
	gid_t gid;
	bool
	    asks_group; /* some model lets the group write what belongs to a user, and not all others, or the reverse */
	int64_t started_ms;             /* of the monotonic clock */
	_Atomic int64_t *changed;       /* by model index: st_mtime of its directory, ns since 1970 */
	void (*ready)(struct mount *m); /* called once, when the kernel has said hello */
	int ready_fd;

	pthread_mutex_t lock;   /* guards what follows */
	struct handle *handles; /* records open for writing, and names that were never saved */
	struct handle *others;  /* all else that is open */
	struct scratch *scratches;
	struct scratch_name *scratch_names;
	struct rejected *rejected;
	struct answers *answers;
	struct by_table *by;
	struct by_place *by_places;
	struct import *imports;     /* that are being saved */
	int64_t next_memory;        /* next serial of a NODE_MEMORY */
	bool _Atomic unsaved_found; /* a look-up once answered with a name that was never saved */
	pid_t
	    told_gone[MOUNT_TOLD_GONE];  /* threads whose open found its file gone, which the kernel repeats (open.h) */
	unsigned _Atomic next_told_gone; /* 0: nobody's ever did */
};

/* The model that has the number; NULL where there is none. */
const struct model *mount_model(const struct mount *m, unsigned number);
unsigned mount_number(const struct mount *m, const struct model *model);
uint64_t mount_record_ino(const struct mount *m, const struct model *model, int64_t serial);
int64_t mount_next_serial(struct mount *m);

/* The mount, or the inside of a transaction, that the number belongs to; *ino becomes its number there. */
struct mount *mount_inside(struct mount *m, uint64_t *ino);
struct mount *mount_enter(fuse_req_t req, fuse_ino_t *ino);
/* What the kernel knows as the number of something in m: in a transaction no other's. */
uint64_t mount_public_ino(const struct mount *m, uint64_t ino);

/* Where saves go: to the store, or into the transaction that is being prepared. */
int mount_save(struct mount *m, const struct actor *actor, const struct request *request, struct outcome *outcome,
	       struct arena *a, struct err *e);
int mount_save_stream(struct mount *m, const struct actor *actor, save_next *next, void *data, bool *blamed,
		      struct err *e);
int mount_reserve_key(struct mount *m, const struct model *model, struct value *key, struct err *e);

/* Who asks. */
struct actor mount_actor(fuse_req_t req);
/* The only way in which fs/ reads: as the user sees it (store_read_as), and
 * as the transaction sees it. tests/layers.sh checks that. */
struct conn *mount_read(struct mount *m, uid_t viewer, struct err *e);
/* The same for a single call (store_read_once). */
struct conn *mount_read_once(struct mount *m, const struct model *model, uid_t viewer, struct err *e);
/* 0 or -EACCES: whether the caller has the permissions (of R_OK, W_OK, X_OK) on something with these attributes. */
int mount_may(fuse_req_t req, const struct stat *st, int wanted);
/* 0 or -EACCES: whether the caller may read, of the node's model, what is his where it has owners, else any record. */
int mount_may_read_own(const struct mount *m, fuse_req_t req, const struct node *node);
/* 0, -EROFS, or -EDEADLK for a process of a hook that the save pipeline waits for. */
int mount_may_change(const struct mount *m, fuse_req_t req);

/* "orders/7.json", or ".txn/NAME/orders/7.json", for messages. */
enum { MOUNT_PATH = 5 * LIMIT_NAME };
void mount_path(const struct mount *m, const struct model *model, const char *name, char path[MOUNT_PATH]);

/* Answers with 0, or with an error number that the kernel and programs can deal with. rc is 0 or negative. */
void mount_reply_error(fuse_req_t req, int rc);
/* Notes a refusal for .errors and the log, and keeps the refused text (NULL: there is none) in .rejected. */
void mount_refused(struct mount *m, const struct actor *actor, const struct model *model, const char *name,
		   const struct buf *text, const struct err *e);
/* The same where rc says that a user, or the disk, is at a bound: no path explains ENOSPC. Returns rc. */
int mount_told_full(struct mount *m, const struct actor *actor, const struct model *model, const char *name, int rc,
		    const struct err *e);
/* As mount_refused for the text of a file, which who wrote it may want to remove now. */
void mount_refused_write(struct mount *m, const struct actor *actor, const struct model *model, const char *name,
			 const struct buf *text, const struct err *e);

/*
 * A save went through: the last refusal of the path is not the record's state any more. outcome is what .answer keeps;
 * NULL for a delete, which answers nothing.
 */
void mount_settled(struct mount *m, const struct actor *actor, const struct model *model, const char *name,
		   const struct outcome *outcome);

/* Whether who asks removes the name because its save was refused just now; once for each refusal (hooks/journal.h). */
bool mount_cleans_up(struct mount *m, const struct actor *actor, const struct model *model, const char *name);

/* The key of a record by its number (of a NODE_RECORD); text in the arena. -ENOENT. */
int mount_key(struct mount *m, const struct node *node, struct arena *a, struct value *key, struct err *e);
/* The attributes of what a number stands for, as who asks sees it; -ENOENT. With pid 0 nobody's drafts count. */
int mount_stat(struct mount *m, uint64_t ino, const struct actor *who, struct stat *st, struct err *e);
/* Of a file that is only read. */
void mount_text_stat(struct stat *st, uint64_t ino, mode_t mode, uid_t uid, size_t size, const struct timespec *time);
void mount_stat_size(struct stat *st, size_t size);
/* Of what rowfs makes. A model's directory changed when a commit last touched its rows. */
void mount_dir_stat(const struct mount *m, uint64_t ino, mode_t mode, struct stat *st);
mode_t mount_record_mode(const struct model *model);
/* Of what rowfs makes. Who may not read records finds nothing by their values and can't export them; who may make names
 * in the model's directory may import. */
mode_t mount_made_mode(const struct mount *m, const struct node *node);
/* A record's attributes from its stamp and the size of its text. */
void mount_record_stat(const struct mount *m, const struct model *model, const struct stamp *stamp, size_t size,
		       struct stat *st);

#endif
