/*
 * store.h - the database: rows, read in snapshots and changed in transactions. The only door between rowfs and SQL.
 *
 * A second store (PostgreSQL) would be a second implementation of this header. No function here knows of files, drafts
 * or hooks. A `struct conn` is either a reader's snapshot or the write transaction; reading functions take both, so
 * that what runs inside a transaction sees it.
 *
 * Threads: any number may read and write at once. One transaction writes at a time; txn_begin waits for it.
 * Transactions that wait while one commits share the next commit (group commit): each is a savepoint of it, and
 * txn_commit returns when the group is durable. Lock order: store.writer, then store.pool; none is held when a function
 * returns but store.writer between txn_begin and txn_commit or txn_rollback.
 *
 * Errors: ETIMEDOUT when another program keeps the database locked for TIMEOUT_BUSY_MS, ENOSPC, EDQUOT, EIO, EROFS,
 * ENOMEM; each with a sentence in *e.
 */
#ifndef ROWFS_STORE_H
#define ROWFS_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "arena.h"
#include "buf.h"
#include "err.h"
#include "limits.h"
#include "model.h"
#include "record.h"

struct store;
struct conn;

enum { STORE_READ_ONLY = 1 };
enum { STORE_MAX_NUMBER = 8191 }; /* of store_model_number; fs/node.h has room for no more */

/*
 * Opens the schema's database, makes missing tables, indexes and triggers, and compares the others with the schema: a
 * difference is -EBADMSG with one problem per difference ("table orders: column qty is TEXT, mount.conf says integer").
 * Nothing is changed when there is one, nor ever with STORE_READ_ONLY. Without it only one process at a time may have
 * the database open: -EBUSY for another, which first waits TIMEOUT_HELD_MS, or TIMEOUT_ENDING_MS for one that is
 * ending.
 */
int store_open(struct store **out, const struct schema *schema, unsigned flags, struct err *e);
/* A database in memory with the schema's tables, for `rowfs check` and tests of SQL. */
int store_open_memory(struct store **out, const struct schema *schema, struct err *e);
/* Makes in it what else the schema's database has, for SQL that uses tables that are no models. */
int store_borrow(struct store *memory, struct err *e);
/* A `check` of a field that does not compile is a mistake of the conf, and is taken away. */
int checks_compile(struct schema *s, struct conf *c, struct err *e);
void store_close(struct store *s); /* NULL is fine; no conn may be in use */
/* Tells another process that waits to open the database that this one will close it soon. */
void store_ending(struct store *s);
/*
 * The descriptor that keeps other mounts away, -1 without one: as long as a process has it open, they wait. And what
 * store_ending does, with it, for a process that has inherited it.
 */
int store_hold_fd(const struct store *s);
void store_hold_ending(int fd);
/* The comparison alone: 0 also where there is no database or table yet; changes nothing. */
int store_compare(const struct schema *schema, struct err *e);
/* The statements that would close the differences between schema and database, one a line; runs none. */
int store_print_differences(const struct schema *schema, FILE *to, struct err *e);

/*
 * The number kept in the database for the model's name, 1 and up: it stays when mount.conf changes, and no other model
 * ever has it. And the model of a number; NULL where mount.conf has none.
 */
unsigned store_model_number(const struct store *s, const struct model *m);
const struct model *store_numbered_model(const struct store *s, unsigned number);

/* Called after each commit with true for each model index whose rows it touched, on the committing thread, no lock
 * held. */
void store_on_commit(struct store *s, void (*touched)(void *data, const bool *models), void *data);
/*
 * Rows that a transaction has changed, also by SQL of hooks, in order; a row stands there once, unless many others were
 * changed between. Those of other programs are not told.
 */
struct changed_row {
	const struct model *model;
	struct value key; /* text is borrowed */
	enum verb verb;   /* VERB_CREATE, VERB_PATCH or VERB_DELETE */
	uint64_t txn;     /* numbered from 1, in the order of the commits */
	uid_t uid;        /* txn_by */
};
/*
 * Called for each commit that has changed rows, in the order of the commits, when they are durable and before anybody
 * who waits for them is told; it must not call the store. `more` rows were too many to be kept (LIMIT_EVENTS). Once,
 * before there are threads; nothing is kept until store_watch.
 */
void store_on_rows(struct store *s, void (*changed)(void *data, const struct changed_row *rows, size_t n, size_t more),
		   void *data);
void store_watch(struct store *s, bool wanted);

/* True when another program has changed the database since the last call. Cheap. Not thread-safe: one caller. */
bool store_changed_elsewhere(struct store *s);

/* ---- reading ---- */

/* A snapshot; waits when all LIMIT_READERS are in use. NULL with *e on failure. It shows everything. */
struct conn *store_read_begin(struct store *s, struct err *e);
/*
 * A snapshot as the user sees it: of models that are visible to owners alone, only the user's records are there for
 * store_get, store_show, cursors, counts, shown children and whatever has $Y in its statement (sqlite_text.c). Root and
 * the user of this process, who has mounted, see everything.
 */
struct conn *store_read_as(struct store *s, uid_t viewer, struct err *e);
void store_read_end(struct conn *c); /* NULL is fine */
/* The same for a connection that is there, a transaction's too, until the next call; returns who saw it before. */
uid_t store_view_as(struct conn *c, uid_t viewer);
enum { VIEW_ALL = 0 };
bool store_sees_all(const struct store *s, uid_t uid);
/*
 * As the user sees it, for reads about one record of the model of which each may see another state: a call of
 * store_get, store_find, store_show or store_key_of sees one without a snapshot around it. Where nobody writes it is
 * the writing connection, which has the pages that were changed last and is nobody else's until store_read_end: no
 * transaction may be begun before that.
 */
struct conn *store_read_once(struct store *s, const struct model *m, uid_t viewer, struct err *e);

/* What is kept beside a row. */
struct stamp {
	int64_t serial;   /* never another key's, of this model; the key itself for integer keys */
	int64_t mtime_ns; /* since 1970; strictly increasing */
	int64_t ctime_ns; /* also moved by shown children; never before mtime */
	uid_t owner;      /* who mounted where the model has no owner, or the record none */
};

/* The row, texts in the arena, -ENOENT without one. row and stamp may be NULL. */
int store_get(struct conn *c, const struct model *m, const struct value *key, struct arena *a, struct value *row,
	      struct stamp *stamp, struct err *e);
/* The row alone, where it need not be there: 1, or 0. */
int store_find(struct conn *c, const struct model *m, const struct value *key, struct arena *a, struct value *row,
	       struct err *e);
/* The key that has the serial; for models without an integer key. -ENOENT. */
int store_key_of(struct conn *c, const struct model *m, int64_t serial, struct arena *a, struct value *key,
		 struct err *e);
/*
 * Prints the record as its file shows it (record.h), relations included, with the newline at its end. stamp may be
 * NULL. -ENOENT. The text never exceeds LIMIT_RECORD because of its has-many members: fewer are shown. Of embedded
 * records all are; -EFBIG where they are too many.
 */
int store_show(struct conn *c, const struct model *m, const struct value *key, struct buf *out, struct stamp *stamp,
	       struct err *e);

/* The same without has-many and has-one, on one line: as `jq -c .` prints it. */
int store_line(struct conn *c, const struct model *m, const struct value *key, struct buf *out, struct err *e);
/*
 * The record's checksum: SHA-256, in lower-case digits, of what its file shows as one line with a newline at its end,
 * without `_checksum` and those relations that mount.conf's `checksum with` does not name. -ENOENT.
 */
int store_checksum(struct conn *c, const struct model *m, const struct value *key, char out[CHECKSUM_SIZE],
		   struct err *e);

/* Records in order of serial (for integer keys: of the key), from the first above `after`. */
struct cursor;
int cursor_open(struct cursor **out, struct conn *c, const struct model *m, int64_t after, struct err *e);
/* 1: *key (borrowed until the next call) and *serial are set; 0: the end; negative: an error. */
int cursor_next(struct cursor *cur, struct value *key, int64_t *serial, struct err *e);
void cursor_close(struct cursor *cur); /* before store_read_end; NULL is fine */

/* Whether records are to be found by the field's value: it is shown, no key, and an enum, unique, a reference or
 * indexed. */
bool store_finds_by(const struct store *s, const struct model *m, const struct field *f);
/*
 * Records whose field has the value (null too), which is borrowed: one walk over the index from the first above the
 * place `after`. cursor_next gives places instead of serials: the key of integer keys, else the row's number, so that a
 * place is another record's after VACUUM.
 */
int cursor_open_by(struct cursor **out, struct conn *c, const struct model *m, const struct field *f,
		   const struct value *value, int64_t after, struct err *e);
/* The field's next stored value above the one, in the column's order; from the first one that is not null with NULL. 1,
 * or 0 at the end. */
int store_next_value(struct conn *c, const struct model *m, const struct field *f, const struct value *after,
		     struct arena *a, struct value *out, struct err *e);
int store_has_null(struct conn *c, const struct model *m, const struct field *f, struct err *e); /* 1 or 0 */
int store_count(struct conn *c, const struct model *m, int64_t *out, struct err *e);

/* Whose a row is, or would be, which need not be stored. NO_OWNER: nobody's, as is every row of a model without
 * `owner`.
 */
#define NO_OWNER ((uid_t)-1)
int store_owner(struct conn *c, const struct model *m, const struct value *row, uid_t *owner, struct err *e);

/*
 * Rows of the child's records that the key's record embeds, in the order in which its file shows them; copies in the
 * arena, one after another.
 */
int store_embedded(struct conn *c, const struct relation *relation, const struct value *key, struct arena *a,
		   struct value **rows, size_t *n, struct err *e);
/* Keys of the child's records that refer to the key by the field; copies in the arena. */
int store_children(struct conn *c, const struct model *child, const struct field *by, const struct value *key,
		   struct arena *a, struct value **keys, size_t *n, struct err *e);

/*
 * What only the database knows of a row that is to be written: dangling references (EBADMSG), unique values that
 * another record has (EEXIST), fields' `check` expressions (EBADMSG). Adds problems with pointers; old may be NULL;
 * references and unique values that equal the old ones are not looked up.
 */
int store_check(struct conn *c, const struct model *m, const struct value *old, const struct value *row, struct err *e);
/* The same, where a unique value is free if its holder is one that the transaction is about to take it from. */
typedef bool store_yields(void *data, const struct model *m, const struct value *key, const struct field *f);
/* With dangling, a reference to what is not there sets it and is no problem. */
int store_check_among(struct conn *c, const struct model *m, const struct value *old, const struct value *row,
		      store_yields *yields, void *data, bool *dangling, struct err *e);

/* ---- writing ---- */

struct txn {
	struct store *store;
	struct conn *conn; /* for reading inside */
	uint64_t group;
	bool alone; /* its commit is nobody else's */
};

int txn_begin(struct store *s, struct txn *t, struct err *e);
/* The same for who may not wait for another transaction: -EDEADLK while there is one. */
int txn_try_begin(struct store *s, struct txn *t, struct err *e);
/*
 * A transaction that holds what work does: commits it where that returns 0, else takes it back and returns the same.
 * Returns when the group is durable. Where others write meanwhile work runs on the thread of one of them, between its
 * own work and its commit: that is faster than a turn for each. t lasts until then.
 */
typedef int txn_work(void *data, struct err *e);
int txn_run(struct store *s, struct txn *t, txn_work *work, void *data, struct err *e);
/* Who changes rows from now on, for changed_row; root until it is told. */
void txn_by(struct txn *t, uid_t uid);
/* While it is on, references are judged at txn_commit, and txn_delete forbids nothing. Off before the transaction ends.
 */
int txn_defer_references(struct txn *t, bool on, struct err *e);
/* Returns when the group is durable. On failure nothing of this transaction is stored. */
int txn_commit(struct txn *t, struct err *e);
void txn_rollback(struct txn *t);

/* The key that the next create without one gets; integer keys only, else -EBADMSG. Uses up nothing. */
int store_next_key(struct conn *c, const struct model *m, struct value *key, struct err *e);
/* Takes the next key, for good if the transaction is committed. */
int txn_take_key(struct txn *t, const struct model *m, struct value *key, struct err *e);
/* Takes the next key for good: it is durable and never given again, whoever crashes. Cheap where many are wanted. */
int store_reserve_key(struct store *s, const struct model *m, struct value *key, struct err *e);
/* The same for who may not wait for another transaction: -EDEADLK while there is one. */
int store_try_reserve_key(struct store *s, const struct model *m, struct value *key, struct err *e);
/* Nobody was told of the key: it is the next one again, unless another one was reserved since. */
void store_unreserve_key(struct store *s, const struct model *m, const struct value *key);

/* Key in the row; constraints that store_check should have found are mapped to the same errors. Raises the key counter.
 */
int txn_insert(struct txn *t, const struct model *m, const struct value *row, struct err *e);
/* key is the stored one; row may hold another (key change; references follow). -ENOENT. */
int txn_update(struct txn *t, const struct model *m, const struct value *key, const struct value *row, struct err *e);
/* -ENOENT; -EBUSY when references forbid it, the sentence names one. */
int txn_delete(struct txn *t, const struct model *m, const struct value *key, struct err *e);
/* Gives the row a key that no other has, so that its own is free: *aside, in the arena. References follow. -ENOENT. */
int txn_set_aside(struct txn *t, const struct model *m, const struct value *key, struct arena *a, struct value *aside,
		  struct err *e);
/* Number and times of a record that txn_delete took, for another that gets its key: they go on from there. */
int txn_keep_stamp(struct txn *t, const struct model *m, const struct value *key, const struct stamp *stamp,
		   struct err *e);

/* ---- deleted records ---- */

/*
 * The last version of a deleted record, kept for TIMEOUT_DELETED_MS in rowfs_deleted: its file's text, and what no file
 * shows. Texts lie in the arena. A read-only store that has never been written has none.
 */
struct deleted {
	int64_t serial; /* never given twice */
	struct value key;
	uid_t uid;       /* who deleted it */
	int64_t time_ms; /* when, since 1970 */
	size_t size;     /* of the text */
	struct value text;
	struct value secrets; /* write-only and hidden fields, a JSON object; never to be shown */
};

/* Keeps the stored record, which is about to be deleted, in the place of what is kept of its key. */
int txn_keep_deleted(struct txn *t, const struct model *m, const struct value *key, uid_t uid, struct err *e);
int txn_forget_deleted(struct txn *t, const struct model *m, int64_t serial, struct err *e);
/* The same in a durable transaction of its own. */
int store_forget_deleted(struct store *s, const struct model *m, int64_t serial, struct err *e);
/* What is kept of the key, or under the serial with key NULL: 1, or 0 where there is nothing. */
int store_get_deleted(struct conn *c, const struct model *m, const struct value *key, int64_t serial, struct arena *a,
		      struct deleted *out, struct err *e);
/* False: no record of the model was deleted at the time or later. Cheap. */
bool store_deleted_since(const struct store *s, const struct model *m, int64_t time_ms);
/* The next ones above the serial that the user deleted (0: all users'), without texts; *n is 0 at the end. */
int store_list_deleted(struct conn *c, const struct model *m, int64_t after, uid_t uid, struct arena *a,
		       struct deleted **list, size_t *n, struct err *e);

/* ---- earlier versions ---- */

/* What a record was, by whose save; of models that keep their history. Texts lie in the arena. */
struct version {
	int64_t serial;  /* never given twice */
	int64_t record;  /* a number of its record, as long as there are versions of it */
	int64_t time_ns; /* since 1970; strictly increasing for a record */
	const char *verb;
	bool known; /* who saved it; false: SQL or another program, or it was before there was a history */
	uid_t uid;
	gid_t gid;
	pid_t pid;
	const char *comm;
	uid_t owner; /* whose the record was; NO_OWNER as of store_owner */
	size_t size; /* of the text */
	struct value text;
};
/* As the connection's viewer sees them: of models that are visible to owners alone, the versions that were his. */

/* Before the transaction changes the record, or what it embeds, or creates or deletes it; by: verb and who. */
int txn_version_begin(struct txn *t, const struct model *m, const struct value *key, const struct version *by,
		      struct err *e);
/* When it has changed everything: the records of the model that were begun have new versions, or have none. */
int txn_versions_end(struct txn *t, const struct model *m, struct err *e);
/* 1 and the record's number, or 0 where nothing is kept of it. */
int store_version_record(struct conn *c, const struct model *m, const struct value *key, int64_t *number,
			 struct err *e);
/* 1 and the record with the next number above `after`, or 0. */
int store_version_next_record(struct conn *c, const struct model *m, int64_t after, struct arena *a, int64_t *number,
			      struct value *key, struct err *e);
/* By the record's number and the time, or by its serial with record 0: 1, or 0. Present versions are no earlier ones.
 */
int store_version_get(struct conn *c, const struct model *m, int64_t record, int64_t number, struct arena *a,
		      struct version *out, struct err *e);
/* The next ones above the serial, oldest first, without texts; *n is 0 at the end. */
int store_version_list(struct conn *c, const struct model *m, int64_t record, int64_t after, struct arena *a,
		       struct version **list, size_t *n, struct err *e);
/* 1 where the text is that of one of the record's earlier versions. */
int store_is_version(struct conn *c, const struct model *m, const struct value *key, const char *text, size_t len,
		     struct err *e);
/* ---- staged rows ---- */

/*
 * Rows over the stored ones that only one connection sees: every reading function above shows them there as if they
 * were stored, in lists, in what is embedded, as references and as unique values. They are in memory, and never in the
 * database; what is stored shows through where nothing is staged. A connection of its own is a snapshot from its first
 * read until stage_rest; on that of a write transaction rows are staged over what the transaction has made so far.
 */
int stage_open(struct store *s, struct conn **out, struct err *e);
void stage_close(struct conn *c); /* NULL is fine */
/* For reading as the viewer; store_read_end of the connection calls `ended`, which takes it back with VIEW_ALL and
 * NULL. */
void stage_hand_out(struct conn *c, uid_t viewer, void (*ended)(void *data), void *data);
/* Begins the snapshot before the first read. */
int stage_hold(struct conn *c, struct err *e);
/* Ends the snapshot; what is staged stays. Nothing for a write transaction's. */
void stage_rest(struct conn *c);
/*
 * Before anything else is done with the connection: what could not be ended when it was to, for want of memory, is now.
 * -errno: it still can't be, or what was staged is lost, as it will be said from then on.
 */
int stage_ready(struct conn *c, struct err *e);
/* Makes room for rows of the model. */
int stage_prepare(struct conn *c, const struct model *m, struct err *e);
int stage_begin(struct conn *c, struct err *e);
/* Takes back what was staged since stage_begin, or keeps it; -errno: it could not be kept, and is taken back. */
int stage_end(struct conn *c, bool keep, struct err *e);
/* A negative integer key is that of a record that gets its own later: such a record is in no list. */
int stage_put(struct conn *c, const struct model *m, const struct value *row, struct err *e);
/* The next row put that is new goes on from the stamp of the one whose place it takes. */
void stage_keep_stamp(struct conn *c, const struct model *m, const struct stamp *stamp);
/* The row is gone; -ENOENT. */
int stage_remove(struct conn *c, const struct model *m, const struct value *key, struct err *e);
/* What is stored of the key shows through again. */
int stage_forget(struct conn *c, const struct model *m, const struct value *key, struct err *e);
/* 1 and the row as it was before it went, or 0. */
int stage_removed(struct conn *c, const struct model *m, const struct value *key, struct arena *a, struct value *row,
		  struct err *e);
/* txn_keep_deleted, to be seen on the connection alone, where store_get_deleted and store_list_deleted find it. */
int stage_keep_deleted(struct conn *c, const struct model *m, const struct value *key, uid_t uid, struct err *e);
/* What is kept of the key is not to be seen there; what was kept there never was. */
int stage_forget_deleted(struct conn *c, const struct model *m, const struct value *key, struct err *e);
int stage_undelete(struct conn *c, const struct model *m, const struct value *key, struct err *e);
/* Nothing is staged any more. */
int stage_discard(struct conn *c, struct err *e);

/*
 * The next job to run: status queued, run_at due, by priority (highest first), run_at, key. 1: *key is set (in the
 * arena); 0: none is due, *next_ms is milliseconds until one is (-1: none at all).
 */
int store_due_job(struct conn *c, const struct model *queue, struct arena *a, struct value *key, long long *next_ms,
		  struct err *e);
/* Keys of jobs with the status. */
int store_jobs_with(struct conn *c, const struct model *queue, const char *status, struct arena *a, struct value **keys,
		    size_t *n, struct err *e);

/* ---- programs that are to run after a commit ---- */

struct pending {
	int64_t id;         /* in the order of the commits; never another's */
	int64_t batch;      /* the first one of the same save; 0 for that one when it is added */
	int64_t created_ms; /* times are milliseconds since 1970 */
	int64_t next_ms;    /* not before; 0: was never tried */
	int64_t failed_ms;  /* the last end without success, status 75 too; 0: none */
	int64_t attempts;   /* that failed */
	bool held;          /* mount.conf has no such hook */
	int64_t uid, pid;
	const char *model, *path, *hook, *event;
	const char *message; /* of the last failure, or NULL */
};
struct pending_total {
	bool kept; /* there is a table of them */
	int64_t n, held, since_ms;
};
/* Those of one hook. */
struct pending_group {
	const char *model, *hook, *path; /* of one of them */
	bool any_held, all_held;
	int64_t n;
	struct pending_group *next;
};

/* Makes the table if it is wanted; without it nothing ever waits, and only reading functions may be called. */
int store_pending_open(struct store *s, bool create, struct err *e);
int txn_pending_add(struct txn *t, const struct pending *p, int64_t *id, struct err *e);
int txn_pending_remove(struct txn *t, int64_t id, struct err *e); /* -ENOENT */
/* Stores attempts, next_ms, failed_ms and message. */
int txn_pending_fail(struct txn *t, const struct pending *p, struct err *e);
int txn_pending_hold(struct txn *t, const char *model, const char *hook, bool held, struct err *e);
/* Whatever is to be tried again later is due now. */
int txn_pending_hurry(struct txn *t, struct err *e);
/*
 * 1 and the next to run, or 0. Of those that were never tried: in order, but one that is before it and of another model
 * and another save need not have ended. With `again`, of those that have failed: the one that is due longest. `running`
 * are ids, filled up with 0.
 */
int store_pending_next(struct conn *c, bool again, int64_t now_ms, const int64_t running[LIMIT_AFTER], struct arena *a,
		       struct pending *out, struct err *e);
/* When the next one that failed is due; -1: none is. */
int store_pending_due(struct conn *c, const int64_t running[LIMIT_AFTER], int64_t *due_ms, struct err *e);
int store_pending_get(struct conn *c, int64_t id, struct arena *a, struct pending *out, struct err *e); /* -ENOENT */
/* 1 and the first above the id, or 0. */
int store_pending_following(struct conn *c, int64_t id, struct arena *a, struct pending *out, struct err *e);
int store_pending_last_failed(struct conn *c, struct arena *a, struct pending *out, struct err *e);
int store_pending_total(struct conn *c, struct pending_total *out, struct err *e);
int store_pending_groups(struct conn *c, struct arena *a, struct pending_group **out, struct err *e);

/* ---- SQL of hooks ---- */

struct sql;

/*
 * Compiles the statements of a hook, on the writer and once. Transaction control, ATTACH, DETACH, PRAGMA and changes to
 * the tables' structure are refused, as is a name behind : that `known` denies. -EBADMSG with SQLite's sentence.
 * The statements live until store_close.
 */
int sql_prepare(struct store *s, const char *text, bool (*known)(void *data, const char *name), void *data,
		struct sql **out, struct err *e);

/* The value of :NAME, borrowed during the call. */
typedef void sql_lookup(void *data, const char *name, struct value *out);
/* A column of a returned row; text is borrowed. A negative result ends the run with it. */
typedef int sql_column(void *data, const char *name, const struct value *value, struct err *e);
/* Runs all statements in the transaction; `column` may be NULL. SQLite's errors are EBADMSG for constraints. */
int sql_run(struct txn *t, struct sql *sql, sql_lookup *lookup, sql_column *column, void *data, struct err *e);

#endif
