/*
 * schema.c - what the directives of mount.conf mean: the grammar, and the two passes that read it.
 *
 * The table `rules` is the grammar: where each directive may stand, how many words it takes, what reads it. Models are
 * read by schema_model.c, fields by schema_field.c, what a queue has besides by schema_queue.c, whose records are by
 * schema_owner.c, `on` by hooks/hook.c.
 */
#include <stdint.h>
#include <string.h>

#include "limits.h"
#include "schema_read.h"

void *reader_alloc(struct reader *r, size_t n, size_t size)
{
	size_t bytes;
	void *memory = __builtin_mul_overflow(n, size, &bytes) ? NULL : arena_alloc(&r->s->arena, bytes);

	if (!memory)
		r->nomem = true;
	return memory;
}

/* ---- the top of the file ---- */

static void read_store(struct reader *r, const struct directive *d)
{
	static const char sqlite[] = "sqlite:";
	const struct word *w = &d->words[1];
	struct word path = *w;

	if (strncmp(w->text, "postgresql:", 11) == 0 || strncmp(w->text, "postgres:", 9) == 0) {
		conf_mistake(r->c, w, "PostgreSQL is not in this version");
		return;
	}
	if (strncmp(w->text, sqlite, strlen(sqlite)) != 0) {
		conf_mistake(r->c, w, "a store is written sqlite:FILE");
		return;
	}
	path.text += strlen(sqlite);
	if (path.text[0] == '\0' || path.text[0] == ':') {
		conf_mistake(r->c, w, "the store needs a file: sqlite:FILE");
		return;
	}
	r->s->database = conf_path(r->c, &path);
	r->nomem |= !r->s->database;
}

static void read_durability(struct reader *r, const struct directive *d)
{
	static const char *const names[] = {
	    [DURABILITY_FULL] = "full", [DURABILITY_NORMAL] = "normal", [DURABILITY_OFF] = "off"};
	const size_t n = sizeof names / sizeof *names;
	size_t i = 0;

	while (i < n && strcmp(names[i], d->words[1].text) != 0)
		i++;
	if (i < n)
		r->s->durability = (enum durability)i;
	else
		conf_unknown(r->c, &d->words[1], "durability", names, n);
}

static void read_transaction_timeout(struct reader *r, const struct directive *d)
{
	long long ms;

	if (!word_duration(&d->words[1], &ms) || ms < 1000 || ms > 30 * 86400000LL)
		conf_mistake(r->c, &d->words[1], "'transaction-timeout' is a time from 1s to 30d, such as 1h");
	else
		r->s->transaction_timeout_ms = ms;
}

/* ---- the grammar ---- */

enum block { BLOCK_NONE, BLOCK_MAY, BLOCK_MUST };

struct directive_rule {
	const char *name;
	unsigned levels;
	size_t min, max; /* words behind the name */
	enum block block;
	bool repeats;
	const char *usage;                                         /* NULL: is not in this version */
	void (*read)(struct reader *r, const struct directive *d); /* NULL: somebody else's, or the second pass's */
};

#define ANY_MODEL (LEVEL_MODEL | LEVEL_QUEUE)
#define LATER     .max = SIZE_MAX, .block = BLOCK_MAY, .repeats = true

static const struct directive_rule rules[] = {
    {"store", LEVEL_TOP, 1, 1, BLOCK_NONE, false, "store sqlite:FILE", read_store},
    {"durability", LEVEL_TOP, 1, 1, BLOCK_NONE, false, "durability full|normal|off", read_durability},
    {"transaction-timeout", LEVEL_TOP, 1, 1, BLOCK_NONE, false, "transaction-timeout 1h", read_transaction_timeout},
    {"model", LEVEL_TOP, 1, 3, BLOCK_MUST, true, "model NAME [from TABLE] { ... }", read_model},
    {"queue", LEVEL_TOP, 1, 3, BLOCK_MUST, true, "queue NAME [from TABLE] { ... }", read_model},
    {"on", LEVEL_TOP | ANY_MODEL, 0, SIZE_MAX, BLOCK_MAY, true, "on EVENT [VERB...] KIND WHAT...", NULL},
    {"fields", ANY_MODEL, 0, 0, BLOCK_MUST, false, "fields { NAME TYPE [OPTION...] ... }", keep_fields},
    {"has-many", ANY_MODEL, 3, 5, BLOCK_NONE, true, "has-many CHILD by FIELD [limit N]", NULL},
    {"has-one", ANY_MODEL, 3, 3, BLOCK_NONE, true, "has-one CHILD by FIELD", NULL},
    {"show", ANY_MODEL, 1, SIZE_MAX, BLOCK_NONE, false, "show FIELD...", NULL},
    {"answer", ANY_MODEL, 4, SIZE_MAX, BLOCK_NONE, true, "answer VERB... with MODEL FIELD...", NULL},
    {"embeds-many", ANY_MODEL, 3, 3, BLOCK_NONE, true, "embeds-many CHILD by FIELD", NULL},
    {"embeds-one", ANY_MODEL, 3, 3, BLOCK_NONE, true, "embeds-one CHILD by FIELD", NULL},
    {"checksum", ANY_MODEL, 0, SIZE_MAX, BLOCK_NONE, false, "checksum [in-file] [with CHILD...]", NULL},
    {"history", ANY_MODEL, 1, 2, BLOCK_NONE, false, "history N [30d] | 30d | off", read_history},
    {"read-only", ANY_MODEL, 0, 0, BLOCK_NONE, false, "read-only", read_flag},
    {"hidden", ANY_MODEL, 0, 0, BLOCK_NONE, false, "hidden", read_flag},
    {"mode", ANY_MODEL, 1, 1, BLOCK_NONE, false, "mode 0640", read_mode},
    {"dir-mode", ANY_MODEL, 1, 1, BLOCK_NONE, false, "dir-mode 0750", read_mode},
    {"owner", ANY_MODEL, 1, 2, BLOCK_NONE, false, "owner FIELD [UID-FIELD]", NULL},
    {"visible", ANY_MODEL, 1, 1, BLOCK_NONE, false, "visible all|owner", NULL},
    {"run", LEVEL_QUEUE, 1, SIZE_MAX, BLOCK_NONE, false, "run PROGRAM [WORD...]", read_run},
    {"workers", LEVEL_QUEUE, 1, 1, BLOCK_NONE, false, "workers N", read_queue_setting},
    {"timeout", LEVEL_QUEUE, 1, 1, BLOCK_NONE, false, "timeout 10m", read_queue_setting},
    {"attempts", LEVEL_QUEUE, 1, 1, BLOCK_NONE, false, "attempts N", read_queue_setting},
    {"backoff", LEVEL_QUEUE, 1, 1, BLOCK_NONE, false, "backoff 30s", read_queue_setting},
    {"as", LEVEL_QUEUE, 1, 1, BLOCK_NONE, false, "as USER", NULL},
    {"cpu", LEVEL_QUEUE, 1, 1, BLOCK_NONE, false, "cpu 10s", NULL},
    {"memory", LEVEL_QUEUE, 1, 1, BLOCK_NONE, false, "memory 512M", NULL},
    {"files", LEVEL_QUEUE, 1, 1, BLOCK_NONE, false, "files N", NULL},
    {"processes", LEVEL_QUEUE, 1, 1, BLOCK_NONE, false, "processes N", NULL},
    {"output", LEVEL_QUEUE, 1, 1, BLOCK_NONE, false, "output 1M", NULL},
    {"confine", LEVEL_QUEUE, 0, SIZE_MAX, BLOCK_NONE, false, "confine [PATH...]", NULL},
    {"new-privileges", LEVEL_QUEUE, 0, 0, BLOCK_NONE, false, "new-privileges", NULL},
    {"keep", LEVEL_QUEUE, 1, 1, BLOCK_NONE, false, "keep 7d", read_queue_setting},
    {"limit", LEVEL_QUEUE, 1, 1, BLOCK_NONE, false, "limit N", read_queue_setting},
    {"unique", LEVEL_QUEUE, 1, SIZE_MAX, BLOCK_NONE, false, "unique FIELD...", keep_unique},
};
enum { RULES = sizeof rules / sizeof *rules };

static const char *where_allowed(unsigned levels)
{
	return levels & LEVEL_TOP ? "outside any model" : levels & LEVEL_MODEL ? "inside a model" : "inside a queue";
}

static void misplaced_or_unknown(struct reader *r, const struct word *name, unsigned level)
{
	const char *known[RULES];
	size_t n = 0;

	for (size_t i = 0; i < RULES; i++) {
		if (strcmp(rules[i].name, name->text) == 0) {
			conf_mistake(r->c, name, "'%s' stands %s", name->text, where_allowed(rules[i].levels));
			return;
		}
		if (rules[i].levels & level)
			known[n++] = rules[i].name;
	}
	conf_unknown(r->c, name, "directive", known, n);
}

/* True where the directive has the shape that its rule wants. */
static bool check_shape(struct reader *r, const struct directive *d, const struct directive_rule *rule)
{
	const struct word *name = &d->words[0];

	if (!rule->usage)
		conf_mistake(r->c, name, "%s is not in this version", rule->name);
	else if (directive_args(d) < rule->min)
		conf_mistake(r->c, name, "there is too little behind '%s'; it is written: %s", rule->name, rule->usage);
	else if (directive_args(d) > rule->max)
		conf_mistake(r->c, &d->words[rule->max + 1], "this is too much behind '%s'; it is written: %s",
			     rule->name, rule->usage);
	else if (rule->block == BLOCK_MUST && !d->has_block)
		conf_mistake(r->c, name, "'%s' needs a block; it is written: %s", rule->name, rule->usage);
	else if (rule->block == BLOCK_NONE && d->has_block)
		conf_mistake(r->c, name, "'%s' has no block; it is written: %s", rule->name, rule->usage);
	else
		return true;
	return false;
}

static const struct directive_rule *rule_of(const char *name, unsigned level)
{
	for (size_t i = 0; i < RULES; i++)
		if (rules[i].levels & level && strcmp(rules[i].name, name) == 0)
			return &rules[i];
	return NULL;
}

void read_directives(struct reader *r, const struct directive *first, unsigned level)
{
	const struct word *seen[RULES] = {0};

	for (const struct directive *d = first; d && !r->nomem; d = d->next) {
		const struct word *name = &d->words[0];
		const struct directive_rule *rule = rule_of(name->text, level);
		if (!rule) {
			misplaced_or_unknown(r, name, level);
			continue;
		}
		const struct word **before = &seen[rule - rules];
		if (*before && !rule->repeats)
			conf_mistake(r->c, name, "'%s' stands in line %d already", rule->name, (*before)->line);
		*before = name;
		if (check_shape(r, d, rule) && rule->read)
			rule->read(r, d);
	}
}

/* ---- both passes ---- */

static void first_pass(struct reader *r)
{
	size_t n = 0;

	for (const struct directive *d = r->c->directives; d; d = d->next)
		n += strcmp(d->words[0].text, "model") == 0 || strcmp(d->words[0].text, "queue") == 0;
	n = n > LIMIT_MODELS ? LIMIT_MODELS : n;
	r->s->models = reader_alloc(r, n, sizeof *r->s->models);
	r->sources = arena_alloc(&r->scratch, n * sizeof *r->sources);
	r->nomem |= !r->sources;
	read_directives(r, r->c->directives, LEVEL_TOP);
}

static bool has_directive(const struct conf *c, const char *name)
{
	for (const struct directive *d = c->directives; d; d = d->next)
		if (strcmp(d->words[0].text, name) == 0)
			return true;
	return false;
}

static void second_pass(struct reader *r)
{
	for (size_t i = 0; i < r->s->nmodels && !r->nomem; i++) {
		r->model = &r->s->models[i];
		r->source = &r->sources[i];
		for (size_t j = 0; j < r->model->nfields && !r->nomem; j++)
			if (r->source->of[j].directive)
				read_options(r, &r->model->fields[j], &r->source->of[j]);
	}
	for (size_t i = 0; i < r->s->nmodels && !r->nomem; i++) {
		r->model = &r->s->models[i];
		read_relations(r);
		read_unique(r);
		read_checksum(r);
		read_answers(r);
		read_ownership(r);
	}
	check_embedding(r);
	if (!r->nomem)
		settle_ownership(r);
	if (!has_directive(r->c, "store"))
		conf_mistake(r->c, NULL, "there is no store; add a line: store sqlite:FILE");
	if (!has_directive(r->c, "model") && !has_directive(r->c, "queue"))
		conf_mistake(r->c, NULL, "there is no model");
}

int schema_read(struct schema *s, struct conf *c, struct err *e)
{
	struct reader r = {.s = s, .c = c};

	s->conf = c;
	s->transaction_timeout_ms = TIMEOUT_TRANSACTION_MS;
	first_pass(&r);
	if (!r.nomem)
		second_pass(&r);
	arena_release(&r.scratch);
	return r.nomem ? err_nomem(e) : 0;
}

void schema_release(struct schema *s)
{
	for (size_t i = 0; i < s->nmodels; i++)
		for (size_t j = 0; j < s->models[i].nfields; j++)
			if (s->models[i].fields[j].regex)
				regfree(s->models[i].fields[j].regex);
	arena_release(&s->arena);
	*s = (struct schema)SCHEMA_INIT;
}

/* ---- looking things up ---- */

const struct model *schema_model(const struct schema *s, const char *name)
{
	for (size_t i = 0; i < s->nmodels; i++)
		if (strcmp(s->models[i].name, name) == 0)
			return &s->models[i];
	return NULL;
}

const struct field *model_field(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->nfields; i++)
		if (strcmp(m->fields[i].name, name) == 0)
			return &m->fields[i];
	return NULL;
}

const struct field *schema_next_reference(const struct schema *s, const struct model *to, struct reference_iter *at,
					  const struct model **child)
{
	for (; at->model < s->nmodels; at->model++, at->field = 0) {
		const struct model *m = &s->models[at->model];
		while (at->field < m->nfields) {
			const struct field *f = &m->fields[at->field++];
			if (f->references != to)
				continue;
			*child = m;
			return f;
		}
	}
	return NULL;
}
