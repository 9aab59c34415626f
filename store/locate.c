/*
 * locate.c - json_locate: where in a text the values stand that the pointers of an err name.
 *
 * A walk over the text, without a tree, that passes over what no pointer asks for. The text is one that json_read
 * takes; on any other the walk ends early, within bounds, and what it didn't find keeps the place where it got to.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "json.h"
#include "utf8.h"

struct walk {
	const char *at, *end;
};

static int peek(const struct walk *w)
{
	return w->at < w->end ? (unsigned char)*w->at : -1;
}

static void skip_blanks(struct walk *w)
{
	while (w->at < w->end && strchr(" \t\r\n", *w->at) && *w->at)
		w->at++;
}

static bool take(struct walk *w, char c)
{
	skip_blanks(w);
	if (peek(w) != c)
		return false;
	w->at++;
	return true;
}

static void skip_string(struct walk *w)
{
	for (w->at++; w->at < w->end && *w->at != '"'; w->at++)
		if (*w->at == '\\')
			w->at++;
	w->at = w->at < w->end ? w->at + 1 : w->end;
}

/* Stops behind the value. */
static void skip_value(struct walk *w)
{
	size_t depth = 0;
	skip_blanks(w);
	do {
		int c = peek(w);
		if (c < 0) {
			return;
		} else if (c == '"') {
			skip_string(w);
			continue;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			if (depth == 0)
				return;
			depth--;
		} else if (depth == 0) {
			while (w->at < w->end && !strchr(",]} \t\r\n", *w->at))
				w->at++;
			return;
		}
		w->at++;
	} while (depth > 0);
}

static uint32_t hex4(const char *digits)
{
	char text[5] = {digits[0], digits[1], digits[2], digits[3]};
	return (uint32_t)strtoul(text, NULL, 16);
}

/* The character behind a backslash as UTF-8 in out; w stands on the backslash and then behind the escape. */
static size_t unescape(struct walk *w, char *out)
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	char c = w->end - w->at > 1 ? w->at[1] : '\0';
	const char *letter = c ? strchr(letters, c) : NULL;
	if (c != 'u' || w->end - w->at < 6) {
		out[0] = letter ? meanings[letter - letters] : c;
		w->at += w->end - w->at > 1 ? 2 : 1;
		return 1;
	}
	uint32_t code = hex4(w->at + 2);
	w->at += 6;
	if (code >= 0xd800 && code <= 0xdbff && w->end - w->at >= 6) {
		code = 0x10000 + ((code - 0xd800) << 10) + (hex4(w->at + 2) & 0x3ff);
		w->at += 6;
	}
	return utf8_encode(code, out);
}

/* One token of a pointer, escaped. */
struct token {
	const char *at;
	size_t len;
};

static bool next_token(const char **pointer, struct token *t)
{
	if (**pointer != '/')
		return false;
	t->at = *pointer + 1;
	t->len = strcspn(t->at, "/");
	*pointer = t->at + t->len;
	return true;
}

/* True when the token goes on with these bytes of a name, which are then taken off it. */
static bool token_eats(struct token *t, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = t->len > 0 ? *t->at : '\0';
		size_t took = 1;
		if (c == '~' && t->len > 1) {
			c = t->at[1] == '1' ? '/' : '~';
			took = 2;
		}
		if (t->len == 0 || c != bytes[i])
			return false;
		t->at += took;
		t->len -= took;
	}
	return true;
}

/* Passes over the string at w; true when it spells the token. */
static bool string_is(struct walk *w, struct token t)
{
	struct walk inner = *w;
	bool same = true;
	skip_string(w);
	inner.at++;
	inner.end = w->at > inner.at ? w->at - 1 : inner.at;
	while (same && inner.at < inner.end) {
		char bytes[4];
		size_t n = 1;
		if (*inner.at == '\\')
			n = unescape(&inner, bytes);
		else
			bytes[0] = *inner.at++;
		same = token_eats(&t, bytes, n);
	}
	return same && t.len == 0;
}

/* Moves from an object to the value of its member. */
static bool enter_member(struct walk *w, struct token t)
{
	if (!take(w, '{'))
		return false;
	do {
		skip_blanks(w);
		if (peek(w) != '"')
			return false;
		bool here = string_is(w, t);
		if (!take(w, ':'))
			return false;
		skip_blanks(w);
		if (here)
			return true;
		skip_value(w);
	} while (take(w, ','));
	return false;
}

static bool enter_element(struct walk *w, struct token t)
{
	char *end;
	unsigned long index = strtoul(t.at, &end, 10);
	if (!take(w, '[') || t.len == 0 || end != t.at + t.len)
		return false;
	for (; index > 0; index--) {
		skip_value(w);
		if (!take(w, ','))
			return false;
	}
	skip_blanks(w);
	return peek(w) != ']';
}

/* The value that the pointer names, or the innermost object or array on the way to it. */
static const char *find(const char *text, size_t len, const char *pointer)
{
	struct walk w = {text, text + len};
	struct token t;
	skip_blanks(&w);
	const char *found = w.at;
	while (next_token(&pointer, &t)) {
		bool entered = peek(&w) == '[' ? enter_element(&w, t) : enter_member(&w, t);
		if (!entered)
			break;
		found = w.at;
	}
	return found;
}

void json_locate(const char *text, size_t len, struct err *e)
{
	for (size_t i = 0; i < e->nproblems; i++) {
		struct problem *p = &e->problems[i];
		if (p->line)
			continue;
		const char *found = find(text, len, p->pointer);
		const char *line = text;
		p->line = 1;
		for (const char *c = text; c < found; c++)
			if (*c == '\n') {
				p->line++;
				line = c + 1;
			}
		p->column = (int)(found - line) + 1;
	}
}
