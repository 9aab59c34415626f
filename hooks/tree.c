/*
 * tree.c - what a record embeds: read from the database, given keys, checked, printed. Documents are tree_bind.c's.
 *
 * A child that is stored has `old`; `row` is what it will be, the same where nothing changes, NULL where it goes. A
 * child without `old` is new.
 */
#include <errno.h>
#include <string.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "access.h"
#include "staged.h"
#include "tree.h"

int tree_append(struct saving *v, struct family *family, struct change *c, struct err *e)
{
	if (family->n == family->room) {
		size_t room = family->room ? 2 * family->room : 4;
		struct change **grown = arena_alloc(&v->arena, room * sizeof(struct change *));
		if (!grown)
			return err_nomem(e);
		if (family->n)
			memcpy(grown, family->of, family->n * sizeof(struct change *));
		family->of = grown;
		family->room = room;
	}
	family->of[family->n++] = c;
	return 0;
}

struct change *tree_child(struct saving *v, struct change *parent, const struct relation *relation, struct value *old,
			  struct err *e)
{
	const struct model *m = relation->child;
	struct change *c = change_new(v, m, REQUEST_PUT, old ? &old[m->key->index] : NULL, e);
	if (!c)
		return NULL;
	c->relation = relation;
	c->parent = parent;
	c->trusted = parent->trusted;
	c->exempt = parent->exempt;
	c->depth = parent->depth;
	c->verb = old ? VERB_REPLACE : VERB_CREATE;
	c->old = c->row = old;
	if (!old && relation->by == m->key)
		c->key = *change_key(parent);
	return c;
}

/* ---- what is stored ---- */

void tree_let_go(struct change *c)
{
	c->kind = REQUEST_DELETE;
	c->verb = VERB_DELETE;
	c->row = NULL;
	c->changed = true;
	c->children = c->stored;
	for (size_t i = 0; i < c->children.n; i++)
		tree_let_go(c->children.of[i]);
}

void tree_keep(struct change *c)
{
	c->kind = REQUEST_PUT;
	c->verb = VERB_REPLACE;
	c->row = c->old;
	c->changed = false;
	c->children = c->stored;
	for (size_t i = 0; i < c->children.n; i++)
		tree_keep(c->children.of[i]);
}

static int read_relation(struct saving *v, struct change *c, const struct relation *relation, struct err *e)
{
	struct value *rows;
	size_t n;
	int result = store_embedded(v->conn, relation, &c->key, &v->arena, &rows, &n, e);
	for (size_t i = 0; i < n && result == 0; i++) {
		struct change *child = tree_child(v, c, relation, rows + i * relation->child->nfields, e);
		if (!child || tree_append(v, &c->stored, child, e) < 0)
			return -e->code;
		result = child->model->embeds ? tree_read(v, child, e) : 0;
	}
	return result;
}

int tree_read(struct saving *v, struct change *c, struct err *e)
{
	int result = 0;
	c->stored = c->children = (struct family){0};
	c->has_tree = true;
	for (size_t i = 0; i < c->model->nrelations && result == 0; i++)
		if (relation_embeds(&c->model->relations[i]))
			result = read_relation(v, c, &c->model->relations[i], e);
	c->children = (struct family){c->stored.of, c->stored.n, c->stored.n}; /* grows into memory of its own */
	for (size_t i = 0; i < c->children.n && c->kind == REQUEST_DELETE; i++)
		tree_let_go(c->children.of[i]);
	return result;
}

/* ---- keys, and what has changed ---- */

bool tree_changed(const struct change *c)
{
	for (size_t i = 0; i < c->children.n; i++)
		if (c->children.of[i]->changed)
			return true;
	return false;
}

/* Keys that the document names are taken, also for entries before them. */
static void plan_keys(struct saving *v, const struct change *c)
{
	for (size_t i = 0; i < c->children.n; i++) {
		const struct change *child = c->children.of[i];
		if (child->verb == VERB_DELETE)
			continue;
		const struct value *key = change_key(child);
		int64_t *planned = &v->planned[child->model->index];
		if (!child->old && key->kind == VALUE_INTEGER && key->integer >= *planned)
			*planned = key->integer + 1;
		plan_keys(v, child);
	}
}

static int settle_child(struct saving *v, struct change *c, struct err *e)
{
	struct value *key = &c->row[c->model->key->index];
	int result = 0;
	if (!c->old) {
		c->row[c->relation->by->index] = *change_key(c->parent);
		c->numbered |= key->kind == VALUE_NULL;
		if (key->kind == VALUE_NULL)
			result = v->staged ? staged_child_key(v, c, key, e) : saving_next_key(v, c->model, key, e);
		c->key = *key;
	}
	return result;
}

static int settle(struct saving *v, struct change *c, struct err *e)
{
	for (size_t i = 0; i < c->children.n; i++) {
		struct change *child = c->children.of[i];
		if (child->verb == VERB_DELETE)
			continue;
		if (settle_child(v, child, e) < 0 || settle(v, child, e) < 0)
			return -e->code;
		child->changed = !child->old || !row_equal(child->model, child->old, child->row) || tree_changed(child);
	}
	return 0;
}

int tree_settle(struct saving *v, struct change *c, struct err *e)
{
	if (!v->planned)
		v->planned = arena_alloc(&v->arena, v->saver->schema->nmodels * sizeof *v->planned);
	if (!v->planned)
		return err_nomem(e);
	plan_keys(v, c);
	return settle(v, c, e);
}

int tree_resolve(struct saving *v, struct change *c, struct err *e)
{
	if (c->old && tree_read(v, c, e) < 0)
		return -e->code;
	if (tree_bind(v, c, c->document, c->verb == VERB_PATCH ? LAY_MERGE : LAY_PUT, c->trusted || c->restores, e) < 0)
		return -e->code;
	return tree_settle(v, c, e);
}

/* Before the transaction there is no connection: the answer's keys are looked up in a snapshot of their own. */
int tree_edit(struct saving *v, struct change *c, const json_t *document, struct err *e)
{
	bool early = !v->conn;
	if (early && !(v->conn = store_read_begin(v->saver->store, e)))
		return -e->code;
	if (tree_bind(v, c, document, LAY_EDIT, true, e) == 0)
		tree_settle(v, c, e);
	if (early) {
		store_read_end(v->conn);
		v->conn = NULL;
	}
	return -e->code;
}

bool tree_same(const struct change *a, const struct change *b)
{
	bool same = a->stored.n == b->stored.n;
	for (size_t i = 0; same && i < a->stored.n; i++) {
		const struct change *one = a->stored.of[i], *other = b->stored.of[i];
		same = one->relation == other->relation && row_equal(one->model, one->old, other->old) &&
		       tree_same(one, other);
	}
	return same;
}

/* A key that was the next one may have been reserved meanwhile, without a record. */
static bool key_is_free(struct saving *v, const struct change *c)
{
	struct value *taken = NULL, next;
	err_auto why = ERR_INIT;
	if (saving_read(v, c->model, &c->key, &taken, &why) < 0 || taken)
		return false;
	return !c->numbered || (store_next_key(v->conn, c->model, &next, &why) == 0 && c->key.integer >= next.integer);
}

bool tree_fits(struct saving *v, const struct change *c)
{
	for (size_t i = 0; i < c->children.n; i++) {
		const struct change *child = c->children.of[i];
		if (!child->old && !key_is_free(v, child))
			return false;
		if (!tree_fits(v, child))
			return false;
	}
	return true;
}

/* ---- what only the database knows ---- */

/* The holder of a unique value is part of the same tree and gives it up. */
static bool yields(void *data, const struct model *m, const struct value *key, const struct field *f)
{
	const struct change *c = data;
	if (c->model == m && value_equal(&c->key, key) && c->old)
		return !c->row || !value_equal(&c->row[f->index], &c->old[f->index]);
	for (size_t i = 0; i < c->children.n; i++)
		if (yields(c->children.of[i], m, key, f))
			return true;
	return false;
}

static struct change *top_of(struct change *c)
{
	while (c->parent)
		c = c->parent;
	return c;
}

/* The record that a new one refers to may be as new: nobody looks the reference up. */
static int check_row(struct saving *v, struct change *c, struct err *e)
{
	err_auto why = ERR_INIT;
	const struct field *by = c->relation->by;
	struct value *old = c->old;
	if (c->verb != VERB_DELETE && old && row_equal(c->model, old, c->row))
		return 0;
	if (c->model->read_only)
		return err_problem(e, EROFS, c->pointer ? c->pointer : "", "is of %s, which is read-only",
				   c->model->name);
	if (c->verb == VERB_DELETE)
		return 0;
	if (!old && !(old = row_new(v, c->model, NULL)))
		return err_nomem(e);
	if (!c->old)
		old[by->index] = c->row[by->index];
	if (saving_check(v, c, old, yields, top_of(c), &why) < 0)
		return err_graft(e, &why, c->pointer ? c->pointer : "");
	return 0;
}

static int check_rows(struct saving *v, struct change *c, struct err *e)
{
	if (c->relation && c->changed && check_row(v, c, e) < 0 && e->nproblems == 0)
		return -e->code;
	for (size_t i = 0; i < c->children.n; i++)
		if (check_rows(v, c->children.of[i], e) < 0 && e->nproblems == 0)
			return -e->code;
	return -e->code;
}

static int check_size(struct change *top, struct err *e)
{
	struct buf text = {.limit = record_room(top->model)};
	tree_write(&text, top, false, SHOW_FILE, 0, NULL);
	bool failed = buf_failed(&text), full = text.full;
	buf_release(&text);
	if (failed && !full)
		return err_nomem(e);
	if (failed)
		return err_problem(e, EFBIG, "", "the record's text would have more than %d bytes", LIMIT_RECORD);
	return 0;
}

/* A row that only has other parts than before is not judged again. */
static int check(struct saving *v, struct change *c, struct err *e)
{
	bool same = c->relation || (c->model->embeds && c->old && row_equal(c->model, c->old, c->row));
	int result = same ? 0 : saving_check(v, c, c->old, NULL, NULL, e);
	if ((!c->model->embeds && !c->relation) || (result < 0 && e->nproblems == 0))
		return result;
	return check_rows(v, c, e) < 0 ? -e->code : check_size(top_of(c), e);
}

/* A reference to a record that is not there for the actor leads nowhere. */
int change_check(struct saving *v, struct change *c, struct err *e)
{
	uid_t before = store_view_as(v->conn, access_viewer(v, c));
	int result = check(v, c, e);
	store_view_as(v->conn, before);
	return result;
}

static int check_parent(struct saving *v, const struct model *parent, const struct value *key, struct err *e)
{
	struct value *row;
	buf_auto text = BUF_INIT;
	int result = store_show(v->conn, parent, key, &text, NULL, e);
	if (result == 0 && parent->embedded) {
		result = saving_read(v, parent, key, &row, e);
		if (result == 0 && row)
			result = tree_check_above(v, parent, row, e);
	}
	return result;
}

int tree_check_above(struct saving *v, const struct model *m, const struct value *row, struct err *e)
{
	const struct schema *schema = v->saver->schema;
	for (size_t i = 0; i < schema->nmodels; i++) {
		const struct model *parent = &schema->models[i];
		for (size_t j = 0; parent->embeds && j < parent->nrelations; j++) {
			const struct relation *r = &parent->relations[j];
			if (r->child != m || !relation_embeds(r) || row[r->by->index].kind == VALUE_NULL)
				continue;
			if (check_parent(v, parent, &row[r->by->index], e) < 0)
				return -e->code;
		}
	}
	return 0;
}

/* ---- as text ---- */

static void line(struct buf *b, int indent)
{
	if (indent < 0)
		return;
	buf_char(b, '\n');
	buf_fill(b, ' ', 2 * (size_t)indent);
}

static void write_member(struct buf *b, const struct change *c, const struct relation *relation, bool old,
			 enum show show, int indent)
{
	const struct family *family = old ? &c->stored : &c->children;
	bool many = relation_many(relation);
	int inner = indent < 0 ? -1 : indent + 1 + many;
	size_t n = 0;
	buf_str(b, many ? "[" : "");
	for (size_t i = 0; i < family->n && (many || n == 0); i++) {
		const struct change *child = family->of[i];
		if (child->relation != relation || !(old ? child->old : child->row))
			continue;
		buf_str(b, n++ ? "," : "");
		if (many)
			line(b, inner);
		tree_write(b, child, old, show, inner, relation->by);
	}
	if (many && n)
		line(b, indent < 0 ? -1 : indent + 1);
	buf_str(b, many ? "]" : n ? "" : "null");
}

void tree_write(struct buf *b, const struct change *c, bool old, enum show show, int indent, const struct field *except)
{
	size_t members = record_open(b, c->model, old ? c->old : c->row, show, indent, except);
	for (size_t i = 0; i < c->model->nrelations; i++) {
		const struct relation *relation = &c->model->relations[i];
		if (!relation_embeds(relation))
			continue;
		record_member(b, relation->child->name, members++, indent);
		write_member(b, c, relation, old, show, indent);
	}
	record_close(b, members, indent);
}

static bool is_given(const struct field *key)
{
	return key->type == TYPE_INTEGER || key->default_kind == DEFAULT_UUID;
}

static void strip(json_t *document, const struct model *m)
{
	for (size_t i = 0; i < m->nrelations; i++) {
		const struct model *child = m->relations[i].child;
		json_t *member = json_object_get(document, child->name), *entry;
		bool nothing = json_is_null(member) || (json_is_array(member) && json_array_size(member) == 0);
		size_t at;
		if (nothing)
			json_object_del(document, child->name);
		else if (json_is_object(member))
			strip(member, child);
		else
			json_array_foreach(member, at, entry) strip(entry, child);
	}
	if (is_given(m->key))
		json_object_del(document, m->key->name);
}

json_t *tree_document(struct saving *v, const struct model *m, const struct value *key, struct value *row,
		      struct err *e)
{
	json_t *document = NULL;
	buf_auto text = BUF_INIT;
	struct change *c = change_new(v, m, REQUEST_PUT, key, e);
	if (!c)
		return NULL;
	c->old = c->row = row;
	if (m->embeds && tree_read(v, c, e) < 0)
		return NULL;
	tree_write(&text, c, false, SHOW_FILE, -1, NULL);
	if (buf_failed(&text)) {
		err_nomem(e);
		return NULL;
	}
	if (json_read(text.data, text.len, &document, e) < 0 || saving_keep(v, document, e) < 0)
		return NULL;
	strip(document, m);
	json_object_del(document, m->key->name);
	return document;
}
