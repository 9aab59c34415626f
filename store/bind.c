/*
 * bind.c - record_bind: the row that a document makes, or every problem it has.
 *
 * One pass over the document's members in their order, then one over the fields that it left out. A member that says
 * what is stored already is taken as it is stored and not judged again, so that a record that breaks a newer rule can
 * still be saved with its other members changed. What becomes of an absent member is in bind_absent alone. A program
 * that unlinks a file and creates it again means to replace it: the row it deleted stands beside its create.
 */
#include <errno.h>
#include <string.h>

#include "constraint.h"
#include "default.h"
#include "json.h"
#include "limits.h"
#include "nearest.h"
#include "record.h"
#include "utf8.h"

struct binding {
	const struct bind *bind;
	const struct model *model;
	struct value *row;
	struct arena *arena;
	struct err *e;
	bool *given;         /* by field index */
	size_t next;         /* the field that comes next when members stand in declared order */
	struct buf pointer;  /* of the member at hand */
	const char *pointed; /* its name, while that is all that the pointer is for */
};

/* ---- pointers ---- */

static void point(struct binding *x, const char *token)
{
	buf_char(&x->pointer, '/');
	for (const char *c = token; *c; c++) {
		if (*c == '~')
			buf_str(&x->pointer, "~0");
		else if (*c == '/')
			buf_str(&x->pointer, "~1");
		else
			buf_char(&x->pointer, *c);
	}
}

/* The member's pointer; good until the next call. */
static const char *pointer_to(struct binding *x, const char *name)
{
	if (x->pointed == name)
		return buf_text(&x->pointer);
	x->pointed = name;
	buf_reset(&x->pointer);
	buf_str(&x->pointer, x->bind->pointer ? x->bind->pointer : "");
	point(x, name);
	return buf_text(&x->pointer);
}

static const char *pointer_to_entry(struct binding *x, const char *name, size_t index)
{
	x->pointed = NULL;
	pointer_to(x, name);
	x->pointed = NULL;
	buf_printf(&x->pointer, "/%zu", index);
	return buf_text(&x->pointer);
}

/* ---- looking up ---- */

static const struct field *find_field(struct binding *x, const char *name)
{
	const struct model *m = x->model;
	for (size_t i = 0; i < m->nfields; i++) {
		size_t at = x->next + i < m->nfields ? x->next + i : x->next + i - m->nfields;
		if (strcmp(m->fields[at].name, name) == 0) {
			x->next = at + 1 < m->nfields ? at + 1 : 0;
			return &m->fields[at];
		}
	}
	return NULL;
}

static const struct relation *find_relation(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->nrelations; i++)
		if (strcmp(m->relations[i].child->name, name) == 0)
			return &m->relations[i];
	return NULL;
}

/* Members that the file shows, or may carry, without being part of the row. */
static bool is_decoration(const struct binding *x, const char *name)
{
	static const char total[] = "_total";
	size_t len = strlen(name), tail = sizeof total - 1;
	if (len <= tail || strcmp(name + len - tail, total) != 0)
		return false;
	for (size_t i = 0; i < x->model->nrelations; i++) {
		const char *child = x->model->relations[i].child->name;
		if (relation_embeds(&x->model->relations[i]))
			continue;
		if (strlen(child) == len - tail && memcmp(child, name, len - tail) == 0)
			return true;
	}
	return false;
}

static bool is_takeable(const struct binding *x, const struct field *f)
{
	return !f->hidden || x->bind->trusted;
}

static int unknown_member(struct binding *x, const char *name)
{
	const struct model *m = x->model;
	const char **known = arena_alloc(x->arena, (m->nfields + m->nrelations) * sizeof *known);
	const char *pointer = pointer_to(x, name);
	size_t n = 0;
	if (!known)
		return err_nomem(x->e);
	for (size_t i = 0; i < m->nfields; i++)
		if (is_takeable(x, &m->fields[i]))
			known[n++] = m->fields[i].name;
	for (size_t i = 0; i < m->nrelations; i++)
		known[n++] = m->relations[i].child->name;
	const char *near = nearest(name, known, n);
	if (!near)
		return err_problem(x->e, EBADMSG, pointer, "is no field of %s", m->name);
	return err_problem(x->e, EBADMSG, pointer, "is no field of %s; did you mean '%s'?", m->name, near);
}

/* ---- what is stored ---- */

static const struct value *old_value(const struct binding *x, const struct field *f)
{
	return x->bind->old ? &x->bind->old[f->index] : NULL;
}

static const struct value *deleted_value(const struct binding *x, const struct field *f)
{
	return x->bind->deleted && !x->bind->old ? &x->bind->deleted[f->index] : NULL;
}

static const struct value *along_value(const struct binding *x, const struct field *f)
{
	return x->bind->along ? x->bind->along[f->index] : NULL;
}

/* What the record was that the document is about. */
static const struct value *known_value(const struct binding *x, const struct field *f)
{
	const struct value *old = old_value(x, f), *deleted = deleted_value(x, f);
	return old ? old : deleted ? deleted : along_value(x, f);
}

/* True when json is what the record's text shows for the stored value, whatever it is. */
static bool shows(const struct field *f, const struct value *old, const json_t *json)
{
	buf_auto stored = BUF_INIT, given = BUF_INIT;
	value_write(&stored, f->type, old, -1);
	json_write(&given, json, -1);
	return !buf_failed(&stored) && !buf_failed(&given) && stored.len == given.len &&
	       memcmp(buf_text(&stored), buf_text(&given), stored.len) == 0;
}

static bool is_stored(const struct field *f, const struct value *old, const json_t *json)
{
	switch (old->kind) {
	case VALUE_NULL:
		return json_is_null(json);
	case VALUE_INTEGER:
		if (json_is_boolean(json))
			return f->type == TYPE_BOOLEAN && old->integer == (json_int_t)json_is_true(json);
		if (f->type == TYPE_BOOLEAN && (old->integer == 0 || old->integer == 1))
			return false;
		return json_is_integer(json) && old->integer == json_integer_value(json);
	case VALUE_REAL:
		return json_is_number(json) && (old->real == json_number_value(json) || shows(f, old, json));
	case VALUE_TEXT:
		if (f->type == TYPE_JSON)
			return shows(f, old, json);
		if (!json_is_string(json))
			return false;
		if (json_string_length(json) == old->text.len &&
		    memcmp(json_string_value(json), old->text.data, old->text.len) == 0)
			return true;
		return !utf8_valid(old->text.data, old->text.len, NULL) && shows(f, old, json);
	}
	return false;
}

/* ---- merge patches inside a json field ---- */

static int merge_json(struct binding *x, const struct value *old, json_t *patch, struct value *out)
{
	json_scope *target = NULL;
	if (old->kind == VALUE_TEXT && json_read_value(old->text.data, old->text.len, 0, &target) == -ENOMEM)
		return err_nomem(x->e);
	json_scope *result = json_merged(target, patch, false);
	return result ? value_from_json(TYPE_JSON, result, "", x->arena, out, x->e) : err_nomem(x->e);
}

/* ---- fields ---- */

static int convert(struct binding *x, const struct field *f, json_t *json, struct value *out)
{
	const struct value *old = old_value(x, f);
	if (f->type == TYPE_JSON && x->bind->verb == VERB_PATCH && old && json_is_object(json))
		return merge_json(x, old, json, out);
	return value_from_json(f->type, json, pointer_to(x, f->name), x->arena, out, x->e);
}

/* A change of a field that only the server, or only the creation, may set. */
static int check_change(struct binding *x, const struct field *f)
{
	const struct value *old = old_value(x, f);
	if (!old || x->bind->trusted || !(f->read_only || f->immutable) || value_equal(old, &x->row[f->index]))
		return 0;
	return err_problem(x->e, EPERM, pointer_to(x, f->name), "%s",
			   f->read_only ? "is read-only" : "can't be changed once the record exists");
}

static int required(struct binding *x, const struct field *f)
{
	return err_problem(x->e, EBADMSG, pointer_to(x, f->name), "is required");
}

static int bind_field(struct binding *x, const struct field *f, json_t *json)
{
	const struct value *old = old_value(x, f), *known = known_value(x, f);
	struct value *out = &x->row[f->index];
	bool merges = f->type == TYPE_JSON && x->bind->verb == VERB_PATCH && json_is_object(json);
	bool same = known && !merges && is_stored(f, known, json) && !(f->required && known->kind == VALUE_NULL);
	if (f->read_only && !old && !same && !x->bind->trusted)
		return 0;
	x->given[f->index] = true;
	if (same) {
		*out = *known;
		return 0;
	}
	int rc = convert(x, f, json, out);
	if (rc)
		return rc;
	if (old && value_equal(old, out)) {
		*out = *old;
		if (old->kind != VALUE_NULL)
			return 0;
	}
	rc = check_change(x, f);
	if (rc)
		return rc;
	if (f->required && out->kind == VALUE_NULL)
		return required(x, f);
	return constraint_check(f, out, pointer_to(x, f->name), x->e);
}

/*
 * Whoever can't set a field is not told that it is required: a hook may still fill it in, and the column's NOT NULL
 * stands behind it.
 */
static int bind_absent(struct binding *x, const struct field *f)
{
	const struct value *old = old_value(x, f), *deleted = deleted_value(x, f), *along = along_value(x, f);
	struct value *out = &x->row[f->index];
	bool settable = x->bind->trusted || !(f->hidden || f->read_only);
	bool keeps = old && (x->bind->verb == VERB_PATCH || f->hidden || f->write_only || f->unshown || f->read_only);
	int rc = 0;
	if (along && !field_in_file(f))
		*out = *along;
	else if (keeps)
		*out = *old;
	else if (deleted && !field_in_file(f))
		*out = *deleted;
	else
		rc = default_value(x->bind, f, x->arena, out, x->e);
	if (rc || (keeps && x->bind->verb == VERB_PATCH))
		return rc;
	if (f->required && settable && out->kind == VALUE_NULL)
		return required(x, f);
	return check_change(x, f);
}

/* ---- the key ---- */

static int check_key(struct binding *x, const struct value *key)
{
	const struct field *f = x->model->key;
	const char *pointer = pointer_to(x, f->name);
	buf_auto name = BUF_INIT;
	if (f->type == TYPE_INTEGER && (key->integer < 0 || key->integer > KEY_MAX))
		return err_problem(x->e, EBADMSG, pointer, "must be between 0 and %lld", (long long)KEY_MAX);
	if (key->kind == VALUE_TEXT && key->text.len == 0)
		return err_problem(x->e, EBADMSG, pointer, "must not be empty");
	if (key->kind == VALUE_TEXT && record_name(x->model, key, &name) == -ENAMETOOLONG)
		return err_problem(x->e, ENAMETOOLONG, pointer, "is too long for a file name of at most %d bytes",
				   LIMIT_NAME);
	return constraint_check(f, key, pointer, x->e);
}

/* The key that the record has, whatever the document says; NULL where the document may give one. */
static const struct value *known_key(const struct binding *x)
{
	const struct value *key = x->bind->key ? x->bind->key : old_value(x, x->model->key);
	return key && key->kind != VALUE_NULL ? key : NULL;
}

static int wrong_key(struct binding *x, const struct value *given, const struct value *known)
{
	const struct field *f = x->model->key;
	const char *pointer = pointer_to(x, f->name);
	buf_auto key = BUF_INIT, name = BUF_INIT;
	value_write(&key, f->type == TYPE_STRING ? TYPE_STRING : f->type, given, -1);
	if (!x->bind->key || record_name(x->model, known, &name))
		return err_problem(x->e, EPERM, pointer, "can't be changed: rename the file to change the key");
	return err_problem(x->e, EBADMSG, pointer, "is %s but the file is %s", buf_text(&key), buf_text(&name));
}

static int bind_key(struct binding *x, json_t *json)
{
	const struct field *f = x->model->key;
	const struct value *known = known_key(x);
	struct value given;
	if (!known && json_is_null(json))
		return 0;
	x->given[f->index] = true;
	int rc = value_from_json(f->type, json, pointer_to(x, f->name), x->arena, &given, x->e);
	if (rc)
		return rc;
	x->row[f->index] = known ? *known : given;
	if (known && !value_equal(&given, known))
		return wrong_key(x, &given, known);
	return known && x->bind->old ? 0 : check_key(x, &given);
}

static int bind_absent_key(struct binding *x)
{
	const struct field *f = x->model->key;
	const struct value *known = known_key(x);
	struct value *out = &x->row[f->index];
	int rc = 0;
	if (known)
		*out = *known;
	else
		rc = default_value(x->bind, f, x->arena, out, x->e);
	if (rc || (known && x->bind->old))
		return rc;
	if (out->kind != VALUE_NULL)
		return check_key(x, out);
	return f->type == TYPE_INTEGER ? 0 : required(x, f);
}

/* ---- the reference of an embedded record to the one that it is part of ---- */

static int bind_parent(struct binding *x, const json_t *json)
{
	const struct field *f = x->bind->by;
	const struct value *parent = &x->bind->parent;
	const char *pointer = pointer_to(x, f->name);
	struct value given;
	int rc = value_from_json(f->type, json, pointer, x->arena, &given, x->e);
	if (rc || given.kind == VALUE_NULL || value_equal(&given, parent))
		return rc;
	if (parent->kind == VALUE_NULL)
		return err_problem(x->e, EBADMSG, pointer, "must be left out: what it refers to has no key yet");
	buf_auto key = BUF_INIT;
	value_write(&key, f->type, parent, -1);
	return err_problem(x->e, EBADMSG, pointer, "must be %s, the key of the record that it is part of",
			   buf_text(&key));
}

/* ---- members ---- */

static int bind_entry(struct binding *x, const struct relation *r, const json_t *entry, const char *pointer)
{
	if (!json_is_object(entry))
		return err_problem(x->e, EBADMSG, pointer, "must be an object");
	if (relation_embeds(r))
		return 0;
	const json_t *key = json_object_get(entry, r->child->key->name);
	if (!key || json_is_null(key))
		return err_problem(x->e, EPERM, pointer, "can't be written here: create it in %s", r->child->name);
	return 0;
}

/*
 * What a file says about its children is ignored, but a child that has no key yet would be lost in silence. Embedded
 * ones are bound as documents of their own, each with its own call of record_bind.
 */
static int bind_relation(struct binding *x, const struct relation *r, const json_t *json)
{
	const char *name = r->child->name;
	int rc = 0;
	if (!relation_many(r))
		return json_is_null(json) ? 0 : bind_entry(x, r, json, pointer_to(x, name));
	if (!json_is_array(json))
		return err_problem(x->e, EBADMSG, pointer_to(x, name), "must be a list");
	for (size_t i = 0; i < json_array_size(json); i++) {
		int entry = bind_entry(x, r, json_array_get(json, i), pointer_to_entry(x, name, i));
		rc = entry ? entry : rc;
	}
	return rc;
}

/* Whether it is the stored record's is for hooks/change.c; what is not stored yet has none. */
static int bind_checksum(struct binding *x, const json_t *json)
{
	bool judged = x->bind->verb != VERB_CREATE;
	if (judged && x->bind->by)
		return err_problem(x->e, EBADMSG, pointer_to(x, CHECKSUM_MEMBER),
				   "can only stand at the top of a file: an embedded record has none of its own");
	if (judged && !json_is_string(json))
		return err_problem(x->e, EBADMSG, pointer_to(x, CHECKSUM_MEMBER), "must be a string");
	return 0;
}

static int bind_member(struct binding *x, const char *name, json_t *json)
{
	if (strcmp(name, CHECKSUM_MEMBER) == 0)
		return bind_checksum(x, json);
	const struct field *f = find_field(x, name);
	if (f && f == x->bind->by)
		return bind_parent(x, json);
	if (f == x->model->key && f)
		return bind_key(x, json);
	if (f && is_takeable(x, f))
		return bind_field(x, f, json);
	const struct relation *r = f ? NULL : find_relation(x->model, name);
	if (r)
		return bind_relation(x, r, json);
	return !f && is_decoration(x, name) ? 0 : unknown_member(x, name);
}

/* A patch or many short entries can make a text that no file may have. Only long rows are printed to find out. */
static int check_text_size(struct binding *x)
{
	size_t texts = 0;
	for (size_t i = 0; i < x->model->nfields; i++)
		texts += x->row[i].kind == VALUE_TEXT ? x->row[i].text.len : 0;
	if (texts < LIMIT_RECORD / (2 * LIMIT_JSON_DEPTH + 2))
		return 0;
	struct buf text = {.limit = record_room(x->model)};
	record_close(&text, record_open(&text, x->model, x->row, SHOW_FILE, 0, NULL), 0);
	bool failed = buf_failed(&text), full = text.full;
	buf_release(&text);
	if (!failed)
		return 0;
	if (!full)
		return err_nomem(x->e);
	return err_problem(x->e, EFBIG, x->bind->pointer ? x->bind->pointer : "",
			   "the record's text would have more than %d bytes", LIMIT_RECORD);
}

static int bind_all(struct binding *x, json_t *document)
{
	const char *name;
	json_t *json;
	int rc = 0, one;
	json_object_foreach(document, name, json)
	{
		one = bind_member(x, name, json);
		rc = one ? one : rc;
	}
	for (size_t i = 0; i < x->model->nfields; i++) {
		const struct field *f = &x->model->fields[i];
		if (x->given[i])
			continue;
		one = f == x->model->key ? bind_absent_key(x) : bind_absent(x, f);
		rc = one ? one : rc;
	}
	return rc ? rc : check_text_size(x);
}

int record_bind(const struct bind *b, const json_t *document, struct value *row, struct arena *a, struct err *e)
{
	struct binding x = {.bind = b, .model = b->model, .row = row, .arena = a, .e = e};
	if (!json_is_object(document))
		return err_problem(e, EBADMSG, b->pointer ? b->pointer : "", "must be an object");
	bool given[b->model->nfields];
	x.given = given;
	memset(given, 0, sizeof given);
	for (size_t i = 0; i < b->model->nfields; i++)
		row[i] = value_null();
	if (b->by) {
		row[b->by->index] = b->parent;
		x.given[b->by->index] = true;
	}
	int rc = bind_all(&x, (json_t *)document);
	buf_release(&x.pointer);
	return rc;
}
