/*
 * staged.c - rows that a transaction which is being prepared changes: staged over the stored ones, without hooks.
 *
 * The order of a save (save.c) goes its way up to here and ends here. What the database does itself when rows are saved
 * is done by hand: references follow a key that changes, and hold a record that is deleted.
 */
#include "staged.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../store/limits.h"

/* ---- rows ---- */

static int put(struct saving *v, const struct model *m, const struct value *row, struct err *e)
{
	int result = stage_prepare(v->conn, m, e);
	return result < 0 ? result : stage_put(v->conn, m, row, e);
}

static int take(struct saving *v, const struct model *m, const struct value *key, struct err *e)
{
	int result = stage_prepare(v->conn, m, e);
	return result < 0 ? result : stage_remove(v->conn, m, key, e);
}

static int follow_one(struct saving *v, const struct model *child, const struct field *by, const struct value *key,
		      const struct value *to, struct err *e)
{
	struct value *row;
	int result = saving_read(v, child, key, &row, e);
	if (result < 0 || !row)
		return result;
	if (by == child->key && take(v, child, key, e) < 0)
		return -e->code;
	row[by->index] = *to;
	return put(v, child, row, e);
}

/* Whatever refers to the record by its old key. */
static int follow(struct saving *v, const struct change *c, struct err *e)
{
	struct reference_iter at = {0, 0};
	const struct model *child;
	const struct field *by;
	int result = 0;
	while (result == 0 && (by = schema_next_reference(v->saver->schema, c->model, &at, &child))) {
		struct value *keys;
		size_t n = 0;
		result = store_children(v->conn, child, by, &c->key, &v->arena, &keys, &n, e);
		for (size_t i = 0; i < n && result == 0; i++)
			result = follow_one(v, child, by, &keys[i], change_key(c), e);
	}
	return result;
}

int staged_apply(struct saving *v, struct change *c, struct err *e)
{
	if (c->verb == VERB_DELETE)
		return change_check_free(v, c, e) < 0 ? -e->code : take(v, c->model, &c->key, e);
	if (c->verb == VERB_CREATE || value_equal(&c->key, change_key(c)))
		return put(v, c->model, c->row, e);
	if (take(v, c->model, &c->key, e) < 0 || put(v, c->model, c->row, e) < 0)
		return -e->code;
	return follow(v, c, e);
}

int staged_set_aside(struct saving *v, struct change *c, struct err *e)
{
	struct change aside = *c;
	char text[LIMIT_NAME + 1];
	struct value key = value_provisional(++v->staged->provisional);
	if (!model_integer_key(c->model)) {
		memset(text, '-', sizeof text);
		key = value_text(arena_copy(&v->arena, text, sizeof text), sizeof text);
		if (!key.text.data)
			return err_nomem(e);
	}
	aside.row = row_new(v, c->model, c->old);
	if (!aside.row)
		return err_nomem(e);
	aside.row[c->model->key->index] = aside.new_key = key;
	aside.verb = VERB_REPLACE;
	c->key = key;
	return staged_apply(v, &aside, e);
}

int staged_recall(struct saving *v, struct change *c, const struct value *key, struct err *e)
{
	struct value *row = row_new(v, c->model, NULL);
	if (!row)
		return err_nomem(e);
	int result = stage_removed(v->conn, c->model, key, &v->arena, row, e);
	if (result > 0)
		c->deleted = row;
	return result;
}

/* ---- keys ---- */

static int note_taken(struct staging *g, const struct model *m, const struct value *key, struct err *e)
{
	if (g->ntaken == g->room) {
		size_t room = g->room ? 2 * g->room : 4;
		struct taken_key *grown = realloc(g->taken, room * sizeof *grown);
		if (!grown)
			return err_nomem(e);
		g->taken = grown;
		g->room = room;
	}
	g->taken[g->ntaken++] = (struct taken_key){m, *key};
	return 0;
}

/* The key of a refused request is lost: giving it back would wait. */
static int try_key(struct saving *v, const struct model *m, struct value *key, struct err *e)
{
	int result = store_try_reserve_key(v->saver->store, m, key, e);
	v->staged->would_wait |= result == -EDEADLK;
	return result;
}

/* Inside a write transaction a key is free again when what has taken it is rolled back. */
static int take_key(struct saving *v, const struct model *m, struct value *key, struct err *e)
{
	if (v->staged->txn)
		return txn_take_key(v->staged->txn, m, key, e);
	if (v->staged->never_wait)
		return try_key(v, m, key, e);
	int result = store_reserve_key(v->saver->store, m, key, e);
	return result < 0 ? result : note_taken(v->staged, m, key, e);
}

void staged_settle_keys(struct saving *v, bool keep)
{
	struct staging *g = v->staged;
	for (; !keep && g->ntaken > 0; g->ntaken--)
		store_unreserve_key(v->saver->store, g->taken[g->ntaken - 1].model, &g->taken[g->ntaken - 1].key);
	free(g->taken);
	g->taken = NULL;
	g->ntaken = g->room = 0;
}

/* A staged record may have a key by its name that the counter does not know of yet. */
int staged_next_key(struct saving *v, const struct model *m, struct value *key, struct err *e)
{
	struct value *row = NULL;
	int result;
	do {
		result = take_key(v, m, key, e);
		if (result == 0)
			result = saving_read(v, m, key, &row, e);
	} while (result == 0 && row);
	return result;
}

int staged_child_key(struct saving *v, const struct change *c, struct value *key, struct err *e)
{
	if (c->relation->kind == EMBEDS_ONE && !c->parent->old && !value_is_provisional(change_key(c->parent)))
		return staged_next_key(v, c->model, key, e);
	if (!model_integer_key(c->model))
		return err_set(e, EBADMSG, "%s gives no keys: the document must name its %s", c->model->name,
			       c->model->key->name);
	*key = value_provisional(++v->staged->provisional);
	return 0;
}

/* ---- documents ---- */

/* The part of the document that a child was made of. */
static json_t *entry_of(const struct change *child, json_t *document)
{
	json_t *member = json_object_get(document, child->model->name);
	const char *last = child->pointer ? strrchr(child->pointer, '/') : NULL;
	if (!last || !json_is_array(member))
		return last && json_is_object(member) ? member : NULL;
	return json_array_get(member, strtoul(last + 1, NULL, 10));
}

static json_t *json_key(const struct change *c)
{
	buf_auto text = BUF_INIT;
	value_write(&text, c->model->key->type, change_key(c), -1);
	return buf_failed(&text) ? NULL : json_loadb(buf_text(&text), text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

bool staged_tell_keys(const struct change *c, json_t *document)
{
	bool told = false;
	for (size_t i = 0; i < c->children.n; i++) {
		const struct change *child = c->children.of[i];
		json_t *entry = child->row ? entry_of(child, document) : NULL;
		const char *name = child->model->key->name;
		if (!entry)
			continue;
		const json_t *key = json_object_get(entry, name);
		if (!child->old && child->relation->by != child->model->key && (!key || json_is_null(key)) &&
		    !value_is_provisional(change_key(child)))
			told |= json_object_set_new(entry, name, json_key(child)) == 0;
		told |= staged_tell_keys(child, entry);
	}
	return told;
}
