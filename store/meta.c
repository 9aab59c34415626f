/*
 * meta.c - MODEL/.info/meta.json: what each verb takes and what it answers, for programs that build forms and clients.
 *
 * It is made from the model alone, like the JSON Schema beside it, and tells no more than a user of the files may know:
 * hidden fields are left out.
 */
#include <string.h>

#include "buf.h"
#include "json.h"
#include "record.h"

/* What is built; without memory it goes on to the end and nothing is printed. */
struct meta {
	const struct model *model;
	bool failed;
};

static void set(struct meta *x, json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value))
		x->failed = true;
}

static void add(struct meta *x, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		x->failed = true;
}

/* Whether a file that is saved with the verb may set the field. */
static bool takes(const struct field *f, enum verb verb)
{
	return !f->hidden && !f->read_only && !(f->immutable && verb != VERB_CREATE);
}

static bool needs(const struct meta *x, const struct field *f, enum verb verb)
{
	bool kept = verb != VERB_CREATE && (f->write_only || f->unshown);

	return f->required && verb != VERB_PATCH && f != x->model->key && f->default_kind == DEFAULT_NONE && !kept;
}

static bool is_embedded(const struct relation *r)
{
	return r->kind == EMBEDS_MANY || r->kind == EMBEDS_ONE;
}

static json_t *checksum_input(struct meta *x)
{
	json_t *member = json_object();

	set(x, member, "type", json_string("string"));
	set(x, member, "required", json_false());
	return member;
}

static json_t *input_of(struct meta *x, enum verb verb)
{
	json_t *input = json_object();

	for (size_t i = 0; i <= x->model->nfields; i++) {
		const struct field *f = i ? &x->model->fields[i - 1] : x->model->key;
		if ((i && f == x->model->key) || !takes(f, verb))
			continue;
		json_t *member = json_object();
		set(x, member, "type", json_string(field_type_name(f->type)));
		set(x, member, "required", json_boolean(needs(x, f, verb)));
		if (f->references)
			set(x, member, "references", json_string(f->references->name));
		set(x, input, f->name, member);
	}
	for (size_t i = 0; i < x->model->nrelations; i++) {
		const struct relation *r = &x->model->relations[i];
		if (!is_embedded(r))
			continue;
		json_t *member = json_object();
		set(x, member, "type", json_string(r->kind == EMBEDS_MANY ? "array" : "object"));
		set(x, member, "required", json_false());
		set(x, member, "model", json_string(r->child->name));
		set(x, input, r->child->name, member);
	}
	if (verb != VERB_CREATE)
		set(x, input, CHECKSUM_MEMBER, checksum_input(x));
	return input;
}

/* The fields that a file has, the key first. */
static json_t *shown_fields(struct meta *x)
{
	json_t *fields = json_array();

	for (size_t i = 0; i <= x->model->nfields; i++) {
		const struct field *f = i ? &x->model->fields[i - 1] : x->model->key;
		if (!(i && f == x->model->key) && field_in_file(f))
			add(x, fields, json_string(f->name));
	}
	if (x->model->checksum_in_file)
		add(x, fields, json_string(CHECKSUM_MEMBER));
	return fields;
}

static json_t *answer_of(struct meta *x, const struct answer *a)
{
	json_t *answer = json_object(), *fields = a ? json_array() : shown_fields(x);

	for (size_t i = 0; a && i < a->nfields; i++)
		add(x, fields, json_string(a->fields[i]->name));
	set(x, answer, "model", json_string(a ? a->model->name : x->model->name));
	set(x, answer, "fields", fields);
	if (a || x->model->nrelations == 0)
		return answer;
	json_t *relations = json_array();
	for (size_t i = 0; i < x->model->nrelations; i++)
		add(x, relations, json_string(x->model->relations[i].child->name));
	set(x, answer, "relations", relations);
	return answer;
}

static json_t *entry(struct meta *x, json_t *input, json_t *answer)
{
	json_t *entry = json_object();

	set(x, entry, "input", input ? input : json_null());
	set(x, entry, "answer", answer ? answer : json_null());
	return entry;
}

static json_t *verbs_of(struct meta *x)
{
	json_t *all = json_object();

	for (int verb = 0; verb < VERB_COUNT && !x->model->read_only; verb++) {
		bool saves = verb != VERB_DELETE;
		set(x, all, verb_name(verb),
		    entry(x, saves ? input_of(x, verb) : NULL,
			  saves ? answer_of(x, model_answer(x->model, verb)) : NULL));
	}
	set(x, all, "get", entry(x, NULL, answer_of(x, NULL)));
	return all;
}

static json_t *relations_of(struct meta *x)
{
	static const char *const kinds[] = {
	    [HAS_MANY] = "has-many", [HAS_ONE] = "has-one", [EMBEDS_MANY] = "embeds-many", [EMBEDS_ONE] = "embeds-one"};
	json_t *all = json_object();

	for (size_t i = 0; i < x->model->nrelations; i++) {
		const struct relation *r = &x->model->relations[i];
		json_t *member = json_object();
		set(x, member, "kind", json_string(kinds[r->kind]));
		set(x, member, "by", json_string(r->by->name));
		set(x, member, "read_only", json_boolean(!is_embedded(r)));
		set(x, all, r->child->name, member);
	}
	return all;
}

static json_t *checksum_of(struct meta *x)
{
	json_t *checksum = json_object(), *with = json_array();

	for (size_t i = 0; i < x->model->nrelations; i++)
		if (x->model->relations[i].in_checksum)
			add(x, with, json_string(x->model->relations[i].child->name));
	set(x, checksum, "xattr", json_string(CHECKSUM_XATTR));
	set(x, checksum, "member", x->model->checksum_in_file ? json_string(CHECKSUM_MEMBER) : json_null());
	set(x, checksum, "with", with);
	return checksum;
}

void schema_meta(struct buf *b, const struct model *m)
{
	struct meta x = {.model = m};
	json_scope *top = json_object();

	set(&x, top, "model", json_string(m->name));
	set(&x, top, "key", json_string(m->key->name));
	set(&x, top, "verbs", verbs_of(&x));
	set(&x, top, "relations", relations_of(&x));
	set(&x, top, "checksum", checksum_of(&x));
	if (x.failed) {
		b->failed = true;
		return;
	}
	json_write(b, top, 0);
	buf_char(b, '\n');
}
