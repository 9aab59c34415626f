/*
 * schema_answer.c - `show` and `answer`: which fields a file has, and what a save answers.
 *
 * Both name fields, so they are read in the second pass. Whether the hooks of a model can make what it is to answer
 * with is checked where hooks are known, in hooks/answer.c.
 */
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "schema_read.h"

#define BIT(n) (1U << (n))

static const struct {
	const char *name;
	unsigned verbs;
} verbs[] = {
    {"create", BIT(VERB_CREATE)},
    {"replace", BIT(VERB_REPLACE)},
    {"patch", BIT(VERB_PATCH)},
    {"update", BIT(VERB_REPLACE) | BIT(VERB_PATCH)},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

const struct answer *model_answer(const struct model *m, unsigned verb)
{
	for (size_t i = 0; i < m->nanswers; i++)
		if (m->answers[i].verbs & BIT(verb))
			return &m->answers[i];
	return NULL;
}

static void read_show(struct reader *r, const struct directive *d)
{
	for (size_t i = 0; i < r->model->nfields; i++)
		r->model->fields[i].unshown = &r->model->fields[i] != r->model->key;
	for (size_t i = 1; i < d->nwords; i++) {
		struct field *f = (struct field *)find_field(r, &d->words[i], r->model);
		if (f && (f->write_only || f->hidden))
			conf_mistake(r->c, &d->words[i], "'%s' is %s and never shown", f->name,
				     f->hidden ? "hidden" : "write-only");
		else if (f)
			f->unshown = false;
	}
}

static unsigned verb_bits(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(name, verbs[i].name) == 0)
			return verbs[i].verbs;
	return 0;
}

/* A word that is no verb; `with` has been looked for before. */
static void unknown_verb(struct reader *r, const struct word *w)
{
	const char *names[VERBS + 1] = {"with"};

	if (strcmp(w->text, "delete") == 0) {
		conf_mistake(r->c, w, "a delete answers nothing");
		return;
	}
	for (size_t i = 0; i < VERBS; i++)
		names[i + 1] = verbs[i].name;
	conf_unknown(r->c, w, "verb", names, VERBS + 1);
}

static void complain_twice(struct reader *r, const struct word *w, unsigned more)
{
	size_t i = 0;

	while (i < r->model->nanswers && !(r->model->answers[i].verbs & more))
		i++;
	if (i < r->model->nanswers)
		conf_mistake(r->c, w, "what %s answers stands in line %d already", w->text,
			     r->model->answers[i].where->line);
}

/* Moves *at to the word behind the verbs. */
static unsigned read_verbs(struct reader *r, const struct directive *d, size_t *at)
{
	unsigned found = 0;

	for (*at = 1; *at < d->nwords && strcmp(d->words[*at].text, "with") != 0; ++*at) {
		unsigned more = verb_bits(d->words[*at].text);

		if (!more)
			unknown_verb(r, &d->words[*at]);
		complain_twice(r, &d->words[*at], more);
		found |= more;
	}
	return found;
}

static void read_answer_fields(struct reader *r, const struct directive *d, size_t at, struct answer *a)
{
	a->fields = reader_alloc(r, d->nwords - at, sizeof *a->fields);
	for (; at < d->nwords && a->fields; at++) {
		const struct field *f = find_field(r, &d->words[at], a->model);
		if (f && (f->write_only || f->hidden))
			conf_mistake(r->c, &d->words[at], "'%s' is %s and never shown", f->name,
				     f->hidden ? "hidden" : "write-only");
		else if (f)
			a->fields[a->nfields++] = f;
	}
}

static void read_answer(struct reader *r, const struct directive *d)
{
	size_t at;
	struct answer a = {.verbs = read_verbs(r, d, &at)};

	if (at == 1 || at + 2 >= d->nwords) {
		conf_mistake(r->c, &d->words[0], "it is written: answer VERB... with MODEL FIELD...");
		return;
	}
	a.where = &d->words[at + 1];
	a.model = find_model(r, a.where);
	if (!a.model || !a.verbs)
		return;
	read_answer_fields(r, d, at + 2, &a);
	r->model->answers[r->model->nanswers++] = a;
}

void read_answers(struct reader *r)
{
	size_t n = 0;

	for (const struct directive *d = r->model->conf->children; d; d = d->next) {
		if (strcmp(d->words[0].text, "show") == 0 && d->nwords > 1)
			read_show(r, d);
		n += strcmp(d->words[0].text, "answer") == 0;
	}
	if (n == 0)
		return;
	r->model->answers = reader_alloc(r, n, sizeof *r->model->answers);
	for (const struct directive *d = r->model->conf->children; d && !r->nomem; d = d->next)
		if (strcmp(d->words[0].text, "answer") == 0 && d->nwords > 4)
			read_answer(r, d);
}
