/*
 * jsonschema.c - JSON Schema (2020-12) of the documents that a model takes and shows, for editors and form builders.
 *
 * What only rowfs knows (references, unique, check, immutable) is left out, so that a document which the schema
 * refuses is always refused. Write-only fields are never required: a file that is saved back doesn't have them.
 * Embedded records are documents inside the document.
 */
#include <string.h>

#include "buf.h"
#include "json.h"
#include "limits.h"
#include "model.h"
#include "record.h"

static const char dialect[] = "https://json-schema.org/draft/2020-12/schema";
static const char time_pattern[] = "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,9})?)?$";

static const struct {
	const char *type; /* NULL: any */
	const char *format;
} types[TYPE_COUNT] = {
    [TYPE_INTEGER] = {"integer", NULL}, [TYPE_NUMBER] = {"number", NULL}, [TYPE_STRING] = {"string", NULL},
    [TYPE_BOOLEAN] = {"boolean", NULL}, [TYPE_DATE] = {"string", "date"}, [TYPE_DATETIME] = {"string", "date-time"},
    [TYPE_TIME] = {"string", NULL}, /* the format time wants a zone */
    [TYPE_UUID] = {"string", "uuid"},   [TYPE_JSON] = {NULL, NULL},
};

static const char *const formats[FORMAT_COUNT] = {
    [FORMAT_EMAIL] = "email", [FORMAT_URI] = "uri",   [FORMAT_HOSTNAME] = "hostname",
    [FORMAT_IPV4] = "ipv4",   [FORMAT_IPV6] = "ipv6",
};

/* What is built; without memory it goes on to the end and nothing is printed. */
struct draft {
	bool failed;
};

static void set(struct draft *d, json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value))
		d->failed = true;
}

static void add(struct draft *d, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		d->failed = true;
}

static bool is_nullable(const struct model *m, const struct field *f)
{
	return f != m->key && !f->required;
}

static void set_type(struct draft *d, json_t *property, const char *type, bool nullable)
{
	if (!type)
		return;
	if (!nullable) {
		set(d, property, "type", json_string(type));
		return;
	}
	json_t *both = json_array();
	add(d, both, json_string(type));
	add(d, both, json_string("null"));
	set(d, property, "type", both);
}

static void set_words(struct draft *d, json_t *property, const struct field *f, bool nullable)
{
	json_error_t error;
	json_t *words = json_array();
	for (size_t i = 0; i < f->nwords; i++) {
		const char *word = f->words[i];
		bool text = f->type != TYPE_INTEGER && f->type != TYPE_NUMBER;
		add(d, words, text ? json_string(word) : json_loads(word, JSON_DECODE_ANY, &error));
	}
	if (nullable)
		add(d, words, json_null());
	set(d, property, "enum", words);
}

static void set_bounds(struct draft *d, json_t *property, const struct field *f, bool key)
{
	bool text = types[f->type].type && strcmp(types[f->type].type, "string") == 0;
	bool integer_key = key && f->type == TYPE_INTEGER;
	if (f->has_min || integer_key)
		set(d, property, text ? "minLength" : "minimum", json_real(f->has_min ? f->min : 0));
	if (f->has_max || integer_key)
		set(d, property, text ? "maxLength" : "maximum", json_real(f->has_max ? f->max : (double)KEY_MAX));
	if (key && text && !f->has_min)
		set(d, property, "minLength", json_integer(1));
}

/* Bracket classes such as [[:alpha:]] mean something else in the dialect's expressions. */
static void set_pattern(struct draft *d, json_t *property, const struct field *f)
{
	buf_auto pattern = BUF_INIT;
	if (f->type == TYPE_TIME)
		set(d, property, "pattern", json_string(time_pattern));
	if (!f->pattern || strstr(f->pattern, "[:") || strstr(f->pattern, "[.") || strstr(f->pattern, "[="))
		return;
	buf_printf(&pattern, "^(%s)$", f->pattern);
	set(d, property, "pattern", json_string(buf_text(&pattern)));
}

static void set_default(struct draft *d, json_t *property, const struct field *f)
{
	buf_auto text = BUF_INIT;
	if (f->default_kind != DEFAULT_LITERAL)
		return;
	value_write(&text, f->type, &f->default_value, -1);
	json_t *value = NULL;
	json_read_value(buf_text(&text), text.len, 0, &value);
	set(d, property, "default", value);
}

static json_t *property_of(struct draft *d, const struct model *m, const struct field *f)
{
	json_t *property = json_object();
	const char *format = f->format != FORMAT_NONE ? formats[f->format] : types[f->type].format;
	set_type(d, property, types[f->type].type, is_nullable(m, f));
	if (f->references) {
		buf_auto text = BUF_INIT;
		buf_printf(&text, "A key of %s", f->references->name);
		set(d, property, "description", json_string(buf_text(&text)));
	}
	set_bounds(d, property, f, f == m->key);
	if (f->words)
		set_words(d, property, f, is_nullable(m, f));
	if (format)
		set(d, property, "format", json_string(format));
	set_pattern(d, property, f);
	set_default(d, property, f);
	if (f->read_only)
		set(d, property, "readOnly", json_true());
	if (f->write_only || f->unshown)
		set(d, property, "writeOnly", json_true());
	return property;
}

static json_t *document_of(struct draft *d, const struct model *m, const struct field *by);

/* Whole documents, of records that need not have a key yet. */
static void set_embedded(struct draft *d, json_t *properties, const struct relation *r)
{
	json_t *child = document_of(d, r->child, r->by), *property = child;
	if (relation_many(r)) {
		property = json_object();
		set_type(d, property, "array", false);
		set(d, property, "items", child);
	} else {
		set_type(d, property, "object", true);
	}
	set(d, properties, r->child->name, property);
}

static void set_relation(struct draft *d, json_t *properties, const struct relation *r)
{
	bool many = relation_many(r);
	if (relation_embeds(r)) {
		set_embedded(d, properties, r);
		return;
	}
	json_t *property = json_object();
	set_type(d, property, many ? "array" : "object", !many);
	if (many) {
		json_t *items = json_object(), *total = json_object();
		buf_auto name = BUF_INIT;
		set_type(d, items, "object", false);
		set(d, property, "items", items);
		set_type(d, total, "integer", false);
		set(d, total, "readOnly", json_true());
		buf_printf(&name, "%s_total", r->child->name);
		set(d, properties, buf_text(&name), total);
	}
	set(d, property, "readOnly", json_true());
	set(d, properties, r->child->name, property);
}

static bool is_needed(const struct model *m, const struct field *f)
{
	return f->required && f != m->key && f->default_kind == DEFAULT_NONE && !f->read_only && !f->write_only &&
	       !f->hidden && !f->unshown;
}

/* A file may say which version it is meant for, whether its model shows it or not. */
static json_t *checksum_of(struct draft *d, const struct model *m)
{
	json_t *property = json_object();
	set_type(d, property, "string", false);
	if (!m->checksum_in_file)
		set(d, property, "writeOnly", json_true());
	return property;
}

/* by: the reference to the parent, which an embedded record may leave out. */
static json_t *document_of(struct draft *d, const struct model *m, const struct field *by)
{
	json_t *schema = json_object(), *properties = json_object(), *needed = json_array();
	set(d, schema, "title", json_string(m->name));
	set_type(d, schema, "object", false);
	set(d, properties, m->key->name, property_of(d, m, m->key));
	for (size_t i = 0; i < m->nfields; i++) {
		const struct field *f = &m->fields[i];
		if (f != m->key && !f->hidden)
			set(d, properties, f->name, property_of(d, m, f));
		if (is_needed(m, f) && f != by)
			add(d, needed, json_string(f->name));
	}
	for (size_t i = 0; i < m->nrelations; i++)
		set_relation(d, properties, &m->relations[i]);
	if (!by)
		set(d, properties, CHECKSUM_MEMBER, checksum_of(d, m));
	set(d, schema, "properties", properties);
	set(d, schema, "required", needed);
	set(d, schema, "additionalProperties", json_false());
	return schema;
}

void schema_json(struct buf *b, const struct schema *s, const struct model *m)
{
	struct draft d = {false};
	json_scope *top = json_object();
	set(&d, top, "$schema", json_string(dialect));
	if (m) {
		json_scope *document = document_of(&d, m, NULL);
		d.failed |= json_object_update(top, document) < 0;
	} else {
		json_t *all = json_object();
		for (size_t i = 0; i < s->nmodels; i++)
			set(&d, all, s->models[i].name, document_of(&d, &s->models[i], NULL));
		set(&d, top, "$defs", all);
	}
	if (d.failed) {
		b->failed = true;
		return;
	}
	json_write(b, top, 0);
	buf_char(b, '\n');
}
