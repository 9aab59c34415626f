/*
 * early.c - programs of pre_save and pre_delete that come before every other kind of hook: they run before the
 * transaction, on a snapshot, so that nobody waits for them.
 *
 * What they make of the change holds when the record is still what they saw; otherwise they run again, in it.
 */
#include <errno.h>
#include <string.h>

#include "../store/phase.h"
#include "act.h"
#include "order.h"
#include "tree.h"

/* A program that is the next pre hook of the change, and the place behind it. */
static const struct hook *next_program(struct saving *v, const struct change *c, size_t *at)
{
	enum event event = c->verb == VERB_DELETE ? EVENT_PRE_DELETE : EVENT_PRE_SAVE;
	*at = c->pre_at;
	const struct hook *h = c->quiet ? NULL : hooks_next(v->saver->hooks, event, c->verb, c->model, at);
	return h && (h->kind == HOOK_RUN || h->kind == HOOK_PIPE) ? h : NULL;
}

static bool may_be_early(struct saving *v, const struct request *r)
{
	static const enum verb verbs[][2] = {
	    [REQUEST_PUT] = {VERB_CREATE, VERB_REPLACE},
	    [REQUEST_MERGE] = {VERB_CREATE, VERB_PATCH},
	    [REQUEST_DELETE] = {VERB_DELETE, VERB_DELETE},
	};
	size_t at;
	for (int i = 0; i < 2 && r->kind <= REQUEST_DELETE; i++)
		if (next_program(v, &(struct change){.model = r->model, .verb = verbs[r->kind][i], .quiet = r->quiet},
				 &at))
			return true;
	return false;
}

/* What it embeds must be of one state. A row alone need not be of the state that its references are of: all is read
 * again. */
static struct conn *early_reader(struct saving *v, const struct change *c, struct err *e)
{
	struct store *store = v->saver->store;
	return c->model->nrelations ? store_read_begin(store, e) : store_read_once(store, c->model, VIEW_ALL, e);
}

/* 1: it has to be asked in the transaction, as if it had not been. */
static int act_early(struct saving *v, const struct hook *h, struct change *c, struct err *e)
{
	err_auto why = ERR_INIT;
	int result = act(v, h, c, &why);
	if (v->too_early)
		return 1;
	c->caused = v->caused; /* the next hook comes after it: in the transaction */
	v->caused = NULL;
	if (result < 0)
		err_take(e, &why);
	return result;
}

int order_early(struct order *o, struct err *e)
{
	struct saving *v = &o->v;
	if (o->n != 1 || !may_be_early(v, o->requests))
		return 0;
	struct change *c = order_change(o, 0, e);
	if (!c || !(v->conn = early_reader(v, c, e)))
		return -e->code;
	int result = change_resolve(v, c, e);
	store_read_end(v->conn);
	v->conn = NULL;
	if (result < 0)
		return result;
	const struct hook *h;
	for (size_t at; c->changed && !c->caused && (h = next_program(v, c, &at)); c->pre_at = at) {
		result = act_early(v, h, c, e);
		if (result < 0)
			return result;
		if (result > 0)
			break;
	}
	o->nothing = !c->changed;
	o->results[0] = o->early = c;
	o->planned = v->planned;
	v->planned = NULL;
	phase("programs");
	return 0;
}

/* The record is as it was when a program staged its change. */
static bool is_same_version(struct saving *v, const struct change *c)
{
	err_auto ignored = ERR_INIT;
	char current[CHECKSUM_SIZE] = "";
	int result = store_checksum(v->conn, c->model, &c->key, current, &ignored);
	if (result == -ENOENT)
		return !*c->checksum;
	return result == 0 && strcmp(c->checksum, current) == 0;
}

/* What they have staged was made of records that nobody has changed since; that is looked at once. */
static bool caused_fits(struct saving *v, const struct change *c)
{
	for (struct change *each = c->caused; each; each = each->next_caused) {
		if (each->checksum && !is_same_version(v, each))
			return false;
		each->checksum = NULL;
	}
	return true;
}

void order_take_early(struct order *o, struct change *c)
{
	if (!o->early || !c->changed || !change_same(o->early, c) || !tree_fits(&o->v, o->early) ||
	    !caused_fits(&o->v, o->early))
		return;
	o->v.planned = o->planned;
	c->row = o->early->row;
	c->pre_at = o->early->pre_at;
	c->edited = o->early->edited;
	c->children = o->early->children;
	for (size_t i = 0; i < c->children.n; i++)
		c->children.of[i]->parent = c;
	c->caused = o->early->caused;
}
