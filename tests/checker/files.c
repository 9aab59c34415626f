/*
 * files.c - what the calls must do that look at a file, or at all of them, by name; and fstat.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "checker.h"

/* ---- attributes ---- */

/* Of the drafts that the actor has of the record: the newest counts. */
static int64_t shown_size(struct world *w, int actor, int model, int key)
{
	const struct handle *newest = NULL;
	struct text t = {0};
	int64_t size = 0;

	for (int i = 0; i < SLOTS; i++) {
		const struct handle *h = w->slots[i];
		if (h && h->actor == actor && h->model == model && h->key == key && draft_shows(h) &&
		    (!newest || h->order > newest->order))
			newest = h;
	}
	if (newest)
		return (int64_t)newest->draft.len;
	if (w->records[model][key].there) {
		world_show(w, model, key, &t);
		size = (int64_t)t.len;
		text_release(&t);
	}
	return size;
}

static void want_attributes(struct world *w, const struct call *c, const struct end *e, struct expected *x)
{
	static const int wants[] = {
	    [IS_RECORD] = WANTS_RECORD, [IS_UNSAVED] = WANTS_UNSAVED, [IS_SCRATCH] = WANTS_SCRATCH};

	x->wants = wants[e->is];
	x->model = e->model;
	x->key = e->n->key;
	x->scratch = e->scratch;
	if (e->is != IS_SCRATCH)
		x->size = shown_size(w, c->actor, e->model, e->n->key);
}

void expect_stat(struct world *w, const struct call *c, struct expected *x)
{
	struct end e = end_find(w, c->model, c->name);

	x->result = end_absent(&e);
	if (x->result == 0)
		want_attributes(w, c, &e, x);
}

void expect_fstat(struct world *w, const struct call *c, struct expected *x)
{
	struct handle *h = call_handle(w, c, x);

	if (!h)
		return;
	const struct record *r = &w->records[h->model][h->key];
	struct end e = {.model = h->model, .n = name_of(h->model, h->key), .scratch = h->scratch};
	if (h->scratch)
		e.is = IS_SCRATCH;
	else
		e.is = r->there && r->born == h->born ? IS_RECORD : IS_NOTHING;
	x->wants = WANTS_GONE;
	if (e.is != IS_NOTHING)
		want_attributes(w, c, &e, x);
}

void expect_attributes(struct world *w, const struct call *c, struct expected *x)
{
	struct end e = end_find(w, c->model, c->name);

	x->result = end_absent(&e);
	x->skip = end_is_symlink(&e);
	if (x->skip || e.is != IS_SCRATCH)
		return;
	if (c->kind == CALL_CHMOD)
		e.scratch->mode = (mode_t)c->flags;
	if (c->kind == CALL_TIMES) {
		e.scratch->mtime = c->offset;
		e.scratch->times_set = true;
	}
}

void expect_access(struct world *w, const struct call *c, struct expected *x)
{
	struct end e = end_find(w, c->model, c->name);

	x->skip = end_is_symlink(&e);
	x->result = end_absent(&e);
}

void expect_setxattr(struct world *w, const struct call *c, struct expected *x)
{
	struct end e = end_find(w, c->model, c->name);

	x->skip = end_is_symlink(&e);
	x->result = end_absent(&e);
	if (x->skip || x->result < 0)
		return;
	if (e.is != IS_SCRATCH)
		x->result = -EOPNOTSUPP;
	else
		strcpy(e.scratch->attribute, c->data);
}

void expect_getxattr(struct world *w, const struct call *c, struct expected *x)
{
	struct end e = end_find(w, c->model, c->name);

	x->skip = end_is_symlink(&e);
	x->result = end_absent(&e);
	if (x->skip || x->result < 0)
		return;
	if (c->kind == CALL_REMOVEXATTR && e.is != IS_SCRATCH)
		x->result = -EOPNOTSUPP;
	else if (e.is != IS_SCRATCH || e.scratch->attribute[0] == '\0')
		x->result = -ENODATA;
	else if (c->kind == CALL_REMOVEXATTR)
		e.scratch->attribute[0] = '\0';
	else {
		x->wants = WANTS_BYTES;
		text_str(&x->bytes, e.scratch->attribute);
		x->result = (int)x->bytes.len;
	}
}

/* ---- whole files by name ---- */

void expect_whole(struct world *w, const struct call *c, struct expected *x)
{
	struct end e = end_find(w, c->model, c->name);

	x->result = end_absent(&e);
	x->skip = end_is_symlink(&e) ||
		  (c->kind != CALL_CAT && e.is == IS_RECORD &&
		   shown_size(w, c->actor, c->model, e.n->key) != shown_size(w, -1, c->model, e.n->key));
	if (x->skip || x->result < 0)
		return;
	text_resize(&x->bytes, 0);
	if (e.is == IS_RECORD)
		world_show(w, c->model, e.n->key, &x->bytes);
	if (e.is == IS_SCRATCH)
		text_copy(&x->bytes, &e.scratch->data);
	x->skip = c->kind != CALL_CAT && e.is == IS_UNSAVED;
	x->wants = WANTS_BYTES;
	x->result = (int)x->bytes.len;
}

/* sendfile of a whole small file to a descriptor: what it reads comes in one write. */
void expect_send(struct world *w, const struct call *c, struct expected *x)
{
	struct handle *to = call_handle(w, c, x);
	struct expected source = {0};

	if (!to)
		return;
	expect_whole(w, c, &source);
	x->skip = source.skip || to->position < 0 || (to->flags & O_APPEND) || source.bytes.len > 3000 ||
		  (to->scratch && to->scratch == world_scratch(w, c->model, c->name));
	x->result = source.result;
	if (!x->skip && x->result >= 0 && (to->flags & O_ACCMODE) == O_RDONLY)
		x->result = -EBADF;
	else if (!x->skip && x->result > 0)
		x->result = handle_write(w, to, source.bytes.data, source.bytes.len);
	text_release(&source.bytes);
}

void expect_map_shared(struct world *w, const struct call *c, struct expected *x)
{
	struct end e = end_find(w, c->model, c->name);

	x->skip = end_is_symlink(&e);
	x->result = end_absent(&e) < 0 ? end_absent(&e) : -ENODEV;
}

void expect_truncate(struct world *w, const struct call *c, struct expected *x)
{
	struct end e = end_find(w, c->model, c->name);

	x->skip = end_is_symlink(&e);
	x->result = end_absent(&e);
	if (x->skip || x->result < 0)
		return;
	if (e.is == IS_SCRATCH)
		scratch_resize(e.scratch, c->offset);
	else
		x->result = -EPERM;
}

void expect_readlink(struct world *w, const struct call *c, struct expected *x)
{
	struct end e = end_find(w, c->model, c->name);

	x->result = end_absent(&e);
	if (x->result < 0)
		return;
	if (!end_is_symlink(&e)) {
		x->result = -EINVAL;
		return;
	}
	x->wants = WANTS_BYTES;
	text_copy(&x->bytes, &e.scratch->data);
	x->result = (int)x->bytes.len;
}

void expect_list(struct world *w, const struct call *c, struct expected *x)
{
	text_resize(&x->bytes, 0);
	x->wants = WANTS_LIST;
	for (int i = 0; i < NAMES; i++) {
		struct end e = end_find(w, c->model, i);
		if (e.is == IS_RECORD || e.is == IS_SCRATCH)
			text_printf(&x->bytes, "%s\n", e.n->text);
	}
}

void expect_statfs(struct world *w, const struct call *c, struct expected *x)
{
	(void)c;
	x->result = world_records(w);
}
