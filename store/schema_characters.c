/*
 * schema_characters.c - a pattern of characters as one of bytes, which the C library matches in a locale of single
 * bytes.
 *
 * In a UTF-8 locale it would take minutes and gigabytes for what it does here in milliseconds. The text is valid UTF-8,
 * so a character is a byte that is no continuation and those behind it that are. A dot, a character beyond ASCII and a
 * bracket that has or excludes such ones become groups; all else stays as it is, a dot with * too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "schema_read.h"
#include "utf8.h"

enum { FIRST_BEYOND = 0x80, LAST_CHARACTER = 0x10FFFF };

#define CONTINUATION "\x80-\xbf"

struct range {
	uint32_t first, last;
};

/* What stands between [ and ]. */
struct set {
	struct buf ascii; /* as written, but for ] and - */
	bool bracket, dash, negated;
	struct range *ranges; /* beyond ASCII */
	size_t nranges;
};

static size_t length_at(const char *at)
{
	size_t n = utf8_sequence(at, strlen(at));

	return n ? n : 1;
}

static uint32_t character_at(const char *at)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	size_t n = length_at(at);
	uint32_t c = (unsigned char)at[0] & masks[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)at[i] & 0x3f);
	return c;
}

/* ---- ranges as bytes ---- */

static size_t encode(uint32_t c, unsigned char *out)
{
	static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (unsigned char)(0x80 | (c & 0x3f));
	out[0] = (unsigned char)(leads[n] | c);
	return n;
}

static void write_bytes(struct buf *out, uint32_t first, uint32_t last)
{
	unsigned char low[4], high[4];
	size_t n = encode(first, low);

	encode(last, high);
	buf_char(out, '|');
	for (size_t i = 0; i < n; i++) {
		if (low[i] == high[i])
			buf_char(out, (char)low[i]);
		else
			buf_printf(out, "[%c-%c]", low[i], high[i]);
	}
}

/* As alternatives of which each byte has a range of its own. */
static void write_range(struct buf *out, uint32_t first, uint32_t last)
{
	static const uint32_t ends[] = {0x7ff, 0xffff};

	for (size_t i = 0; i < 2; i++) {
		if (first > ends[i] || last <= ends[i])
			continue;
		write_range(out, first, ends[i]);
		first = ends[i] + 1;
	}
	for (int bits = 6; bits <= 18; bits += 6) {
		uint32_t rest = (UINT32_C(1) << bits) - 1;
		if ((first & ~rest) == (last & ~rest))
			break;
		if (first & rest) {
			write_range(out, first, first | rest);
			write_range(out, (first | rest) + 1, last);
			return;
		}
		if ((last & rest) != rest) {
			write_range(out, first, (last & ~rest) - 1);
			write_range(out, last & ~rest, last);
			return;
		}
	}
	write_bytes(out, first, last);
}

static int by_first(const void *one, const void *other)
{
	const struct range *a = one, *b = other;

	return (a->first > b->first) - (a->first < b->first);
}

static void write_others(struct buf *out, struct set *s)
{
	uint32_t next = FIRST_BEYOND;

	if (s->nranges)
		qsort(s->ranges, s->nranges, sizeof *s->ranges, by_first);
	for (size_t i = 0; i < s->nranges; i++) {
		if (s->ranges[i].first > next)
			write_range(out, next, s->ranges[i].first - 1);
		if (s->ranges[i].last >= next)
			next = s->ranges[i].last + 1;
	}
	if (next <= LAST_CHARACTER)
		write_range(out, next, LAST_CHARACTER);
}

/* ---- brackets ---- */

/* One item; at is behind it then. False: its end comes before its beginning. */
static bool read_item(struct set *s, const char **at)
{
	const char *item = *at, *close = item[0] == '[' && item[1] && strchr(":.=", item[1]) ? item + 2 : NULL;
	while (close && *close && !(close[0] == item[1] && close[1] == ']'))
		close++;
	if (close && *close) {
		buf_add(&s->ascii, item, (size_t)(close + 2 - item));
		*at = close + 2;
		return true;
	}
	uint32_t first = character_at(item), last = first;
	item += length_at(item);
	if (item[0] == '-' && item[1] && item[1] != ']') {
		last = character_at(item + 1);
		item += 1 + length_at(item + 1);
	}
	if (first > last)
		return false;
	if (first == last && (first == ']' || first == '-')) {
		*(first == ']' ? &s->bracket : &s->dash) = true;
	} else if (first < FIRST_BEYOND) {
		buf_char(&s->ascii, (char)first);
		if (last > first)
			buf_printf(&s->ascii, "-%c", last < FIRST_BEYOND ? (char)last : 0x7f);
	}
	if (last >= FIRST_BEYOND)
		s->ranges[s->nranges++] = (struct range){first < FIRST_BEYOND ? FIRST_BEYOND : first, last};
	*at = item;
	return true;
}

/* A ^ at the beginning would negate. */
static void write_ascii(struct buf *out, struct set *s, const char *more)
{
	bool caret = !s->negated && !s->bracket && s->ascii.len > 0 && s->ascii.data[0] == '^';

	buf_str(out, s->negated ? "[^" : "[");
	buf_str(out, s->bracket ? "]" : "");
	buf_str(out, caret ? "[.^.]" : "");
	buf_add(out, s->ascii.data + caret, s->ascii.len - caret);
	buf_str(out, more);
	buf_str(out, s->dash ? "-]" : "]");
}

static void write_set(struct buf *out, struct set *s)
{
	bool ascii = s->ascii.len > 0 || s->bracket || s->dash;

	buf_char(out, '(');
	if (!s->nranges) { /* of a negated one: any other character */
		write_ascii(out, s, CONTINUATION);
		buf_str(out, "[" CONTINUATION "]*)");
		return;
	}
	size_t begin = out->len;
	if (s->negated)
		write_ascii(out, s, "\x80-\xff");
	else if (ascii)
		write_ascii(out, s, "");
	if (s->negated)
		write_others(out, s);
	else
		for (size_t i = 0; i < s->nranges; i++)
			write_range(out, s->ranges[i].first, s->ranges[i].last);
	if (!buf_failed(out) && out->data[begin] == '|')
		memmove(out->data + begin, out->data + begin + 1, out->len - begin), out->len--;
	buf_char(out, ')');
}

/* at is on the [, and behind the ] then. */
static bool translate_bracket(struct buf *out, const char **at, const char **problem)
{
	const char *item = *at + 1;
	struct set s = {.negated = *item == '^', .ranges = calloc(strlen(*at), sizeof(struct range))};
	bool right = s.ranges != NULL;

	item += s.negated;
	do
		right = right && *item && read_item(&s, &item);
	while (right && *item != ']');
	if (!right && s.ranges && *item)
		*problem = "the pattern is not right: Invalid range end";
	if (right && !s.nranges && (!s.negated || item[1] == '*'))
		buf_add(out, *at, (size_t)(item + 1 - *at));
	else if (right)
		write_set(out, &s);
	else
		buf_str(out, item = *at), item += strlen(item) - 1;
	*at = item + 1;
	bool failed = !s.ranges;
	buf_release(&s.ascii);
	free(s.ranges);
	return !failed;
}

bool pattern_in_bytes(const char *pattern, struct buf *out, const char **problem)
{
	bool memory = true;

	while (*pattern && memory && !*problem) {
		size_t n = length_at(pattern), escape = *pattern == '\\' && pattern[1] ? 1 : 0;
		const char *behind = pattern + n;
		if (*pattern == '[') {
			memory = translate_bracket(out, &pattern, problem);
			continue;
		}
		if (escape)
			behind = pattern + 1 + (n = length_at(pattern + 1));
		if (*pattern == '.' && *behind != '*')
			buf_str(out, "([^" CONTINUATION "][" CONTINUATION "]*)");
		else if (n > 1 && *behind && strchr("*+?{", *behind))
			buf_printf(out, "(%.*s)", (int)n, behind - n);
		else
			buf_add(out, pattern, n + escape);
		pattern = behind;
	}
	return memory && !buf_failed(out);
}
