/*
 * hook_enqueue.c - reads `enqueue QUEUE FIELD=VALUE...` and makes sure that such a job can be made.
 */
#include <string.h>

#include "act.h"
#include "hook_read.h"

static const struct model *find_queue(struct hook_reader *r, const struct word *w)
{
	const struct schema *s = r->schema;
	const struct model *m = schema_model(s, w->text);
	if (m && m->queue)
		return m;
	const char **names = arena_alloc(&r->hooks->arena, (s->nmodels + 1) * sizeof *names);
	size_t n = 0;
	for (size_t i = 0; names && i < s->nmodels; i++)
		if (s->models[i].queue)
			names[n++] = s->models[i].name;
	if (m)
		conf_mistake(r->conf, w, "'%s' is a model, not a queue", w->text);
	else
		conf_unknown(r->conf, w, "queue", names, n);
	return NULL;
}

static const struct field *find_field(struct hook_reader *r, const struct model *m, const struct word *w,
				      const char *name)
{
	const struct field *f = model_field(m, name);
	if (f)
		return f;
	const char **names = arena_alloc(&r->hooks->arena, m->nfields * sizeof *names);
	for (size_t i = 0; names && i < m->nfields; i++)
		names[i] = m->fields[i].name;
	struct word part = *w;
	part.text = name;
	part.length = (int)strlen(name);
	conf_unknown(r->conf, &part, "field", names, names ? m->nfields : 0);
	return NULL;
}

static bool fits_type(enum field_type from, enum field_type to)
{
	bool text = from != TYPE_INTEGER && from != TYPE_NUMBER && from != TYPE_BOOLEAN && from != TYPE_JSON;
	return from == to || to == TYPE_JSON || (to == TYPE_NUMBER && from == TYPE_INTEGER) ||
	       (to == TYPE_STRING && text);
}

static void check_parameter(struct hook_reader *r, const struct word *w, const struct model *m,
			    const struct assignment *a)
{
	struct parameter p;
	if (!parameter_find(m, a->parameter, &p))
		conf_mistake(r->conf, w, "%s has no field for ':%s'", m->name, a->parameter);
	else if (p.field && p.field->write_only)
		conf_mistake(r->conf, w, "%s.%s is write-only and would be shown in the job", m->name, p.field->name);
	else if (!fits_type(p.type, a->field->type))
		conf_mistake(r->conf, w, "':%s' is %s, %s is %s", a->parameter, field_type_name(p.type), a->field->name,
			     field_type_name(a->field->type));
}

static int read_assignment(struct hook_reader *r, const struct word *w, struct hook *h)
{
	const char *equals = strchr(w->text, '=');
	if (!equals || equals == w->text) {
		conf_mistake(r->conf, w, "FIELD=VALUE is expected");
		return 0;
	}
	const char *name = arena_copy(&r->hooks->arena, w->text, (size_t)(equals - w->text));
	if (!name)
		return err_nomem(r->e);
	struct assignment a = {.field = find_field(r, h->queue, w, name)};
	if (!a.field)
		return 0;
	for (size_t i = 0; i < h->nassignments; i++)
		if (h->assignments[i].field == a.field)
			conf_mistake(r->conf, w, "%s is given twice", name);
	if (equals[1] == ':') {
		a.parameter = equals + 2;
		for (size_t i = 0; i < r->schema->nmodels; i++)
			if (!h->model || h->model == &r->schema->models[i])
				check_parameter(r, w, &r->schema->models[i], &a);
	} else if (value_from_text(a.field->type, equals + 1, strlen(equals + 1), &r->hooks->arena, &a.literal) < 0) {
		conf_mistake(r->conf, w, "%s is %s, '%s' is none", name, field_type_name(a.field->type), equals + 1);
	}
	h->assignments[h->nassignments++] = a;
	return 0;
}

static bool is_assigned(const struct hook *h, const struct field *f)
{
	for (size_t i = 0; i < h->nassignments; i++)
		if (h->assignments[i].field == f)
			return true;
	return false;
}

int hook_read_enqueue(struct hook_reader *r, const struct word *words, size_t n, struct hook *h)
{
	h->queue = find_queue(r, &words[0]);
	if (!h->queue)
		return 0;
	h->assignments = arena_alloc(&r->hooks->arena, n * sizeof *h->assignments);
	if (!h->assignments)
		return err_nomem(r->e);
	for (size_t i = 1; i < n; i++)
		if (read_assignment(r, &words[i], h) < 0)
			return err_nomem(r->e);
	for (size_t i = 0; i < h->queue->nfields; i++) {
		const struct field *f = &h->queue->fields[i];
		if (f->required && f != h->queue->key && f->default_kind == DEFAULT_NONE && !is_assigned(h, f))
			conf_mistake(r->conf, &words[0], "%s needs a value for %s", h->queue->name, f->name);
	}
	return 0;
}
