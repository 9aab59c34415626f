/*
 * save.c - what a save does, as sections 2, 4 and 10 of the contract have it: a document becomes a row or an errno.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"

/* EBADMSG outweighs what else is wrong with a document; of the others the first counts. */
static int worse(int so_far, int code)
{
	return so_far == 0 || code == -EBADMSG ? code : so_far;
}

static size_t characters(const char *string)
{
	size_t n = 0;

	for (; *string; string++)
		n += ((unsigned char)*string & 0xc0) != 0x80;
	return n;
}

static bool in_bounds(const struct field *f, const struct datum *d)
{
	int64_t measure;

	if (d->kind == NOTHING || (f->min == 0 && f->max == 0))
		return true;
	measure = d->kind == STRING ? (int64_t)characters(d->string) : d->integer;
	return measure >= f->min && measure <= f->max;
}

static int convert(const struct field *f, const json_t *json, struct datum *out)
{
	if (json_is_null(json))
		*out = (struct datum){0};
	else if (f->type == INTEGER && json_is_integer(json))
		*out = (struct datum){INTEGER, json_integer_value(json), NULL};
	else if (f->type == STRING && json_is_string(json) &&
		 strlen(json_string_value(json)) == json_string_length(json))
		*out = (struct datum){STRING, 0, (char *)json_string_value(json)};
	else
		return -EBADMSG;
	return 0;
}

static int judge(const struct field *f, const struct datum *old, const struct datum *value)
{
	if (old && f->immutable && !datum_equal(old, value))
		return -EPERM;
	if (f->required && value->kind == NOTHING)
		return -EBADMSG;
	return in_bounds(f, value) || (old && datum_equal(old, value)) ? 0 : -EBADMSG;
}

static int bind_field(const struct field *f, const struct datum *old, enum save_kind kind, const json_t *json,
		      struct datum *out)
{
	struct datum value = {0};

	if (json && convert(f, json, &value) < 0)
		return -EBADMSG;
	if (!json && old && kind == MERGE)
		value = *old;
	else if (!json)
		value = f->fallback;
	datum_set(out, &value);
	return !json && old && kind == MERGE ? 0 : judge(f, old, &value);
}

static int bind_children(const struct model *m, const json_t *list)
{
	size_t i;
	json_t *entry;
	int rc = 0;

	if (!json_is_array(list))
		return -EBADMSG;
	json_array_foreach(list, i, entry)
	{
		const json_t *key = json_object_get(entry, models[model_number(m->child)].key.name);
		if (!json_is_object(entry))
			rc = worse(rc, -EBADMSG);
		else if (!key || json_is_null(key))
			rc = worse(rc, -EPERM);
	}
	return rc;
}

/* A member that is no field. */
static int bind_other(const struct model *m, const struct datum *key, const char *name, const json_t *json)
{
	struct datum given;

	if (strcmp(name, m->key.name) == 0)
		return convert(&m->key, json, &given) < 0 || !datum_equal(&given, key) ? -EBADMSG : 0;
	if (m->child && strcmp(name, m->child) == 0)
		return bind_children(m, json);
	if (m->child && strcmp(name, "lines_total") == 0)
		return 0;
	for (size_t i = 0; i < m->nfields; i++)
		if (strcmp(name, m->fields[i].name) == 0)
			return 0;
	return -EBADMSG;
}

static int bind_document(int model, int key, const struct row *old, enum save_kind kind, json_t *document,
			 struct row *row)
{
	const struct model *m = &models[model];
	struct datum k = key_of(model, key);
	const char *name;
	json_t *json;
	int rc = 0, one;

	json_object_foreach(document, name, json) if ((one = bind_other(m, &k, name, json)) < 0) rc = worse(rc, one);
	for (size_t i = 0; i < m->nfields; i++) {
		one = bind_field(&m->fields[i], old ? &old->values[i] : NULL, kind,
				 json_object_get(document, m->fields[i].name), &row->values[i]);
		if (one < 0)
			rc = worse(rc, one);
	}
	return rc;
}

static bool refers_to_nothing(struct world *w, const struct field *f, const struct datum *value)
{
	int to = model_number(f->references);

	for (int k = 0; k < KEYS; k++)
		if (w->records[to][k].there && key_of(to, k).integer == value->integer)
			return false;
	return true;
}

static bool is_taken(struct world *w, int model, int key, size_t field, const struct datum *value)
{
	for (int k = 0; k < KEYS; k++)
		if (k != key && w->records[model][k].there &&
		    datum_equal(&w->records[model][k].row.values[field], value))
			return true;
	return false;
}

/* What depends on other rows, and then the hook. */
static int check_row(struct world *w, int model, int key, const struct row *old, const struct row *row)
{
	const struct model *m = &models[model];
	int rc = 0;

	for (size_t i = 0; i < m->nfields; i++) {
		const struct datum *value = &row->values[i];
		if (value->kind == NOTHING || (old && datum_equal(value, &old->values[i])))
			continue;
		if (m->fields[i].references && !w->lenient && refers_to_nothing(w, &m->fields[i], value))
			rc = worse(rc, -EBADMSG);
		if (m->fields[i].unique && is_taken(w, model, key, i, value))
			rc = worse(rc, -EEXIST);
	}
	for (size_t i = 0; i < m->nfields && rc == 0 && m->not_negative && !w->staging; i++)
		if (strcmp(m->fields[i].name, m->not_negative) == 0 && row->values[i].integer < 0)
			return -ECANCELED;
	return rc;
}

static int make_row(struct world *w, int model, int key, enum save_kind kind, enum expect expect,
		    const struct row *base, json_t *document, struct row *row)
{
	const struct record *r = &w->records[model][key];
	const struct row *old = r->there ? &r->row : NULL;

	if (expect == EXISTING && !old)
		return -ENOENT;
	if (expect == NEW && old)
		return -EEXIST;
	if (old && base && !row_equal(old, base))
		return -EBUSY;
	int rc = bind_document(model, key, old, kind, document, row);
	return rc < 0 || (old && row_equal(old, row)) ? rc : check_row(w, model, key, old, row);
}

static void anew(struct world *w, int model, struct record *r)
{
	if (models[model].key.type != STRING)
		return;
	r->ino = 0;
	r->born = ++world_root(w)->births;
}

/* What is made inside of a transaction is another than what comes to the same name outside; who has the name open has
 * it. */
static void made_inside(struct world *w, int model, int key)
{
	struct record *r = &w->records[model][key];
	int before = r->born;

	anew(w, model, r);
	for (int i = 0; i < SLOTS; i++) {
		struct handle *h = w->slots[i];
		if (h && !h->scratch && h->model == model && h->key == key && h->born == before)
			h->born = r->born;
	}
}

static void put_row(struct world *w, int model, int key, const struct row *row)
{
	struct record *r = &w->records[model][key];

	if (!r->there) {
		r->mtime = 0;
		if (w->staging)
			made_inside(w, model, key);
	}
	r->there = true;
	row_set(&r->row, row);
	record_changed(w, model, key);
}

int save_document(struct world *w, int model, int key, enum save_kind kind, enum expect expect, const struct row *base,
		  json_t *document, bool then)
{
	struct row row = {0};
	const struct record *r = &w->records[model][key];
	int rc = make_row(w, model, key, kind, expect, base, document, &row);

	if (rc == 0 && then && w->staging)
		staging_save(w, model, key, kind, document, &row);
	if (rc == 0 && then && !(r->there && row_equal(&r->row, &row)))
		put_row(w, model, key, &row);
	row_clear(&row);
	return rc;
}

int save_text(struct world *w, int model, int key, enum save_kind kind, enum expect expect, const struct row *base,
	      const struct text *t)
{
	json_t *document;
	int rc;

	if (!t->len || text_scan(t->data, t->len) != SCAN_COMPLETE)
		return -EBADMSG;
	document = json_loadb(t->data, t->len, JSON_REJECT_DUPLICATES, NULL);
	if (!document)
		return -EBADMSG;
	rc = save_document(w, model, key, kind, expect, base, document, true);
	json_decref(document);
	if (rc == 0)
		w->records[model][key].refused = false;
	return rc;
}

static void forget(struct world *w, int model, int key)
{
	struct record *r = &w->records[model][key];

	r->there = false;
	row_clear(&r->row);
	anew(w, model, r);
	record_changed(w, model, key);
}

int save_delete(struct world *w, int model, int key)
{
	if (!w->records[model][key].there)
		return -ENOENT;
	if (!w->late && world_referred(w, model, key))
		return -EBUSY;
	bool shows = w->staging && staging_delete(w, model, key);
	forget(w, model, key);
	if (shows)
		staging_unmark(w, model, key);
	return 0;
}

/* Children follow their parent's key: their rows change. */
static void follow(struct world *w, int model, const struct datum *from, const struct datum *to)
{
	int child = models[model].child ? model_number(models[model].child) : -1;

	for (int k = 0; k < KEYS && child >= 0; k++) {
		struct record *r = &w->records[child][k];
		if (r->there && datum_equal(&r->row.values[0], from)) {
			datum_set(&r->row.values[0], to);
			record_changed(w, child, k);
		}
	}
}

int save_key(struct world *w, int model, int from, int to, bool replace)
{
	struct record *source = &w->records[model][from], *target = &w->records[model][to];
	struct datum old_key = key_of(model, from), new_key = key_of(model, to);

	if (target->there && !replace)
		return -EEXIST;
	if (target->there && !w->late && world_referred(w, model, to))
		return -EBUSY;
	if (w->staging)
		staging_move(w, model, from, model, to);
	if (!target->there) {
		target->mtime = 0;
		anew(w, model, target);
	}
	target->there = true;
	row_set(&target->row, &source->row);
	record_changed(w, model, to);
	forget(w, model, from);
	follow(w, model, &old_key, &new_key);
	return 0;
}

/* As a document without its key. */
static json_t *document_of(int model, const struct row *row)
{
	json_t *document = json_object();

	for (size_t i = 0; i < models[model].nfields; i++) {
		const struct datum *d = &row->values[i];
		json_t *json = d->kind == NOTHING   ? json_null()
			       : d->kind == INTEGER ? json_integer(d->integer)
						    : json_string(d->string);
		json_object_set_new(document, models[model].fields[i].name, json);
	}
	return document;
}

/* Done, and no step of its own. */
static void put_document(struct world *w, int model, int key, json_t *document)
{
	struct row row = {0};
	const struct record *r = &w->records[model][key];

	make_row(w, model, key, PUT, ANY, NULL, document, &row);
	if (!(r->there && row_equal(&r->row, &row)))
		put_row(w, model, key, &row);
	row_clear(&row);
}

int save_move(struct world *w, int model, int from, int to_model, int to, bool replace)
{
	json_t *document = document_of(model, &w->records[model][from].row);
	bool stays = !w->late && world_referred(w, model, from);
	int rc = save_document(w, to_model, to, PUT, replace ? ANY : NEW, NULL, document, false);

	if (rc == 0 && stays)
		rc = -EBUSY;
	if (rc == 0 && w->staging)
		staging_move(w, model, from, to_model, to);
	if (rc == 0) {
		put_document(w, to_model, to, document);
		forget(w, model, from);
	}
	json_decref(document);
	return rc;
}

static void exchange_references(struct world *w, int model, const struct datum *a, const struct datum *b)
{
	int child = models[model].child ? model_number(models[model].child) : -1;

	for (int k = 0; k < KEYS && child >= 0; k++) {
		struct record *r = &w->records[child][k];
		bool to_a = r->there && datum_equal(&r->row.values[0], a);
		if (!to_a && !(r->there && datum_equal(&r->row.values[0], b)))
			continue;
		datum_set(&r->row.values[0], to_a ? b : a);
		record_changed(w, child, k);
	}
}

int save_exchange(struct world *w, int model, int a, int b)
{
	struct datum key_a = key_of(model, a), key_b = key_of(model, b);
	struct row row = w->records[model][a].row;

	if (w->staging)
		staging_exchange(w, model, a, b);
	w->records[model][a].row = w->records[model][b].row;
	w->records[model][b].row = row;
	record_changed(w, model, a);
	record_changed(w, model, b);
	exchange_references(w, model, &key_a, &key_b);
	return 0;
}
