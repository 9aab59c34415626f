/*
 * cascade.c - which changes a deleted record brings with it: what it embeds goes along, and what refers to it goes, or
 * loses the reference, as on-delete says.
 *
 * A table finds the change of a record among those of the cascade (saving.index), so that each has one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "tree.h"

/* The place where the record's change stands, or NULL to be filled in. */
static struct change **index_place(struct saving *v, const struct model *m, const struct value *key)
{
	size_t at = value_hash(key, m->index) & (v->index_room - 1);
	while (v->index[at] && !(v->index[at]->model == m && value_equal(&v->index[at]->key, key)))
		at = (at + 1) & (v->index_room - 1);
	return &v->index[at];
}

static int index_grow(struct saving *v, size_t room, struct err *e)
{
	struct change **before = v->index;
	size_t before_room = v->index_room;
	struct change **grown = calloc(room, sizeof(struct change *));
	if (!grown)
		return err_nomem(e);
	v->index = grown;
	v->index_room = room;
	for (size_t i = 0; i < before_room; i++)
		if (before[i])
			*index_place(v, before[i]->model, &before[i]->key) = before[i];
	free(before);
	return 0;
}

/* A later delete of the same record takes the place of its patch. */
static int index_put(struct saving *v, struct change *c, struct err *e)
{
	if (2 * v->nindex >= v->index_room) {
		int result = index_grow(v, v->index_room ? 2 * v->index_room : 64, e);
		if (result < 0)
			return result;
	}
	struct change **place = index_place(v, c->model, &c->key);
	v->nindex += !*place;
	*place = c;
	return 0;
}

static int add_child(struct saving *v, const struct model *child, const struct value *key, enum request_kind kind,
		     unsigned depth, struct err *e)
{
	struct change *known = *index_place(v, child, key);
	if (known && (known->kind == REQUEST_DELETE || known->kind == kind))
		return 0;
	struct change *c = change_new(v, child, kind, key, e);
	if (!c)
		return -ENOMEM;
	c->trusted = c->exempt = true;
	c->depth = depth;
	int result = index_put(v, c, e);
	return result < 0 ? result : change_add(v, c, e);
}

/* What is part of the record's file goes with it, whatever on-delete says; each before its own parts. */
static int add_embedded(struct saving *v, struct change *parent, struct err *e)
{
	int result = parent->has_tree ? 0 : tree_read(v, parent, e);
	for (size_t i = 0; i < parent->children.n && result == 0; i++) {
		struct change *c = parent->children.of[i];
		struct change *known = *index_place(v, c->model, &c->key);
		if (known && known->kind == REQUEST_DELETE)
			continue;
		c->trusted = c->exempt = true;
		result = index_put(v, c, e);
		if (result == 0)
			result = change_add(v, c, e);
		if (result == 0 && c->model->embeds)
			result = add_embedded(v, c, e);
	}
	return result;
}

static int add_children(struct saving *v, struct change *parent, struct err *e)
{
	struct reference_iter at = {0, 0};
	const struct model *child;
	const struct field *by;
	int result = parent->model->embeds ? add_embedded(v, parent, e) : 0;
	while (result == 0 && (by = schema_next_reference(v->saver->schema, parent->model, &at, &child))) {
		struct value *keys;
		size_t n = 0;
		if (by->on_delete == DELETE_RESTRICT)
			continue;
		enum request_kind kind = by->on_delete == DELETE_CASCADE ? REQUEST_DELETE : REQUEST_MERGE;
		result = store_children(v->conn, child, by, &parent->key, &v->arena, &keys, &n, e);
		for (size_t i = 0; i < n && result == 0; i++)
			result = add_child(v, child, &keys[i], kind, parent->depth, e);
	}
	return result;
}

/* True where nothing can go with what is deleted. */
static bool goes_alone(struct saving *v, size_t from)
{
	struct reference_iter at = {0, 0};
	const struct model *child;
	return from == v->n ||
	       (from + 1 == v->n && !schema_next_reference(v->saver->schema, v->changes[from]->model, &at, &child));
}

int change_cascade(struct saving *v, size_t from, struct err *e)
{
	int result = 0;
	v->nindex = 0;
	if (goes_alone(v, from))
		return 0;
	if (v->index_room)
		memset(v->index, 0, v->index_room * sizeof(struct change *));
	for (size_t i = from; i < v->n && result == 0; i++)
		result = index_put(v, v->changes[i], e);
	for (size_t i = from; i < v->n && result == 0; i++)
		if (v->changes[i]->kind == REQUEST_DELETE)
			result = add_children(v, v->changes[i], e);
	return result;
}

static bool refers_to_deleted(struct saving *v, const struct field *f, const struct value *row)
{
	const struct value *to = &row[f->index];
	if (!f->references || to->kind == VALUE_NULL || v->nindex == 0)
		return false;
	const struct change *c = *index_place(v, f->references, to);
	return c && c->kind == REQUEST_DELETE && c->changed;
}

/* It is still part of the record that goes, or that has let it go. */
static bool is_part_of_parent(const struct change *c)
{
	const struct change *parent = c->parent;
	return parent && (parent->kind != REQUEST_DELETE || parent->changed) &&
	       value_equal(&c->old[c->relation->by->index], &parent->key);
}

static bool must_go(struct saving *v, const struct change *c)
{
	if (is_part_of_parent(c))
		return true;
	for (size_t i = 0; i < c->model->nfields; i++) {
		const struct field *f = &c->model->fields[i];
		if (f->on_delete == DELETE_CASCADE && refers_to_deleted(v, f, c->old))
			return true;
	}
	return false;
}

static int set_null(struct saving *v, struct change *c, struct err *e)
{
	c->row = row_new(v, c->model, c->old);
	if (!c->row)
		return err_nomem(e);
	for (size_t i = 0; i < c->model->nfields; i++) {
		const struct field *f = &c->model->fields[i];
		if (f->on_delete == DELETE_SET_NULL && refers_to_deleted(v, f, c->old)) {
			c->row[i] = value_null();
			c->changed = true;
		}
	}
	return 0;
}

int change_resolve_child(struct saving *v, struct change *c, struct err *e)
{
	c->changed = false;
	if (v->nindex && *index_place(v, c->model, &c->key) != c)
		return 0; /* a delete has taken its place */
	if (c->model->read_only)
		return err_set(e, EROFS, "%s is read-only", c->model->name);
	int result = saving_read(v, c->model, &c->key, &c->old, e);
	if (result < 0 || !c->old)
		return result;
	c->verb = c->kind == REQUEST_DELETE ? VERB_DELETE : VERB_PATCH;
	if (c->kind != REQUEST_DELETE)
		return set_null(v, c, e);
	c->changed = must_go(v, c);
	return 0;
}
