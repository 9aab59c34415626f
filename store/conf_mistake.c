/*
 * conf_mistake.c - the mistakes of mount.conf: kept with their place, told with the line and a caret.
 *
 * What a mistake quotes comes from the file: it is cut to a bearable length and its control characters become ?, so
 * that a broken file can't flood or steer a terminal.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "limits.h"
#include "nearest.h"

enum { TEXT_SIZE = 400, LONGEST_LINE_SHOWN = 400, LONGEST_WORD_SHOWN = 100, LONGEST_LIST_SHOWN = 80 };

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7F;
}

static bool in_character(char c)
{
	return ((unsigned char)c & 0xC0) == 0x80;
}

/* Control characters become ?; what was cut inside a character at the end goes. */
static void clean(char *text, bool was_cut)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (is_control(text[i]))
			text[i] = '?';
	while (was_cut && len > 0 && in_character(text[len - 1]))
		len--;
	if (was_cut && len > 0 && (unsigned char)text[len - 1] >= 0xC0)
		len--;
	text[len] = '\0';
}

static int by_place(const void *one, const void *other)
{
	const struct mistake *a = one, *b = other;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return strcmp(a->text, b->text);
}

/* A hook of every model is looked at once for each: what is wrong with it is one mistake. */
static bool is_kept(const struct conf *c, const struct mistake *m)
{
	for (size_t i = 0; i < c->nmistakes; i++)
		if (by_place(&c->mistakes[i], m) == 0)
			return true;
	return false;
}

void conf_mistake(struct conf *c, const struct word *at, const char *fmt, ...)
{
	static char lost[] = "there is not enough memory to tell what is wrong here";
	char text[TEXT_SIZE];
	va_list ap;

	if (c->nmistakes == LIMIT_MISTAKES)
		return;
	va_start(ap, fmt);
	int len = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	clean(text, len >= TEXT_SIZE);
	struct mistake found = {.line = 1, .column = 1, .length = 1, .text = text};
	if (at)
		found = (struct mistake){.line = at->line, .column = at->column, .length = at->length, .text = text};
	if (is_kept(c, &found))
		return;
	if (c->nmistakes == LIMIT_MISTAKES - 1)
		strcpy(text, "too many mistakes; what was found after this one is not told");
	struct mistake *m = &c->mistakes[c->nmistakes++];
	*m = found;
	m->text = arena_copy(&c->arena, text, strlen(text));
	if (!m->text)
		m->text = lost;
}

void conf_mistake_at(struct conf *c, int line, int column, const char *text)
{
	struct word word = {.line = line, .column = column, .length = 1};
	const char *at = c->text, *end = c->text + c->len;

	while (at && --line > 0)
		at = (at = memchr(at, '\n', (size_t)(end - at))) ? at + 1 : NULL;
	if (at && column <= end - at)
		word.length = (int)strcspn(at + column - 1, " \t\r\n;{}#");
	conf_mistake(c, word.line > 0 ? &word : NULL, "%s", text);
}

/* What there is, or "" where that is nothing, or more than anybody would read. */
static void list_known(char *list, size_t size, const char *const *known, size_t nknown)
{
	size_t len = 0;

	for (size_t i = 0; i < nknown && len < size; i++)
		len += (size_t)snprintf(list + len, size - len, "%s%s",
					i == 0           ? "; known: "
					: i + 1 < nknown ? ", "
							 : " and ",
					known[i]);
	if (len == 0 || len >= size)
		*list = '\0';
}

void conf_unknown(struct conf *c, const struct word *at, const char *what, const char *const *known, size_t nknown)
{
	if (c->nmistakes == LIMIT_MISTAKES)
		return;
	const char *near = nearest(at->text, known, nknown);
	char list[LONGEST_LIST_SHOWN];
	int shown = (int)strnlen(at->text, LONGEST_WORD_SHOWN);
	list_known(list, sizeof list, known, nknown);
	while (shown > 0 && in_character(at->text[shown]))
		shown--;
	if (near)
		conf_mistake(c, at, "unknown %s '%s'; did you mean '%s'?", what, at->text, near);
	else
		conf_mistake(c, at, "unknown %s '%.*s%s'%s", what, shown, at->text, at->text[shown] ? "..." : "", list);
}

/* ---- printing ---- */

static void print_line(const char *line, size_t len, FILE *to)
{
	for (size_t i = 0; i < len; i++)
		putc(is_control(line[i]) && line[i] != '\t' ? '?' : line[i], to);
	putc('\n', to);
}

/* A blank for each character before the word, but a tab for a tab; then the caret and ~ for the word's other ones. */
static void print_caret(const char *line, size_t len, const struct mistake *m, FILE *to)
{
	size_t start = (size_t)m->column - 1, end = start + (size_t)m->length;

	for (size_t i = 0; i < start && i < len; i++)
		if (!in_character(line[i]))
			putc(line[i] == '\t' ? '\t' : ' ', to);
	putc('^', to);
	for (size_t i = start + 1; i < end && i < len; i++)
		if (!in_character(line[i]))
			putc('~', to);
	putc('\n', to);
}

static size_t line_length(const char *line, const char *end)
{
	const char *eol = memchr(line, '\n', (size_t)(end - line));
	size_t len = (size_t)((eol ? eol : end) - line);

	return len > 0 && line[len - 1] == '\r' ? len - 1 : len;
}

void conf_print_mistakes(struct conf *c, FILE *to)
{
	const char *line = c->text ? c->text : "", *end = line + c->len;
	int number = 1;

	if (c->nmistakes)
		qsort(c->mistakes, c->nmistakes, sizeof *c->mistakes, by_place);
	for (size_t i = 0; i < c->nmistakes; i++) {
		const struct mistake *m = &c->mistakes[i];
		while (number < m->line && (line = memchr(line, '\n', (size_t)(end - line)))) {
			line++;
			number++;
		}
		fprintf(to, "%s:%d:%d: error: %s\n", c->path, m->line, m->column, m->text);
		if (!line)
			line = end;
		size_t len = line_length(line, end);
		if (len == 0 || len > LONGEST_LINE_SHOWN)
			continue;
		print_line(line, len, to);
		print_caret(line, len, m, to);
	}
}
