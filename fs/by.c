/*
 * by.c - the names below MODEL/.by/, and mv between two values.
 *
 * A listing of links is a walk over the field's index, from a record's place on, in a snapshot of its own for each
 * request, so that a record that has the value throughout appears exactly once. An enum's values are those of
 * mount.conf; those of another field are looked for one by one in the index, each from the one before.
 */
#include "by.h"

#include <errno.h>
#include <string.h>

#define UP "../../../" /* from VALUE/ to MODEL/ */

/* ---- fields ---- */

static const struct field *found_by(struct mount *m, const struct model *model, const char *name)
{
	const struct field *f = model ? model_field(model, name) : NULL;

	return f && store_finds_by(m->store, model, f) ? f : NULL;
}

static void field_stat(const struct mount *m, const struct node *dir, size_t field, struct stat *st)
{
	mount_dir_stat(m, node_by_field(dir->model, field), mount_made_mode(m, dir), st);
}

int by_find_field(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		  struct entry *out, struct err *e)
{
	const struct field *f = found_by(m, mount_model(m, dir->model), name);

	(void)who, (void)a, (void)e;
	if (!f)
		return 0;
	out->kind = ENTRY_MADE;
	field_stat(m, dir, f->index, &out->st);
	return 0;
}

int by_list_fields(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	const struct model *model = mount_model(l->m, dir->model);

	(void)e;
	for (size_t i = off >= LISTING_FIRST ? (size_t)(off - LISTING_FIRST) + 1 : 0; model && i < model->nfields;
	     i++) {
		struct stat st;

		if (!store_finds_by(l->m->store, model, &model->fields[i]))
			continue;
		field_stat(l->m, dir, i, &st);
		if (!listing_add(l, model->fields[i].name, &st, (off_t)i + LISTING_FIRST))
			break;
	}
	return model ? 0 : -ENOENT;
}

/* ---- values ---- */

/* The model and field of a NODE_BY_FIELD; NULL where there is none. */
static const struct field *field_of(const struct mount *m, const struct node *dir, const struct model **model)
{
	*model = mount_model(m, dir->model);
	return *model && (size_t)dir->serial < (*model)->nfields ? &(*model)->fields[dir->serial] : NULL;
}

int by_find_value(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		  struct entry *out, struct err *e)
{
	const struct field *f = field_of(m, dir, &out->model);
	int rc = f ? record_value(f, name, a, &out->value) : -ENOENT;

	(void)who, (void)e;
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	const struct by_node node = {NODE_BY_VALUE, out->model, f, out->value, value_null()};
	out->kind = ENTRY_BY;
	out->field = f;
	mount_dir_stat(m, by_number(m, &node), mount_made_mode(m, dir), &out->st);
	return 0;
}

/* False when the buffer is full. What has no name, stored by another program, is passed over. */
static bool list_value(struct listing *l, const struct model *model, const struct field *f, const struct value *v,
		       off_t next, bool *listed)
{
	const struct by_node node = {NODE_BY_VALUE, model, f, *v, value_null()};
	struct stat st = {.st_ino = by_number(l->m, &node), .st_mode = S_IFDIR};
	arena_auto a = ARENA_INIT;
	buf_auto name = BUF_INIT;
	struct value again;

	*listed = false;
	if (record_value_name(f, v, &name) < 0 || record_value(f, buf_text(&name), &a, &again) < 0 ||
	    !value_equal(&again, v))
		return true;
	*listed = listing_add(l, buf_text(&name), &st, next);
	return *listed;
}

static int list_null(struct listing *l, struct conn *c, const struct model *model, const struct field *f, off_t next,
		     bool *room, struct err *e)
{
	const struct value null = value_null();
	bool listed;
	int rc = f->required ? 0 : store_has_null(c, model, f, e);

	if (rc > 0)
		*room = list_value(l, model, f, &null, next, &listed);
	return rc < 0 ? rc : 0;
}

/* The words of mount.conf in their order, then null. */
static int list_words(struct listing *l, struct conn *c, const struct model *model, const struct field *f, off_t off,
		      struct err *e)
{
	size_t i = off < LISTING_FIRST ? 0 : (size_t)(off - LISTING_FIRST) + 1;
	bool room = true, listed;

	for (; room && i < f->nwords; i++) {
		arena_auto a = ARENA_INIT;
		struct value v;
		if (value_from_text(f->type, f->words[i], strlen(f->words[i]), &a, &v) == 0)
			room = list_value(l, model, f, &v, (off_t)i + LISTING_FIRST, &listed);
	}
	return room && i == f->nwords ? list_null(l, c, model, f, (off_t)i + LISTING_FIRST, &room, e) : 0;
}

/* What comes next among the stored values; null comes first. 1 or 0. */
static int next_value(struct conn *c, const struct model *model, const struct field *f, bool first,
		      const struct value *after, struct arena *a, struct value *out, struct err *e)
{
	int rc = first && !f->required ? store_has_null(c, model, f, e) : 0;

	if (rc > 0)
		*out = value_null();
	if (rc != 0)
		return rc;
	return store_next_value(c, model, f, first || after->kind == VALUE_NULL ? NULL : after, a, out, e);
}

/* The value with the number, which was listed; an earlier request's is looked for from the start. */
static int value_at(struct conn *c, const struct by_place *place, const struct model *model, const struct field *f,
		    int64_t number, struct arena *a, struct value *out, struct err *e)
{
	struct arena turns[2] = {ARENA_INIT,
				 ARENA_INIT}; /* the value before is needed to find the next, no older one */
	int rc = 1;

	if (number >= place->first && (size_t)(number - place->first) < place->n)
		return value_copy(a, &place->values[number - place->first], out) < 0 ? err_nomem(e) : 1;
	for (int64_t i = 0; i <= number && rc > 0; i++) {
		arena_release(&turns[i % 2]);
		rc = next_value(c, model, f, i == 0, out, &turns[i % 2], out, e);
	}
	if (rc > 0 && value_copy(a, out, out) < 0)
		rc = err_nomem(e);
	arena_release(&turns[0]);
	arena_release(&turns[1]);
	return rc;
}

static int note_value(struct by_place *place, const struct value *v, struct err *e)
{
	if (place->n == place->room) {
		size_t room = place->room ? 2 * place->room : 64;
		struct value *grown = realloc(place->values, room * sizeof(*grown));

		if (!grown)
			return err_nomem(e);
		place->values = grown;
		place->room = room;
	}
	return value_copy(&place->arena, v, &place->values[place->n++]) < 0 ? err_nomem(e) : 0;
}

static int list_stored(struct listing *l, struct conn *c, const struct model *model, const struct field *f, off_t off,
		       struct err *e)
{
	int64_t number = off < LISTING_FIRST ? 0 : off - LISTING_FIRST + 1;
	struct by_place *place = l->place;
	arena_auto a = ARENA_INIT;
	struct value v = value_null();
	bool room = true, listed;
	int rc = number > 0 ? value_at(c, place, model, f, number - 1, &a, &v, e) : 1;

	place->n = 0;
	place->first = number;
	arena_release(&place->arena);
	while (rc > 0 && (rc = next_value(c, model, f, number == 0 && place->n == 0, &v, &a, &v, e)) > 0) {
		room = list_value(l, model, f, &v, number + LISTING_FIRST, &listed);
		if (!room)
			break;
		number++; /* also what has no name, so that the walk goes on behind it */
		rc = note_value(place, &v, e) < 0 ? -e->code : 1;
	}
	return rc < 0 ? rc : 0;
}

int by_list_values(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	const struct model *model;
	const struct field *f = field_of(l->m, dir, &model);
	struct conn *c = f ? mount_read(l->m, l->uid, e) : NULL;

	if (!c)
		return f ? -e->code : -ENOENT;
	int rc = (f->words ? list_words : list_stored)(l, c, model, f, off, e);
	store_read_end(c);
	return rc;
}

/* ---- links ---- */

static void link_stat(const struct mount *m, const struct by_node *n, const struct stamp *stamp, size_t size,
		      struct stat *st)
{
	mount_record_stat(m, n->model, stamp, size, st);
	st->st_ino = by_number(m, n);
	st->st_mode = S_IFLNK | 0777;
}

/* The record's times, if it has the value; -ENOENT. */
static int stamp_of(struct mount *m, const struct by_node *n, uid_t viewer, struct stamp *stamp, struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct value *row = arena_alloc(&a, n->model->nfields * sizeof(*row));
	struct conn *c = row ? mount_read_once(m, n->model, viewer, e) : NULL;

	if (!c)
		return row ? -e->code : err_nomem(e);
	int rc = store_get(c, n->model, &n->key, &a, row, stamp, e);
	store_read_end(c);
	return rc == 0 && !value_equal(&row[n->field->index], &n->value) ? -ENOENT : rc;
}

int by_find_link(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		 struct entry *out, struct err *e)
{
	struct by_node n;
	struct stamp stamp;

	if (!by_get(m, dir, a, &n))
		return -ENOENT;
	n.kind = NODE_BY_LINK;
	int rc = record_is_name(name) ? record_key(n.model, name, a, &n.key) : -ENOENT;
	if (rc == 0)
		rc = stamp_of(m, &n, who->uid, &stamp, e);
	if (rc == -ENOENT)
		err_release(e);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	out->kind = ENTRY_BY;
	out->model = n.model;
	out->field = n.field;
	out->value = n.value;
	out->key = n.key;
	link_stat(m, &n, &stamp, strlen(UP) + strlen(name), &out->st);
	return 0;
}

static int list_links(struct listing *l, struct cursor *cursor, struct by_node *n, struct err *e)
{
	buf_auto name = BUF_INIT;
	int64_t place;
	int rc;

	while ((rc = cursor_next(cursor, &n->key, &place, e)) > 0) {
		struct stat st = {.st_ino = by_number(l->m, n), .st_mode = S_IFLNK};

		buf_reset(&name);
		rc = record_name(n->model, &n->key, &name);
		if (rc == -ENOMEM)
			return err_nomem(e);
		if (rc == 0 && !listing_add(l, buf_text(&name), &st, place + LISTING_FIRST))
			return 0;
	}
	return rc;
}

int by_list_links(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct by_node n;
	struct cursor *cursor = NULL;
	struct conn *c = by_get(l->m, dir, &a, &n) ? mount_read(l->m, l->uid, e) : NULL;

	if (!c)
		return e->code ? -e->code : -ENOENT;
	n.kind = NODE_BY_LINK;
	int rc =
	    cursor_open_by(&cursor, c, n.model, n.field, &n.value, off < LISTING_FIRST ? -1 : off - LISTING_FIRST, e);
	if (rc == 0)
		rc = list_links(l, cursor, &n, e);
	cursor_close(cursor);
	store_read_end(c);
	return rc;
}

int by_show_link(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		 struct err *e)
{
	arena_auto a = ARENA_INIT;
	buf_auto target = BUF_INIT;
	struct by_node n;
	struct stamp stamp;

	if (!by_get(m, node, &a, &n))
		return -ENOENT;
	int rc = stamp_of(m, &n, who->uid, &stamp, e);
	buf_str(&target, UP);
	if (rc == 0)
		rc = record_name(n.model, &n.key, &target);
	if (rc < 0)
		return rc;
	link_stat(m, &n, &stamp, target.len, st);
	st->st_ino = node_by(node->kind, node->model, (uint64_t)node->serial);
	if (out)
		buf_add(out, buf_text(&target), target.len);
	return buf_failed(&target) || (out && buf_failed(out)) ? err_nomem(e) : 0;
}

/* ---- mv between two values ---- */

static int save_move(struct mount *m, const struct actor *actor, const struct by_node *from, const struct by_node *to,
		     const char *name, struct arena *a, struct err *e)
{
	buf_auto patch = BUF_INIT;
	struct outcome outcome;
	size_t members = 0;

	buf_char(&patch, '{');
	record_member(&patch, from->field->name, members, -1);
	value_write(&patch, from->field->type, &to->value, -1);
	record_close(&patch, members, -1);
	if (buf_failed(&patch))
		return err_nomem(e);
	struct request request = {.kind = REQUEST_MERGE,
				  .model = from->model,
				  .key = from->key,
				  .expect = EXPECT_RECORD,
				  .text = buf_text(&patch),
				  .len = patch.len,
				  .where = from->field,
				  .was = from->value};
	if (mount_save(m, actor, &request, &outcome, a, e) == 0) {
		mount_settled(m, actor, from->model, name, &outcome);
		return 0;
	}
	if (e->code != ENOENT) /* who comes too late has done nothing wrong */
		mount_refused(m, actor, from->model, name, &patch, e);
	return -err_clamp(e->code);
}

int by_move(struct mount *m, fuse_req_t req, uint64_t parent, const char *name, uint64_t new_parent,
	    const char *new_name, struct err *e)
{
	const struct actor actor = mount_actor(req);
	const struct node dir = node_decode(parent), new_dir = node_decode(new_parent);
	arena_auto a = ARENA_INIT;
	struct by_node from, to;
	int rc = mount_may_change(m, req);

	if (rc < 0)
		return rc;
	if (!by_get(m, &new_dir, &a, &to))
		return -ENOENT;
	if (dir.kind != NODE_BY_VALUE || !by_get(m, &dir, &a, &from) || from.model != to.model ||
	    from.field != to.field || strcmp(name, new_name) != 0)
		return -EPERM;
	rc = dir_may(m, req, node_made(NODE_MODEL, dir.model), W_OK | X_OK);
	if (rc == 0 && record_key(from.model, name, &a, &from.key) < 0)
		rc = -ENOENT;
	return rc < 0 ? rc : save_move(m, &actor, &from, &to, name, &a, e);
}
