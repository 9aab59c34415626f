/*
 * answer.c - finds the row that answers a save among the changes that the save has made.
 *
 * Only the key is kept: who reads the answer reads the row, so a save whose answer nobody reads pays for nothing.
 */
#include "answer.h"

#include "../store/limits.h"

#define BIT(n) (1U << (n))

/* ---- can it be answered ---- */

struct search {
	const struct hooks *hooks;
	const struct model *wanted;
	bool seen[LIMIT_MODELS];
};

static bool embeds(const struct model *m, const struct model *child)
{
	for (size_t i = 0; i < m->nrelations; i++)
		if (m->relations[i].child == child &&
		    (m->relations[i].kind == EMBEDS_MANY || m->relations[i].kind == EMBEDS_ONE))
			return true;
	return false;
}

/* A program may save whatever it likes; what SQL inserts is not known. */
static bool is_program(const struct hook *h)
{
	return h->kind != HOOK_SQL && h->kind != HOOK_CHECK && h->kind != HOOK_ENQUEUE &&
	       h->event != EVENT_AFTER_COMMIT;
}

static bool can_make(struct search *s, const struct model *m, enum verb verb)
{
	if (embeds(m, s->wanted))
		return true;
	for (size_t i = 0; i < s->hooks->n; i++) {
		const struct hook *h = &s->hooks->all[i];
		if (!(h->verbs & BIT(verb)) || (h->model && h->model != m))
			continue;
		if (is_program(h) || h->queue == s->wanted)
			return true;
		if (!h->queue || s->seen[h->queue->index])
			continue;
		s->seen[h->queue->index] = true;
		if (can_make(s, h->queue, VERB_CREATE))
			return true;
	}
	return false;
}

static void check_answer(const struct hooks *h, struct conf *c, const struct model *m, const struct answer *a)
{
	for (int verb = 0; verb < VERB_COUNT && a->model != m; verb++) {
		struct search search = {.hooks = h, .wanted = a->model};
		if (!(a->verbs & BIT(verb)) || can_make(&search, m, verb))
			continue;
		conf_mistake(c, a->where, "a %s can't be answered with '%s': no hook of '%s' makes a record of it then",
			     verb_name(verb), a->model->name, m->name);
		return;
	}
}

void answers_check(const struct hooks *h, struct conf *c, const struct schema *s)
{
	for (size_t i = 0; i < s->nmodels; i++)
		for (size_t j = 0; j < s->models[i].nanswers; j++)
			check_answer(h, c, &s->models[i], &s->models[i].answers[j]);
}

/* ---- which row it is ---- */

/* It was made, or stands already for one that was to be made. */
static bool is_made(const struct change *c)
{
	return c->verb == VERB_CREATE && (c->changed || c->dropped);
}

static const struct change *first_made(const struct saving *v, const struct model *m)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->changes[i]->model == m && is_made(v->changes[i]))
			return v->changes[i];
	return NULL;
}

void answers_settle(const struct saving *v)
{
	for (size_t i = 0; i < v->n; i++) {
		struct change *made = v->changes[i];
		for (struct change *c = is_made(made) ? made->cause : NULL; c; c = c->cause) {
			const struct answer *answer = model_answer(c->model, c->verb);
			if (answer && answer->model == made->model && !c->answer)
				c->answer = made;
		}
	}
}

int answer_find(const struct saving *v, const struct change *c, bool alone, struct outcome *out, struct arena *a)
{
	out->answer = model_answer(c->model, c->verb);
	const struct change *row = !out->answer || out->answer->model == c->model ? c
				   : alone                                        ? first_made(v, out->answer->model)
										  : c->answer;
	out->answer_key = value_null();
	return row ? value_copy(a, change_key(row), &out->answer_key) : 0;
}

/* ---- its text ---- */

static int write_fields(struct conn *c, const struct answer *answer, const struct value *key, struct buf *out,
			struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct value row[LIMIT_FIELDS + 1 + QUEUE_FIELDS];
	int result = store_get(c, answer->model, key, &a, row, NULL, e);
	if (result < 0)
		return result;
	buf_char(out, '{');
	for (size_t i = 0; i < answer->nfields; i++) {
		record_member(out, answer->fields[i]->name, i, 0);
		value_write(out, answer->fields[i]->type, &row[answer->fields[i]->index], 1);
	}
	record_close(out, answer->nfields, 0);
	buf_char(out, '\n');
	return buf_failed(out) ? err_nomem(e) : 0;
}

int answer_write(struct conn *c, const struct model *m, const struct outcome *outcome, struct buf *out, struct err *e)
{
	const struct value *key = &outcome->answer_key;
	if (outcome->answer && key->kind != VALUE_NULL)
		return write_fields(c, outcome->answer, key, out, e);
	if (!outcome->answer)
		return store_show(c, m, key, out, NULL, e);
	buf_str(out, "null\n");
	return buf_failed(out) ? err_nomem(e) : 0;
}
