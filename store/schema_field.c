/*
 * schema_field.c - the fields of a model: names, types, the key. What their options mean is schema_option.c's.
 *
 * SQLite's column names are the same in upper and lower case, so those of a model differ in more than case.
 */
#include <string.h>
#include <strings.h>

#include "limits.h"
#include "schema_read.h"

/* Types whose values can be the name of a file. */
static const bool key_types[TYPE_COUNT] = {
    [TYPE_INTEGER] = true,  [TYPE_STRING] = true, [TYPE_DATE] = true,
    [TYPE_DATETIME] = true, [TYPE_TIME] = true,   [TYPE_UUID] = true,
};

static bool is_reserved(const char *name)
{
	static const char *const reserved[] = {"rowid", "_rowid_", "_checksum"};

	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
		if (strcasecmp(reserved[i], name) == 0)
			return true;
	return false;
}

static void check_field_name(struct reader *r, const struct word *w)
{
	const struct model *m = r->model;

	if (!is_name(w->text, false))
		conf_mistake(r->c, w, "'%s' is no name for a field: letters, digits and _, a letter or _ first",
			     w->text);
	else if (is_reserved(w->text))
		conf_mistake(r->c, w, "the name '%s' is kept for other things", w->text);
	else if (m->queue && is_queue_field(w->text))
		conf_mistake(r->c, w, "every queue has a field '%s' already", w->text);
	for (size_t i = 0; i < m->nfields; i++)
		if (strcasecmp(m->fields[i].name, w->text) == 0) {
			conf_mistake(r->c, w, "there is a field '%s' already, in line %d", m->fields[i].name,
				     m->fields[i].where->line);
			return;
		}
}

static void read_type(struct reader *r, const struct directive *d, struct field *f, struct field_source *source)
{
	const char *names[TYPE_COUNT];

	f->type = TYPE_STRING;
	source->bad_type = true;
	source->first = d->nwords < 2 || is_option(d->words[1].text) ? 1 : 2;
	if (source->first == 1) {
		conf_mistake(r->c, &d->words[0], "the field needs a type behind its name, as in: %.100s integer",
			     f->name);
		return;
	}
	int type = field_type_by_name(d->words[1].text);
	if (type >= 0) {
		f->type = (enum field_type)type;
		source->bad_type = false;
		return;
	}
	for (int i = 0; i < TYPE_COUNT; i++)
		names[i] = field_type_name((enum field_type)i);
	conf_unknown(r->c, &d->words[1], "type", names, TYPE_COUNT);
}

static void read_field(struct reader *r, const struct directive *d)
{
	struct model *m = r->model;
	struct field *f = &m->fields[m->nfields];
	struct field_source *source = &r->source->of[m->nfields];

	check_field_name(r, &d->words[0]);
	*f = (struct field){.name = d->words[0].text, .index = m->nfields, .where = &d->words[0]};
	source->directive = d;
	read_type(r, d, f, source);
	read_option_words(r, source);
	if (d->has_block)
		conf_mistake(r->c, &d->words[0], "a field has no block");
	m->nfields++;
}

/* The key among the fields; the first one where several are declared, NULL where none is. */
static struct field *declared_key(struct reader *r)
{
	struct field *key = NULL;

	for (size_t i = 0; i < r->model->nfields; i++) {
		const struct word *word = r->source->of[i].given[OPTION_KEY];
		struct field *f = &r->model->fields[i];
		if (!word)
			continue;
		if (key)
			conf_mistake(r->c, word, "the key is '%s' already, in line %d", key->name, key->where->line);
		else
			key = f;
		if (!key_types[f->type] && !r->source->of[i].bad_type)
			conf_mistake(r->c, f->where + 1, "a key can't be %s", field_type_name(f->type));
	}
	return key;
}

/* `id integer key` before all others: what a queue has, and a stand-in for the key that a mistaken model lacks. */
static void put_key_first(struct reader *r)
{
	struct model *m = r->model;

	m->fields--;
	r->source->of--;
	m->nfields += m->nfields < LIMIT_FIELDS;
	m->fields[0] = (struct field){.name = "id", .type = TYPE_INTEGER};
	for (size_t i = 0; i < m->nfields; i++)
		m->fields[i].index = i;
}

static void need_key(struct reader *r)
{
	const struct field *id = model_field(r->model, "id");

	if (r->model->queue && id)
		conf_mistake(r->c, id->where,
			     "every queue has a field 'id' already, its key; write 'key' here to declare it");
	else if (!r->model->queue && r->source->fields)
		conf_mistake(r->c, &r->model->conf->words[1],
			     "'%s' has no key; one field needs the option key, as in: id integer key", r->model->name);
}

void read_fields(struct reader *r, const struct directive *d)
{
	struct model *m = r->model;
	size_t most = m->queue ? LIMIT_FIELDS - QUEUE_FIELDS - 1 : LIMIT_FIELDS, n = 0;

	for (const struct directive *f = d ? d->children : NULL; f && n < most; f = f->next)
		n++;
	m->fields = reader_alloc(r, 1 + n + QUEUE_FIELDS, sizeof *m->fields);
	r->source->of = arena_alloc(&r->scratch, (1 + n + QUEUE_FIELDS) * sizeof *r->source->of);
	r->nomem |= !r->source->of;
	if (r->nomem)
		return;
	m->fields++;
	r->source->of++;
	for (const struct directive *f = d ? d->children : NULL; f; f = f->next) {
		if (m->nfields == most) {
			conf_mistake(r->c, &f->words[0], "there can't be more than %zu fields here", most);
			break;
		}
		read_field(r, f);
	}
	m->key = declared_key(r);
	if (m->key)
		return;
	need_key(r);
	put_key_first(r);
	m->key = &m->fields[0];
}
