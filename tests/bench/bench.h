/*
 * bench.h - what the parts of the benchmark share: operations, documents, sides and their clients.
 *
 * A side is one way to keep the same records: rowfs, raw SQLite, plain files. A client is a process that works on one
 * side; bench.c lets the clients of all sides take turns, a short slice each, so that drift of the machine cancels.
 */
#ifndef BENCH_H
#define BENCH_H

#include <jansson.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "measure.h"

enum { CLIENTS_MAX = 8, SIDES_MAX = 8, ROUNDS_MAX = 200, PATH_SIZE = 512, TEXT_SIZE = 1024 };

enum op {
	OP_CREATE,
	OP_UPDATE,
	OP_RENAME,          /* write a temporary file, rename it over the record */
	OP_READ_AFTER_SAVE, /* only the read is timed */
	OP_READ_AGAIN,
	OP_LIST, /* names, in the order they come */
	OP_LIST_STAT,
	OP_LIST_READ,
	OP_DELETE,
	OP_COUNT
};
static inline bool op_lists(enum op op)
{
	return op == OP_LIST || op == OP_LIST_STAT || op == OP_LIST_READ;
}

enum side_id { SIDE_ROWFS, SIDE_SQLITE, SIDE_FSYNC, SIDE_PLAIN, PEERS_COUNT };

/* ---- document.c: a record is made of its key and its revision ---- */

struct document {
	long key;
	long revision;
};

#define DOCUMENT_COLUMNS "id, revision, price, active, ordered_at, description"
extern const char document_fields[]; /* in mount.conf */
extern const char document_table[];  /* in SQL, behind CREATE TABLE NAME */
extern const char document_ordered_at[];
extern const char document_description[];
double document_price(const struct document *d);
/* As the file shows it, about 300 bytes; returns the length. */
size_t document_print(const struct document *d, char text[TEXT_SIZE]);
/* The revision in such a text; -1 where it has none. */
long document_revision(const char *text);
/* Inserts `records` records with revision 0 and keys from 1 in one transaction. 0, or -EIO and a line on stderr. */
int document_fill(const char *database, const char *table, const char *create, long records);
/* SELECT of one number; -1 and a line on stderr on an error. */
long document_query(const char *database, const char *sql);

/* ---- sides ---- */

struct client;

struct side {
	const char *name;
	char path[PATH_SIZE];    /* directory of the files, or database */
	bool sync;               /* files: fsync the file and its directory */
	bool fresh;              /* files: renames happen in a directory of their own, see prepare.c */
	bool saves_only;         /* reads like another side: left out there */
	const char *synchronous; /* SQLite */
	long first_created;      /* keys from here on are made by OP_CREATE */
	const struct side_ops *ops;
};

/* Negative results are errnos. Lists return the number of records and stop at the deadline unless it is 0. */
struct side_ops {
	int (*attach)(struct client *c);
	int (*enter)(struct client *c, const char *directory); /* works there until told otherwise; may be NULL */
	void (*detach)(struct client *c);
	int (*save[OP_COUNT])(struct client *c, const struct document *d);
	long (*read)(struct client *c, long key); /* the revision */
	long (*list)(struct client *c, enum op op, uint64_t deadline);
};
extern const struct side_ops files_ops, sqlite_ops;

struct order {
	enum op op;
	uint64_t nanoseconds;      /* lists: 0 is one complete pass */
	int clients;               /* that work at the same time */
	char directory[PATH_SIZE]; /* OP_RENAME of files: instead of the side's */
	bool prepare;              /* only make what is to be replaced or deleted */
	long portion;              /* OP_DELETE: use at most 1/portion of the records created */
	cpu_set_t cpus;
};

struct result {
	long done;
	uint64_t begin, end; /* of the operations that count */
	uint64_t busy;       /* nanoseconds they took */
	int error;           /* negative errno */
	long key;            /* the error's */
	long created, deleted;
	struct histogram latency;
};

/* Memory that a client shares with bench.c. */
struct desk {
	struct order order;
	struct result result;
};

struct client {
	const struct side *side;
	struct desk *desk;
	long records;
	int index;
	long revision;
	uint64_t random;
	long created_next, deleted_next;
	char text[1 << 16];
	union {
		struct {
			int directory;
		} files;
		struct {
			sqlite3 *db;
			sqlite3_stmt *statements[OP_COUNT];
		} sqlite;
	};
};

/* ---- client.c ---- */

struct crew {
	const struct side *side;
	size_t n;
	struct worker {
		pid_t pid;
		int orders, results; /* pipes */
		struct desk *desk;
	} workers[CLIENTS_MAX];
};

/* Starts n processes on the side. -errno and a line on stderr. */
int crew_start(struct crew *crew, const struct side *side, long records, size_t n);
/* One slice; waits for it. The rate is records a second, all clients together. -errno and a line on stderr. */
int crew_work(struct crew *crew, const struct order *order, double *rate, struct histogram *latency);
/* Records that the crew has made less those it has deleted. */
long crew_growth(const struct crew *crew);
void crew_stop(struct crew *crew);

/* ---- daemon.c ---- */

struct daemon {
	const char *program; /* build/rowfs */
	char conf[PATH_SIZE], mount[PATH_SIZE], database[PATH_SIZE], log[PATH_SIZE];
	pid_t pid;               /* 0: not running */
	uint64_t answers_ns;     /* from the start of the process until a model's directory is there */
	uint64_t first_entry_ns; /* until readdir of it gave the first record, or its end */
};

struct hook_variant {
	const char *name, *model, *line; /* its `on` directive, "" for none */
};
enum { HOOK_VARIANTS = 7 }; /* at most SIDES_MAX */
extern const struct hook_variant hook_variants[HOOK_VARIANTS];

int daemon_init(struct daemon *d, const char *program, const char *work, const char *durability);
/* Mounts in the foreground and waits until it answers. -errno and lines on stderr. */
int daemon_start(struct daemon *d);
/* Unmounts and waits for the process; what does not end is killed. -errno when it did not end cleanly. */
int daemon_stop(struct daemon *d);

/* ---- report.c ---- */

struct mode {
	int clients;
	bool pinned;
};

struct cell {
	size_t rounds;
	double rates[ROUNDS_MAX];
	struct histogram latency;
};

struct row {
	enum op op;
	long records;
	struct mode mode;
	const struct side *sides;
	size_t nsides, rounds;
	struct cell cells[SIDES_MAX];
	struct cell one_client; /* of the first side, in the same rounds; empty in rows of one client */
};

struct report {
	json_t *json;
	const char *durability;
};

extern const char *const op_names[OP_COUNT];

int report_init(struct report *r, const char *durability, const char *program, const char *disk);
void report_section(const char *title);
void report_heading(void);
/* Prints the row and adds it to the document. */
void report_row(struct report *r, struct row *row);
void report_hooks(struct report *r, struct row *row);
/* A single figure: "mount", "first entry", "resident memory". */
void report_figure(struct report *r, const char *name, long records, double value, const char *unit, const char *goal);
int report_write(struct report *r, const char *path);

/* ---- prepare.c ---- */

enum { SIZES_MAX = 8, HOOK_RECORDS = 1000 };

struct options {
	const char *program, *json, *durability, *only, *parent;
	long sizes[SIZES_MAX];
	size_t nsizes;
	double seconds; /* for one side of one row */
	size_t rounds;
	bool pinned, free, quick, without_rowfs;
};

struct bench {
	struct options options;
	char work[PATH_SIZE / 4];
	int directory; /* of the work directory, for syncfs */
	cpu_set_t pinned, free;
	double sync_time; /* of the disk when nobody else uses it */
	long records;
	struct daemon daemon;
	struct side sides[PEERS_COUNT], hooks[HOOK_VARIANTS];
	struct crew crews[PEERS_COUNT], hook_crews[HOOK_VARIANTS];
	struct report report;
};

/* The work directory. -errno. */
int place_init(struct bench *b);
/* A new directory in it, far from the others on the disk. -errno. */
int place_make(const struct bench *b, char path[PATH_SIZE]);
void place_remove(struct bench *b);
/* What it lies on, in words; and the microseconds of an fdatasync there, the median of at most 100. */
const char *place_disk(const struct bench *b);
double place_sync_time(const struct bench *b, size_t times);
/* Describes the sides and fills each with so many records; rowfs is not mounted afterwards. -errno. */
int prepare(struct bench *b, long records);
/* Compares what is stored with what should be: b->records and, for each side, what its clients added. -EIO. */
int verify(const struct bench *b, const long growth[PEERS_COUNT]);

#endif
