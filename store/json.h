/*
 * json.h - strict JSON: is it complete yet, parse it, print it as jq does, find where a member stands.
 */
#ifndef ROWFS_JSON_H
#define ROWFS_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

struct buf;
struct err;

/* json_t released at the end of its scope */
#define json_scope __attribute__((cleanup(json_decref_at))) json_t
static inline void json_decref_at(json_t **json)
{
	json_decref(*json);
}

enum scan_state {
	SCAN_EMPTY,    /* only white space so far */
	SCAN_PARTIAL,  /* the beginning of one object */
	SCAN_COMPLETE, /* one whole object; only white space may follow */
	SCAN_INVALID   /* can no longer become one object */
};

/*
 * Follows a text that arrives in pieces, one byte at a time, without memory beyond this struct. It checks the whole
 * JSON grammar (RFC 8259) with an object at the top, UTF-8, lone surrogates and LIMIT_JSON_DEPTH; not duplicate
 * members.
 */
struct json_scan {
	enum scan_state state;
	uint8_t lexer;      /* where in the grammar; json.c */
	uint8_t count;      /* digits of a \u escape, bytes of a literal or of a UTF-8 sequence */
	uint16_t unit;      /* of the \u escape being read */
	bool high;          /* a high surrogate waits for its low one */
	uint8_t low, upper; /* bounds of the next UTF-8 continuation byte */
	int depth;
	bool object[LIMIT_JSON_DEPTH + 1]; /* what each level is */
	int line, column;                  /* of the byte that is read next, 1-based, column in bytes */
	const char *why;                   /* SCAN_INVALID: "expected a comma" and the like */
};

void json_scan_init(struct json_scan *s);
/*
 * Reads up to len bytes and stops behind the byte that completes the object or before the one that makes the text
 * invalid; line and column are then that byte's. Returns the number of bytes read. After SCAN_COMPLETE it goes on over
 * white space, and anything else is SCAN_INVALID ("text after the object").
 */
size_t json_scan(struct json_scan *s, const char *text, size_t len);

/*
 * Parses a document strictly: one object, no byte order mark, comment, NUL, duplicate member, NaN, lone surrogate,
 * invalid UTF-8, integer beyond 64 bits that is no double's, real beyond a double, more depth than LIMIT_JSON_DEPTH,
 * and nothing behind it but white space. A mistake is one problem with pointer "", line and column, code EBADMSG (EFBIG
 * over LIMIT_RECORD). *out is the caller's.
 */
int json_read(const char *text, size_t len, json_t **out, struct err *e);
/* The same where json_scan has called all of the text complete. */
int json_read_judged(const char *text, size_t len, json_t **out, struct err *e);

/*
 * The tree of a text that json_scan calls complete; it need not end with NUL. NULL where a member's name stands twice
 * or a number is out of range: *why says which and *where is the offset of the name or number. *why is NULL when there
 * is no memory.
 */
json_t *json_parse(const char *text, size_t *where, const char **why);
/* Any value that was stored or printed before, with jansson's JSON_ flags. -EBADMSG where it is no JSON, -ENOMEM. */
int json_read_value(const char *text, size_t len, size_t flags, json_t **out);

/*
 * The target with the merge patch of RFC 7396 done to it, which shares nothing with either. nulls: they stay, for the
 * target is a patch itself, and they take a member away. The caller's; NULL without memory.
 */
json_t *json_merged(const json_t *target, const json_t *patch, bool nulls);

/* Fills line and column of every problem in *e from the text; a missing member gets those of the object it should be
 * in. */
void json_locate(const char *text, size_t len, struct err *e);

/* As `jq .` prints: two blanks a level from depth indent on, or -1 for one line without blanks. No newline at the end.
 */
void json_write(struct buf *b, const json_t *json, int indent);
void json_write_string(struct buf *b, const char *text, size_t len);
/* Shortest digits that round-trip, whole values below 1e17 without fraction; as jq writes exponents (1e+17, 3e-07). */
void json_write_real(struct buf *b, double real);
/* Whether a whole number without sign is written as the double's shortest digits and zeros. */
bool json_real_is_written(const char *text, size_t len, double real);
void json_write_integer(struct buf *b, int64_t integer);

#endif
