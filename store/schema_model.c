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

/* A number of versions, a time, or both in this order. */
void read_history(struct reader *r, const struct directive *d)
{
	enum { MOST = 1000000 };
	const long long longest = 36500 * 86400000LL;
	struct model *m = r->model;
	long long n;
	size_t at = 1;

	if (d->nwords == 2 && strcmp(d->words[1].text, "off") == 0)
		return;
	m->keeps_history = true;
	if (word_integer(&d->words[at], &n)) {
		if (n < 1 || n > MOST)
			conf_mistake(r->c, &d->words[at], "'history' keeps from 1 to %d versions of a record", MOST);
		m->history = (long)n;
		at++;
	}
	if (at == d->nwords)
		return;
	if (!word_duration(&d->words[at], &m->history_ms) || m->history_ms < 1 || m->history_ms > longest)
		conf_mistake(r->c, &d->words[at],
			     at == 1 ? "'history' is a number of versions, a time such as 30d, or off"
				     : "behind the number of versions belongs how long they are kept, such as 30d");
	else if (at + 1 < d->nwords)
		conf_mistake(r->c, &d->words[at + 1], "the number of versions comes before the time");
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
		conf_mistake(r->c, &d->words[1], "'%s' has no fields, and there is no table to take them from",
			     d->words[1].text);
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

/* The words of the directives, by kind. */
static const char *const relation_names[] = {
    [HAS_MANY] = "has-many", [HAS_ONE] = "has-one", [EMBEDS_MANY] = "embeds-many", [EMBEDS_ONE] = "embeds-one"};
enum { RELATION_KINDS = sizeof relation_names / sizeof *relation_names };

/* RELATION_KINDS where it is none, or has not the words that the first pass has asked for. */
static int relation_kind(const struct directive *d)
{
	int kind = 0;

	while (kind < RELATION_KINDS && strcmp(relation_names[kind], d->words[0].text) != 0)
		kind++;
	size_t most = kind == HAS_MANY ? 6 : 4;
	return d->nwords >= 4 && d->nwords <= most ? kind : RELATION_KINDS;
}

/* True where the records of the child can be part of a file. An only child is one because its reference is unique. */
static bool check_embeds(struct reader *r, const struct directive *d, const struct relation *new)
{
	const struct word *child = &d->words[1], *by = &d->words[3];
	struct field *field = &r->s->models[new->child->index].fields[new->by->index];

	if (new->child->queue)
		conf_mistake(r->c, child, "'%s' is a queue, whose jobs can't be part of another file", child->text);
	else if (new->kind == EMBEDS_MANY &&new->by == new->child->key)
		conf_mistake(r->c, by, "'%s' is the key of '%s', so that there can be only one: use embeds-one",
			     by->text, child->text);
	else if (new->kind == EMBEDS_MANY &&new->by->unique)
		conf_mistake(r->c, by, "'%s' of '%s' is unique, so that there can be only one: use embeds-one",
			     by->text, child->text);
	else {
		field->unique |= new->kind == EMBEDS_ONE &&new->by != new->child->key;
		return true;
	}
	return false;
}

static void read_relation(struct reader *r, const struct directive *d, enum relation_kind kind)
{
	struct relation new = {.kind = kind};

	if (strcmp(d->words[2].text, "by") != 0) {
		conf_mistake(r->c, &d->words[2], "'by FIELD' belongs here");
		return;
	}
	new.limit = kind == HAS_MANY ? relation_limit(r, d) : 1;
	new.child = find_model(r, &d->words[1]);
	if (!new.child)
		return;
	new.by = relation_field(r, &d->words[3], new.child);
	if (name_is_taken(r->model, &new)) {
		conf_mistake(r->c, &d->words[1], "'%s' has a member '%s' already", r->model->name, new.child->name);
	} else if (new.by && (!relation_embeds(&new) || check_embeds(r, d, &new))) {
		r->model->relations[r->model->nrelations++] = new;
		r->model->embeds |= relation_embeds(&new);
		r->s->models[new.child->index].embedded |= relation_embeds(&new);
	}
}

void read_relations(struct reader *r)
{
	size_t n = 0;

	for (const struct directive *d = r->model->conf->children; d; d = d->next)
		n += relation_kind(d) < RELATION_KINDS;
	if (n == 0)
		return;
	r->model->relations = reader_alloc(r, n, sizeof *r->model->relations);
	for (const struct directive *d = r->model->conf->children; d && !r->nomem; d = d->next)
		if (relation_kind(d) < RELATION_KINDS)
			read_relation(r, d, (enum relation_kind)relation_kind(d));
}

/* ---- checksums ---- */

static void count_for_checksum(struct reader *r, const struct word *w)
{
	const struct model *m = r->model;
	size_t i = 0;

	while (i < m->nrelations && strcmp(m->relations[i].child->name, w->text) != 0)
		i++;
	if (i == m->nrelations)
		conf_mistake(r->c, w, "'%s' has no relation '%s'; checksum with takes embedded and has-one children",
			     m->name, w->text);
	else if (m->relations[i].kind == HAS_MANY)
		conf_mistake(r->c, w, "'%s' is a has-many list, which can't be part of a checksum", w->text);
	else if (m->relations[i].in_checksum)
		conf_mistake(r->c, w, "'%s' stands here already", w->text);
	else
		m->relations[i].in_checksum = true;
}

void read_checksum(struct reader *r)
{
	const struct directive *d = r->model->conf->children;
	size_t at = 1;

	while (d && strcmp(d->words[0].text, "checksum") != 0)
		d = d->next;
	if (!d)
		return;
	r->model->checksum_in_file = d->nwords > at && strcmp(d->words[at].text, "in-file") == 0;
	at += r->model->checksum_in_file;
	if (at == d->nwords)
		return;
	if (strcmp(d->words[at].text, "with") != 0)
		conf_mistake(r->c, &d->words[at], "'%s' belongs here",
			     at == 1 ? "in-file' or 'with CHILD" : "with CHILD");
	else if (at + 1 == d->nwords)
		conf_mistake(r->c, &d->words[at], "'with' needs the name of a child");
	for (at++; at < d->nwords; at++)
		count_for_checksum(r, &d->words[at]);
}

/* ---- embedding ---- */

static const struct word *embeds_word(const struct model *m, const struct relation *relation)
{
	const char *name = relation_names[relation->kind];

	for (const struct directive *d = m->conf->children; d; d = d->next)
		if (strcmp(d->words[0].text, name) == 0 && d->nwords > 1 &&
		    strcmp(d->words[1].text, relation->child->name) == 0)
			return &d->words[1];
	return NULL;
}

enum { EMBEDS_ITSELF = -1 };

/* Levels of records below the model's; EMBEDS_ITSELF where `top` is one of them. More than the limit is not counted. */
static int embedding_depth(const struct model *top, const struct model *m, int left)
{
	int deepest = 0;

	for (size_t i = 0; left > 0 && i < m->nrelations; i++) {
		if (!relation_embeds(&m->relations[i]))
			continue;
		int below = m->relations[i].child == top ? EMBEDS_ITSELF
							 : embedding_depth(top, m->relations[i].child, left - 1);
		if (below == EMBEDS_ITSELF)
			return EMBEDS_ITSELF;
		deepest = below + 1 > deepest ? below + 1 : deepest;
	}
	return deepest;
}

/* Calls off every relation that embeds; NULL at the end. */
static const struct relation *next_embedding(const struct reader *r, size_t *model, size_t *at)
{
	for (; *model < r->s->nmodels; ++*model, *at = 0)
		while (*at < r->s->models[*model].nrelations) {
			const struct relation *relation = &r->s->models[*model].relations[(*at)++];
			if (relation_embeds(relation))
				return relation;
		}
	return NULL;
}

/* Each model of a circle is told, at the directive that leads around it; only without one depth means something. */
void check_embedding(struct reader *r)
{
	const struct relation *relation;
	bool circle = false;

	for (size_t i = 0, at = 0; (relation = next_embedding(r, &i, &at));) {
		const struct model *m = &r->s->models[i];
		if (relation->child != m && embedding_depth(m, relation->child, LIMIT_EMBEDS) != EMBEDS_ITSELF)
			continue;
		conf_mistake(r->c, embeds_word(m, relation), "'%s' would embed itself", m->name);
		circle = true;
	}
	for (size_t i = 0, at = 0; !circle && (relation = next_embedding(r, &i, &at));)
		if (embedding_depth(NULL, relation->child, LIMIT_EMBEDS) >= LIMIT_EMBEDS)
			conf_mistake(r->c, embeds_word(&r->s->models[i], relation),
				     "records can be embedded at most %d levels deep", LIMIT_EMBEDS);
}
