/*
 * compose.c - documents for one record laid over each other, as binding them one after the other would (store/bind.c).
 */
#include "compose.h"

#include <errno.h>
#include <string.h>

#include "../store/json.h"

static const struct relation *only_child(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->nrelations; i++)
		if (m->relations[i].kind == EMBEDS_ONE && strcmp(m->relations[i].child->name, name) == 0)
			return &m->relations[i];
	return NULL;
}

static int set(json_t *object, const char *name, const json_t *value)
{
	return json_object_set_new(object, name, json_deep_copy(value)) < 0 ? -ENOMEM : 0;
}

static int merge_member(const struct model *m, json_t *first, bool put, const char *name, const json_t *value)
{
	const struct field *f = model_field(m, name);
	const struct relation *r = only_child(m, name);
	json_t *known = json_object_get(first, name);
	bool objects = json_is_object(known) && json_is_object(value);
	if (r && objects)
		return compose_merge(r->child, known, put, value);
	if (f && f->type == TYPE_JSON && json_is_object(value) && (put || objects))
		return json_object_set_new(first, name, json_merged(known, value, !put)) < 0 ? -ENOMEM : 0;
	return set(first, name, value);
}

int compose_merge(const struct model *m, json_t *first, bool put, const json_t *later)
{
	const char *name;
	json_t *value;
	int result = 0;
	json_object_foreach((json_t *)later, name, value) if (result == 0) result =
	    merge_member(m, first, put, name, value);
	return result;
}

int compose_put(const struct model *m, const json_t *first, json_t *later)
{
	int result = 0;
	for (size_t i = 0; i < m->nfields && result == 0; i++) {
		const json_t *known = json_object_get(first, m->fields[i].name);
		if (known && !field_in_file(&m->fields[i]) && !json_object_get(later, m->fields[i].name))
			result = set(later, m->fields[i].name, known);
	}
	return result;
}
