/*
 * draft.c - when unsaved bytes become a save.
 *
 * The state is small on purpose: a text, how far it was scanned, whether something was written since the last save and
 * the last refusal. A refusal is repeated by every call that continues the refused text, and never tried again: the
 * flush that follows a refused write must not save what was reported as refused.
 */
#include "draft.h"

#include <errno.h>
#include <string.h>

static void start_anew(struct draft *d, enum draft_mode mode)
{
	d->mode = mode;
	buf_reset(&d->text);
	json_scan_init(&d->scan);
	d->dirty = false;
	d->emptied = mode == DRAFT_IN_ORDER;
	d->refused = 0;
}

void draft_init(struct draft *d, enum draft_mode mode)
{
	*d = (struct draft){.text = {.limit = LIMIT_RECORD}};
	start_anew(d, mode);
}

void draft_release(struct draft *d)
{
	buf_release(&d->text);
}

void draft_saved(struct draft *d)
{
	d->dirty = d->emptied = false;
	d->refused = 0;
	if (d->mode == DRAFT_APPEND)
		start_anew(d, DRAFT_APPEND);
}

bool draft_unsaved(const struct draft *d)
{
	return d->mode != DRAFT_APPEND && (d->dirty || d->emptied || d->refused);
}

void draft_refused(struct draft *d, int code)
{
	d->refused = code;
}

static int refuse(struct draft *d, struct err *e)
{
	d->refused = e->code;
	return -e->code;
}

static int repeat_refusal(const struct draft *d, struct err *e)
{
	return err_set(e, d->refused, "The save was refused before; write the text from its beginning to try again");
}

static int scan_mistake(const struct json_scan *s, struct err *e)
{
	int rc = err_problem(e, EBADMSG, "", "%s", s->why ? s->why : "is no JSON object");

	if (e->nproblems > 0) {
		e->problems[e->nproblems - 1].line = s->line;
		e->problems[e->nproblems - 1].column = s->column;
	}
	return rc;
}

static int too_large(struct err *e)
{
	return err_set(e, EFBIG, "A record holds at most %d bytes", LIMIT_RECORD);
}

static bool all_blank(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r\n", data[i]) || data[i] == '\0')
			return false;
	return true;
}

/* The next bytes of a text that is written from its beginning. */
static int write_in_order(struct draft *d, const char *data, size_t len, bool *save, struct err *e)
{
	bool was_complete = d->scan.state == SCAN_COMPLETE;
	size_t done;

	if (d->text.len + len > LIMIT_RECORD)
		return too_large(e), refuse(d, e);
	done = json_scan(&d->scan, data, len);
	if (d->scan.state == SCAN_COMPLETE)
		done += json_scan(&d->scan, data + done, len - done);
	buf_add(&d->text, data, len);
	if (buf_failed(&d->text))
		return err_nomem(e);
	if (d->scan.state == SCAN_INVALID)
		return scan_mistake(&d->scan, e), refuse(d, e);
	if (was_complete)
		return 0;
	d->dirty = d->dirty || !all_blank(data, len);
	*save = d->scan.state == SCAN_COMPLETE;
	return 0;
}

static int write_anywhere(struct draft *d, const char *data, size_t len, int64_t offset, struct err *e)
{
	if (offset > LIMIT_RECORD || (size_t)offset + len > LIMIT_RECORD)
		return too_large(e);
	if ((size_t)offset + len > d->text.len)
		buf_resize(&d->text, (size_t)offset + len);
	if (buf_failed(&d->text))
		return err_nomem(e);
	memcpy(d->text.data + offset, data, len);
	d->mode = DRAFT_ANYWHERE;
	d->dirty = true;
	return 0;
}

int draft_write(struct draft *d, const char *data, size_t len, int64_t offset, bool *save, struct err *e)
{
	*save = false;
	if (d->refused && offset == 0 && d->mode != DRAFT_APPEND) {
		if (d->mode == DRAFT_IN_ORDER)
			start_anew(d, DRAFT_IN_ORDER);
		d->refused = 0;
	}
	if (d->refused)
		return repeat_refusal(d, e);
	if (len == 0)
		return 0;
	if (d->mode == DRAFT_APPEND || (d->mode == DRAFT_IN_ORDER && (size_t)offset == d->text.len))
		return write_in_order(d, data, len, save, e);
	return write_anywhere(d, data, len, offset, e);
}

int draft_sync(struct draft *d, bool *save, struct err *e)
{
	struct json_scan scan;

	*save = false;
	if (d->refused)
		return repeat_refusal(d, e);
	if (!d->dirty || all_blank(buf_text(&d->text), d->text.len))
		return 0;
	json_scan_init(&scan);
	size_t done = json_scan(&scan, buf_text(&d->text), d->text.len);
	json_scan(&scan, buf_text(&d->text) + done, d->text.len - done);
	if (scan.state == SCAN_INVALID)
		return scan_mistake(&scan, e);
	if (scan.state != SCAN_COMPLETE)
		return err_set(e, EBADMSG, "The object is not complete at line %d, column %d", scan.line, scan.column);
	*save = true;
	return 0;
}

int draft_truncate(struct draft *d, int64_t size, struct err *e)
{
	if (size == 0) {
		start_anew(d, DRAFT_IN_ORDER);
		return 0;
	}
	if (size > LIMIT_RECORD)
		return too_large(e);
	if ((size_t)size == d->text.len)
		return 0;
	buf_resize(&d->text, (size_t)size);
	if (buf_failed(&d->text))
		return err_nomem(e);
	d->mode = DRAFT_ANYWHERE;
	d->dirty = true;
	return 0;
}
