/*
 * text.c - bytes that grow, and what the bytes of a draft are so far.
 *
 * The scanner is written apart from the one of rowfs and works on whole texts: a descent over RFC 8259 that knows three
 * answers, so that the end of the bytes is told from a mistake in them.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"

static void room_for(struct text *t, size_t len)
{
	if (len + 1 <= t->room)
		return;
	t->room = 2 * len + 64;
	t->data = realloc(t->data, t->room);
	if (!t->data)
		abort();
}

void text_release(struct text *t)
{
	free(t->data);
	*t = (struct text){0};
}

void text_clear(struct text *t)
{
	t->len = 0;
}

void text_add(struct text *t, const void *data, size_t len)
{
	room_for(t, t->len + len);
	memcpy(t->data + t->len, data, len);
	t->len += len;
	t->data[t->len] = '\0';
}

void text_str(struct text *t, const char *string)
{
	text_add(t, string, strlen(string));
}

void text_printf(struct text *t, const char *fmt, ...)
{
	va_list ap;
	char *string;

	va_start(ap, fmt);
	if (vasprintf(&string, fmt, ap) < 0)
		abort();
	va_end(ap);
	text_str(t, string);
	free(string);
}

void text_resize(struct text *t, size_t len)
{
	room_for(t, len);
	if (len > t->len)
		memset(t->data + t->len, 0, len - t->len);
	t->len = len;
	t->data[len] = '\0';
}

void text_copy(struct text *to, const struct text *from)
{
	text_clear(to);
	text_add(to, from->len ? from->data : "", from->len);
}

void text_write(struct text *t, const void *data, size_t len, size_t offset)
{
	if (offset + len > t->len)
		text_resize(t, offset + len);
	memcpy(t->data + offset, data, len);
}

void text_quote(struct text *out, const void *data, size_t len, size_t most)
{
	const unsigned char *bytes = data;

	text_str(out, "\"");
	for (size_t i = 0; i < len && i < most; i++) {
		if (bytes[i] == '"' || bytes[i] == '\\')
			text_printf(out, "\\%c", bytes[i]);
		else if (bytes[i] == '\n')
			text_str(out, "\\n");
		else if (isprint(bytes[i]) || bytes[i] >= 0x80)
			text_add(out, &bytes[i], 1);
		else
			text_printf(out, "\\%03o", bytes[i]);
	}
	text_str(out, "\"");
	if (len > most)
		text_printf(out, "... (%zu bytes)", len);
}

/* ---- scanning ---- */

struct scanner {
	const unsigned char *at, *end;
};
enum answer { ENDS = -1, WRONG = 0, RIGHT = 1 };

static void skip_blanks(struct scanner *s)
{
	while (s->at < s->end && memchr(" \t\r\n", *s->at, 4))
		s->at++;
}

static enum answer take(struct scanner *s, unsigned char c)
{
	if (s->at == s->end)
		return ENDS;
	return *s->at == c ? s->at++, RIGHT : WRONG;
}

static enum answer take_word(struct scanner *s, const char *word)
{
	enum answer a = RIGHT;

	while (*word && (a = take(s, (unsigned char)*word)) == RIGHT)
		word++;
	return a;
}

static enum answer take_digits(struct scanner *s)
{
	const unsigned char *start = s->at;

	while (s->at < s->end && isdigit(*s->at))
		s->at++;
	return s->at > start ? RIGHT : s->at == s->end ? ENDS : WRONG;
}

/* Inside an object a number is never the last thing: at the end of the bytes it may go on. */
static enum answer take_number(struct scanner *s)
{
	enum answer a;

	if (*s->at == '-')
		s->at++;
	if (s->at < s->end && *s->at == '0')
		s->at++;
	else if ((a = take_digits(s)) != RIGHT)
		return a;
	if (s->at < s->end && *s->at == '.') {
		s->at++;
		if ((a = take_digits(s)) != RIGHT)
			return a;
	}
	if (s->at < s->end && (*s->at | 32) == 'e') {
		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		return take_digits(s);
	}
	return RIGHT;
}

static enum answer take_range(struct scanner *s, unsigned char low, unsigned char high)
{
	if (s->at == s->end)
		return ENDS;
	return *s->at >= low && *s->at <= high ? s->at++, RIGHT : WRONG;
}

/* The rest of a UTF-8 sequence behind its first byte: RFC 3629, table of section 4. */
static enum answer take_sequence(struct scanner *s, unsigned char lead)
{
	unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
	enum answer a;

	if (lead < 0xc2 || lead > 0xf4)
		return WRONG;
	for (a = take_range(s, low, high); a == RIGHT && --more > 0;)
		a = take_range(s, 0x80, 0xbf);
	return a;
}

static enum answer take_escape(struct scanner *s)
{
	if (s->at == s->end)
		return ENDS;
	if (*s->at != 'u')
		return memchr("\"\\/bfnrt", *s->at, 8) ? s->at++, RIGHT : WRONG;
	s->at++;
	for (int i = 0; i < 4; i++, s->at++) {
		if (s->at == s->end)
			return ENDS;
		if (!isxdigit(*s->at))
			return WRONG;
	}
	return memcmp(s->at - 4, "0000", 4) == 0 ? WRONG : RIGHT; /* no column holds it */
}

static enum answer take_string(struct scanner *s)
{
	enum answer a = take(s, '"');

	while (a == RIGHT) {
		if (s->at == s->end)
			return ENDS;
		unsigned char c = *s->at++;
		if (c == '"')
			return RIGHT;
		if (c < 0x20)
			return WRONG;
		a = c == '\\' ? take_escape(s) : c >= 0x80 ? take_sequence(s, c) : RIGHT;
	}
	return a;
}

static enum answer take_value(struct scanner *s);

static enum answer take_member(struct scanner *s, bool named)
{
	enum answer a = RIGHT;

	if (named && (a = take_string(s)) == RIGHT) {
		skip_blanks(s);
		a = take(s, ':');
	}
	return a == RIGHT ? take_value(s) : a;
}

static enum answer take_list(struct scanner *s, unsigned char close)
{
	enum answer a;

	s->at++;
	skip_blanks(s);
	if (take(s, close) == RIGHT)
		return RIGHT;
	for (;;) {
		skip_blanks(s);
		a = take_member(s, close == '}');
		if (a != RIGHT)
			return a;
		skip_blanks(s);
		if (take(s, close) == RIGHT)
			return RIGHT;
		a = take(s, ',');
		if (a != RIGHT)
			return a;
	}
}

static enum answer take_value(struct scanner *s)
{
	skip_blanks(s);
	if (s->at == s->end)
		return ENDS;
	switch (*s->at) {
	case '{':
		return take_list(s, '}');
	case '[':
		return take_list(s, ']');
	case '"':
		return take_string(s);
	case 't':
		return take_word(s, "true");
	case 'f':
		return take_word(s, "false");
	case 'n':
		return take_word(s, "null");
	}
	return *s->at == '-' || isdigit(*s->at) ? take_number(s) : WRONG;
}

enum scan text_scan(const char *data, size_t len)
{
	struct scanner s = {(const unsigned char *)data, (const unsigned char *)data + len};
	enum answer a;

	skip_blanks(&s);
	if (s.at == s.end)
		return SCAN_BLANK;
	a = *s.at == '{' ? take_value(&s) : WRONG;
	skip_blanks(&s);
	if (a == RIGHT)
		return s.at == s.end ? SCAN_COMPLETE : SCAN_WRONG;
	return a == ENDS ? SCAN_PARTIAL : SCAN_WRONG;
}
