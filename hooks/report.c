/*
 * report.c - prints what became of each of several requests.
 */
#include "report.h"

#include <string.h>

#include "../store/json.h"

/* name: with what stands around it. */
static void write_text(struct buf *b, const char *name, const char *text)
{
	buf_str(b, name);
	json_write_string(b, text, strlen(text));
}

/* A record's text on one line: its line breaks and what they indent stand between its members. */
static void write_answer(struct buf *b, const char *answer, size_t len)
{
	const char *at = answer, *end = at + len;
	buf_str(b, ",\"answer\":");
	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		buf_add(b, at, (size_t)((line_end ? line_end : end) - at));
		for (at = line_end ? line_end + 1 : end; at < end && *at == ' ';)
			at++;
	}
}

static void write_problem(struct buf *b, const struct problem *p)
{
	write_text(b, "{\"pointer\":", p->pointer);
	if (p->line)
		buf_printf(b, ",\"line\":%d,\"column\":%d", p->line, p->column);
	write_text(b, ",\"message\":", p->text);
	buf_char(b, '}');
}

/* The members that .errors has, too. */
static void write_error(struct buf *b, const struct err *e)
{
	const char *name = err_name(err_clamp(e->code));
	write_text(b, ",\"error\":{\"errno\":", name ? name : "EIO");
	write_text(b, ",\"message\":", e->text);
	buf_str(b, ",\"problems\":[");
	for (size_t i = 0; i < e->nproblems; i++) {
		buf_str(b, i ? "," : "");
		write_problem(b, &e->problems[i]);
	}
	buf_char(b, ']');
	if (*e->current) {
		write_text(b, ",\"checksum\":{\"current\":", e->current);
		write_text(b, ",\"supplied\":", e->supplied);
		buf_char(b, '}');
	}
	buf_char(b, '}');
}

void report_open(struct buf *b)
{
	buf_char(b, '[');
}

void report_add(struct buf *b, const struct report_line *line)
{
	write_text(b, b->len > 1 ? ",\n  {\"path\":" : "\n  {\"path\":", line->path);
	write_text(b, ",\"method\":", line->method);
	write_text(b, ",\"status\":", line->status);
	if (line->model && line->key->kind != VALUE_NULL) {
		buf_str(b, ",\"key\":");
		value_write(b, line->model->key->type, line->key, -1);
	}
	if (line->answer_len)
		write_answer(b, line->answer, line->answer_len);
	if (line->error)
		write_error(b, line->error);
	buf_char(b, '}');
}

void report_close(struct buf *b)
{
	buf_str(b, b->len > 1 ? "\n]\n" : "]\n");
}
