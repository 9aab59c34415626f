/*
 * sqlite.h - inside of the SQLite store: the store, its connections and their statements.
 *
 * Nothing outside store/sqlite*.c includes this. A connection is used by one thread at a time: a reader by the one that
 * took it from the pool, the writer by the one whose turn it is (sqlite_txn.c).
 */
#ifndef ROWFS_SQLITE_H
#define ROWFS_SQLITE_H

#define SQLITE_ENABLE_PREUPDATE_HOOK
#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <time.h>

#include "limits.h"
#include "queue.h"

enum {
	WRITER_CACHE_KIB = 1024,
	READER_CACHE_KIB = 256,
	STATEMENT_PIECE = 48 << 10, /* malloc keeps what is freed below 64 KiB at hand */
	DATABASE_PAGE = 2048,       /* of a new one: a save changes little of two pages, and they go to the log whole */
	CHECKPOINT_PAGES = 2000,    /* more in the log than at the last checkpoint start the checkpointer */
	GROUP_AGE_NS = 5 * 1000 * 1000, /* an older group is not extended: one slow hook must not delay many saves */
	COMPANY_NS = 30 * 1000,         /* a shorter wait for others would not pay */
	PLACE_NS = 1000 * 1000,         /* the database is looked for at its path no more often */
};

/* Prepared once a connection, when first used. Their text is in the table in sqlite_text.c. */
enum statement {
	ROW_GET,
	ROW_FIELDS, /* without the stamp */
	ROW_KEY_OF,
	ROW_CURSOR,
	ROW_COUNT,
	ROW_EXISTS,
	ROW_CHECK,
	ROW_OWNER,
	ROW_INSERT,
	ROW_INDEXED,
	ROW_UPDATE,
	ROW_UPDATE_PLAIN,
	ROW_UPDATE_KEY,
	ROW_DELETE,
	STAMP_KEEP,
	STAMP_KEEP_SERIAL, /* of models whose keys are no integers */
	KEY_NEXT,
	KEY_RAISE,
	KEY_ADD,
	KEY_LOWER,
	KEY_BELOW,
	JOB_STATEMENTS, /* from here on: sqlite_job.c has their text */
	JOB_DUE = JOB_STATEMENTS,
	JOB_NEXT,
	JOB_EXPIRED,
	JOB_NEXT_LEASE,
	JOB_LEFT,
	JOB_OVER,
	JOB_NEXT_OVER,
	JOB_RUNNING,
	JOB_DOUBLE,
	JOB_PAUSED,
	JOB_PAUSE,
	JOB_RESUME,
	JOB_STATES,
	JOB_OLDEST_RUNNING,
	JOB_LAST_FAILED,
	LOG_RANGE,
	LOG_READ,
	LOG_ADD,
	LOG_TRIM,
	JOB_STATEMENTS_END,
	DELETED_KEEP = JOB_STATEMENTS_END,
	DELETED_PRUNE,
	DELETED_FORGET,
	DELETED_BY_KEY,
	DELETED_BY_SERIAL,
	DELETED_LIST,
	HISTORY_RECORD,
	HISTORY_ADD_RECORD,
	HISTORY_LAST,
	HISTORY_ADD,
	HISTORY_AGAIN,
	HISTORY_BEGUN,
	HISTORY_FILL,
	HISTORY_DROP,
	HISTORY_TOUCH,
	HISTORY_END,
	HISTORY_PRUNE_COUNT,
	HISTORY_PRUNE_AGE,
	HISTORY_FORGET,
	HISTORY_FORGET_ALL,
	HISTORY_BY_SERIAL,
	HISTORY_BY_TIME,
	HISTORY_LIST,
	HISTORY_NEXT_RECORD,
	HISTORY_HAS,
	STAGED_PUT,
	STAGED_GONE,
	STAGED_WAS,
	STAGED_FORGET,
	DELETED_STAGE,
	DELETED_STAGE_GONE,
	DELETED_UNSTAGE,
	ROW_STATEMENTS,
	FIELD_TAKEN = ROW_STATEMENTS, /* from here on: one a field */
	FIELD_KEYS,
	FIELD_COUNT,
	FIELD_SHOWN,
	FIELD_EMBEDDED,
	FIELD_RECORDS,
	FIELD_FIRST,
	FIELD_NEXT,
	FIELD_HAS_NULL,
	STATEMENTS
};

enum control {
	CONTROL_READ,
	CONTROL_BEGIN,
	CONTROL_COMMIT,
	CONTROL_ROLLBACK,
	CONTROL_SAVEPOINT,
	CONTROL_RELEASE,
	CONTROL_ROLLBACK_TO,
	CONTROL_STAGE,
	CONTROL_STAGE_KEEP,
	CONTROL_STAGE_UNDO,
	CONTROL_VERSION,
	CONTROL_COUNT
};

/* Their text is in the table in sqlite_pending.c. */
enum pending_statement {
	PENDING_ADD,
	PENDING_REMOVE,
	PENDING_FAIL,
	PENDING_HOLD,
	PENDING_HURRY,
	PENDING_NEXT_NEW,
	PENDING_NEXT_AGAIN,
	PENDING_DUE,
	PENDING_GET,
	PENDING_FOLLOWING,
	PENDING_LAST_FAILED,
	PENDING_TOTAL,
	PENDING_GROUPS,
	PENDING_STATEMENTS
};

/* STAGING_KEEP, STAGING_UNDO: it could not be ended yet. */
enum staging { STAGING_NONE, STAGING_OPEN, STAGING_KEEP, STAGING_UNDO };

struct conn {
	struct store *store;
	sqlite3 *db;
	int64_t in_place_ns; /* when its file was last seen to be where it was opened */
	bool begun;          /* a reader's snapshot has begun */
	bool once;           /* the reader needs none: its first statement is active until it has read all */
	bool doubtful;       /* it has read what is no database: its cache must go */
	uid_t viewer;        /* VIEW_ALL, or who sees only what is his */
	sqlite3_stmt *control[CONTROL_COUNT];
	sqlite3_stmt *pending[PENDING_STATEMENTS];
	sqlite3_stmt ***models;    /* by model index, then slot, those for viewers last; NULL until used */
	struct conn *next;         /* in the pool */
	void (*ended)(void *data); /* store_read_end does this instead; NULL: it is of the pool */
	void *ended_data;
	char *staged;          /* by model index: its name stands for a view here (sqlite_stage.c); NULL: none does */
	enum staging staging;  /* what becomes of what is staged since stage_begin */
	bool held;             /* its snapshot ends with it */
	bool keeps;            /* what was staged in it is to stay */
	bool resting;          /* it is to end, and could not yet */
	bool lost;             /* what was to stay has gone */
	int64_t staged_serial; /* the last one given to a staged row */
	const struct model *kept_for; /* the next new row of it takes the place of one with the number and time kept */
	struct stamp kept;
};

/* What a model's name stands for in a statement. */
enum naming {
	NAMES_PLAIN,  /* the table */
	NAMES_STAGED, /* the view of stored and staged rows */
	NAMES_STORED  /* the table, where there is such a view */
};

/* What the database has for a model. */
struct table {
	bool present, view;
	bool stamped;       /* a sidecar is kept */
	bool autoincrement; /* SQLite keeps the key counter */
	bool rowid;
	unsigned number;                               /* sqlite_model.c */
	int key_column;                                /* place of the key among the columns that are stored */
	bool indexed[LIMIT_FIELDS + 1 + QUEUE_FIELDS]; /* by field: an index of the table begins with it */
	_Atomic int64_t deleted_ms;                    /* nothing that is kept of its records was deleted later */
};

/* A statement that returns a key and a number, and is taken out of the cache so that several may walk one model. */
struct cursor {
	struct conn *conn;
	const struct model *model;
	sqlite3_stmt **slot; /* of the cache */
	sqlite3_stmt *stmt;
	enum statement statement;
	const struct field *field; /* of FIELD_RECORDS, with the value that all of them have */
	struct value value;
};

/* Keys from `next` on and below `end` that are taken in the database and were given to nobody yet (sqlite_key.c). */
struct key_block {
	_Atomic int64_t next, end;
	int64_t used; /* above those that the running transaction has used; 0: none */
	int64_t size; /* of the last one */
};

/* A thread that waits for its turn; lies on its stack. */
struct waiter {
	struct waiter *next;
	sem_t wake;
	struct task *task; /* NULL: it waits to do something itself */
};

/* A transaction that waits for its group; lies on the stack of txn_commit. */
struct member {
	struct member *next;
	struct err *e;
	int result;
	sem_t *settled;
};

struct touch {
	char *table;
	size_t model;
	bool sidecar;
};

/* Rows that the open group has changed, for store_on_rows; sqlite_watch.c. */
struct watch {
	void (*changed)(void *data, const struct changed_row *rows, size_t n, size_t more); /* NULL: nobody asks */
	void *data;
	atomic_bool wanted;
	struct changed_row *rows;
	size_t n, room, more; /* more: that there was no room for */
	size_t begin;         /* those of the running transaction start here */
	size_t more_begin;
	uint64_t txn;
	uid_t uid;
};

struct store {
	const struct schema *schema;
	bool read_only, memory;
	int hold_fd;                   /* keeps other processes away; -1: none is kept */
	uid_t uid;                     /* of who mounted */
	bool deleted;                  /* rowfs_deleted is there */
	bool history;                  /* rowfs_history is there */
	struct table *tables;          /* by model index */
	struct key_block *blocks;      /* the same; they belong to the thread whose turn it is, others may look */
	bool blocks_used;              /* one of them has `used` */
	const struct model **numbered; /* by number, up to last_number */
	unsigned last_number;
	struct sql *hooks; /* all that were prepared */
	bool pending;      /* there is a table rowfs_after */
	bool queues;       /* there are the logs of all queues, and rowfs_paused */
	int watch_fd;      /* of inotify on the database's files, -1: none */

	pthread_mutex_t pool_lock;
	pthread_cond_t returned;
	struct conn *idle;
	size_t readers;

	struct conn writer;
	pthread_mutex_t turn_lock;
	bool taken;                     /* it is somebody's turn */
	struct waiter *line, *line_end; /* who wait for theirs; first come first */
	pthread_cond_t arrived;
	bool expecting;   /* the one whose turn it is waits for `arrived` */
	size_t last_size; /* transactions in the last group, and how long its COMMIT took */
	int64_t commit_ns;
	struct member *members; /* of the open group, waiting for its commit */
	size_t nmembers;
	bool open;      /* the group: BEGIN is done */
	bool savepoint; /* the running transaction has one */
	bool doomed;    /* what was to be taken back is there still: nothing is committed before all is rolled back */
	uint64_t group;
	int64_t opened_ns;
	int failure; /* errno of what rolled the group back by itself */
	char failure_text[512];
	int wal_pages, checkpoint_at;
	bool checkpointing; /* the checkpointer was woken and the rest is not done yet */
	atomic_bool checkpointed;
	int64_t version; /* PRAGMA data_version as last seen by the writer */
	atomic_bool elsewhere;
	atomic_bool look; /* whoever begins the next group shall look whether others have committed */

	struct touch *touches; /* sorted by table */
	size_t ntouches;
	bool *touched; /* by model index, in the open group */
	struct watch watch;
	void (*on_commit)(void *data, const bool *models);
	void *on_commit_data;

	struct conn checkpoint;
	pthread_t checkpointer;
	bool has_checkpointer;
	pthread_mutex_t checkpoint_lock;
	pthread_cond_t checkpoint_wanted;
	bool checkpoint_due, stopping;
};

/* sqlite.c */
struct store *store_new(const struct schema *schema, bool read_only, bool memory);
#define stmt_auto __attribute__((cleanup(stmt_reset))) sqlite3_stmt
static inline void stmt_reset(sqlite3_stmt **stmt)
{
	if (*stmt)
		sqlite3_reset(*stmt);
}
/* Before SQLite is used at all, then it is too late: no count of what is allocated, and no lock for it at each malloc;
 * statement journals in one piece. Again does nothing. */
void sqlite_configure(void);
int conn_open(struct conn *c, struct store *s, const char *path, int flags, int cache_kib, struct err *e);
void conn_close(struct conn *c);
/* Finalizes the model's statements. */
void conn_forget(struct conn *c, const struct model *m);
/* Begins a reader's snapshot unless it has begun. */
int conn_snapshot(struct conn *c, struct err *e);
int conn_exec(struct conn *c, const char *sql, struct err *e);
int conn_control(struct conn *c, enum control control, struct err *e);
/* So that they need no memory later. */
int conn_prepare_controls(struct conn *c, enum control first, enum control last, struct err *e);
int conn_prepare(struct conn *c, const char *sql, sqlite3_stmt **out, struct err *e);
/* The statement, ready to be bound; field is NULL for those of rows. */
int conn_statement(struct conn *c, const struct model *m, enum statement statement, const struct field *f,
		   sqlite3_stmt **out, struct err *e);
/* Its place in the cache, for who takes it out. NULL: no memory. */
sqlite3_stmt **conn_slot(struct conn *c, const struct model *m, enum statement statement, const struct field *f);
/* Fills *e for a result code of SQLite and returns the negative errno. */
int conn_error(struct conn *c, int rc, struct err *e);
/* The same where a row of the model was written: constraints become problems at their field. */
int conn_row_error(struct conn *c, const struct model *m, int rc, struct err *e);
bool column_is(const char *a, const char *b);
/* After SQLITE_ROW: false where there is no memory for its texts. stmt_step has asked it. */
bool row_ready(sqlite3_stmt *stmt);
struct value column_value(sqlite3_stmt *stmt, int column);
void bind_value(sqlite3_stmt *stmt, int at, const struct value *v);
/* One step: 1 a row, 0 done, negative an error. */
int stmt_step(struct conn *c, sqlite3_stmt *stmt, struct err *e);
void problem_at(struct err *e, int code, const char *field, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* All keys that the statement returns in its first column. */
int stmt_keys(struct conn *c, sqlite3_stmt *stmt, struct arena *a, struct value **keys, size_t *n, struct err *e);

/*
 * sqlite_log.c: names for sqlite3_open_v2, once registered. Only the connection that writes the log needs them: the
 * first with synchronous=FULL, the other with any.
 */
#define LOG_VFS_FULL "rowfs-log-full"
#define LOG_VFS      "rowfs-log"
void log_register(void);

/* sqlite_memory.c: a file of the writing connection that has no name. */
int memory_open(sqlite3_file *file, int flags, int *out);

/* sqlite_row.c: the columns of a statement that begins with $C, and of one that goes on with $s, $M. */
void stmt_row(sqlite3_stmt *stmt, const struct model *m, struct value *row);
void stmt_stamp(struct conn *c, sqlite3_stmt *stmt, const struct model *m, struct stamp *stamp);
/* The statement stands on the row afterwards; the caller resets it. -ENOENT. */
int row_find(struct conn *c, const struct model *m, enum statement what, const struct value *key, sqlite3_stmt **out,
	     struct err *e);
/* sqlite_row.c: takes the statement out of the cache. */
int cursor_new(struct cursor **out, const struct cursor *of, struct err *e);

/* sqlite_embed.c: the member's value; what grows far beyond LIMIT_RECORD is left unfinished. */
int embedded_show(struct conn *c, const struct relation *relation, const struct value *key, int indent, struct buf *out,
		  struct err *e);

/* sqlite_owner.c */
/* Whether the viewer sees only part of the model's records. */
bool conn_filters(const struct conn *c, const struct model *m);
uid_t column_uid(sqlite3_stmt *stmt, int column);
/* The uid, or NULL, to whom the row t of an owned model belongs; and whether the viewer of a restricted one sees it. */
void sql_owner(struct buf *b, const struct store *s, const struct model *m);
void sql_visible(struct buf *b, const struct store *s, const struct model *m);

/* sqlite_text.c */
void sql_name(struct buf *b, const char *name);
void sql_literal(struct buf *b, const char *text);
/* The template with its $ letters replaced; the table in sqlite_text.c tells them. */
void sql_text(struct buf *b, const struct store *s, const struct model *m, const struct field *f, const char *template);
void sql_named(struct buf *b, const struct store *s, const struct model *m, const struct field *f, enum naming naming,
	       const char *template);
/* The same; with `filter` for a viewer who sees only what is his. */
void sql_filtered(struct buf *b, const struct store *s, const struct model *m, const struct field *f,
		  enum naming naming, bool filter, const char *template);
void sql_statement(struct buf *b, const struct conn *c, const struct model *m, enum statement statement,
		   const struct field *f, bool filter);
enum { VIEWER_PARAMETER = 9 };
/* The text has $Y: there is one for a viewer, who is VIEWER_PARAMETER. */
bool statement_filters(enum statement statement);

/* sqlite_define.c */
const char *sql_type(enum field_type type);
void sql_table(struct buf *b, const struct model *m, const char *name);
void sql_column_definition(struct buf *b, const struct model *m, const struct field *f);

/* sqlite_compare.c: fills s->tables from the database; differences become problems of *e. */
int tables_compare(struct store *s, struct err *e);
/* 1: there is such an object, and its SQL is appended to sql (NULL is fine); 0: there is none. */
int find_object(struct conn *c, const char *type, const char *name, struct buf *sql, struct err *e);

/* sqlite_table.c: compares, then makes what is missing unless the store is read-only. */
int tables_open(struct store *s, struct err *e);

/* sqlite_job.c */
extern const char *const job_templates[];
/* Looks which of its tables are there, and opens the file for queue_lock_fd. */
int queues_open(struct store *s, struct err *e);
/* After all connections. */
void queues_close(struct store *s);
/* What the indexes of queues are over; a query uses an index only where it says the same. */
#define JOB_ACTIVE_SQL "$a IN ('queued', 'running')"
#define JOB_ENDED_SQL  "$a NOT IN ('queued', 'running')"
#define JOB_WHEN_SQL   "COALESCE(rtrim($w, 'Z'), '')"
#define JOB_END_SQL    "COALESCE(rtrim($f, 'Z'), rtrim($g, 'Z'), '')"

/* sqlite_model.c */
int models_open(struct store *s, struct err *e);

/* sqlite_deleted.c: makes its table unless the store is read-only, and drops what is too old. */
int deleted_open(struct store *s, struct err *e);

/* sqlite_history.c: the same, where a model keeps its history. */
int history_open(struct store *s, struct err *e);
/* sqlite_show.c: the record as its history keeps it: its own fields, and all that it embeds. -ENOENT. */
int store_version(struct conn *c, const struct model *m, const struct value *key, struct buf *out, struct stamp *stamp,
		  struct err *e);

/* sqlite_hold.c: -EBUSY while another process has it. */
int store_hold(struct store *s, struct err *e);
void store_let_go(struct store *s);
/* -EIO where the file at the database's path is not the one that was opened. */
int conn_check_place(struct conn *c, struct err *e);

/* sqlite_checkpoint.c */
int writer_start(struct store *s, struct err *e);
void writer_stop(struct store *s);
/* With the turn, between two commits. */
void checkpoint_finish(struct store *s);

/* sqlite_turn.c */
void turn_wait(struct store *s);
/* Returns when it is its turn, or with a task when somebody else has carried that out. */
void turn_line(struct store *s, struct waiter *me);
bool turn_try(struct store *s); /* true: it is the caller's turn now, and no group is open */
void turn_pass(struct store *s);
/* Until somebody posts; destroys it. */
void turn_sleep(sem_t *wake);

/* sqlite_stage.c: what the transaction staged has gone with it. */
void stage_undone(struct conn *c);
/* sqlite_txn.c */
/* With the turn, before the writing connection is used: forgets what it has read of a damaged file. */
int writer_check(struct store *s, struct err *e);
/* -EIO once SQLite has rolled the running transaction back by itself: nothing may be written outside of it. */
int txn_alive(struct txn *t, struct err *e);

/* sqlite_key.c */
/* A row has the key now, and the running transaction has written it. */
void key_used(struct store *s, const struct model *m, const struct value *key);
/* The running transaction ends. */
void keys_settle(struct store *s, bool committed);
/* Gives back what is left of the blocks, when the store is closed. */
void keys_return(struct store *s);

/* sqlite_watch.c */
int watch_start(struct store *s); /* -ENOMEM */
void watch_stop(struct store *s);
void watch_begin(struct store *s);  /* a transaction */
void watch_undo(struct store *s);   /* it was rolled back */
void watch_forget(struct store *s); /* the whole group was */
void watch_tell(struct store *s);   /* the group was committed */

/* sqlite_sql.c */
void hooks_finalize(struct store *s);

#endif
