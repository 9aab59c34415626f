/*
 * cause.c - how what a hook asks for becomes a change.
 *
 * A caused change is trusted, as the hook is: it may set read-only fields. Hooks that cause each other end at
 * LIMIT_HOOK_DEPTH.
 */
#include <errno.h>
#include <string.h>

#include "../store/limits.h"
#include "cause.h"

int cause(struct saving *v, struct change *by, struct change *c, struct err *e)
{
	if (by->depth >= LIMIT_HOOK_DEPTH)
		return err_set(e, EPROTO,
			       "hooks save records, whose hooks save records, more than %d deep, the last in %s",
			       LIMIT_HOOK_DEPTH, c->model->name);
	c->trusted = c->exempt = true;
	c->depth = by->depth + 1;
	c->cause = by;
	if (!v->caused)
		v->caused_end = &v->caused;
	*v->caused_end = c;
	v->caused_end = &c->next_caused;
	return 0;
}

int cause_path(struct saving *v, const char *hook, const char *path, const struct model **model, struct value *key,
	       struct err *e)
{
	const char *slash = strchr(path, '/');
	const char *name = slash ? arena_copy(&v->arena, path, (size_t)(slash - path)) : path;
	if (!name)
		return err_nomem(e);
	*model = schema_model(v->saver->schema, name);
	*key = value_null();
	if (!*model)
		return err_set(e, ECANCELED, "%s: %.*s: there is no model of this name", hook, LIMIT_NAME, path);
	if (slash && strcmp(slash + 1, ".new") == 0)
		return 0;
	int result = slash ? record_key(*model, slash + 1, &v->arena, key) : -ENOENT;
	if (result == -ENOMEM)
		return err_nomem(e);
	return result < 0 ? err_set(e, ECANCELED, "%s: %.*s: is not the path of a record", hook, LIMIT_NAME, path) : 0;
}

int cause_request(struct saving *v, struct change *by, const char *hook, enum request_kind kind, const char *path,
		  json_t *document, struct err *e)
{
	const struct model *model;
	struct value key;
	if (cause_path(v, hook, path, &model, &key, e) < 0)
		return -e->code;
	if (key.kind == VALUE_NULL && kind != REQUEST_PUT)
		return err_set(e, ECANCELED, "%s: %s: only \"put\" makes a new record", hook, path);
	struct change *c = change_new(v, model, kind, &key, e);
	if (!c)
		return -e->code;
	c->cancels = kind == REQUEST_DELETE;
	c->origin = hook;
	c->path = arena_copy(&v->arena, path, strlen(path));
	c->document = document;
	int result = c->path ? 0 : err_nomem(e);
	if (result == 0 && document)
		result = saving_keep(v, json_incref(document), e);
	return result < 0 ? result : cause(v, by, c, e);
}

int cause_check(const struct change *c, struct err *e)
{
	for (const struct change *p = c->origin ? c->cause : NULL; p; p = p->cause)
		if (p->model == c->model && !p->applied && !p->handled && value_equal(change_key(p), change_key(c)))
			return err_set(e, ECANCELED, "%s",
				       p->verb == VERB_DELETE
					   ? "this record is being deleted already"
					   : "this record is being saved already; pre_save edits it with \"new\"");
	return 0;
}

/* Where causes have nested until there is no room for all of them, the sentence is worth more than who began. */
int cause_refused(const struct change *c, const struct err *why, struct err *e)
{
	size_t n = strlen(c->path);
	bool named = strncmp(why->text, c->path, n) == 0 && why->text[n] == ' ';
	bool room = strlen(c->origin) + n + strlen(why->text) + sizeof ": : " <= sizeof why->text;
	int code = why->code == ENOENT ? ECANCELED : why->code;
	if (c->depth > 1 && (code == EPROTO || !room))
		err_set(e, code, "%s", why->text);
	else
		err_set(e, code, named ? "%s: %.0s%s" : "%s: %s: %s", c->origin, c->path, why->text);
	memcpy(e->supplied, why->supplied, sizeof e->supplied);
	memcpy(e->current, why->current, sizeof e->current);
	return -e->code;
}
