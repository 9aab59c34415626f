/*
 * draft.c - section 4 of the contract: when the bytes of a descriptor are a save.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "checker.h"

static bool writes(const struct handle *h)
{
	return (h->flags & O_ACCMODE) != O_RDONLY;
}

static void start(struct handle *h, enum draft_mode mode)
{
	h->mode = mode;
	text_clear(&h->draft);
	h->dirty = false;
	h->emptied = mode == IN_ORDER;
	h->refused = 0;
}

void draft_open(struct world *w, struct handle *h, bool record)
{
	text_resize(&h->draft, 0);
	text_resize(&h->pinned, 0);
	h->unsaved = !record;
	h->mode = IN_ORDER;
	h->emptied = writes(h) && (!record || (h->flags & O_TRUNC));
	if (!record || (writes(h) && (h->flags & O_TRUNC)))
		return;
	h->based = (h->flags & O_ACCMODE) == O_RDWR;
	if (h->based)
		row_set(&h->base, &w->records[h->model][h->key].row);
	if (writes(h) && !(h->flags & O_APPEND)) {
		h->mode = ANYWHERE;
		world_show(w, h->model, h->key, &h->draft);
		return;
	}
	h->mode = writes(h) ? APPEND : IN_ORDER;
	world_show(w, h->model, h->key, &h->pinned);
}

bool draft_shows(const struct handle *h)
{
	return !h->scratch && writes(h) && !h->gone && h->mode != APPEND && (h->dirty || h->refused || h->emptied);
}

static int refuse(struct handle *h, int code)
{
	h->refused = -code;
	return code;
}

static int save_draft(struct world *w, struct handle *h)
{
	enum expect expect = h->saved || !h->unsaved ? EXISTING : h->flags & O_EXCL ? NEW : ANY;
	int rc = 0;

	if (!h->gone)
		rc = save_text(w, h->model, h->key, h->mode == APPEND ? MERGE : PUT, expect, h->based ? &h->base : NULL,
			       &h->draft);
	if (rc < 0)
		return refuse(h, rc);
	h->dirty = h->emptied = false;
	h->refused = 0;
	if (h->gone && h->mode != APPEND)
		return 0;
	h->saved = !h->gone;
	if (h->based && !h->gone)
		row_set(&h->base, &w->records[h->model][h->key].row);
	if (!h->gone)
		h->unsaved = false;
	if (h->flags & O_APPEND)
		start(h, APPEND);
	return 0;
}

static int write_in_order(struct world *w, struct handle *h, const char *data, size_t len)
{
	bool complete = text_scan(h->draft.data, h->draft.len) == SCAN_COMPLETE;

	if (h->draft.len + len > RECORD_MAX)
		return refuse(h, -EFBIG);
	text_add(&h->draft, data, len);
	enum scan now = text_scan(h->draft.data, h->draft.len);
	if (now == SCAN_WRONG)
		return refuse(h, -EBADMSG);
	if (complete)
		return 0;
	h->dirty = h->dirty || text_scan(data, len) != SCAN_BLANK;
	return now == SCAN_COMPLETE ? save_draft(w, h) : 0;
}

static int write_anywhere(struct handle *h, const char *data, size_t len, int64_t offset)
{
	if (offset + (int64_t)len > RECORD_MAX)
		return -EFBIG;
	text_write(&h->draft, data, len, (size_t)offset);
	h->mode = ANYWHERE;
	h->dirty = true;
	return 0;
}

int draft_write(struct world *w, struct handle *h, const char *data, size_t len, int64_t offset)
{
	if (len == 0)
		return 0;
	if (h->flags & O_APPEND)
		offset = (int64_t)h->draft.len;
	if (h->refused && offset == 0 && h->mode != APPEND) {
		h->refused = 0;
		if (h->mode == IN_ORDER)
			start(h, IN_ORDER);
	}
	if (h->refused)
		return -h->refused;
	if (h->mode == APPEND || (h->mode == IN_ORDER && offset == (int64_t)h->draft.len))
		return write_in_order(w, h, data, len);
	return write_anywhere(h, data, len, offset);
}

int draft_sync(struct world *w, struct handle *h)
{
	if (!writes(h))
		return 0;
	if (h->refused)
		return -h->refused;
	enum scan now = text_scan(h->draft.data, h->draft.len);
	if (!h->dirty || now == SCAN_BLANK)
		return 0;
	return now == SCAN_COMPLETE ? save_draft(w, h) : -EBADMSG;
}

/* What is appended stands behind the record: a size means all of it. */
static void whole_text(struct world *w, struct handle *h, struct text *out)
{
	text_resize(out, 0);
	if (w->records[h->model][h->key].there)
		world_show(w, h->model, h->key, out);
	text_add(out, h->draft.data, h->draft.len);
}

int draft_truncate(struct world *w, struct handle *h, int64_t size)
{
	struct text whole = {0};

	if (size == 0) {
		start(h, IN_ORDER);
		return 0;
	}
	if (size > RECORD_MAX)
		return -EFBIG;
	if (h->mode == APPEND)
		whole_text(w, h, &whole);
	else
		text_copy(&whole, &h->draft);
	if ((size_t)size != whole.len) {
		text_resize(&whole, (size_t)size);
		text_copy(&h->draft, &whole);
		h->mode = ANYWHERE;
		h->dirty = true;
	}
	text_release(&whole);
	return 0;
}
