/*
 * value.h - a typed value: what a column holds and what a member of a document becomes.
 *
 * A value borrows its text: from an arena, a statement's column or a document, as the function that fills it says.
 * Canonical forms: boolean is an integer 0 or 1; date, time, datetime, uuid and json are text. datetime is
 * YYYY-MM-DDTHH:MM:SS[.ffffff]Z in UTC, its fraction without trailing zeros; time is HH:MM:SS[.ffffff]; uuid is lower
 * case; json is compact text in the order it was written.
 */
#ifndef ROWFS_VALUE_H
#define ROWFS_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct arena;
struct buf;
struct err;

enum field_type {
	TYPE_INTEGER,
	TYPE_NUMBER,
	TYPE_STRING,
	TYPE_BOOLEAN,
	TYPE_DATE,
	TYPE_DATETIME,
	TYPE_TIME,
	TYPE_UUID,
	TYPE_JSON,
	TYPE_COUNT
};

enum value_kind { VALUE_NULL, VALUE_INTEGER, VALUE_REAL, VALUE_TEXT };

struct value {
	enum value_kind kind;
	union {
		int64_t integer;
		double real;
		struct {
			const char *data; /* NUL behind it, not counted */
			size_t len;
		} text;
	};
};

static inline struct value value_null(void)
{
	return (struct value){.kind = VALUE_NULL};
}
static inline struct value value_integer(int64_t i)
{
	return (struct value){.kind = VALUE_INTEGER, .integer = i};
}
static inline struct value value_real(double r)
{
	return (struct value){.kind = VALUE_REAL, .real = r};
}
static inline struct value value_text(const char *data, size_t len)
{
	return (struct value){.kind = VALUE_TEXT, .text = {data, len}};
}

const char *field_type_name(enum field_type type); /* "integer" */
/* -1 where the name is no type. */
int field_type_by_name(const char *name);

/* Keys of records that are staged and get their own when they are saved: shown as null, equal to no key there is. */
static inline struct value value_provisional(int64_t number)
{
	return (struct value){.kind = VALUE_INTEGER, .integer = INT64_MIN + number};
}
static inline bool value_is_provisional(const struct value *v)
{
	return v->kind == VALUE_INTEGER && v->integer < INT64_MIN / 2;
}

bool value_equal(const struct value *a, const struct value *b);
/* Of a key, an integer or a text, among those of `seed`: a model, for example (FNV-1a, its halves folded). */
size_t value_hash(const struct value *key, uint64_t seed);
/* A copy whose text lies in the arena. -ENOMEM. */
int value_copy(struct arena *a, const struct value *from, struct value *to);

/*
 * A JSON value as a value of the type, canonical; text that had to change lies in the arena, other text is borrowed
 * from json. NULL JSON gives VALUE_NULL. On a mismatch adds a problem at pointer ("must be an integer") and returns
 * its negative code.
 */
int value_from_json(enum field_type type, const json_t *json, const char *pointer, struct arena *a, struct value *out,
		    struct err *e);
/*
 * The same from plain text (a default in mount.conf, NAME=VALUE of enqueue). Integers in plain decimal; text is copied
 * into the arena. Returns -EBADMSG, without a problem, when the text is no value of the type.
 */
int value_from_text(enum field_type type, const char *text, size_t len, struct arena *a, struct value *out);

/* The value as JSON text, the type deciding about booleans and json. indent: depth in steps of two blanks for json
 * values that have members, or -1 for one line. A value whose kind is not the type's is shown as what it is. */
void value_write(struct buf *b, enum field_type type, const struct value *v, int indent);
/* The value as plain text: no quotes, null is nothing, boolean is true or false. For environments and messages. */
void value_plain(struct buf *b, enum field_type type, const struct value *v);

/* The time as a canonical datetime with milliseconds, and its date. buf of at least 32 bytes; returns the length. */
size_t value_now(struct timespec ts, char *out);
size_t value_today(struct timespec ts, char *out);
/* A new version 7 UUID; buf of at least 37 bytes. Randomness from getrandom(2). */
void value_uuid(struct timespec ts, char *out);

#endif
