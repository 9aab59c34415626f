/*
 * model.h - what mount.conf declares: models, fields, relations, queues. Nothing here changes after the mount.
 *
 * Everything lies in the schema's arena and is freed with it. Pointers between models are borrowed.
 */
#ifndef ROWFS_MODEL_H
#define ROWFS_MODEL_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "arena.h"
#include "conf.h"
#include "value.h"

enum default_kind {
	DEFAULT_NONE,
	DEFAULT_LITERAL,
	DEFAULT_NOW,
	DEFAULT_TODAY,
	DEFAULT_UUID,
	DEFAULT_UID, /* uid of the writer, a number */
	DEFAULT_USER /* its name */
};

enum on_delete { DELETE_RESTRICT, DELETE_CASCADE, DELETE_SET_NULL };

enum field_format { FORMAT_NONE, FORMAT_EMAIL, FORMAT_URI, FORMAT_HOSTNAME, FORMAT_IPV4, FORMAT_IPV6, FORMAT_COUNT };

struct field {
	const char *name;
	enum field_type type;
	size_t index; /* of the value in a row, and of the column */
	bool required, unique, read_only, write_only, hidden, immutable;
	bool unshown; /* the model's `show` leaves it out: taken, and kept where a file lacks it */
	enum default_kind default_kind;
	struct value default_value; /* of DEFAULT_LITERAL */
	bool has_min, has_max;
	double min, max;    /* numbers by value, strings by length in code points */
	const char **words; /* enum; NULL without */
	size_t nwords;
	enum field_format format;
	const char *pattern; /* POSIX extended, matched against the whole text; NULL without */
	regex_t *regex;
	const struct model *references;
	enum on_delete on_delete;
	const char *check; /* SQL expression over the fields; NULL without */
	const struct word *check_where;
	const struct word *where; /* in mount.conf; NULL for the fields every queue has */
};

enum relation_kind { HAS_MANY, HAS_ONE, EMBEDS_MANY, EMBEDS_ONE };

struct relation {
	enum relation_kind kind;
	const struct model *child;
	const struct field *by; /* the child's reference to this model */
	long limit;             /* shown at most */
	bool in_checksum;       /* its member counts for the parent's checksum */
};
/* Part of the parent's file: written, validated, hooked and committed with it. */
static inline bool relation_embeds(const struct relation *r)
{
	return r->kind == EMBEDS_MANY || r->kind == EMBEDS_ONE;
}
static inline bool relation_many(const struct relation *r)
{
	return r->kind == HAS_MANY || r->kind == EMBEDS_MANY;
}

/* A queue is a model whose records are jobs; its own fields come first, then these. */
enum queue_field {
	QUEUE_STATUS,
	QUEUE_ATTEMPTS,
	QUEUE_MAX_ATTEMPTS,
	QUEUE_PRIORITY,
	QUEUE_RUN_AT,
	QUEUE_CREATED_AT,
	QUEUE_STARTED_AT,
	QUEUE_FINISHED_AT,
	QUEUE_WORKER,
	QUEUE_LEASE_UNTIL,
	QUEUE_RESULT,
	QUEUE_ERRORS,
	QUEUE_FIELDS
};

struct queue {
	const char **argv;           /* run; NULL-terminated; NULL: worked by other programs */
	long workers;                /* default 1 */
	long limit;                  /* that run at once, whoever runs them; 0: no limit */
	long long timeout_ms;        /* of a start; without `run`, how long a claim holds; default TIMEOUT_JOB_MS */
	long attempts;               /* default 1 */
	long long backoff_ms;        /* before the second attempt, then doubled; default 30 s */
	long long keep_ms;           /* how long an ended job stays; -1: for ever */
	const struct field **unique; /* a job that equals a waiting one in these is none; NULL without */
	size_t nunique;
	const struct directive *unique_source; /* for the second pass */
	const struct field *fields[QUEUE_FIELDS];
};

/* What a save with one of the verbs answers: fields of a row that it makes, or of the record itself. */
struct answer {
	unsigned verbs; /* bits 1 << enum verb */
	const struct model *model;
	const struct field **fields;
	size_t nfields;
	const struct word *where; /* the model's word */
};

/* Whose a record is. */
struct parent {
	const struct model *model;
	const struct field *by; /* of the embedded model: its reference to this one */
};
struct ownership {
	const struct field *field;     /* `owner FIELD`; NULL: there is none, or it follows its parent */
	const struct field *uid_field; /* of the model that it refers to; NULL: the field is the uid itself */
	struct parent *parents;        /* that embed the model: its records belong to whom theirs belong to */
	size_t nparents;
};

struct model {
	const char *name; /* of the directory */
	const char *table;
	size_t index;         /* in the schema */
	struct field *fields; /* fields[key->index] is the key; it is always shown first */
	size_t nfields;
	const struct field *key;
	struct relation *relations;
	size_t nrelations;
	struct answer *answers;
	size_t nanswers;
	bool embeds;         /* one of its relations does */
	bool embedded;       /* by another model */
	struct queue *queue; /* NULL: not a queue */
	bool read_only, hidden;
	struct ownership ownership;
	bool owned;            /* `owner`, or part of a model that has it */
	bool restricted;       /* `visible owner`, or part of a model that has it: others don't see it */
	bool differs;          /* not all may see the same of its files: they, or what they show, have owners */
	bool checksum_in_file; /* its files have a member _checksum */
	bool keeps_history;
	long history;                 /* earlier versions kept of a record; 0: any number */
	long long history_ms;         /* how long; 0: for ever */
	mode_t mode, dir_mode;        /* default 0644, and 0777 with an owner, else 0755 */
	const struct directive *conf; /* its block, for hooks/hook.h */
};

enum durability { DURABILITY_FULL, DURABILITY_NORMAL, DURABILITY_OFF };

struct schema {
	struct model *models; /* in declared order */
	size_t nmodels;
	const char *database; /* absolute path of the SQLite file; NULL when the conf names none */
	enum durability durability;
	long long transaction_timeout_ms; /* a transaction in .txn that is not used goes after it */
	struct arena arena;
	struct conf *conf; /* borrowed; outlives the schema */
};

#define SCHEMA_INIT                                                                                                    \
	{                                                                                                              \
		0                                                                                                      \
	}

/*
 * Reads what the directives mean. Mistakes go to conf_mistake, all of them; what is right is kept. `on` directives are
 * left to hooks/hook.h. Parts of mount.conf(5) that this version does not carry out yet are mistakes that say so.
 * Returns 0, or -ENOMEM. Whoever mounts must look at conf->nmistakes.
 */
int schema_read(struct schema *s, struct conf *c, struct err *e);
void schema_release(struct schema *s);

const struct model *schema_model(const struct schema *s, const char *name); /* NULL: none */
const struct field *model_field(const struct model *m, const char *name);   /* NULL: none */
/* Children that refer to the model: calls them off by field, in declared order; *at starts at {0,0}. NULL at the end.
 */
struct reference_iter {
	size_t model, field;
};
const struct field *schema_next_reference(const struct schema *s, const struct model *to, struct reference_iter *at,
					  const struct model **child);

/* Keys are inode numbers by computation (integer) or by a number kept with the row. See fs/node.h. */
static inline bool model_integer_key(const struct model *m)
{
	return m->key->type == TYPE_INTEGER;
}

/* What the verb (enum verb) answers; NULL: the record as its file shows it. */
const struct answer *model_answer(const struct model *m, unsigned verb);
static inline bool field_in_file(const struct field *f)
{
	return !f->write_only && !f->hidden && !f->unshown;
}
/* The model's table has an index over it, made with the table or beside it. */
static inline bool field_indexed(const struct model *m, const struct field *f)
{
	bool of_owner = m->restricted && f == m->ownership.field;
	return f != m->key && (f->unique || f->references || of_owner || (f->words && field_in_file(f)));
}

/* The model's meta.json: what each verb takes and answers. */
void schema_meta(struct buf *b, const struct model *m);
/* JSON Schema (2020-12) of the model's documents, of all models with NULL. */
void schema_json(struct buf *b, const struct schema *s, const struct model *m);

#endif
