/*
 * export.c - walks over the records in the order of their numbers, one piece of text in memory.
 */
#include "export.h"

#include <errno.h>
#include <stdlib.h>

struct export
{
	const struct model *model;
	int64_t after; /* number of the last record in text */
	bool end;      /* it was the last one of all */
	struct buf text;
	int64_t start; /* offset of text */
};

int export_open(const struct model *model, struct export **out, struct err *e)
{
	struct export *x = calloc(1, sizeof(*x));

	if (!x)
		return err_nomem(e);
	*x = (struct export){.model = model, .after = -1};
	*out = x;
	return 0;
}

void export_close(struct export *x)
{
	if (!x)
		return;
	buf_release(&x->text);
	free(x);
}

/* A record that no name can stand for, stored by another program, is none here either. */
static int add_lines(struct export *x, struct conn *c, struct cursor *cursor, struct err *e)
{
	struct value key;
	int64_t serial;
	int rc;

	while (x->text.len < LIMIT_EXPORT && (rc = cursor_next(cursor, &key, &serial, e)) != 0) {
		buf_auto name = BUF_INIT;

		if (rc < 0)
			return rc;
		x->after = serial;
		rc = record_name(x->model, &key, &name);
		if (rc == -ENOMEM)
			return err_nomem(e);
		if (rc < 0) /* it has no file */
			continue;
		rc = store_line(c, x->model, &key, &x->text, e);
		if (rc < 0)
			return rc;
	}
	x->end = x->text.len < LIMIT_EXPORT;
	return 0;
}

static int next_text(struct mount *m, struct export *x, uid_t viewer, struct err *e)
{
	struct cursor *cursor = NULL;
	struct conn *c = mount_read(m, viewer, e);

	if (!c)
		return -e->code;
	x->start += (int64_t)x->text.len;
	buf_reset(&x->text);
	int rc = cursor_open(&cursor, c, x->model, x->after, e);
	if (rc == 0)
		rc = add_lines(x, c, cursor, e);
	cursor_close(cursor);
	store_read_end(c);
	return rc;
}

int export_read(struct mount *m, struct export *x, uid_t viewer, size_t len, int64_t offset, struct buf *out,
		struct err *e)
{
	if (offset < x->start)
		return err_set(e, ESPIPE, "An export is read from its start to its end");
	while (offset >= x->start + (int64_t)x->text.len && !x->end) {
		int rc = next_text(m, x, viewer, e);

		if (rc < 0)
			return rc;
	}
	size_t at = (size_t)(offset - x->start);
	if (at < x->text.len)
		buf_add(out, x->text.data + at, x->text.len - at < len ? x->text.len - at : len);
	return buf_failed(out) ? err_nomem(e) : 0;
}
