/*
 * conf_print.c - mount.conf as it is in force: its own text, or, where rowfs has added what tables say, all of it
 * printed anew.
 */
#include <string.h>

#include "buf.h"
#include "conf.h"

/* Quotes make a literal of what would be a keyword: a word keeps those that it had. */
static void print_word(struct buf *b, const struct word *w)
{
	if (!w->quoted && w->text[0] && !strpbrk(w->text, " \t\r\n;{}#'\"\\")) {
		buf_str(b, w->text);
		return;
	}
	buf_char(b, '"');
	for (const char *c = w->text; *c; c++) {
		if (*c == '"' || *c == '\\')
			buf_char(b, '\\');
		buf_char(b, *c);
	}
	buf_char(b, '"');
}

static void print_block(struct buf *b, const struct directive *first, size_t depth)
{
	for (const struct directive *d = first; d; d = d->next) {
		buf_fill(b, '\t', depth);
		for (size_t i = 0; i < d->nwords; i++) {
			buf_str(b, i ? " " : "");
			print_word(b, &d->words[i]);
		}
		if (d->has_block || d->children) {
			buf_str(b, " {\n");
			print_block(b, d->children, depth + 1);
			buf_fill(b, '\t', depth);
			buf_char(b, '}');
		}
		buf_char(b, '\n');
	}
}

void conf_print(const struct conf *c, struct buf *b)
{
	if (c->completed)
		print_block(b, c->directives, 0);
	else
		buf_add(b, c->text, c->len);
}
