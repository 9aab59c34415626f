/*
 * parse.c - makes jansson's tree of a text that json_scan has taken.
 *
 * The text is valid, so nothing here looks at what can't be: only a member's name that stands twice and a number that
 * has no place in 64 bits or a double are still to be found. jansson's own reader takes five times as long, for it
 * fetches its text byte by byte.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "json.h"
#include "utf8.h"

struct parse {
	const char *text;
	size_t at;
	struct buf plain; /* a string without its escapes */
	const char *why;  /* NULL: no memory */
	size_t where;     /* of the token that is wrong */
};

static json_t *parse_value(struct parse *p);

static json_t *wrong(struct parse *p, size_t where, const char *why)
{
	p->why = why;
	p->where = where;
	return NULL;
}

static char skip_blanks(struct parse *p)
{
	while (p->text[p->at] == ' ' || p->text[p->at] == '\n' || p->text[p->at] == '\t' || p->text[p->at] == '\r')
		p->at++;
	return p->text[p->at];
}

/* ---- strings ---- */

static unsigned hex4(const char *digits)
{
	unsigned unit = 0;
	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)digits[i];
		unit = unit << 4 | (c <= '9' ? c - (unsigned)'0' : (c | 0x20u) - 'a' + 10);
	}
	return unit;
}

/* Behind the u of an escape, or of two where it is a high surrogate. */
static void take_unit(struct parse *p)
{
	char bytes[4];
	uint32_t code = hex4(p->text + p->at);
	p->at += 4;
	if (code >= 0xd800 && code <= 0xdbff) {
		code = 0x10000 + ((code - 0xd800) << 10) + (hex4(p->text + p->at + 2) - 0xdc00);
		p->at += 6;
	}
	buf_add(&p->plain, bytes, utf8_encode(code, bytes));
}

static void take_escape(struct parse *p)
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	char c = p->text[p->at++];
	if (c == 'u') {
		take_unit(p);
		return;
	}
	const char *letter = strchr(letters, c);
	buf_char(&p->plain, letter ? meanings[letter - letters] : c);
}

/* Bytes before the quote or the next backslash. */
static size_t run_length(const char *text)
{
	size_t n = 0;
	while (text[n] != '"' && text[n] != '\\')
		n++;
	return n;
}

/* The string that begins here; without escapes it is where it stands, else in p->plain. */
static const char *take_string(struct parse *p, size_t *len)
{
	const char *start = p->text + ++p->at;
	*len = run_length(start);
	p->at += *len;
	if (p->text[p->at++] == '"')
		return start;
	buf_reset(&p->plain);
	buf_add(&p->plain, start, *len);
	take_escape(p);
	while (p->text[p->at] != '"') {
		size_t run = run_length(p->text + p->at);
		buf_add(&p->plain, p->text + p->at, run);
		p->at += run;
		if (p->text[p->at] == '\\') {
			p->at++;
			take_escape(p);
		}
	}
	p->at++;
	*len = p->plain.len;
	return buf_failed(&p->plain) ? NULL : buf_text(&p->plain);
}

static json_t *parse_string(struct parse *p)
{
	size_t len;
	const char *string = take_string(p, &len);
	return string ? json_stringn_nocheck(string, len) : NULL;
}

/* ---- numbers ---- */

struct number {
	uint64_t digits; /* of a short one, its point left out */
	int count, fraction;
	bool real, exponent;
};

static struct number take_number(struct parse *p)
{
	struct number n = {0};
	if (p->text[p->at] == '-')
		p->at++;
	for (;; p->at++) {
		char c = p->text[p->at];
		if (c >= '0' && c <= '9') {
			n.digits = n.digits * 10 + (uint64_t)(c - '0');
			n.count++;
			n.fraction += n.real;
		} else if (c == '.') {
			n.real = true;
		} else if (c == 'e' || c == 'E' || c == '+' || c == '-') {
			n.real = n.exponent = true;
		} else {
			return n;
		}
	}
}

/* A whole number below 1e15 and a power of ten are exact doubles, so their quotient is rounded once, as by strtod. */
static bool is_short(const struct number *n)
{
	return n->count <= 15 && !n->exponent;
}

static double short_real(const struct number *n)
{
	static const double powers[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
					1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	return (double)n->digits / powers[n->fraction];
}

static json_t *parse_real(struct parse *p, size_t start, const struct number *n)
{
	if (is_short(n))
		return json_real(p->text[start] == '-' ? -short_real(n) : short_real(n));
	double real = strtod(p->text + start, NULL);
	return isinf(real) ? wrong(p, start, "this number is out of range") : json_real(real);
}

/* What is beyond 64 bits is a real that was written without an exponent, as JavaScript and json_write_real do; no
 * other. */
static json_t *parse_large(struct parse *p, size_t start)
{
	size_t digits = start + (p->text[start] == '-');
	double real = strtod(p->text + start, NULL);
	return json_real_is_written(p->text + digits, p->at - digits, fabs(real))
		   ? json_real(real)
		   : wrong(p, start, "this number is out of range");
}

static json_t *parse_number(struct parse *p)
{
	size_t start = p->at;
	struct number n = take_number(p);
	if (n.real)
		return parse_real(p, start, &n);
	if (is_short(&n))
		return json_integer(p->text[start] == '-' ? -(json_int_t)n.digits : (json_int_t)n.digits);
	errno = 0;
	json_int_t integer = strtoll(p->text + start, NULL, 10);
	return errno ? parse_large(p, start) : json_integer(integer);
}

static json_t *parse_literal(struct parse *p)
{
	char c = p->text[p->at];
	p->at += c == 'f' ? 5 : 4;
	return c == 'n' ? json_null() : json_boolean(c == 't');
}

/* ---- objects and arrays ---- */

static bool add_member(struct parse *p, json_t *object)
{
	size_t len, where = p->at, before = json_object_size(object);
	const char *name = take_string(p, &len);
	buf_auto own = BUF_INIT;
	if (!name)
		return false;
	if (name == p->plain.data) { /* the value may have escapes too */
		own = p->plain;
		p->plain = (struct buf)BUF_INIT;
	}
	skip_blanks(p);
	p->at++;
	json_t *value = parse_value(p);
	if (!value || json_object_setn_new_nocheck(object, name, len, value) < 0)
		return false;
	return json_object_size(object) > before || wrong(p, where, "a member of this name stands before");
}

static json_t *parse_object(struct parse *p)
{
	json_t *object = json_object();
	p->at++;
	while (object && skip_blanks(p) != '}') {
		p->at += p->text[p->at] == ',';
		skip_blanks(p);
		if (!add_member(p, object)) {
			json_decref(object);
			return NULL;
		}
	}
	p->at++;
	return object;
}

static json_t *parse_array(struct parse *p)
{
	json_t *array = json_array();
	p->at++;
	while (array && skip_blanks(p) != ']') {
		p->at += p->text[p->at] == ',';
		json_t *value = parse_value(p);
		if (!value || json_array_append_new(array, value) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	p->at++;
	return array;
}

/* No deeper than LIMIT_JSON_DEPTH: the scanner has seen to that. */
static json_t *parse_value(struct parse *p)
{
	switch (skip_blanks(p)) {
	case '{':
		return parse_object(p);
	case '[':
		return parse_array(p);
	case '"':
		return parse_string(p);
	case 't':
	case 'f':
	case 'n':
		return parse_literal(p);
	}
	return parse_number(p);
}

json_t *json_parse(const char *text, size_t *where, const char **why)
{
	struct parse p = {.text = text};
	json_t *json = parse_value(&p);
	buf_release(&p.plain);
	*where = p.where;
	*why = p.why;
	return json;
}
