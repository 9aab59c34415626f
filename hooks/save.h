/*
 * save.h - the one way in which rows change: an array of changes, one transaction, hooks in their order.
 *
 * save() is called by the filesystem for a file and by the job runner for a job. It may be called from any thread,
 * holds no lock when it returns and none but the store's write transaction while programs run.
 */
#ifndef ROWFS_SAVE_H
#define ROWFS_SAVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "../store/arena.h"
#include "../store/err.h"
#include "../store/store.h"
#include "hook.h"
#include "journal.h"

struct actor {
	uid_t uid;
	gid_t gid;
	pid_t pid;     /* 0: the daemon itself */
	bool in_group; /* of the mount; set only where a mode makes a difference of it */
};

struct saver; /* the schema, its hooks, the store: what a mount saves with */

/* mount: absolute path of the mountpoint, for ROWFS_MOUNT. All are borrowed and outlive the saver. */
int saver_new(struct saver **out, const struct schema *schema, const struct hooks *hooks, struct store *store,
	      struct journal *journal, const char *mount, struct err *e);
/* Runs the after_commit programs that earlier mounts left. Once the mount is about to answer; not where it is
 * read-only. */
int saver_start(struct saver *s, struct err *e);
/* Waits for after_commit programs that run, at most TIMEOUT_DRAIN_MS. What was not started waits for the next mount. */
void saver_free(struct saver *s);

enum request_kind {
	REQUEST_PUT,   /* the text is the record */
	REQUEST_MERGE, /* the text is a merge patch; on a key without a record it is a create */
	REQUEST_DELETE,
	REQUEST_MOVE,    /* to new_key, and to another model when new_model is not NULL; replaces what is there */
	REQUEST_RESTORE, /* what is kept of the deleted record of the key, as new_key; replaces what is there */
	REQUEST_EXCHANGE /* the records of key and new_key get each other's key */
};
enum expect { EXPECT_ANY, EXPECT_RECORD /* else ENOENT */, EXPECT_NONE /* else EEXIST */ };

struct request {
	enum request_kind kind;
	const struct model *model;
	struct value key;   /* VALUE_NULL with PUT: the document's, or the next key */
	enum expect expect; /* of the key; for MOVE and RESTORE of the new key */
	bool if_there;      /* of DELETE: else nothing is to be done */
	const char *text;
	size_t len;
	bool judged; /* json_scan has called all of the text complete */
	const struct model *new_model;
	struct value new_key;
	const struct field *where; /* of PUT and MERGE: only while it has the value `was`, else ENOENT; NULL: always */
	struct value was;
	bool trusted; /* the server itself: read-only fields may be set, owners are not asked, hooks run */
	/*
	 * What store_checksum said of the record when it was read: where it has another one now, -EBUSY, found inside
	 * the transaction. Not looked at where there is no record (expect says whether that may be). Of the record of
	 * `key`; for RESTORE of the one that new_key has. NULL: any. A document's own `_checksum` is looked at besides.
	 */
	const char *checksum;
	const char *target_checksum; /* the same of what a MOVE replaces, and of an EXCHANGE's new_key */

	/* The job runner's, trusted. */
	bool runner;     /* who claims is it; its end of a start counts whoever the worker is */
	int64_t attempt; /* -EBUSY unless the job runs and has been started that often; 0: as for others */
	bool quiet;      /* no hook runs */
	bool forget;     /* a deleted record is not kept */
};

/* What became of a request. The key's text lies in the arena given to save. */
struct outcome {
	struct value key;
	enum verb verb;
	bool changed;                 /* false: the content was equal, nothing happened */
	char checksum[CHECKSUM_SIZE]; /* of the record as it is now, where the request had one; "" for a delete, and
					 with a report */
	const struct answer *answer;  /* that mount.conf declares for it; NULL: the record itself answers */
	struct value answer_key;      /* of the row that answers; VALUE_NULL: the save has made none */
};

/*
 * All requests in one transaction, or none. Fills outcomes[n] (NULL is fine). The sentence and the problems with line
 * and column are in *e; it does not write to the journal (the caller knows the path). Returns after the commit is
 * durable and before after_commit programs.
 */
int save(struct saver *s, const struct actor *actor, const struct request *requests, size_t n, struct outcome *outcomes,
	 struct arena *a, struct err *e);

/* 1: *out is the next request, its text stays until the next call; 0: the end; negative: an error in *e. */
typedef int save_next(void *data, struct request *out, struct err *e);

/*
 * PUT requests that come one by one, all in one transaction: each has had its row and its post hooks when the next one
 * is asked for. A request without a key has its document's, whether there is such a record or not. What no hook
 * of before_commit or after_commit is to see is forgotten at once. On an error the last request is the one to blame,
 * or none: *blamed tells.
 */
int save_stream(struct saver *s, const struct actor *actor, save_next *next, void *data, bool *blamed, struct err *e);

/* A record that a save has changed. */
struct saved_change {
	const struct model *model;
	const struct value *key;
	enum verb verb;
	const struct value *old, *row; /* NULL on create, delete */
	bool asked;                    /* by the request of a user; false: by a hook, a cascade or the runner */
};
/* Told of each after the commit, on the thread that saved, which holds no lock. Must not wait. */
struct observer {
	void (*changed)(void *data, const struct saved_change *change);
	void *data;
	struct observer *next;
};
/* While nothing is saved; borrowed until it is forgotten. */
void saver_observe(struct saver *s, struct observer *o);
void saver_forget(struct saver *s, struct observer *o);
/* The text of an answer: fields of a row, the record's file, or null. -ENOENT when the row is gone. */
int answer_write(struct conn *c, const struct model *m, const struct outcome *outcome, struct buf *out, struct err *e);

/* What several requests in one save tell besides. */
struct report {
	size_t room;   /* for all answers; those that find none are left out */
	size_t failed; /* the request that was refused; n: no single one was */
	/* What each answers, or would have answered before another one was refused, one behind the other. */
	struct buf answers;
	/* n: where in answers its own ends; it begins where that of the one before it ends. Nothing between: none. */
	size_t *ends;
};
int save_all(struct saver *s, const struct actor *actor, const struct request *requests, size_t n,
	     struct outcome *outcomes, struct report *report, struct arena *a, struct err *e);

/*
 * Where programs of hooks find the transaction that they run in: show makes a directory of it for the program's user
 * and puts its path into path[size]; hide ends that, and takes the stage. Set once, before the first save; without it
 * there is none.
 */
struct stage;
struct showcase {
	void *(*show)(void *data, struct stage *g, uid_t uid, gid_t gid, char *path, size_t size);
	void (*hide)(void *data, void *shown);
	void *data;
};
void saver_show_in(struct saver *s, const struct showcase *showcase);

/* True when the process belongs to a program that the save pipeline waits for: its writes to the mount get EDEADLK. */
bool saver_waits_for(struct saver *s, pid_t pid);

#endif
