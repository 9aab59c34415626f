/*
 * names.c - the rename table of section 4, and its relatives: link, symlink, unlink, mkdir.
 */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#include "checker.h"

struct end end_find(struct world *w, int model, int name)
{
	struct end e = {.model = model, .name = name, .n = name_of(model, name)};

	if (e.n->kind == NAME_RECORD && w->records[model][e.n->key].there)
		e.is = IS_RECORD;
	else if (e.n->kind == NAME_RECORD && world_unsaved(w, model, e.n->key))
		e.is = IS_UNSAVED;
	else if (e.n->kind == NAME_SCRATCH && (e.scratch = world_scratch(w, model, name)))
		e.is = IS_SCRATCH;
	return e;
}

bool end_is_symlink(const struct end *e)
{
	return e->is == IS_SCRATCH && e->scratch->symlink;
}

int end_absent(const struct end *e)
{
	return e->n->kind == NAME_LONG ? -ENAMETOOLONG : e->is == IS_NOTHING ? -ENOENT : 0;
}

/* A file of its own under the name: what link of a record and a backup by rename make. */
static int copy(struct world *w, struct end *from, struct end *to)
{
	struct scratch *s;

	if (to->n->kind == NAME_DIGITS)
		return -EACCES;
	if (to->scratch)
		scratch_take_name(w, to->model, to->name);
	s = world_add_scratch(w, to->model, to->name, 0644);
	world_show(w, from->model, from->n->key, &s->data);
	return 0;
}

static int link_scratch(struct world *w, struct end *from, struct end *to)
{
	if (to->n->kind == NAME_DIGITS)
		return -EACCES;
	scratch_link(w, from->scratch, to->model, to->name);
	return 0;
}

static int rename_scratch(struct world *w, struct end *from, struct end *to)
{
	if (to->scratch == from->scratch)
		return 0;
	if (to->n->kind == NAME_DIGITS)
		return -EACCES;
	if (to->scratch)
		scratch_take_name(w, to->model, to->name);
	scratch_link(w, from->scratch, to->model, to->name);
	scratch_take_name(w, from->model, from->name);
	return 0;
}

static int save_scratch(struct world *w, struct end *from, struct end *to, bool keep, bool replace)
{
	int rc = save_text(w, to->model, to->n->key, PUT, replace ? ANY : NEW, NULL, &from->scratch->data);

	if (rc == 0 && !keep)
		scratch_take_name(w, from->model, from->name);
	return rc;
}

static int move_record(struct world *w, struct end *from, struct end *to, bool replace)
{
	int rc;

	if (from->model == to->model)
		rc = save_key(w, from->model, from->n->key, to->n->key, replace);
	else
		rc = save_move(w, from->model, from->n->key, to->model, to->n->key, replace);
	if (rc == 0)
		world_remove_unsaved(w, from->model, from->n->key);
	return rc;
}

static int move(struct world *w, struct end *from, struct end *to, bool replace)
{
	if (to->n->kind == NAME_INVALID)
		return -EBADMSG;
	if (from->is == IS_UNSAVED)
		return -ENOENT;
	if (to->n->kind == NAME_RECORD)
		return from->is == IS_RECORD ? move_record(w, from, to, replace)
					     : save_scratch(w, from, to, false, replace);
	return from->is == IS_RECORD ? copy(w, from, to) : rename_scratch(w, from, to);
}

static int exchange_texts(struct world *w, struct end *file, struct end *record)
{
	struct text before = {0};
	int rc;

	world_show(w, record->model, record->n->key, &before);
	rc = save_text(w, record->model, record->n->key, PUT, EXISTING, NULL, &file->scratch->data);
	if (rc == 0) {
		text_copy(&file->scratch->data, &before);
		file->scratch->times_set = false;
	}
	text_release(&before);
	return rc;
}

static int exchange(struct world *w, struct end *from, struct end *to)
{
	if (from->is == IS_NOTHING || to->is == IS_NOTHING || from->is == IS_UNSAVED || to->is == IS_UNSAVED)
		return -ENOENT;
	if (from->is == IS_RECORD && to->is == IS_RECORD)
		return from->model == to->model ? save_exchange(w, from->model, from->n->key, to->n->key) : -EOPNOTSUPP;
	if (from->scratch == to->scratch)
		return 0;
	if (from->is == IS_SCRATCH && to->is == IS_SCRATCH) {
		w->scratches[from->model][from->name] = to->scratch;
		w->scratches[to->model][to->name] = from->scratch;
		return 0;
	}
	return from->is == IS_SCRATCH ? exchange_texts(w, from, to) : exchange_texts(w, to, from);
}

static void expect_exchange(struct world *w, const struct call *c, struct expected *x)
{
	struct end from = end_find(w, c->model, c->name), to = end_find(w, c->model2, c->name2);

	x->skip = end_is_symlink(&from) || end_is_symlink(&to);
	if (x->skip)
		return;
	x->result = end_absent(&from) ? end_absent(&from) : end_absent(&to);
	if (x->result < 0)
		x->other = end_absent(&to);
	else if (c->model != c->model2 || c->name != c->name2)
		x->result = exchange(w, &from, &to);
}

void expect_rename(struct world *w, const struct call *c, struct expected *x)
{
	struct end from = end_find(w, c->model, c->name), to = end_find(w, c->model2, c->name2);

	if (c->flags & RENAME_EXCHANGE) {
		expect_exchange(w, c, x);
		return;
	}
	x->result = end_absent(&from);
	if (to.n->kind == NAME_LONG && x->result == -ENOENT)
		x->other = -ENAMETOOLONG;
	else if (x->result == 0 && to.n->kind == NAME_LONG)
		x->result = -ENAMETOOLONG;
	else if (x->result == 0 && to.is != IS_NOTHING && (c->flags & RENAME_NOREPLACE))
		x->result = -EEXIST;
	else if (x->result == 0 && (c->model != c->model2 || c->name != c->name2))
		x->result = move(w, &from, &to, !(c->flags & RENAME_NOREPLACE));
}

void expect_link(struct world *w, const struct call *c, struct expected *x)
{
	struct end from = end_find(w, c->model, c->name), to = end_find(w, c->model2, c->name2);

	x->result = end_absent(&from);
	if (x->result < 0)
		return;
	if (to.n->kind == NAME_LONG)
		x->result = -ENAMETOOLONG;
	else if (to.is != IS_NOTHING)
		x->result = -EEXIST;
	else if (from.is == IS_UNSAVED) {
		x->result = -ENOENT;
		x->other = to.n->kind == NAME_INVALID ? -EBADMSG : -EPERM;
	} else if (to.n->kind == NAME_INVALID)
		x->result = -EBADMSG;
	else if (to.n->kind != NAME_RECORD)
		x->result = (from.is == IS_SCRATCH ? link_scratch : copy)(w, &from, &to);
	else
		x->result = from.is == IS_RECORD ? -EPERM : save_scratch(w, &from, &to, true, false);
}

void expect_symlink(struct world *w, const struct call *c, struct expected *x)
{
	static const int results[] = {[NAME_RECORD] = -EPERM,
				      [NAME_INVALID] = -EPERM,
				      [NAME_DIGITS] = -EACCES,
				      [NAME_LONG] = -ENAMETOOLONG,
				      [NAME_NONE] = 0};
	struct end e = end_find(w, c->model, c->name);

	x->result = e.is != IS_NOTHING ? -EEXIST : results[e.n->kind];
	if (x->result < 0)
		return;
	struct scratch *s = world_add_scratch(w, c->model, c->name, 0777);
	s->symlink = true;
	text_str(&s->data, c->data);
}

void expect_unlink(struct world *w, const struct call *c, struct expected *x)
{
	struct end e = end_find(w, c->model, c->name);

	for (int t = 0; t <= TXNS; t++)
		x->skip =
		    x->skip || (e.is == IS_RECORD && world_in(world_root(w), t)->records[c->model][e.n->key].refused);
	if (x->skip)
		return;
	x->result = end_absent(&e);
	if (e.is == IS_RECORD)
		x->result = save_delete(w, c->model, e.n->key);
	if (e.is == IS_SCRATCH)
		scratch_take_name(w, c->model, c->name);
	else if (x->result == 0)
		world_remove_unsaved(w, c->model, e.n->key);
}

void expect_mkdir(struct world *w, const struct call *c, struct expected *x)
{
	struct end e = end_find(w, c->model, c->name);

	x->result = e.n->kind == NAME_LONG ? -ENAMETOOLONG : e.is != IS_NOTHING ? -EEXIST : -EPERM;
}
