/*
 * carry.c - one change carried out, with its hooks and with all that belongs to it: what it embeds, what goes with what
 * it deletes, and what its hooks cause.
 *
 * Which steps there are, and when, stands in save.c. What hooks cause is carried before the next hook runs.
 */
#include <stdlib.h>

#include "../store/phase.h"
#include "access.h"
#include "act.h"
#include "cause.h"
#include "deleted.h"
#include "order.h"
#include "tree.h"
#include "version.h"

/* ---- hooks ---- */

static int carry(struct saving *v, size_t from, struct err *e);

/* Its problems are those of another document than the user's. */
static int carry_one(struct saving *v, struct change *c, struct err *e)
{
	err_auto why = ERR_INIT;
	if (change_add(v, c, &why) == 0 && carry(v, v->n - 1, &why) == 0)
		return 0;
	if (c->origin)
		return cause_refused(c, &why, e);
	return err_set(e, why.code, why.nproblems ? "%s: %s" : "%.0s%s", c->model->name, why.text);
}

/* The cascade that the hook is in the middle of keeps its index. */
int saving_carry_caused(struct saving *v, struct err *e)
{
	int result = 0;
	struct change *c = v->caused, **index = v->index;
	size_t nindex = v->nindex, room = v->index_room;
	if (!c)
		return 0;
	v->caused = NULL;
	v->index = NULL;
	v->nindex = v->index_room = 0;
	for (; c && result == 0; c = c->next_caused)
		result = carry_one(v, c, e);
	free(v->index);
	v->index = index;
	v->nindex = nindex;
	v->index_room = room;
	return result;
}

int order_hooks(struct saving *v, enum event event, struct change *c, size_t at, struct err *e)
{
	const struct hook *h;
	while (!c->quiet && !v->staged && (h = hooks_next(v->saver->hooks, event, c->verb, c->model, &at))) {
		if (event == EVENT_AFTER_COMMIT && h->kind != HOOK_ENQUEUE)
			continue;
		if (act(v, h, c, e) < 0 || saving_carry_caused(v, e) < 0) {
			v->failing = c;
			return -e->code;
		}
		if (event == EVENT_APPLY && c->handled)
			break;
	}
	return 0;
}

static int pre_hooks(struct saving *v, struct change *c, struct err *e)
{
	enum event event = c->verb == VERB_DELETE ? EVENT_PRE_DELETE : EVENT_PRE_SAVE;
	if (!c->changed)
		return 0;
	if (version_begin(v, c, e) < 0)
		return -e->code;
	v->caused = c->caused;
	if (saving_carry_caused(v, e) < 0)
		return -e->code;
	int result = order_hooks(v, event, c, c->pre_at, e);
	return result < 0 || !c->edited ? result : change_check(v, c, e);
}

/* The row, unless an apply hook has handled the change. */
static int apply(struct saving *v, struct change *c, struct err *e)
{
	if (order_hooks(v, EVENT_APPLY, c, 0, e) < 0)
		return -e->code;
	if (!c->handled && change_apply(v, c, e) < 0)
		return -e->code;
	c->applied = !c->handled;
	return 0;
}

/* Children stand behind their parents: they come first. What hooks have caused is done already. */
int order_post(struct saving *v, size_t from, struct err *e)
{
	for (size_t i = v->n; i-- > from;) {
		struct change *c = v->changes[i];
		if (!c->changed || c->posted)
			continue;
		c->posted = true;
		if (order_hooks(v, c->verb == VERB_DELETE ? EVENT_POST_DELETE : EVENT_POST_SAVE, c, 0, e) < 0)
			return -e->code;
	}
	return 0;
}

/* ---- the change and what belongs to it ---- */

int order_prepare(struct saving *v, struct change *c, struct err *e)
{
	if (pre_hooks(v, c, e) < 0 || access_settled(v, c, e) < 0)
		return -e->code;
	for (size_t i = 0; i < c->children.n; i++) {
		struct change *child = c->children.of[i];
		if (!child->changed || child->verb == VERB_DELETE)
			continue;
		if (change_add(v, child, e) < 0 || order_prepare(v, child, e) < 0)
			return -e->code;
		c->edited |= child->edited;
	}
	if (c->edited && c->old && c->new_key.kind == VALUE_NULL)
		c->changed = !row_equal(c->model, c->old, c->row) || tree_changed(c);
	return 0;
}

static int add_gone(struct saving *v, struct change *c, struct err *e)
{
	int result = 0;
	for (size_t i = 0; i < c->children.n && result == 0; i++) {
		struct change *child = c->children.of[i];
		result = child->verb == VERB_DELETE ? change_add(v, child, e) : add_gone(v, child, e);
	}
	return result;
}

int order_prepare_deletes(struct saving *v, size_t from, size_t *first, struct err *e)
{
	struct change *c = v->changes[from];
	*first = c->verb == VERB_DELETE ? from : v->n;
	if (c->verb != VERB_DELETE && add_gone(v, c, e) < 0)
		return -e->code;
	if (change_cascade(v, *first, e) < 0)
		return -e->code;
	size_t to = v->n;
	for (size_t i = *first; i < to; i++) {
		if (i > from && change_resolve_child(v, v->changes[i], e) < 0)
			return -e->code;
		if (pre_hooks(v, v->changes[i], e) < 0 || deleted_keep(v, v->changes[i], e) < 0)
			return -e->code;
	}
	return 0;
}

/* What hooks have caused meanwhile stands among the others and is done. */
static int apply_once(struct saving *v, struct change *c, struct err *e)
{
	int result = c->changed && !c->applied && !c->handled ? apply(v, c, e) : 0;
	phase("row");
	return result;
}

int order_apply(struct saving *v, size_t from, size_t first, size_t to, struct err *e)
{
	int result = 0;
	for (size_t i = to; i-- > first && result == 0;)
		result = apply_once(v, v->changes[i], e);
	for (size_t i = from; i < first && result == 0; i++)
		result = apply_once(v, v->changes[i], e);
	return result;
}

/* The change at `from`, resolved, and those that belong to it, which are appended. */
static int carry_resolved(struct saving *v, size_t from, struct err *e)
{
	struct change *c = v->changes[from];
	size_t first;
	if ((c->verb != VERB_DELETE && order_prepare(v, c, e) < 0) || order_prepare_deletes(v, from, &first, e) < 0)
		return -e->code;
	if (order_apply(v, from, first, v->n, e) < 0)
		return -e->code;
	return c->model->embedded && c->row ? tree_check_above(v, c->model, c->row, e) : 0;
}

/* What a hook has caused: its own post hooks run at once. */
static int carry(struct saving *v, size_t from, struct err *e)
{
	struct change *c = v->changes[from];
	if (change_resolve(v, c, e) < 0 || cause_check(c, e) < 0 || carry_resolved(v, from, e) < 0)
		return -e->code;
	return order_post(v, from, e);
}

int order_carry(struct order *o, struct change *c, struct err *e)
{
	if (!c || change_resolve(&o->v, c, e) < 0)
		return -e->code;
	order_take_early(o, c);
	return change_add(&o->v, c, e) < 0 ? -e->code : carry_resolved(&o->v, o->v.n - 1, e);
}
