/*
 * stage.h - a transaction that is being prepared: requests that are checked at once and saved together later.
 *
 * Each request is carried out as save() would, without hooks, over rows that only this transaction sees, so whoever
 * reads through it sees what the records would be; nobody else sees anything. References to what is not there are left
 * to the commit, so that the order in which records come does not matter. stage_commit hands all requests to one
 * save(). Requests for one record become one where that makes no difference. Everything is in memory.
 *
 * All functions may be called from any thread; each takes the stage's lock, but not while save() runs.
 */
#ifndef ROWFS_STAGE_H
#define ROWFS_STAGE_H

#include "save.h"

struct stage;

/* A transaction of its own. trusted: for a hook (struct request). */
int stage_new(struct stage **out, struct saver *s, bool trusted, struct err *e);
/* One inside the write transaction, whose thread waits until stage_take or stage_end. */
int stage_new_inside(struct stage **out, struct saver *s, struct txn *t, struct err *e);
void stage_free(struct stage *g); /* NULL is fine */
/*
 * Before the first request: what would wait for another save's transaction is -EDEADLK, for that may wait for the
 * program which stages. Whether that has happened.
 */
void stage_never_wait(struct stage *g);
bool stage_would_wait(struct stage *g);
/* Before the first request: none becomes part of another, and they are told by these names, borrowed. */
void stage_keep_separate(struct stage *g, const char *const *methods);
/* Drops what is staged: from here on every function says -ENOENT. */
void stage_abort(struct stage *g);

/* As store_read_as, ended by store_read_end, which the lock is held until. NULL with *e: -ENOENT when it has ended.
 */
struct conn *stage_read_begin(struct stage *g, uid_t viewer, struct err *e);

/*
 * save() of one request, staged. -EBUSY while it is being committed, -EROFS afterwards, -EFBIG over LIMIT_CHANGES or
 * LIMIT_STAGED_BYTES.
 */
int stage_save(struct stage *g, const struct actor *actor, const struct request *request, struct outcome *outcome,
	       struct arena *a, struct err *e);
/* The same of requests that come one by one, all or none; *blamed as save_stream tells it. */
int stage_save_stream(struct stage *g, const struct actor *actor, save_next *next, void *data, bool *blamed,
		      struct err *e);
/* A key that no other record gets. */
int stage_reserve_key(struct stage *g, const struct model *m, struct value *key, struct err *e);

/*
 * One save() of all that is staged. Refused, it stays as it is and can be corrected. *answer gets a document about what
 * became of each request (report.h), with the answers for which `room` bytes are enough.
 */
int stage_commit(struct stage *g, const struct actor *actor, size_t room, struct buf *answer, struct err *e);
bool stage_committed(struct stage *g);
/*
 * Ends what a program has staged: its requests are caused by the change (cause.h), for the saving to carry out; `hook`
 * is named in messages. With `keep` false they are dropped.
 */
struct saving;
struct change;
int stage_take(struct stage *g, bool keep, struct saving *v, struct change *by, const char *hook, struct err *e);
/* How many requests it has. */
size_t stage_size(struct stage *g);
/* About how many bytes of memory; takes no lock. */
size_t stage_held(const struct stage *g);

#endif
