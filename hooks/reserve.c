/*
 * reserve.c - puts reserved keys into a document.
 */
#include "reserve.h"

static int reserve_own(struct store *s, const struct model *m, json_t *document, struct err *e)
{
	const json_t *given = json_object_get(document, m->key->name);
	struct value key;
	if (!model_integer_key(m) || (given && !json_is_null(given)))
		return 0;
	int result = store_reserve_key(s, m, &key, e);
	if (result == 0 && json_object_set_new(document, m->key->name, json_integer(key.integer)) < 0)
		result = err_nomem(e);
	return result;
}

/* by: its reference to the record that it is part of; where that is its key it has the other's. */
static int reserve(struct store *s, const struct model *m, const struct field *by, json_t *document, struct err *e)
{
	if (!json_is_object(document))
		return 0;
	int result = by == m->key ? 0 : reserve_own(s, m, document, e);
	for (size_t i = 0; i < m->nrelations && result == 0; i++) {
		const struct relation *r = &m->relations[i];
		if (r->kind == EMBEDS_ONE)
			result = reserve(s, r->child, r->by, json_object_get(document, r->child->name), e);
	}
	return result;
}

int reserve_keys(struct store *s, const struct model *m, json_t *document, struct err *e)
{
	return reserve(s, m, NULL, document, e);
}
