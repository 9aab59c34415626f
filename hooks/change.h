/*
 * change.h - one row that a save changes, and what all changes of a save share.
 *
 * A request becomes a change (change.c), hooks act on it (act.c), save.c decides when. Everything lies in the saving's
 * arena but the documents, which changes_release gives back.
 */
#ifndef ROWFS_CHANGE_H
#define ROWFS_CHANGE_H

#include <jansson.h>
#include <pthread.h>
#include <stdint.h>

#include "save.h"

/* A program that a save waits for. It lives on the stack of the thread that waits, or with its coprocess. */
struct session {
	pid_t id;
	struct session *next, **link;
};

struct after;
struct coprocess;

struct saver {
	const struct schema *schema;
	const struct hooks *hooks;
	struct store *store;
	struct journal *journal;
	const char *mount;
	struct after *after; /* programs of after_commit */
	struct observer *observers;
	struct showcase showcase;       /* for programs; show is NULL without one */
	struct coprocess **coprocesses; /* programs of pipe hooks, by instance */
	pthread_mutex_t sessions_lock;  /* a leaf */
	struct session *sessions;
};

/* Changes in an order. */
struct family {
	struct change **of;
	size_t n, room;
};

/* What a session of the table is to `started` and `ended` of a program. */
struct waiting {
	struct saver *saver;
	struct session session;
};

struct change {
	const struct model *model;
	enum request_kind kind; /* at most REQUEST_DELETE */
	enum verb verb;         /* known once it is resolved */
	enum expect expect;
	bool if_there;             /* a delete of what is not there does nothing */
	const struct field *where; /* as in the request */
	struct value was;
	bool trusted;
	bool exempt;     /* from what access.h asks: a hook, a cascade or the job runner does it for the actor */
	bool makes_room; /* for a record that comes to its name */
	bool unowned;    /* the document names no owner */
	bool changed;    /* there is something to do; false: equal content, or a child that has left its parent */
	bool edited;     /* by a pre_save hook: the store must check the row again */
	bool applied;    /* its row has changed */
	bool handled;    /* by an apply hook: the row is not changed */
	bool dangling;   /* refers to what was not there when it was checked (saving.lenient) */
	bool posted;     /* its post_save or post_delete hooks have run */
	bool asked;      /* it stands for the request of a user */
	bool restores;   /* its document is an earlier version of the record: what no user may set comes back too */
	bool runner;     /* of a job, by the runner (job_state.h) */
	bool quiet;      /* no hooks: nothing has happened to the record but that its lease goes on */
	bool cancels;    /* of a job that runs, a delete is a cancellation */
	bool forget;     /* what it deletes is not kept */
	bool dropped;    /* a job that another one stands for; key is that one's */
	int64_t attempt; /* the start of the job that it is about; 0: none */
	unsigned depth;  /* hooks that caused it; 0: a request, or a cascade of one */
	struct change *cause;        /* whose hook caused it; NULL: a request, or a cascade of one */
	const struct change *answer; /* the row that answers it (answers_settle) */
	const char *checksum;        /* that the stored record must have; NULL: any */
	const json_t *document;      /* NULL for a delete, a key change and a reference set to null */
	struct value key;            /* in the database before the change; on a create the new one */
	struct value new_key;        /* of a key change, else VALUE_NULL */
	struct value *old;           /* NULL on create */
	struct value *row;           /* NULL on delete */
	const struct value **along;  /* by field, what a record that moves brings beside its document; NULL: nothing */
	struct value *deleted;       /* on a create: what the key had until a moment ago (deleted.c) */
	size_t pre_at;               /* pre hooks before this place in the list have run before the transaction */

	/* Of what is part of another record's file, and of what has such parts (tree.h). */
	const struct relation *relation; /* by which the parent embeds it; NULL: it is not embedded */
	struct change *parent;
	const char *pointer;    /* to it in the document; NULL: the document does not have it */
	size_t place;           /* among the entries of its list */
	struct family stored;   /* what it embeds, as stored */
	struct family children; /* the same and new ones, by relation in the order of the document, then what goes */
	bool has_tree;          /* they have been read */
	bool numbered;          /* its key was the next one */

	const char *origin;    /* the hook that asked for it, for messages; NULL: none */
	const char *path;      /* and the path by which it did: "tracks/3.json" */
	struct change *caused; /* by its hooks that have run before the transaction */
	struct change *next_caused;
};

/* A document that values borrow from. */
struct kept {
	json_t *json;
	struct kept *next;
};

/* What the staged rows of one transaction that is prepared need besides their connection (staged.h). */
struct staging {
	struct txn *txn;     /* in which they lie; NULL: in none yet */
	int64_t provisional; /* keys that were given for a while */
	bool never_wait;     /* for another transaction, which may wait for who stages */
	bool would_wait;     /* it was needed */
	struct taken_key {
		const struct model *model;
		struct value key;
	} * taken; /* reserved for what is being staged: free again when it is refused */
	size_t ntaken, room;
	bool keeps; /* what it deletes is shown as kept */
};

/* One save. */
struct saving {
	struct saver *saver;
	const struct actor *actor;
	struct timespec now;
	char now_text[32];
	struct txn txn;
	bool open;               /* txn is */
	bool too_early;          /* what the hook does before the transaction can only be done in it */
	struct conn *conn;       /* the snapshot before the transaction, then the transaction's */
	struct change **changes; /* in the order in which they came */
	size_t n, room;
	size_t forgotten;      /* changes before them, of a stream */
	struct change *caused; /* by the hook that runs, to be carried behind it; see cause.h */
	struct change **caused_end;
	struct change **index; /* of a cascade: open addressing by model and key */
	size_t nindex, index_room;
	struct kept *kept;
	bool versions;                /* some were begun, see version.h */
	struct staging *staged;       /* rows are only staged, and no hook runs; NULL: they are saved */
	bool lenient;                 /* references are judged at the end */
	const struct change *failing; /* whose hook or reference refused the save; NULL: no one's */
	int64_t *planned; /* by model index: above the keys given to new embedded records; NULL: there are none */
	struct arena arena;
};

/* The changes so far, and all that they lie in, go; they only count. */
void saving_forget(struct saving *v);
/* Frees what the saving holds but its transaction. */
void saving_release(struct saving *v);
/* Takes the document, also on failure. */
int saving_keep(struct saving *v, json_t *json, struct err *e);
/* A row, or *row NULL without one. */
int saving_read(struct saving *v, const struct model *m, const struct value *key, struct value **row, struct err *e);

/* Untrusted, of any key. NULL: no memory. */
struct change *change_new(struct saving *v, const struct model *m, enum request_kind kind, const struct value *key,
			  struct err *e);
/* store_check of the change's row; what has a unique value may yield it. */
int saving_check(struct saving *v, struct change *c, const struct value *old, store_yields *yields, void *data,
		 struct err *e);
/* The next key that no change of this saving has been given. */
int saving_next_key(struct saving *v, const struct model *m, struct value *key, struct err *e);
/* A row, of zeroes without `from`. NULL: no memory. */
struct value *row_new(struct saving *v, const struct model *m, const struct value *from);
bool row_equal(const struct model *m, const struct value *a, const struct value *b);

/* Appends it to v->changes; EFBIG over LIMIT_CHANGES. */
int change_add(struct saving *v, struct change *c, struct err *e);

/*
 * Reads the old row by v->conn, decides the verb, looks at expect and read-only, binds and checks the document.
 * Sets c->changed; -ENOENT, -EEXIST, -EROFS, and what record_bind and store_check say.
 */
int change_resolve(struct saving *v, struct change *c, struct err *e);
/* record_bind with what the change tells. */
int change_bind(struct saving *v, const struct change *c, const struct value *old, enum verb verb, bool trusted,
		const json_t *document, struct value *row, struct err *e);
/* store_check of its row and of all rows that it embeds, every problem at its pointer. */
int change_check(struct saving *v, struct change *c, struct err *e);
/* Binds what a pre_save hook answered: VERB_REPLACE for a whole record, VERB_PATCH for single fields. Takes document.
 */
int change_edit(struct saving *v, struct change *c, json_t *document, enum verb verb, struct err *e);
/*
 * Appends what goes with the deletes that stand in the list from there on: what they embed, what references ask for,
 * and what those ask for, parents first.
 */
int change_cascade(struct saving *v, size_t from, struct err *e);
/* What change_cascade appended is read here, after its parent's hooks; the record may have left its parent meanwhile.
 */
int change_resolve_child(struct saving *v, struct change *c, struct err *e);
/* Inserts, updates or deletes the row. */
int change_apply(struct saving *v, struct change *c, struct err *e);
/* -EBUSY where somebody still refers to what the change has deleted, and its delete is restricted by that. */
int change_check_free(struct saving *v, const struct change *c, struct err *e);
/*
 * The way of save() for one request up to its rows, which are staged on the connection. *document is the request's,
 * with the keys that new embedded records were given: the caller's; NULL without one.
 */
int save_staged(struct saver *s, const struct actor *actor, const struct request *request, struct conn *conn,
		struct staging *staging, struct outcome *outcome, json_t **document, struct arena *a, struct err *e);
/* Carries what the hook has caused until now (carry.c); for kinds whose hooks see it at once. */
int saving_carry_caused(struct saving *v, struct err *e);
/* True when both stand for the same step from the same stored row. */
bool change_same(const struct change *a, const struct change *b);

/* The key that the record has after the change (before it, on a delete). */
static inline const struct value *change_key(const struct change *c)
{
	return c->row ? &c->row[c->model->key->index] : &c->key;
}
/* "orders/7.json", for messages; "orders" without a key. And in the arena. */
void record_print_path(struct buf *b, const struct model *m, const struct value *key);
const char *record_path(struct arena *a, const struct model *m, const struct value *key);

#endif
