/*
 * checker.h - a model checker for rowfs: random file operations, each compared with a model of the contract in memory.
 *
 * A call is one system call with all its arguments, so that a trace of calls can be repeated, cut and told. model.c
 * says what it must do, actor.c does it in one of several processes, compare.c looks at the two. Names, keys and models
 * are few on purpose: descriptors, drafts and renames shall meet.
 */
#ifndef CHECKER_H
#define CHECKER_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

enum { OUTER_SLOTS = 10, TXNS = 2, INNER_SLOTS = 4, SLOTS = OUTER_SLOTS + TXNS * INNER_SLOTS };
enum { ACTORS = 3, MODELS = 5, KEYS = 8, FIELDS_MAX = 4, NAMES = 20, PATH_SIZE = 600 };
enum { RECORD_MAX = 1 << 20, PAYLOAD_MAX = RECORD_MAX + (1 << 17) };

/* ---- text.c ---- */

struct text {
	char *data; /* never NULL once something was added; not terminated */
	size_t len, room;
};
void text_release(struct text *t);
void text_clear(struct text *t);
void text_add(struct text *t, const void *data, size_t len);
void text_str(struct text *t, const char *string);
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_resize(struct text *t, size_t len); /* new bytes are 0 */
void text_copy(struct text *to, const struct text *from);
void text_write(struct text *t, const void *data, size_t len, size_t offset);
/* As a C string of at most `most` characters, for people. */
void text_quote(struct text *out, const void *data, size_t len, size_t most);

/* What a text is so far: nothing but blanks, the beginning of one object, one object, or neither. */
enum scan { SCAN_BLANK, SCAN_PARTIAL, SCAN_COMPLETE, SCAN_WRONG };
enum scan text_scan(const char *data, size_t len);

/* ---- the schema, and rows: document.c ---- */

struct datum {
	enum { NOTHING, INTEGER, STRING } kind;
	int64_t integer;
	char *string; /* owned */
};

struct field {
	const char *name, *rules; /* as in mount.conf */
	int type;                 /* of struct datum */
	bool required, immutable, unique;
	const char *references;
	struct datum fallback;
	int64_t min, max; /* of numbers by value, of strings by length; both 0: unbounded */
};

struct model {
	const char *name;
	struct field key;
	struct field fields[FIELDS_MAX];
	size_t nfields;
	const char *options;      /* further lines of mount.conf */
	const char *not_negative; /* a field that a hook wants so */
	const char *child, *by;
	size_t limit; /* children shown */
};
extern const struct model models[MODELS];
int model_number(const char *name);

enum name_kind { NAME_RECORD, NAME_INVALID, NAME_SCRATCH, NAME_DIGITS, NAME_LONG, NAME_NONE };
struct name {
	enum name_kind kind;
	int key;
	char text[300];
};
/* From here on this process has the names and keys of that worker, which no other has. Once, before they are used. */
void names_choose(int worker);
int names_worker(void);
/* The names of a model's directory: records first. */
const struct name *name_of(int model, int name);
struct datum key_of(int model, int key); /* borrowed */

struct row {
	struct datum values[FIELDS_MAX];
};
void datum_set(struct datum *to, const struct datum *from);
bool datum_equal(const struct datum *a, const struct datum *b);
void row_set(struct row *to, const struct row *from);
void row_clear(struct row *row);
bool row_equal(const struct row *a, const struct row *b);

/* ---- the world as the contract has it: world.c, model.c, draft.c ---- */

struct record {
	bool there;
	struct row row;
	uint64_t ino;  /* 0: not seen yet */
	int64_t mtime; /* last seen */
	bool changed;  /* since then: it must be later now */
	int born;      /* of a text key: another one each time that it comes anew, as its number is */
	int changes;   /* counted, for the insides of transactions */
	bool refused;  /* a text, since the last save: who removes the name now may be cleaning up, and is told EBUSY */
};

struct scratch {
	int holders; /* descriptors and names */
	int links;   /* names */
	bool symlink, times_set;
	mode_t mode;
	int64_t mtime;
	struct text data;
	char attribute[64]; /* user.test; "" when there is none */
};

enum draft_mode { IN_ORDER, ANYWHERE, APPEND };

/* An open file description. */
struct handle {
	int holders; /* slots */
	int actor, model, key, flags;
	int order; /* the higher, the newer */
	struct scratch *scratch;
	int born;
	off_t position; /* -1: the kernel's guess */
	struct text pinned;
	enum draft_mode mode;
	struct text draft;
	bool dirty, emptied, unsaved, saved, gone;
	bool based; /* opened to be read and written: saves only over what it has read or saved, which is base */
	struct row base;
	int refused;
};

struct staging;
enum txn_state { TXN_NONE, TXN_OPEN, TXN_COMMITTED };

/* The mount, or the inside of a transaction. */
struct world {
	struct record records[MODELS][KEYS];
	struct scratch *scratches[MODELS][NAMES]; /* by name; two names may be of one file */
	struct handle *slots[SLOTS];              /* each world has its own numbers */
	int first_slot, nslots;
	int opened;
	struct world *root;       /* of an inside: the mount */
	struct world *txns[TXNS]; /* of the mount: its insides */
	int births;               /* of the mount: what was `born` last */
	enum txn_state state;     /* of an inside */
	struct staging *staging;  /* of one that is open: what was changed in it */
	bool lenient, late;       /* references may lead to nothing so far; what is referred to may go so far */
	bool topped[MODELS];      /* the highest key was there: there may be none left to be reserved */
	int64_t reserved[MODELS]; /* the last key that was */
};

void world_init(struct world *w);
void world_release(struct world *w);
/* The mount, or the inside of its transaction 1 to TXNS. */
struct world *world_in(struct world *root, int txn);
struct world *world_root(struct world *w);
/* The row has changed, whoever did it. */
void record_changed(struct world *w, int model, int key);
struct scratch *world_scratch(struct world *w, int model, int name);
struct scratch *world_add_scratch(struct world *w, int model, int name, mode_t mode);
void scratch_hold(struct scratch *s);
void scratch_drop(struct scratch *s);
void scratch_resize(struct scratch *s, int64_t size);
void scratch_take_name(struct world *w, int model, int name);
/* A name that the file has in the model's directory; without one, any. */
int scratch_name(const struct world *w, const struct scratch *s, int model);
/* Gives the file the name, which is free. */
void scratch_link(struct world *w, struct scratch *s, int model, int name);
void handle_drop(struct world *w, int slot);
/* A record's name that is open and was never saved. */
bool world_unsaved(struct world *w, int model, int key);
void world_remove_unsaved(struct world *w, int model, int key);
/* The record's text. */
void world_show(struct world *w, int model, int key, struct text *out);
int world_records(const struct world *w);
/* Whether a row of another model refers to the record. */
bool world_referred(struct world *w, int model, int key);

enum save_kind { PUT, MERGE };
enum expect { ANY, EXISTING, NEW };
/* 0 or a negative errno; the world has changed only with 0. base: what a record that is there must be, NULL: anything.
 */
int save_text(struct world *w, int model, int key, enum save_kind kind, enum expect expect, const struct row *base,
	      const struct text *t);
int save_delete(struct world *w, int model, int key);
int save_key(struct world *w, int model, int from, int to, bool replace);
int save_move(struct world *w, int model, int from, int to_model, int to, bool replace);
int save_exchange(struct world *w, int model, int a, int b);
/* save_text of a document that is read already. */
int save_document(struct world *w, int model, int key, enum save_kind kind, enum expect expect, const struct row *base,
		  json_t *document, bool then);

/* ---- staging.c: transactions that are prepared ---- */

/* Of every save in an inside, before it is done. */
void staging_save(struct world *w, int model, int key, enum save_kind kind, const json_t *document,
		  const struct row *row);
/* True: what is stored of the record shows again. */
bool staging_delete(struct world *w, int model, int key);
void staging_move(struct world *w, int model, int from, int to_model, int to);
void staging_exchange(struct world *w, int model, int a, int b);
void staging_mark(struct world *w, int model, int key);
void staging_unmark(struct world *w, int model, int key);
/* The record of one of the steps, or where one that has a conflict is to be settled; false: there is none. */
bool staging_some(const struct world *w, int which, int *model, int *key);
bool staging_conflict(const struct world *w, int *model, int *key);
/* What was changed outside shows inside, where nothing was staged. */
void staging_refresh(struct world *root);
void staging_drop(struct world *w);

/* ---- calls ---- */

/* clang-format off */
#define CALLS(X) \
	X(OPEN) X(CLOSE) X(DUP_CLOSE) X(DUP) X(CHILD_CLOSE) X(WRITE) X(PWRITE) X(READ) X(PREAD) X(SEEK) \
	X(FTRUNCATE) X(FSYNC) X(FSTAT) X(TRUNCATE) X(RENAME) X(LINK) X(SYMLINK) X(READLINK) X(UNLINK) \
	X(STAT) X(LIST) X(CHMOD) X(CHOWN) X(TIMES) X(SETXATTR) X(GETXATTR) X(REMOVEXATTR) X(MAP) \
	X(MAP_SHARED) X(STATFS) X(ACCESS) X(MKDIR) X(FALLOCATE) X(SEND) X(CAT) X(MAKE) X(DROP) X(COMMIT) \
	X(STATE) X(RESERVE) X(SQL) X(VALUE) X(IMPORT)
/* clang-format on */
#define CALL_NUMBER(name) CALL_##name,
enum call_kind { CALLS(CALL_NUMBER) CALL_KINDS };

struct call {
	enum call_kind kind;
	int actor, slot, slot2;
	int txn; /* in which transaction; 0: in none */
	int model, name, model2, name2;
	int flags; /* of open and rename; mode of access and chmod; whence; of VALUE: from which value of the field */
	int64_t offset;
	size_t len; /* of reads, and of the payload */
	char *data; /* owned; of writes, symlinks, xattrs, SQL */
};

enum {
	WANTS_NOTHING,
	WANTS_BYTES,
	WANTS_RECORD,
	WANTS_UNSAVED,
	WANTS_SCRATCH,
	WANTS_GONE,
	WANTS_LIST,
	WANTS_KEY,
	WANTS_ANSWER
};

struct expected {
	bool skip;  /* makes no sense in this world: a part of the trace was cut out */
	bool any;   /* whatever it gives is right */
	int result; /* or a negative errno */
	int other;  /* another errno that will do */
	int wants;
	struct text bytes;
	int model, key;
	int64_t size; /* of WANTS_RECORD; -1: any */
	struct scratch *scratch;
};
/* What the call must do; changes the world accordingly. */
void model_expect(struct world *w, const struct call *c, struct expected *x);

/* What a name stands for. */
enum there { IS_NOTHING, IS_RECORD, IS_UNSAVED, IS_SCRATCH };
struct end {
	int model, name;
	const struct name *n;
	enum there is;
	struct scratch *scratch;
};
struct end end_find(struct world *w, int model, int name);
bool end_is_symlink(const struct end *e);
/* 0, or why there is nothing. */
int end_absent(const struct end *e);

/* staging.c: the calls that are about transactions. */
void expect_make(struct world *w, const struct call *c, struct expected *x);
void expect_drop(struct world *w, const struct call *c, struct expected *x);
void expect_commit(struct world *w, const struct call *c, struct expected *x);
void expect_state(struct world *w, const struct call *c, struct expected *x);
void expect_reserve(struct world *w, const struct call *c, struct expected *x);

/* values.c: records found by the value of a field, and several records as lines. */
void expect_value(struct world *w, const struct call *c, struct expected *x);
void expect_import(struct world *w, const struct call *c, struct expected *x);
/* The name of a value of what refers to the model: that of a key, or of null beyond them. */
void value_name(int model, int value, char out[32]);
struct field_place {
	int model;
	size_t field;
};
/* The field whose values VALUE moves between. */
struct field_place value_field(void);

/* replay.c: a world as it was. */
struct snapshot;
struct snapshot *world_keep(const struct world *w);
/* Ends it; with `restore` the world is that again. */
void world_settle(struct world *w, struct snapshot *s, bool restore);

/* names.c: the calls that are about names. */
void expect_rename(struct world *w, const struct call *c, struct expected *x);
void expect_link(struct world *w, const struct call *c, struct expected *x);
void expect_symlink(struct world *w, const struct call *c, struct expected *x);
void expect_unlink(struct world *w, const struct call *c, struct expected *x);
void expect_mkdir(struct world *w, const struct call *c, struct expected *x);

/* files.c: those that look at files by name. */
void expect_stat(struct world *w, const struct call *c, struct expected *x);
void expect_fstat(struct world *w, const struct call *c, struct expected *x);
void expect_attributes(struct world *w, const struct call *c, struct expected *x);
void expect_access(struct world *w, const struct call *c, struct expected *x);
void expect_setxattr(struct world *w, const struct call *c, struct expected *x);
void expect_getxattr(struct world *w, const struct call *c, struct expected *x);
void expect_whole(struct world *w, const struct call *c, struct expected *x);
void expect_send(struct world *w, const struct call *c, struct expected *x);
void expect_map_shared(struct world *w, const struct call *c, struct expected *x);
void expect_truncate(struct world *w, const struct call *c, struct expected *x);
void expect_readlink(struct world *w, const struct call *c, struct expected *x);
void expect_list(struct world *w, const struct call *c, struct expected *x);
void expect_statfs(struct world *w, const struct call *c, struct expected *x);

/* The open file that the call is about; NULL, and the call is skipped, where there is none. */
struct handle *call_handle(struct world *w, const struct call *c, struct expected *x);
/* write(2). */
int handle_write(struct world *w, struct handle *h, const char *data, size_t len);

/* draft.c: the part of it that is about drafts. */
void draft_open(struct world *w, struct handle *h, bool record);
int draft_write(struct world *w, struct handle *h, const char *data, size_t len, int64_t offset);
int draft_sync(struct world *w, struct handle *h);
int draft_truncate(struct world *w, struct handle *h, int64_t size);
bool draft_shows(const struct handle *h); /* holds unsaved bytes */

/* ---- actor.c: processes that carry calls out (actor_call.c) ---- */

struct got {
	int result;
	struct stat st;
	size_t len;
	char data[PAYLOAD_MAX];
};
struct crew;
struct crew *crew_start(const char *mount);
/* NULL: it did not answer within a minute. */
const struct got *crew_call(struct crew *crew, const struct call *c);
void crew_stop(struct crew *crew);

/* ---- daemon.c ---- */

struct daemon {
	const char *program;
	char directory[PATH_SIZE - 64], mount[PATH_SIZE], database[PATH_SIZE], conf[PATH_SIZE], log[PATH_SIZE];
	pid_t pid;
};
int daemon_start(struct daemon *d, const char *program, const char *directory);
/* Unmounts; -EIO, and the directory stays, when it did not end well or its log reads like an error. */
int daemon_stop(struct daemon *d);

/* ---- generate.c ---- */

struct generator {
	uint64_t state;
	int txn;                  /* in which the calls are that are made now */
	struct text plans[SLOTS]; /* what is still to be written to a slot */
	struct call queue[8];
	int queued, taken;
};
/* The next call; c->data is the caller's. */
void generate(struct generator *g, struct world *w, struct call *c);
void generator_release(struct generator *g);

/* ---- session.c, compare.c ---- */

struct session; /* on a mount: a crew, the model */
/* Whose mount it is: its own, or others work there at the same time, on records of their own or on the same ones. */
enum company { ALONE, BESIDE, CROWD };
struct session *session_start(const struct daemon *d, enum company company, bool verbose);
/* Takes the records for right as the tables have them, when a crowd has gone. */
void session_load(struct session *s);
/* Carries out one call. False: there is a difference, and why says which. */
bool session_call(struct session *s, const struct call *c, struct text *why);
/* Names, stat, texts of everything. */
bool session_audit(struct session *s, struct text *why);
/* Closes what is open and looks at the tables. */
bool session_end(struct session *s, struct text *why);
struct world *session_world(struct session *s);
long session_calls(const struct session *s);

/* crowd.c: what must hold whatever others do. */
bool crowd_call(struct crew *crew, const struct call *c, struct text *why);
void crowd_load(struct world *w, sqlite3 *db, struct crew *crew);

void call_print(const struct call *c, struct text *out);
void call_copy(struct call *to, const struct call *from);

#endif
