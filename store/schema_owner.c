/*
 * schema_owner.c - whose records are: `owner`, `visible`, and what embedded models take from those they are part of.
 */
#include <string.h>

#include "schema_read.h"

static const struct directive *find_directive(const struct model *m, const char *name)
{
	for (const struct directive *d = m->conf->children; d; d = d->next)
		if (strcmp(d->words[0].text, name) == 0)
			return d;
	return NULL;
}

/* ---- one model ---- */

static void read_uid_field(struct reader *r, const struct word *w, const struct field *field)
{
	if (!field->references) {
		conf_mistake(r->c, w, "'%s' refers to no model that could have a field '%s'", field->name, w->text);
		return;
	}
	const struct field *uid = find_field(r, w, field->references);
	if (uid && uid->type != TYPE_INTEGER)
		conf_mistake(r->c, w, "a uid is an integer, '%s' of '%s' is %s", uid->name, field->references->name,
			     field_type_name(uid->type));
	r->model->ownership.uid_field = uid;
}

static void read_owner(struct reader *r, const struct directive *d)
{
	const struct word *w = &d->words[1];
	const struct field *field = find_field(r, w, r->model);

	r->model->owned = true;
	r->model->ownership.field = field;
	if (field && d->nwords > 2)
		read_uid_field(r, &d->words[2], field);
	else if (field && field->type != TYPE_INTEGER)
		conf_mistake(r->c, w, "a uid is an integer, '%s' is %s%s", field->name, field_type_name(field->type),
			     field->references ? "; name the field of the model it refers to that is the uid" : "");
}

static void read_visible(struct reader *r, const struct directive *d, const struct directive *owner)
{
	static const char *const names[] = {"all", "owner"};
	const struct word *w = &d->words[1];
	bool by_owner = strcmp(w->text, "owner") == 0;

	if (!by_owner && strcmp(w->text, "all") != 0)
		conf_unknown(r->c, w, "visible", names, 2);
	else if (by_owner && !owner)
		conf_mistake(r->c, w, "'visible owner' needs 'owner FIELD'");
	r->model->restricted = by_owner;
}

void read_ownership(struct reader *r)
{
	const struct directive *owner = find_directive(r->model, "owner");
	const struct directive *visible = find_directive(r->model, "visible");

	if (owner && owner->nwords >= 2 && owner->nwords <= 3)
		read_owner(r, owner);
	if (visible && visible->nwords == 2)
		read_visible(r, visible, owner);
}

/* ---- all models ---- */

/* Counts the relations that embed the child; lists them where there is a list. */
static size_t collect_parents(const struct schema *s, const struct model *child, struct parent *list)
{
	size_t n = 0;

	for (size_t i = 0; i < s->nmodels; i++)
		for (size_t j = 0; j < s->models[i].nrelations; j++) {
			const struct relation *relation = &s->models[i].relations[j];
			if (!relation_embeds(relation) || relation->child != child)
				continue;
			if (list)
				list[n] = (struct parent){&s->models[i], relation->by};
			n++;
		}
	return n;
}

static void find_parents(struct reader *r, struct model *m)
{
	struct ownership *o = &m->ownership;
	size_t n = m->embedded ? collect_parents(r->s, m, NULL) : 0;
	const struct directive *own = find_directive(m, "owner");

	if (!own)
		own = find_directive(m, "visible");
	if (n == 0)
		return;
	o->parents = reader_alloc(r, n, sizeof *o->parents);
	if (!o->parents)
		return;
	o->nparents = collect_parents(r->s, m, o->parents);
	if (own)
		conf_mistake(r->c, &own->words[0],
			     "'%s' is part of the files of '%s' and belongs to whom those belong to", m->name,
			     o->parents[0].model->name);
}

/* Top-down, as often as models can be embedded in each other. */
static bool inherit(struct model *m)
{
	bool owned = m->owned, restricted = m->restricted;

	for (size_t i = 0; i < m->ownership.nparents; i++) {
		m->owned |= m->ownership.parents[i].model->owned;
		m->restricted |= m->ownership.parents[i].model->restricted;
	}
	return owned != m->owned || restricted != m->restricted;
}

void settle_ownership(struct reader *r)
{
	struct schema *s = r->s;
	bool more = true;

	for (size_t i = 0; i < s->nmodels && !r->nomem; i++)
		find_parents(r, &s->models[i]);
	while (more) {
		more = false;
		for (size_t i = 0; i < s->nmodels; i++)
			more |= inherit(&s->models[i]);
	}
	for (size_t i = 0; i < s->nmodels; i++)
		if (s->models[i].owned && !find_directive(&s->models[i], "dir-mode"))
			s->models[i].dir_mode = 0777;
}
