/*
 * schema_model.c - one `model` or `queue` of mount.conf: its names, modes and relations.
 *
 * A model with a mistake is kept, with a key, so that what refers to it is not a mistake too.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "limits.h"
#include "schema_read.h"

enum { LARGEST_HAS_MANY = 100000 };

/* ---- names ---- */

bool is_name(const char *text, bool dashes)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	size_t len = strspn(text, letters);

	if (len > 0)
		while (text[len] &&
		       (strchr(letters, text[len]) || strchr(dashes ? "0123456789-" : "0123456789", text[len])))
			len++;
	return len > 0 && text[len] == '\0' && len <= LIMIT_NAME;
}

static void unknown_model(struct reader *r, const struct word *w)
{
	const char **names = calloc(r->s->nmodels, sizeof *names);

	for (size_t i = 0; names && i < r->s->nmodels; i++)
		names[i] = r->s->models[i].name;
	conf_unknown(r->c, w, "model", names, names ? r->s->nmodels : 0);
	free(names);
}

const struct model *find_model(struct reader *r, const struct word *w)
{
	const struct model *m = schema_model(r->s, w->text);

	if (!m)
		unknown_model(r, w);
	return m;
}

static void unknown_field(struct reader *r, const struct word *w, const struct model *m)
{
	const char *names[LIMIT_FIELDS + 1 + QUEUE_FIELDS];
	size_t n = 0;

	for (; n < m->nfields && n < sizeof names / sizeof *names; n++)
		names[n] = m->fields[n].name;
	conf_unknown(r->c, w, "field", names, n);
}

const struct field *find_field(struct reader *r, const struct word *w, const struct model *m)
{
	const struct field *f = model_field(m, w->text);

	if (!f)
		unknown_field(r, w, m);
	return f;
}

/* ---- models ---- */

void read_mode(struct reader *r, const struct directive *d)
{
	const struct word *w = &d->words[1];
	size_t len = strlen(w->text);
	bool directory = strcmp(d->words[0].text, "dir-mode") == 0;

	if (len < 3 || len > 4 || strspn(w->text, "01234567") != len || (len == 4 && w->text[0] != '0')) {
		conf_mistake(r->c, w, "'%s' is no mode; write it in octal, like %s", w->text,
			     directory ? "0750" : "0640");
		return;
	}
	*(directory ? &r->model->dir_mode : &r->model->mode) = (mode_t)strtol(w->text, NULL, 8);
}

void read_flag(struct reader *r, const struct directive *d)
{
	if (strcmp(d->words[0].text, "hidden") == 0)
		r->model->hidden = true;
	else
		r->model->read_only = true;
}

void keep_fields(struct reader *r, const struct directive *d)
{
	r->source->fields = d;
}

static void check_table_name(struct reader *r, const struct word *w, const char *table)
{
	if (strncasecmp(table, "rowfs_", 6) == 0)
		conf_mistake(r->c, w, "names that begin with rowfs_ are rowfs's own");
	else if (strncasecmp(table, "sqlite_", 7) == 0)
		conf_mistake(r->c, w, "names that begin with sqlite_ are SQLite's own");
	else if (table[0] == '\0' || strlen(table) > LIMIT_NAME)
		conf_mistake(r->c, w, "the name of a table has 1 to %d bytes", LIMIT_NAME);
	for (const char *c = table; *c; c++) {
		if ((unsigned char)*c >= ' ' && *c != 0x7F && !strchr("\"'`[]", *c))
			continue;
		conf_mistake(r->c, w, "the name of a table can't hold quotes, brackets or control characters");
		return;
	}
}

/* SQLite's names of tables are the same in upper and lower case. */
static void check_model_twice(struct reader *r, const struct word *name, const struct word *table)
{
	for (const struct model *other = r->s->models; other < r->model; other++) {
		if (strcmp(other->name, r->model->name) == 0)
			conf_mistake(r->c, name, "there is a model '%s' already, in line %d", other->name,
				     other->conf->words[1].line);
		else if (strcasecmp(other->table, r->model->table) == 0)
			conf_mistake(r->c, table, "table '%s' is that of model '%s' already, in line %d", other->table,
				     other->name, other->conf->words[1].line);
		else
			continue;
		return;
	}
}

static void read_model_name(struct reader *r, const struct directive *d)
{
	const struct word *name = &d->words[1], *table = name;

	if (d->nwords > 2 && strcmp(d->words[2].text, "from") != 0)
		conf_mistake(r->c, &d->words[2], "'from TABLE' belongs here");
	else if (d->nwords == 3)
		conf_mistake(r->c, &d->words[2], "'from' needs the name of a table");
	else if (d->nwords > 3)
		table = &d->words[3];
	r->model->name = name->text;
	r->model->table = table->text;
	bool fine = is_name(name->text, true);
	if (!fine)
		conf_mistake(r->c, name, "'%s' is no name for a model: letters, digits, _ and -, a letter or _ first",
			     name->text);
	if (fine || table != name)
		check_table_name(r, table, table->text);
	check_model_twice(r, name, table);
}

void read_model(struct reader *r, const struct directive *d)
{
	bool queue = strcmp(d->words[0].text, "queue") == 0;

	if (r->s->nmodels == LIMIT_MODELS) {
		conf_mistake(r->c, &d->words[0], "there can't be more than %d models", LIMIT_MODELS);
		return;
	}
	r->model = &r->s->models[r->s->nmodels];
	r->source = &r->sources[r->s->nmodels];
	*r->model = (struct model){.index = r->s->nmodels, .mode = 0644, .dir_mode = 0755, .conf = d};
	read_model_name(r, d);
	if (queue)
		begin_queue(r);
	if (!r->nomem)
		read_directives(r, d->children, queue ? LEVEL_QUEUE : LEVEL_MODEL);
	if (!queue && !r->source->fields)
		conf_mistake(r->c, &d->words[1],
			     "a model without fields, which takes them from its table, is not in this version");
	if (!r->nomem)
		read_fields(r, r->source->fields);
	if (queue && !r->nomem)
		add_queue_fields(r);
	r->s->nmodels += !r->nomem;
	r->model = NULL;
}

/* ---- relations ---- */

static bool name_is_taken(const struct model *m, const struct relation *new)
{
	char total[LIMIT_NAME + 8];

	snprintf(total, sizeof total, "%s_total", new->child->name);
	if (model_field(m, new->child->name) || (new->kind == HAS_MANY &&model_field(m, total)))
		return true;
	for (size_t i = 0; i < m->nrelations; i++)
		if (m->relations[i].child == new->child)
			return true;
	return false;
}

static const struct field *relation_field(struct reader *r, const struct word *w, const struct model *child)
{
	const struct field *by = find_field(r, w, child);

	if (by && by->references != r->model) {
		conf_mistake(r->c, w, "'%s' of '%s' does not refer to '%s'", by->name, child->name, r->model->name);
		by = NULL;
	}
	return by;
}

static long relation_limit(struct reader *r, const struct directive *d)
{
	long long limit = LIMIT_HAS_MANY;

	if (d->nwords < 5)
		return LIMIT_HAS_MANY;
	if (strcmp(d->words[4].text, "limit") != 0)
		conf_mistake(r->c, &d->words[4], "'limit N' belongs here");
	else if (d->nwords < 6)
		conf_mistake(r->c, &d->words[4], "'limit' needs a number");
	else if (!word_integer(&d->words[5], &limit) || limit < 1 || limit > LARGEST_HAS_MANY)
		conf_mistake(r->c, &d->words[5], "'limit' is a number from 1 to %d", LARGEST_HAS_MANY);
	return (long)limit;
}

static void read_relation(struct reader *r, const struct directive *d)
{
	bool many = strcmp(d->words[0].text, "has-many") == 0;
	struct relation new = {.kind = many ? HAS_MANY : HAS_ONE};

	if (strcmp(d->words[2].text, "by") != 0) {
		conf_mistake(r->c, &d->words[2], "'by FIELD' belongs here");
		return;
	}
	new.limit = many ? relation_limit(r, d) : 1;
	new.child = find_model(r, &d->words[1]);
	if (!new.child)
		return;
	new.by = relation_field(r, &d->words[3], new.child);
	if (name_is_taken(r->model, &new))
		conf_mistake(r->c, &d->words[1], "'%s' has a member '%s' already", r->model->name, new.child->name);
	else if (new.by)
		r->model->relations[r->model->nrelations++] = new;
}

/* Its words were counted in the first pass. */
static bool is_relation(const struct directive *d)
{
	bool many = strcmp(d->words[0].text, "has-many") == 0, one = strcmp(d->words[0].text, "has-one") == 0;

	return (many && d->nwords >= 4 && d->nwords <= 6) || (one && d->nwords == 4);
}

void read_relations(struct reader *r)
{
	size_t n = 0;

	for (const struct directive *d = r->model->conf->children; d; d = d->next)
		n += is_relation(d);
	if (n == 0)
		return;
	r->model->relations = reader_alloc(r, n, sizeof *r->model->relations);
	for (const struct directive *d = r->model->conf->children; d && !r->nomem; d = d->next)
		if (is_relation(d))
			read_relation(r, d);
}
