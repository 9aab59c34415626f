/*
 * value.c - the types of fields: from JSON and from plain text into canonical values, and out again.
 *
 * A type is a line of the table `types`. Dates and times are calendar.c's.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "arena.h"
#include "buf.h"
#include "calendar.h"
#include "err.h"
#include "json.h"
#include "utf8.h"
#include "value.h"

enum { UUID_LENGTH = 36, CANONICAL_SIZE = 40 };

/* 1: *out is set; 0: json is no value of the type; -ENOMEM. */
typedef int from_json(const json_t *json, struct arena *a, struct value *out);
typedef int from_text(const char *text, size_t len, struct arena *a, struct value *out);
/* Writes the canonical form to out; 0 where text is none of the kind. */
typedef size_t canonical(const char *text, size_t len, char *out);

static size_t uuid(const char *text, size_t len, char *out)
{
	if (len != UUID_LENGTH)
		return 0;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (c >= 'A' && c <= 'F')
			c = (char)(c | 0x20);
		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return 0;
		out[i] = c;
	}
	out[len] = '\0';
	return len;
}

static canonical *const canonical_forms[TYPE_COUNT] = {
    [TYPE_DATE] = calendar_date,
    [TYPE_DATETIME] = calendar_datetime,
    [TYPE_TIME] = calendar_time,
    [TYPE_UUID] = uuid,
};

static int copied(struct arena *a, const char *text, size_t len, struct value *out)
{
	const char *copy = arena_copy(a, text, len);
	if (!copy)
		return -ENOMEM;
	*out = value_text(copy, len);
	return 1;
}

/* ---- from JSON ---- */

static int integer_from_json(const json_t *json, struct arena *a, struct value *out)
{
	(void)a;
	if (!json_is_integer(json))
		return 0;
	*out = value_integer(json_integer_value(json));
	return 1;
}

static int number_from_json(const json_t *json, struct arena *a, struct value *out)
{
	(void)a;
	if (!json_is_number(json))
		return 0;
	*out = value_real(json_number_value(json));
	return 1;
}

static int boolean_from_json(const json_t *json, struct arena *a, struct value *out)
{
	(void)a;
	if (!json_is_boolean(json))
		return 0;
	*out = value_integer(json_is_true(json));
	return 1;
}

static int string_from_json(const json_t *json, struct arena *a, struct value *out)
{
	(void)a;
	if (!json_is_string(json) || memchr(json_string_value(json), '\0', json_string_length(json)))
		return 0;
	*out = value_text(json_string_value(json), json_string_length(json));
	return 1;
}

static int canonical_from_json(enum field_type type, const json_t *json, struct arena *a, struct value *out)
{
	char text[CANONICAL_SIZE];
	if (!string_from_json(json, a, out))
		return 0;
	size_t len = canonical_forms[type](out->text.data, out->text.len, text);
	if (len == 0 || (len == out->text.len && memcmp(text, out->text.data, len) == 0))
		return len > 0;
	return copied(a, text, len, out);
}

static int json_from_json(const json_t *json, struct arena *a, struct value *out)
{
	buf_auto text = BUF_INIT;
	json_write(&text, json, -1);
	return buf_failed(&text) ? -ENOMEM : copied(a, text.data, text.len, out);
}

/* ---- from text ---- */

static int integer_from_text(const char *text, size_t len, struct arena *a, struct value *out)
{
	(void)a;
	bool minus = len > 0 && text[0] == '-';
	const char *digits = text + minus;
	size_t n = len - minus;
	uint64_t sum = 0;
	if (n == 0 || n > 19 || (digits[0] == '0' && len > 1))
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return 0;
		sum = sum * 10 + (uint64_t)(digits[i] - '0');
	}
	if (sum > (uint64_t)INT64_MAX + minus)
		return 0;
	*out = value_integer(minus ? (int64_t)(0 - sum) : (int64_t)sum);
	return 1;
}

/* Any JSON value. */
static int parse(const char *text, size_t len, json_t **out)
{
	return memchr(text, '\0', len) ? -EBADMSG : json_read_value(text, len, JSON_REJECT_DUPLICATES, out);
}

static int number_from_text(const char *text, size_t len, struct arena *a, struct value *out)
{
	if (len == 0 || !strchr("-0123456789", text[0]) || !strchr("0123456789", text[len - 1]))
		return 0;
	json_scope *json = NULL;
	int rc = parse(text, len, &json);
	return rc == 0 ? number_from_json(json, a, out) : rc == -ENOMEM ? rc : 0;
}

static int boolean_from_text(const char *text, size_t len, struct arena *a, struct value *out)
{
	(void)a;
	bool yes = len == 4 && memcmp(text, "true", 4) == 0;
	if (!yes && !(len == 5 && memcmp(text, "false", 5) == 0))
		return 0;
	*out = value_integer(yes);
	return 1;
}

static int string_from_text(const char *text, size_t len, struct arena *a, struct value *out)
{
	if (!utf8_valid(text, len, NULL) || memchr(text, '\0', len))
		return 0;
	return copied(a, text, len, out);
}

static int json_from_text(const char *text, size_t len, struct arena *a, struct value *out)
{
	json_scope *json = NULL;
	int rc = parse(text, len, &json);
	if (rc < 0)
		return rc == -ENOMEM ? rc : 0;
	if (!json_is_null(json))
		return json_from_json(json, a, out);
	*out = value_null();
	return 1;
}

/* ---- the types ---- */

static const struct {
	const char *name;
	const char *must;     /* "must be ..." */
	from_json *from_json; /* NULL: by its canonical form */
	from_text *from_text;
} types[TYPE_COUNT] = {
    [TYPE_INTEGER] = {"integer", "an integer", integer_from_json, integer_from_text},
    [TYPE_NUMBER] = {"number", "a number", number_from_json, number_from_text},
    [TYPE_STRING] = {"string", "a string", string_from_json, string_from_text},
    [TYPE_BOOLEAN] = {"boolean", "true or false", boolean_from_json, boolean_from_text},
    [TYPE_DATE] = {"date", "a date such as \"2024-02-29\"", NULL, NULL},
    [TYPE_DATETIME] = {"datetime", "a date and time with its zone such as \"2024-02-29T12:30:00Z\"", NULL, NULL},
    [TYPE_TIME] = {"time", "a time such as \"12:30:00\"", NULL, NULL},
    [TYPE_UUID] = {"uuid", "a UUID such as \"01890a5d-ac96-774b-bcce-b302099a8057\"", NULL, NULL},
    [TYPE_JSON] = {"json", "JSON", json_from_json, json_from_text},
};

const char *field_type_name(enum field_type type)
{
	return types[type].name;
}

int field_type_by_name(const char *name)
{
	for (int i = 0; i < TYPE_COUNT; i++)
		if (strcmp(types[i].name, name) == 0)
			return i;
	return -1;
}

static bool same_number(const struct value *a, const struct value *b)
{
	const struct value *integer = a->kind == VALUE_INTEGER ? a : b, *real = a->kind == VALUE_INTEGER ? b : a;
	return integer->kind == VALUE_INTEGER && real->kind == VALUE_REAL && (double)integer->integer == real->real;
}

bool value_equal(const struct value *a, const struct value *b)
{
	if (a->kind != b->kind)
		return same_number(a, b);
	switch (a->kind) {
	case VALUE_NULL:
		return true;
	case VALUE_INTEGER:
		return a->integer == b->integer;
	case VALUE_REAL:
		return a->real == b->real;
	case VALUE_TEXT:
		return a->text.len == b->text.len && memcmp(a->text.data, b->text.data, a->text.len) == 0;
	}
	return false;
}

size_t value_hash(const struct value *key, uint64_t seed)
{
	uint64_t hash = 14695981039346656037U ^ seed;
	const unsigned char *bytes = (const unsigned char *)&key->integer;
	size_t len = sizeof key->integer;
	if (key->kind == VALUE_TEXT) {
		bytes = (const unsigned char *)key->text.data;
		len = key->text.len;
	}
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 1099511628211U;
	return (size_t)(hash ^ hash >> 32);
}

int value_copy(struct arena *a, const struct value *from, struct value *to)
{
	if (from->kind == VALUE_TEXT) {
		int rc = copied(a, from->text.data, from->text.len, to);
		return rc < 0 ? rc : 0;
	}
	*to = *from;
	return 0;
}

static bool is_large(const json_t *json)
{
	return json_is_real(json) && fabs(json_real_value(json)) >= 0x1p63;
}

int value_from_json(enum field_type type, const json_t *json, const char *pointer, struct arena *a, struct value *out,
		    struct err *e)
{
	if (!json || json_is_null(json)) {
		*out = value_null();
		return 0;
	}
	struct value value;
	int rc =
	    types[type].from_json ? types[type].from_json(json, a, &value) : canonical_from_json(type, json, a, &value);
	if (rc < 0)
		return err_nomem(e);
	if (rc == 0 && type == TYPE_STRING && json_is_string(json))
		return err_problem(e, EBADMSG, pointer, "must not contain the character \\u0000");
	if (rc == 0)
		return err_problem(e, EBADMSG, pointer, "must be %s%s", types[type].must,
				   type == TYPE_INTEGER && is_large(json) ? " of 64 bits" : "");
	*out = value;
	return 0;
}

int value_from_text(enum field_type type, const char *text, size_t len, struct arena *a, struct value *out)
{
	char form[CANONICAL_SIZE];
	int rc;
	if (canonical_forms[type]) {
		size_t n = canonical_forms[type](text, len, form);
		rc = n > 0 ? copied(a, form, n, out) : 0;
	} else {
		rc = types[type].from_text(text, len, a, out);
	}
	return rc > 0 ? 0 : rc < 0 ? rc : -EBADMSG;
}

/* ---- out again ---- */

/* What another program stored in the column may not be JSON: it is shown as a string then. */
static void write_json_text(struct buf *b, const struct value *v, int indent)
{
	json_scope *json = NULL;
	int rc = json_read_value(v->text.data, v->text.len, 0, &json);
	if (rc == -ENOMEM)
		b->failed = true;
	else if (rc == 0)
		json_write(b, json, indent);
	else
		json_write_string(b, v->text.data, v->text.len);
}

void value_write(struct buf *b, enum field_type type, const struct value *v, int indent)
{
	bool truth = type == TYPE_BOOLEAN && v->kind == VALUE_INTEGER && (v->integer == 0 || v->integer == 1);
	if (v->kind == VALUE_TEXT && type == TYPE_JSON)
		write_json_text(b, v, indent);
	else if (v->kind == VALUE_TEXT)
		json_write_string(b, v->text.data, v->text.len);
	else if (v->kind == VALUE_REAL)
		json_write_real(b, v->real);
	else if (v->kind == VALUE_NULL)
		buf_add(b, "null", 4);
	else if (truth)
		buf_str(b, v->integer ? "true" : "false");
	else
		json_write_integer(b, v->integer);
}

void value_plain(struct buf *b, enum field_type type, const struct value *v)
{
	if (v->kind == VALUE_TEXT)
		buf_add(b, v->text.data, v->text.len);
	else if (v->kind != VALUE_NULL)
		value_write(b, type, v, -1);
}

void value_uuid(struct timespec ts, char *out)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[16];
	uint64_t ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	for (ssize_t got = 0; got < (ssize_t)sizeof bytes;) {
		ssize_t n = getrandom(bytes + got, sizeof bytes - (size_t)got, 0);
		got += n > 0 ? n : 0;
	}
	for (int i = 0; i < 6; i++)
		bytes[i] = (unsigned char)(ms >> (40 - 8 * i));
	bytes[6] = (bytes[6] & 0x0f) | 0x70;
	bytes[8] = (bytes[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}
