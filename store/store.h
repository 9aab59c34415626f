/*
 * store.h - the database: rows, read in snapshots and changed in transactions. The only door between rowfs and SQL.
 *
 * A second store (PostgreSQL) would be a second implementation of this header. No function here knows of files, drafts
 * or hooks. A `struct conn` is either a reader's snapshot or the write transaction; reading functions take both, so that
 * what runs inside a transaction sees it.
 *
 * Threads: any number may read and write at once. One transaction writes at a time; txn_begin waits for it. Transactions
 * that wait while one commits share the next commit (group commit): each is a savepoint of it, and txn_commit returns
 * when the group is durable. Lock order: store.writer, then store.pool; none is held when a function returns but
 * store.writer between txn_begin and txn_commit or txn_rollback.
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
#include "model.h"
#include "record.h"

struct store;
struct conn;

enum { STORE_READ_ONLY = 1 };
enum { STORE_MAX_NUMBER = 8191 }; /* of store_model_number; fs/node.h has room for no more */

/*
 * Opens the schema's database, makes missing tables, indexes and triggers, and compares the others with the schema: a
 * difference is -EBADMSG with one problem per difference ("table orders: column qty is TEXT, mount.conf says integer").
 * Nothing is changed when there is one, nor ever with STORE_READ_ONLY.
 */
int store_open(struct store **out, const struct schema *schema, unsigned flags, struct err *e);
/* A database in memory with the schema's tables, for `rowfs check` and tests of SQL. */
int store_open_memory(struct store **out, const struct schema *schema, struct err *e);
void store_close(struct store *s); /* NULL is fine; no conn may be in use */
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

/* Called after each commit with true for each model index whose rows it touched, on the committing thread, no lock held. */
void store_on_commit(struct store *s, void (*touched)(void *data, const bool *models), void *data);
/* True when another program has changed the database since the last call. Cheap. Not thread-safe: one caller. */
bool store_changed_elsewhere(struct store *s);

/* ---- reading ---- */

/* A snapshot; waits when all LIMIT_READERS are in use. NULL with *e on failure. */
struct conn *store_read_begin(struct store *s, struct err *e);
void store_read_end(struct conn *c); /* NULL is fine */

/* What is kept beside a row. */
struct stamp {
	int64_t serial;   /* never another key's, of this model; the key itself for integer keys */
	int64_t mtime_ns; /* since 1970; strictly increasing */
	int64_t ctime_ns; /* also moved by shown children; never before mtime */
};

/* The row, texts in the arena, -ENOENT without one. row and stamp may be NULL. */
int store_get(struct conn *c, const struct model *m, const struct value *key, struct arena *a, struct value *row,
              struct stamp *stamp, struct err *e);
/* The key that has the serial; for models without an integer key. -ENOENT. */
int store_key_of(struct conn *c, const struct model *m, int64_t serial, struct arena *a, struct value *key,
                 struct err *e);
/*
 * Prints the record as its file shows it (record.h), relations included, with the newline at its end. stamp may be NULL.
 * -ENOENT. The text never exceeds LIMIT_RECORD because of its has-many members: fewer are shown. Of embedded records
 * all are; -EFBIG where they are too many.
 */
int store_show(struct conn *c, const struct model *m, const struct value *key, struct buf *out, struct stamp *stamp,
               struct err *e);

/* Records in order of serial (for integer keys: of the key), from the first above `after`. */
struct cursor;
int cursor_open(struct cursor **out, struct conn *c, const struct model *m, int64_t after, struct err *e);
/* 1: *key (borrowed until the next call) and *serial are set; 0: the end; negative: an error. */
int cursor_next(struct cursor *cur, struct value *key, int64_t *serial, struct err *e);
void cursor_close(struct cursor *cur); /* before store_read_end; NULL is fine */
int store_count(struct conn *c, const struct model *m, int64_t *out, struct err *e);

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
 * What only the database knows of a row that is to be written: dangling references (EBADMSG), unique values that another
 * record has (EEXIST), fields' `check` expressions (EBADMSG). Adds problems with pointers; old may be NULL; references
 * and unique values that equal the old ones are not looked up.
 */
int store_check(struct conn *c, const struct model *m, const struct value *old, const struct value *row, struct err *e);
/* The same, where a unique value is free if its holder is one that the transaction is about to take it from. */
typedef bool store_yields(void *data, const struct model *m, const struct value *key, const struct field *f);
int store_check_among(struct conn *c, const struct model *m, const struct value *old, const struct value *row,
		      store_yields *yields, void *data, struct err *e);

/* ---- writing ---- */

struct txn {
	struct store *store;
	struct conn *conn;  /* for reading inside */
	uint64_t group;
};

int txn_begin(struct store *s, struct txn *t, struct err *e);
/* Returns when the group is durable. On failure nothing of this transaction is stored. */
int txn_commit(struct txn *t, struct err *e);
void txn_rollback(struct txn *t);

/* The key that the next create without one gets; integer keys only, else -EBADMSG. Uses up nothing. */
int store_next_key(struct conn *c, const struct model *m, struct value *key, struct err *e);
/* Takes the next key for good, in its own durable transaction. */
int store_reserve_key(struct store *s, const struct model *m, struct value *key, struct err *e);

/* Key in the row; constraints that store_check should have found are mapped to the same errors. Raises the key counter. */
int txn_insert(struct txn *t, const struct model *m, const struct value *row, struct err *e);
/* key is the stored one; row may hold another (key change; references follow). -ENOENT. */
int txn_update(struct txn *t, const struct model *m, const struct value *key, const struct value *row, struct err *e);
/* -ENOENT; -EBUSY when references forbid it, the sentence names one. */
int txn_delete(struct txn *t, const struct model *m, const struct value *key, struct err *e);

/*
 * The next job to run: status queued, run_at due, by priority (highest first), run_at, key. 1: *key is set (in the
 * arena); 0: none is due, *next_ms is milliseconds until one is (-1: none at all).
 */
int store_due_job(struct conn *c, const struct model *queue, struct arena *a, struct value *key, long long *next_ms,
                  struct err *e);
/* Keys of jobs with the status. */
int store_jobs_with(struct conn *c, const struct model *queue, const char *status, struct arena *a, struct value **keys,
                    size_t *n, struct err *e);

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
