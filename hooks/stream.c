/*
 * stream.c - requests that come one by one and are too many to be kept.
 *
 * Each is carried out like the only one of a save, but in the transaction of all. Its change is kept only where hooks
 * of before_commit or after_commit are still to see it.
 */
#include <errno.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "order.h"

static bool is_seen_later(const struct saving *v, const struct change *c)
{
	static const enum event later[] = {EVENT_BEFORE_COMMIT, EVENT_AFTER_COMMIT};
	for (size_t i = 0; c->changed && i < sizeof later / sizeof *later; i++) {
		size_t at = 0;
		if (hooks_next(v->saver->hooks, later[i], c->verb, c->model, &at))
			return true;
	}
	return false;
}

static int forget(struct order *o, size_t from, size_t len, struct err *e)
{
	struct saving *v = &o->v;
	bool needed = o->kept > 0;
	for (size_t i = from; i < v->n && !needed; i++)
		needed = is_seen_later(v, v->changes[i]);
	if (!needed)
		saving_forget(v);
	else
		o->kept += len;
	if (o->kept <= LIMIT_IMPORT_KEPT)
		return 0;
	return err_set(e, EFBIG, "hooks of before_commit and after_commit are to see more than %d bytes of lines",
		       LIMIT_IMPORT_KEPT);
}

int stream_key(const struct model *m, const json_t *document, struct arena *a, struct value *key, struct err *e)
{
	const json_t *member = json_object_get(document, m->key->name);
	err_auto wrong = ERR_INIT;
	buf_auto name = BUF_INIT;
	struct value found;
	if (!member || json_is_null(member))
		return 0;
	int result = value_from_json(m->key->type, member, "", a, &found, &wrong);
	if (result == 0)
		result = record_name(m, &found, &name);
	if (result == 0)
		*key = found;
	return result == -ENOMEM || buf_failed(&name) ? err_nomem(e) : 0;
}

static int carry_one(struct order *o, struct err *e)
{
	struct saving *v = &o->v;
	size_t from = v->n;
	if (order_parse(o, e) < 0)
		return -e->code;
	struct change *c = order_change(o, 0, e);
	if (!c)
		return -e->code;
	if (c->key.kind == VALUE_NULL && stream_key(c->model, o->documents[0], &v->arena, &c->key, e) < 0)
		return -e->code;
	if (order_carry(o, c, e) < 0 || order_post(v, from, e) < 0)
		return -e->code;
	return forget(o, from, o->requests->len, e);
}

int order_stream(struct order *o, struct err *e)
{
	struct request r;
	int result;
	o->requests = &r;
	o->n = 1;
	while ((result = o->next(o->data, &r, e)) > 0) {
		o->at = &r;
		if (carry_one(o, e) < 0) {
			if (e->nproblems)
				json_locate(r.text, r.len, e);
			break;
		}
		o->at = NULL;
	}
	bool blamed = o->at;
	o->requests = NULL;
	o->n = 0;
	static const struct request none;
	o->at = blamed ? &none : NULL;
	return result > 0 ? -e->code : result;
}
