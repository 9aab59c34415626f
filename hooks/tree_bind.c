/*
 * tree_bind.c - a document laid over a tree: which entry stands for which embedded record, and what goes.
 *
 * Documents are bound level by level, each entry by record_bind with its own pointer, so that every problem of the
 * whole text is told; only then tree_settle gives keys.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tree.h"

/* The entries of one member. */
struct entries {
	struct saving *saving;
	struct change *parent;
	const struct relation *relation;
	const char *pointer;  /* of the member */
	struct family known;  /* what the tree has of the relation so far */
	struct family sorted; /* the same by key */
	enum lay lay;
	bool trusted;
	struct err *e;
};

/* Functions here return a negative number where it is no use to go on; problems of the document are none of that. */
static int bind_members(struct saving *v, struct change *c, const json_t *document, enum lay lay, bool trusted,
			struct err *e);

static int compare_values(const struct value *a, const struct value *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind == VALUE_INTEGER)
		return (a->integer > b->integer) - (a->integer < b->integer);
	if (a->kind == VALUE_REAL)
		return (a->real > b->real) - (a->real < b->real);
	if (a->kind == VALUE_NULL)
		return 0;
	size_t len = a->text.len < b->text.len ? a->text.len : b->text.len;
	int order = memcmp(a->text.data, b->text.data, len);
	return order ? order : (a->text.len > b->text.len) - (a->text.len < b->text.len);
}

static int by_key(const void *one, const void *other)
{
	const struct change *a = *(struct change *const *)one, *b = *(struct change *const *)other;
	int order = compare_values(change_key(a), change_key(b));
	return order ? order : (a->place > b->place) - (a->place < b->place);
}

static struct change *find_known(const struct entries *x, const struct value *key)
{
	size_t from = 0, to = x->sorted.n;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		struct change *c = x->sorted.of[middle];
		int order = compare_values(key, change_key(c));
		if (order == 0)
			return c;
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return NULL;
}

/* False where the entry has no key, or one of a wrong type, which record_bind will tell. */
static bool entry_key(const struct entries *x, const json_t *entry, struct value *key)
{
	const struct field *f = x->relation->child->key;
	const json_t *json = json_object_get(entry, f->name);
	err_auto why = ERR_INIT;
	if (x->relation->by == f) {
		*key = *change_key(x->parent);
		return key->kind != VALUE_NULL;
	}
	if (!json || json_is_null(json))
		return false;
	return value_from_json(f->type, json, "", &x->saving->arena, key, &why) == 0;
}

static int key_problem(const struct entries *x, const char *pointer, const char *text)
{
	const char *whole = arena_printf(&x->saving->arena, "%s/%s", pointer, x->relation->child->key->name);
	return err_problem(x->e, EBADMSG, whole ? whole : pointer, "%s", text);
}

/* The record that the entry stands for: the one with its key, an only child's without one, or a new one. */
static struct change *entry_record(const struct entries *x, const json_t *entry, const char *pointer)
{
	struct value key, *taken = NULL;
	bool has_key = entry_key(x, entry, &key);
	struct change *c = has_key ? find_known(x, &key) : NULL;
	if (!has_key && x->relation->kind == EMBEDS_ONE && x->known.n == 1)
		c = x->known.of[0];
	if (c && c->pointer) {
		key_problem(x, pointer, "is the key of an entry before this one");
		c = NULL;
	} else if (!c && has_key) {
		if (saving_read(x->saving, x->relation->child, &key, &taken, x->e) < 0)
			return NULL;
		if (taken)
			key_problem(x, pointer, "is the key of a record that is not part of this one");
	}
	if (c && c->kind == REQUEST_DELETE)
		tree_keep(c);
	return c ? c : tree_child(x->saving, x->parent, x->relation, NULL, x->e);
}

static int bind_entry(const struct entries *x, const json_t *entry, const char *pointer, size_t place)
{
	struct saving *v = x->saving;
	if (!json_is_object(entry))
		return 0; /* null, or told already */
	struct change *c = pointer ? entry_record(x, entry, pointer) : NULL;
	struct value *row = c ? row_new(v, c->model, NULL) : NULL;
	if (!row)
		return err_nomem(x->e);
	bool patch = x->lay == LAY_MERGE && x->relation->kind == EMBEDS_ONE;
	enum verb verb = !c->row ? VERB_CREATE : patch ? VERB_PATCH : VERB_REPLACE;
	c->pointer = pointer;
	c->place = place;
	c->verb = c->old ? verb : VERB_CREATE;
	int result = change_bind(v, c, c->row, verb, x->trusted, entry, row, x->e);
	if (result < 0 && x->e->nproblems == 0)
		return result;
	c->row = result < 0 ? c->row : row;
	if (tree_append(v, &x->parent->children, c, x->e) < 0)
		return -x->e->code;
	enum lay below = x->lay == LAY_MERGE && !patch ? LAY_PUT : x->lay;
	return bind_members(v, c, entry, below, x->trusted, x->e);
}

/* New records of the member that have keys of their own, the same key twice. */
static int check_keys_twice(const struct entries *x, size_t from)
{
	struct family *children = &x->parent->children, new = {0};
	for (size_t i = from; i < children->n; i++) {
		struct change *c = children->of[i];
		if (!c->old && c->row && change_key(c)->kind != VALUE_NULL && tree_append(x->saving, &new, c, x->e) < 0)
			return -x->e->code;
	}
	if (new.n)
		qsort(new.of, new.n, sizeof *new.of, by_key);
	for (size_t i = 1; i < new.n; i++)
		if (value_equal(change_key(new.of[i - 1]), change_key(new.of[i])))
			key_problem(x, new.of[i]->pointer, "is the key of an entry before this one");
	return 0;
}

static int bind_entries(struct entries *x, const json_t *member)
{
	size_t from = x->parent->children.n;
	if (!relation_many(x->relation))
		return bind_entry(x, member, x->pointer, 0);
	for (size_t i = 0; i < json_array_size(member); i++) {
		const char *pointer = arena_printf(&x->saving->arena, "%s/%zu", x->pointer, i);
		if (bind_entry(x, json_array_get(member, i), pointer, i) < 0)
			return -x->e->code;
	}
	return check_keys_twice(x, from);
}

static int collect_known(struct entries *x, const struct family *before)
{
	for (size_t i = 0; i < before->n; i++) {
		struct change *c = before->of[i];
		if (c->relation != x->relation)
			continue;
		if (tree_append(x->saving, &x->known, c, x->e) < 0 || tree_append(x->saving, &x->sorted, c, x->e) < 0)
			return -x->e->code;
	}
	if (x->sorted.n)
		qsort(x->sorted.of, x->sorted.n, sizeof *x->sorted.of, by_key);
	return 0;
}

/* What no entry stands for goes; it comes behind those that stay. */
static int let_go_unnamed(const struct entries *x)
{
	for (size_t i = 0; i < x->known.n; i++) {
		struct change *c = x->known.of[i];
		if (c->pointer || !c->old)
			continue;
		tree_let_go(c);
		c->pointer = x->pointer;
		if (tree_append(x->saving, &x->parent->children, c, x->e) < 0)
			return -x->e->code;
	}
	return 0;
}

static int leave_alone(const struct entries *x)
{
	for (size_t i = 0; i < x->known.n; i++)
		if (tree_append(x->saving, &x->parent->children, x->known.of[i], x->e) < 0)
			return -x->e->code;
	return 0;
}

static int bind_relation(struct entries *x, const struct family *before, const json_t *member)
{
	if (collect_known(x, before) < 0)
		return -x->e->code;
	if (!member && x->lay != LAY_PUT)
		return leave_alone(x);
	for (size_t i = 0; i < x->known.n; i++)
		x->known.of[i]->pointer = NULL;
	return member && bind_entries(x, member) < 0 ? -x->e->code : let_go_unnamed(x);
}

static int bind_members(struct saving *v, struct change *c, const json_t *document, enum lay lay, bool trusted,
			struct err *e)
{
	const struct family before = c->children;
	c->children = (struct family){0};
	for (size_t i = 0; i < c->model->nrelations; i++) {
		const struct relation *relation = &c->model->relations[i];
		struct entries x = {
		    .saving = v, .parent = c, .relation = relation, .lay = lay, .trusted = trusted, .e = e};
		if (!relation_embeds(relation))
			continue;
		x.pointer = arena_printf(&v->arena, "%s/%s", c->pointer ? c->pointer : "", relation->child->name);
		if (!x.pointer)
			return err_nomem(e);
		if (bind_relation(&x, &before, json_object_get(document, relation->child->name)) < 0)
			return -e->code;
	}
	return 0;
}

int tree_bind(struct saving *v, struct change *c, const json_t *document, enum lay lay, bool trusted, struct err *e)
{
	bind_members(v, c, document, lay, trusted, e);
	return -e->code;
}
