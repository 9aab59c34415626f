/*
 * change.c - how a request becomes a change of a row.
 *
 * Nothing here runs a hook or decides when something happens; that is save.c. Values borrow their text from the
 * saving's arena and from the documents it keeps.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../store/limits.h"
#include "access.h"
#include "change.h"
#include "deleted.h"
#include "job_state.h"
#include "staged.h"
#include "tree.h"
#include "version.h"

/* ---- the saving ---- */

void saving_forget(struct saving *v)
{
	for (struct kept *k = v->kept; k; k = k->next)
		json_decref(k->json);
	v->kept = NULL;
	v->planned = NULL;
	v->forgotten += v->n;
	v->n = v->nindex = 0;
	arena_release(&v->arena);
}

void saving_release(struct saving *v)
{
	saving_forget(v);
	free(v->changes);
	free(v->index);
}

int saving_keep(struct saving *v, json_t *json, struct err *e)
{
	struct kept *k = arena_alloc(&v->arena, sizeof *k);
	if (!k) {
		json_decref(json);
		return err_nomem(e);
	}
	*k = (struct kept){json, v->kept};
	v->kept = k;
	return 0;
}

struct value *row_new(struct saving *v, const struct model *m, const struct value *from)
{
	struct value *row = arena_alloc(&v->arena, m->nfields * sizeof *row);
	if (row && from)
		memcpy(row, from, m->nfields * sizeof *row);
	return row;
}

bool row_equal(const struct model *m, const struct value *a, const struct value *b)
{
	for (size_t i = 0; i < m->nfields; i++)
		if (!value_equal(&a[i], &b[i]))
			return false;
	return true;
}

int saving_read(struct saving *v, const struct model *m, const struct value *key, struct value **row, struct err *e)
{
	struct value found[m->nfields];
	*row = NULL;
	int result = store_find(v->conn, m, key, &v->arena, found, e);
	if (result > 0 && !(*row = row_new(v, m, found)))
		return err_nomem(e);
	return result < 0 ? result : 0;
}

void record_print_path(struct buf *b, const struct model *m, const struct value *key)
{
	buf_str(b, m->name);
	size_t end = b->len;
	buf_char(b, '/');
	if (key->kind == VALUE_NULL || record_name(m, key, b) < 0 || buf_failed(b))
		buf_take_back(b, end);
}

const char *record_path(struct arena *a, const struct model *m, const struct value *key)
{
	buf_auto path = BUF_INIT;
	record_print_path(&path, m, key);
	const char *copy = path.len ? arena_copy(a, path.data, path.len) : NULL;
	return copy ? copy : m->name;
}

/* ---- one change ---- */

struct change *change_new(struct saving *v, const struct model *m, enum request_kind kind, const struct value *key,
			  struct err *e)
{
	struct change *c = arena_alloc(&v->arena, sizeof *c);
	if (!c) {
		err_nomem(e);
		return NULL;
	}
	c->model = m;
	c->kind = kind;
	c->key = key ? *key : value_null();
	return c;
}

int change_add(struct saving *v, struct change *c, struct err *e)
{
	if (v->forgotten + v->n >= LIMIT_CHANGES)
		return err_set(e, EFBIG, "a transaction changes at most %d records", LIMIT_CHANGES);
	if (v->n == v->room) {
		size_t room = v->room ? 2 * v->room : 8;
		struct change **grown = realloc(v->changes, room * sizeof(struct change *));
		if (!grown)
			return err_nomem(e);
		v->changes = grown;
		v->room = room;
	}
	v->changes[v->n++] = c;
	return 0;
}

bool change_same(const struct change *a, const struct change *b)
{
	return a->verb == b->verb && value_equal(&a->key, &b->key) && !a->old == !b->old &&
	       (!a->old || row_equal(a->model, a->old, b->old)) && tree_same(a, b);
}

static int check_expect(struct saving *v, const struct change *c, struct err *e)
{
	bool needed = c->expect == EXPECT_RECORD || c->kind == REQUEST_DELETE || c->new_key.kind != VALUE_NULL;
	if (needed && !c->old)
		return err_set(e, ENOENT, "%s does not exist", record_path(&v->arena, c->model, &c->key));
	if (c->expect == EXPECT_NONE && c->old)
		return err_set(e, EEXIST, "%s exists already", record_path(&v->arena, c->model, &c->key));
	if (c->where && (!c->old || !value_equal(&c->old[c->where->index], &c->was)))
		return err_set(e, ENOENT, "%s has another %s by now", record_path(&v->arena, c->model, &c->key),
			       c->where->name);
	return 0;
}

int change_bind(struct saving *v, const struct change *c, const struct value *old, enum verb verb, bool trusted,
		const json_t *document, struct value *row, struct err *e)
{
	const struct value *key = c->row ? change_key(c) : &c->key;
	struct bind b = {
	    .model = c->model,
	    .verb = verb,
	    .old = old,
	    .deleted = old ? NULL : c->deleted,
	    .along = c->row ? NULL : c->along, /* later the row has it */
	    .key = key->kind == VALUE_NULL ? NULL : key,
	    .trusted = trusted,
	    .now = v->now,
	    .uid = v->actor->uid,
	    .pointer = c->pointer,
	    .by = c->relation ? c->relation->by : NULL,
	    .parent = c->relation ? *change_key(c->parent) : value_null(),
	};
	return record_bind(&b, document, row, &v->arena, e);
}

int saving_check(struct saving *v, struct change *c, const struct value *old, store_yields *yields, void *data,
		 struct err *e)
{
	return store_check_among(v->conn, c->model, old, c->row, yields, data, v->lenient ? &c->dangling : NULL, e);
}

int saving_next_key(struct saving *v, const struct model *m, struct value *key, struct err *e)
{
	if (v->staged)
		return staged_next_key(v, m, key, e);
	int result = store_next_key(v->conn, m, key, e);
	if (result < 0 || !v->planned)
		return result;
	int64_t *planned = &v->planned[m->index];
	if (key->integer < *planned)
		key->integer = *planned;
	if (key->integer > KEY_MAX)
		return err_set(e, ENOSPC, "%s has no keys left: %lld is in use", m->name, (long long)KEY_MAX);
	*planned = key->integer + 1;
	return 0;
}

/* A document whose file name did not tell the key brings its own or gets the next. */
static int settle_key(struct saving *v, struct change *c, struct err *e)
{
	struct value *key = &c->row[c->model->key->index];
	struct value *taken = NULL;
	if (c->key.kind != VALUE_NULL)
		return 0;
	if (key->kind == VALUE_NULL) {
		int result = saving_next_key(v, c->model, key, e);
		if (result == 0)
			result = value_copy(&v->arena, key, key) < 0 ? err_nomem(e) : 0;
		c->key = *key;
		return result;
	}
	c->key = *key;
	int result = saving_read(v, c->model, key, &taken, e);
	if (result == 0 && taken)
		return err_set(e, EEXIST, "%s exists already", record_path(&v->arena, c->model, key));
	return result;
}

static int resolve_document(struct saving *v, struct change *c, struct err *e)
{
	struct value *row = row_new(v, c->model, NULL);
	if (!row)
		return err_nomem(e);
	c->verb = !c->old ? VERB_CREATE : c->kind == REQUEST_PUT ? VERB_REPLACE : VERB_PATCH;
	c->row = NULL;
	int result = c->model->queue ? job_check_document(v, c, e) : 0;
	if (result == 0)
		result = deleted_recall(v, c, e);
	if (result == 0)
		result = version_recall(v, c, e);
	if (result == 0)
		result = change_bind(v, c, c->old, c->verb, c->trusted || c->restores, c->document, row, e);
	if (result == 0 && c->model->queue)
		result = job_enter(v, c, row, e);
	if (result == 0 && c->dropped)
		return 0;
	if (result == 0) {
		c->row = row;
		result = settle_key(v, c, e);
	}
	if (result == 0)
		result = access_incoming(v, c, e);
	if (c->model->embeds && (result == 0 || e->nproblems))
		result = tree_resolve(v, c, e);
	if (result < 0)
		return result;
	c->changed = !c->old || !row_equal(c->model, c->old, row) || tree_changed(c);
	return c->changed ? change_check(v, c, e) : 0;
}

static int resolve_key_change(struct saving *v, struct change *c, struct err *e)
{
	if (c->model->queue && job_check_move(v, c, e) < 0)
		return -e->code;
	c->verb = VERB_REPLACE;
	c->changed = true;
	c->row = row_new(v, c->model, c->old);
	if (!c->row)
		return err_nomem(e);
	c->row[c->model->key->index] = c->new_key;
	if (access_incoming(v, c, e) < 0)
		return -e->code;
	if (c->model->embeds && tree_read(v, c, e) < 0)
		return -e->code;
	return saving_check(v, c, c->old, NULL, NULL, e);
}

int change_resolve(struct saving *v, struct change *c, struct err *e)
{
	if (c->model->read_only)
		return err_set(e, EROFS, "%s is read-only", c->model->name);
	int result = c->key.kind == VALUE_NULL ? 0 : saving_read(v, c->model, &c->key, &c->old, e);
	if (result == 0)
		result = access_stored(v, c, e);
	if (result == 0 && c->if_there && !c->old) {
		c->verb = VERB_DELETE;
		return 0;
	}
	if (result == 0)
		result = check_expect(v, c, e);
	if (result == 0)
		result = version_check(v, c, e);
	if (result < 0)
		return result;
	if (c->kind != REQUEST_DELETE)
		return c->new_key.kind == VALUE_NULL ? resolve_document(v, c, e) : resolve_key_change(v, c, e);
	int cancelled = c->model->queue ? job_remove(v, c, e) : 0;
	if (cancelled < 0)
		return cancelled;
	c->verb = cancelled ? VERB_PATCH : VERB_DELETE;
	c->changed = true;
	return c->model->embeds && !cancelled ? tree_read(v, c, e) : 0;
}

int change_edit(struct saving *v, struct change *c, json_t *document, enum verb verb, struct err *e)
{
	struct value *row = row_new(v, c->model, NULL);
	int result = saving_keep(v, document, e);
	if (result == 0 && !row)
		result = err_nomem(e);
	if (result == 0)
		result = change_bind(v, c, c->row, verb, true, document, row, e);
	if (result < 0)
		return result;
	c->row = row;
	c->edited = true;
	return c->model->embeds && verb == VERB_REPLACE ? tree_edit(v, c, document, e) : 0;
}

/* ---- rows ---- */

/* Says who refers to the record, as far as the actor sees them; `otherwise` where he sees none. */
static int say_referred(struct saving *v, const struct change *c, const char *otherwise, struct err *e)
{
	err_auto ignored = ERR_INIT;
	struct reference_iter at = {0, 0};
	const struct model *child;
	const struct field *by;
	const char *path = record_path(&v->arena, c->model, &c->key);
	while ((by = schema_next_reference(v->saver->schema, c->model, &at, &child))) {
		struct value *keys;
		size_t n = 0;
		uid_t before = store_view_as(v->conn, access_viewer(v, c));
		int result = store_children(v->conn, child, by, &c->key, &v->arena, &keys, &n, &ignored);
		store_view_as(v->conn, before);
		if (result < 0 || n == 0)
			continue;
		if (n == 1)
			return err_set(e, EBUSY, "%s is referred to by %s", path, record_path(&v->arena, child, keys));
		return err_set(e, EBUSY, "%s is referred to by %zu %s", path, n, child->name);
	}
	return err_set(e, EBUSY, "%s", otherwise);
}

/* As the store says it. */
static const char *say_how_many(struct saving *v, const struct change *c, const struct model *child,
				const struct field *by, size_t n)
{
	const char *path = record_path(&v->arena, c->model, &c->key);
	const char *text =
	    arena_printf(&v->arena, "%s can't be deleted: %zu of %s refer to it by %s", path, n, child->name, by->name);
	return text ? text : path;
}

int change_check_free(struct saving *v, const struct change *c, struct err *e)
{
	struct reference_iter at = {0, 0};
	const struct model *child;
	const struct field *by;
	while ((by = schema_next_reference(v->saver->schema, c->model, &at, &child))) {
		struct value *keys;
		size_t n = 0;
		if (by->on_delete != DELETE_RESTRICT)
			continue;
		if (store_children(v->conn, child, by, &c->key, &v->arena, &keys, &n, e) < 0)
			return -e->code;
		if (n > 0)
			return say_referred(v, c, say_how_many(v, c, child, by, n), e);
	}
	return 0;
}

static int apply_delete(struct saving *v, struct change *c, struct err *e)
{
	err_auto why = ERR_INIT;
	int result = txn_delete(&v->txn, c->model, &c->key, &why);
	if (result == -EBUSY)
		return say_referred(v, c, why.text, e);
	return result < 0 ? err_set(e, -result, "%s", why.text) : 0;
}

static int apply(struct saving *v, struct change *c, struct err *e)
{
	if (v->staged)
		return staged_apply(v, c, e);
	if (c->verb == VERB_DELETE)
		return apply_delete(v, c, e);
	if (c->verb == VERB_CREATE)
		return txn_insert(&v->txn, c->model, c->row, e);
	if (c->model->embeds && row_equal(c->model, c->old, c->row))
		return 0; /* what changes is what it embeds */
	return txn_update(&v->txn, c->model, &c->key, c->row, e);
}

int change_apply(struct saving *v, struct change *c, struct err *e)
{
	err_auto why = ERR_INIT;
	c->applied = true;
	if (!c->pointer)
		return apply(v, c, e);
	return apply(v, c, &why) < 0 ? err_graft(e, &why, c->pointer) : 0;
}
