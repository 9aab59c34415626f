/*
 * schema_read.h - what the parts of the schema's reader share. For store/schema*.c alone; others include model.h.
 *
 * Reading goes in two passes, so that models may refer to models further down: first every model and its fields, each
 * field with the words of its options, then what the options mean and how models hang together.
 */
#ifndef ROWFS_SCHEMA_READ_H
#define ROWFS_SCHEMA_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "model.h"

/* Read in this order: what a default is checked against comes before it. */
enum field_option {
	OPTION_KEY,
	OPTION_REQUIRED,
	OPTION_UNIQUE,
	OPTION_READ_ONLY,
	OPTION_WRITE_ONLY,
	OPTION_HIDDEN,
	OPTION_IMMUTABLE,
	OPTION_REFERENCES,
	OPTION_ON_DELETE,
	OPTION_ENUM,
	OPTION_FORMAT,
	OPTION_PATTERN,
	OPTION_MIN,
	OPTION_MAX,
	OPTION_CHECK,
	OPTION_DEFAULT,
	OPTION_COUNT
};

/* What a field's directive gives: the word of each option, whose argument is the word behind it. */
struct field_source {
	const struct directive *directive; /* NULL for fields that are not in mount.conf */
	const struct word *given[OPTION_COUNT];
	size_t first;  /* word that may be an option: 2, or 1 where the type is missing */
	bool bad_type; /* nothing more is said about it then */
};

struct model_source {
	const struct directive *fields;
	struct field_source *of; /* by field index */
};

struct reader {
	struct schema *s;
	struct conf *c;
	struct model *model;         /* being read */
	struct model_source *source; /* of model */
	struct model_source *sources;
	struct arena scratch; /* freed when all is read */
	size_t patterns;      /* what they cost so far, all together */
	bool nomem;
};

/* Zeroed memory of the schema for n things, or NULL and r->nomem. */
void *reader_alloc(struct reader *r, size_t n, size_t size);

enum level { LEVEL_TOP = 1, LEVEL_MODEL = 2, LEVEL_QUEUE = 4 };
/* Checks the shape of each directive against the grammar and calls what reads it. */
void read_directives(struct reader *r, const struct directive *first, unsigned level);

/* ---- models (schema_model.c); those with a directive are rules of the grammar ---- */

void read_model(struct reader *r, const struct directive *d);
void read_mode(struct reader *r, const struct directive *d);
void read_history(struct reader *r, const struct directive *d);
void read_flag(struct reader *r, const struct directive *d);
void keep_fields(struct reader *r, const struct directive *d);
/* Second pass, after all fields: r->model's has-many, has-one, embeds-many and embeds-one. */
void read_relations(struct reader *r);
/* And what `checksum` says of them. */
void read_checksum(struct reader *r);
/* After the relations of all models: what is embedded must not embed what embeds it. */
void check_embedding(struct reader *r);
/* NULL where none has the word's name: a mistake then. */
const struct model *find_model(struct reader *r, const struct word *w);
const struct field *find_field(struct reader *r, const struct word *w, const struct model *m);
/* [A-Za-z_][A-Za-z0-9_]*, or with dashes [A-Za-z_][A-Za-z0-9_-]*, of at most LIMIT_NAME bytes. */
bool is_name(const char *text, bool dashes);

/* Second pass: `show` and `answer` (schema_answer.c). */
void read_answers(struct reader *r);

/* Second pass: `owner` and `visible` of r->model (schema_owner.c), then what embedded models take from their parents.
 */
void read_ownership(struct reader *r);
void settle_ownership(struct reader *r);

/* ---- fields (schema_field.c, schema_option.c) ---- */

/* First pass: r->model's fields with their types and a key, at fields[0] where none is declared. d may be NULL. */
void read_fields(struct reader *r, const struct directive *d);
bool is_option(const char *name);
/* First pass: notes where each option stands. */
void read_option_words(struct reader *r, struct field_source *source);
/* Second pass: what the options mean. */
void read_options(struct reader *r, struct field *f, const struct field_source *source);
/* The pattern for matching bytes of UTF-8; false: no memory. A mistake is told as *problem. */
bool pattern_in_bytes(const char *pattern, struct buf *out, const char **problem);
void read_pattern(struct reader *r, struct field *f, const struct word *pattern);

/* ---- queues (schema_queue.c) ---- */

void begin_queue(struct reader *r);
/* `run`, and those with one number or time: workers, limit, timeout, attempts, backoff, keep. */
void read_run(struct reader *r, const struct directive *d);
void read_queue_setting(struct reader *r, const struct directive *d);
void keep_unique(struct reader *r, const struct directive *d);
/* Second pass: what `unique` names. */
void read_unique(struct reader *r);
bool is_queue_field(const char *name);
/* Puts the fields that every queue has behind r->model's own, where read_fields left room. */
void add_queue_fields(struct reader *r);

#endif
