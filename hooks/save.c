/*
 * save.c - the order of a save. in_order() is the one place where it is written.
 *
 * A request becomes a change (change.c; relocate.c where names change), a hook acts on it (act.c); what hooks and
 * deleted parents cause becomes further changes of the same list. Rows change here and nowhere else, and either all of
 * them do or none. The transaction is open from begin() to txn_commit; programs of pre_save and pre_delete that come
 * before every other kind of hook run before it, on a snapshot (run_early), so that nobody waits for them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "access.h"
#include "../store/phase.h"
#include "act.h"
#include "after.h"
#include "answer.h"
#include "cause.h"
#include "coprocess.h"
#include "change.h"
#include "deleted.h"
#include "event.h"
#include "order.h"
#include "plugin.h"
#include "staged.h"
#include "program.h"
#include "tree.h"
#include "version.h"

/* ---- 1. parse ---- */

int order_parse(struct order *o, struct err *e)
{
	o->documents = arena_alloc(&o->v.arena, o->n * sizeof *o->documents);
	o->results = arena_alloc(&o->v.arena, o->n * sizeof(struct change *));
	o->starts = arena_alloc(&o->v.arena, o->n * sizeof *o->starts);
	if (!o->documents || !o->results || !o->starts)
		return err_nomem(e);
	for (size_t i = 0; i < o->n; i++) {
		o->carried = i;
		o->at = &o->requests[i];
		if (!o->at->text || o->at->kind >= REQUEST_DELETE)
			continue;
		int result =
		    (o->at->judged ? json_read_judged : json_read)(o->at->text, o->at->len, &o->documents[i], e);
		if (result == 0)
			result = saving_keep(&o->v, o->documents[i], e);
		if (result < 0)
			return result;
	}
	o->carried = o->n;
	phase("parsed");
	return 0;
}

struct change *order_change(struct order *o, size_t i, struct err *e)
{
	const struct request *r = &o->requests[i];
	struct change *c = change_new(&o->v, r->model, r->kind, &r->key, e);
	if (!c)
		return NULL;
	c->expect = r->expect;
	c->where = r->where;
	c->was = r->was;
	c->trusted = c->exempt = r->trusted;
	c->runner = r->runner;
	c->attempt = r->attempt;
	c->quiet = r->quiet;
	c->forget = r->forget;
	c->cancels = r->kind == REQUEST_DELETE;
	c->checksum = o->n == 1 ? r->checksum : NULL; /* of several, see check_versions */
	c->document = o->documents[i];
	return c;
}

/* ---- hooks ---- */

static int carry(struct saving *v, size_t from, struct err *e);

/* Its problems are those of another document than the user's. */
static int carry_one(struct saving *v, struct change *c, struct err *e)
{
	err_auto why = ERR_INIT;
	if (change_add(v, c, &why) == 0 && carry(v, v->n - 1, &why) == 0)
		return 0;
	if (c->origin)
		return err_set(e, why.code, "%s: %s", c->origin, why.text);
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

static int run_hooks(struct saving *v, enum event event, struct change *c, size_t at, struct err *e)
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
	int result = run_hooks(v, event, c, c->pre_at, e);
	return result < 0 || !c->edited ? result : change_check(v, c, e);
}

/* The row, unless an apply hook has handled the change. */
static int apply(struct saving *v, struct change *c, struct err *e)
{
	if (run_hooks(v, EVENT_APPLY, c, 0, e) < 0)
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
		if (run_hooks(v, c->verb == VERB_DELETE ? EVENT_POST_DELETE : EVENT_POST_SAVE, c, 0, e) < 0)
			return -e->code;
	}
	return 0;
}

/* ---- 2. programs before the transaction ---- */

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

static int run_early(struct order *o, struct err *e)
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

/* What was prepared holds when the row is still what the programs saw; otherwise they run again. */
static void take_early(struct order *o, struct change *c)
{
	if (!o->early || !c->changed || !change_same(o->early, c) || !tree_fits(&o->v, o->early))
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

/* ---- 3. to 5. one request: validate, pre hooks, rows ---- */

static int begin(struct saving *v, struct err *e)
{
	int result = txn_begin(v->saver->store, &v->txn, e);
	v->open = result == 0;
	v->conn = v->open ? v->txn.conn : NULL;
	if (v->open)
		txn_by(&v->txn, v->actor->uid);
	phase("begun");
	return result == 0 && v->lenient ? txn_defer_references(&v->txn, true, e) : result;
}

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
	}
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
	take_early(o, c);
	return change_add(&o->v, c, e) < 0 ? -e->code : carry_resolved(&o->v, o->v.n - 1, e);
}

static int check_version(struct order *o, const struct request *r, const struct model *m, const struct value *key,
			 const char *supplied, struct err *e)
{
	char current[CHECKSUM_SIZE];
	err_auto why = ERR_INIT;
	int result = supplied ? version_seen(&o->v, m, key, r->trusted, current, &why) : -ENOENT;
	if (result < 0)
		return result == -ENOENT ? 0 : err_set(e, -result, "%s", why.text);
	return strcmp(current, supplied) == 0 ? 0
					      : err_checksum(e, record_path(&o->v.arena, m, key), supplied, current);
}

/* All before the first one: what requests and their hooks do to each other's records is part of the save. */
static int check_versions(struct order *o, struct err *e)
{
	for (size_t i = 0; i < o->n && o->n > 1; i++) {
		const struct request *r = &o->requests[i];
		o->carried = i;
		if (check_version(o, r, r->model, r->kind == REQUEST_RESTORE ? &r->new_key : &r->key, r->checksum, e) <
			0 ||
		    check_version(o, r, r->new_model ? r->new_model : r->model, &r->new_key, r->target_checksum, e) < 0)
			return -e->code;
	}
	o->carried = 0;
	return 0;
}

static int carry_requests(struct order *o, struct err *e)
{
	if (o->next)
		return order_stream(o, e);
	for (size_t i = 0; i < o->n; i++) {
		const struct request *r = o->at = &o->requests[i];
		struct change **result = &o->results[i];
		o->starts[i] = o->v.n;
		o->carried = i;
		if (r->kind >= REQUEST_MOVE) {
			if (relocate(o, r, result, e) < 0)
				return -e->code;
			continue;
		}
		*result = order_change(o, i, e);
		if (order_carry(o, *result, e) < 0)
			return -e->code;
	}
	o->at = o->n == 1 ? o->requests : NULL;
	o->carried = o->n;
	phase("rows");
	return 0;
}

/* ---- 7. and 8. ---- */

/* Both may cause further changes, which come behind and have their own turn. */
static int finish_changes(struct saving *v, struct err *e)
{
	phase("post");
	for (size_t committed = 0, enqueued = 0; enqueued < v->n;) {
		for (; committed < v->n; committed++)
			if (v->changes[committed]->changed &&
			    run_hooks(v, EVENT_BEFORE_COMMIT, v->changes[committed], 0, e) < 0)
				return -e->code;
		struct change *c = v->changes[enqueued++];
		if (c->changed && run_hooks(v, EVENT_AFTER_COMMIT, c, 0, e) < 0)
			return -e->code;
	}
	return 0;
}

/* The key that the record of a change has got by further ones. */
static const struct value *last_key(const struct saving *v, size_t at)
{
	const struct model *m = v->changes[at]->model;
	const struct value *key = change_key(v->changes[at]);
	for (size_t i = at + 1; i < v->n; i++) {
		const struct change *c = v->changes[i];
		if (c->model == m && c->changed && c->verb != VERB_DELETE && value_equal(&c->key, key))
			key = change_key(c);
	}
	return key;
}

/* What refers to a record that was to come, and what has lost the record it refers to. */
static int check_reference(struct saving *v, size_t at, struct err *e)
{
	const struct change *c = v->changes[at];
	struct value *row;
	bool gone = c->verb == VERB_DELETE;
	if (!gone && !c->dangling)
		return 0;
	if (saving_read(v, c->model, gone ? &c->key : last_key(v, at), &row, e) < 0)
		return -e->code;
	if (gone)
		return row ? 0 : change_check_free(v, c, e);
	if (!row)
		return 0;
	uid_t before = store_view_as(v->conn, access_viewer(v, c));
	int result = store_check(v->conn, c->model, c->old, row, e);
	store_view_as(v->conn, before);
	return result;
}

static int check_references(struct order *o, struct err *e)
{
	struct saving *v = &o->v;
	for (size_t i = 0; i < v->n && v->lenient; i++) {
		v->failing = v->changes[i];
		if (v->failing->changed && !v->failing->handled && check_reference(v, i, e) < 0)
			return -e->code;
	}
	v->failing = NULL;
	return v->lenient ? txn_defer_references(&v->txn, false, e) : 0;
}

/* ---- 9. ---- */

static int record_after(struct order *o, struct err *e)
{
	struct saving *v = &o->v;
	phase("finished");
	for (size_t i = 0; i < v->n; i++) {
		const struct change *c = v->changes[i];
		const struct hook *h;
		for (size_t at = 0; c->changed && !c->quiet &&
				    (h = hooks_next(v->saver->hooks, EVENT_AFTER_COMMIT, c->verb, c->model, &at));) {
			struct event_object event = event_of(event_name(EVENT_AFTER_COMMIT), c, v->actor);
			if (h->kind == HOOK_RUN &&
			    after_record(v->saver->after, &v->txn, h, &event, &o->recorded, e) < 0)
				return -e->code;
		}
	}
	return 0;
}

static int commit(struct order *o, struct err *e)
{
	if (versions_end(&o->v, e) < 0 || record_after(o, e) < 0)
		return -e->code;
	o->v.open = false;
	phase("recorded");
	int result = txn_commit(&o->v.txn, e);
	phase("durable");
	if (result == 0 && o->recorded)
		after_wake(o->v.saver->after);
	return result;
}

/* ---- after it ---- */

static void tell_observers(const struct order *o)
{
	const struct saving *v = &o->v;
	if (!v->saver->observers)
		return;
	for (size_t i = 0; o->v.actor->pid && i < o->n; i++)
		o->results[i]->asked = true;
	for (size_t i = 0; i < v->n; i++) {
		const struct change *c = v->changes[i];
		if (!c->changed)
			continue;
		struct saved_change change = {c->model, change_key(c), c->verb, c->old, c->row, c->asked};
		for (const struct observer *at = v->saver->observers; at; at = at->next)
			at->changed(at->data, &change);
	}
}

void saver_observe(struct saver *s, struct observer *o)
{
	o->next = s->observers;
	s->observers = o;
}

void saver_forget(struct saver *s, struct observer *o)
{
	struct observer **at = &s->observers;
	while (*at && *at != o)
		at = &(*at)->next;
	if (*at)
		*at = o->next;
}

/* ---- the order ---- */

/* Before the commit, for there may be no memory for it. */
static int fill_outcomes(struct order *o, struct err *e)
{
	if (o->n > 1)
		answers_settle(&o->v);
	for (size_t i = 0; o->outcomes && i < o->n; i++) {
		const struct change *c = o->results[i];
		o->outcomes[i].verb = c->verb;
		o->outcomes[i].changed = c->changed;
		if (version_sum(&o->v, c, o->requests[i].checksum, o->outcomes[i].checksum, e) < 0)
			return -e->code;
		if (value_copy(o->outcomes_arena, change_key(c), &o->outcomes[i].key) < 0 ||
		    answer_find(&o->v, c, o->n == 1, &o->outcomes[i], o->outcomes_arena) < 0)
			return err_nomem(e);
	}
	return 0;
}

/* Also of those before the one that is refused, for as long as what they have done is there to be read; as the actor
 * sees it. */
static void report_answers(struct order *o, size_t n)
{
	size_t room = o->report ? o->report->room : 0;
	uid_t before = o->v.conn ? store_view_as(o->v.conn, o->v.actor->uid) : VIEW_ALL;
	for (size_t i = 0; o->report && i < n && o->results[i]; i++) {
		err_auto ignored = ERR_INIT;
		struct outcome outcome = {.verb = o->results[i]->verb};
		struct buf *answer = &o->report->answers[i];
		answer->limit = room ? room : 1;
		if (outcome.verb == VERB_DELETE || !o->v.conn ||
		    answer_find(&o->v, o->results[i], o->n == 1, &outcome, &o->v.arena) < 0 ||
		    answer_write(o->v.conn, o->results[i]->model, &outcome, answer, &ignored) < 0)
			buf_reset(answer);
		room -= answer->len < room ? answer->len : room;
	}
	if (o->v.conn)
		store_view_as(o->v.conn, before);
}

/* The request that the failing change belongs to. */
static size_t failed_request(const struct order *o)
{
	const struct change *c = o->v.failing;
	size_t at = 0, i = 0;
	if (o->carried < o->n || !c)
		return o->carried;
	while (c->cause || c->parent)
		c = c->cause ? c->cause : c->parent;
	while (at < o->v.n && o->v.changes[at] != c)
		at++;
	while (i + 1 < o->n && o->starts[i + 1] <= at)
		i++;
	return i;
}

static int in_order(struct order *o, struct err *e)
{
	struct saving *v = &o->v;
	if (order_parse(o, e) < 0 || run_early(o, e) < 0)
		return -e->code;
	if (o->nothing)
		return fill_outcomes(o, e);
	if (begin(v, e) < 0 ||            /* from here on other saves wait */
	    check_versions(o, e) < 0 ||   /* that several requests were made for */
	    carry_requests(o, e) < 0 ||   /* each: read, validate, pre_save or pre_delete, apply, its rows */
	    order_post(v, 0, e) < 0 ||    /* post_save, post_delete */
	    finish_changes(v, e) < 0 ||   /* before_commit, then enqueue of after_commit */
	    check_references(o, e) < 0 || /* between several requests */
	    fill_outcomes(o, e) < 0)
		return -e->code;
	report_answers(o, o->n);
	return commit(o, e); /* with a record of after_commit's programs, which then run */
}

/* The same as far as it goes without hooks and without the database. */
static int stage_in_order(struct order *o, struct err *e)
{
	if (order_parse(o, e) < 0 || stage_begin(o->v.conn, e) < 0)
		return -e->code;
	int result = carry_requests(o, e);
	if (result == 0)
		result = fill_outcomes(o, e);
	err_auto why = ERR_INIT;
	if (stage_end(o->v.conn, result == 0, &why) < 0)
		err_set(e, why.code, "%s", why.text);
	return -e->code;
}

static void locate(const struct order *o, struct err *e)
{
	if (o->at && o->at->text && e->nproblems)
		json_locate(o->at->text, o->at->len, e);
}

int save_staged(struct saver *s, const struct actor *actor, const struct request *request, struct conn *conn,
		struct staging *staging, struct outcome *outcome, json_t **document, struct arena *a, struct err *e)
{
	struct order o = {.v = {.saver = s, .actor = actor, .conn = conn, .staged = staging, .lenient = true},
			  .requests = request,
			  .n = 1,
			  .outcomes = outcome,
			  .outcomes_arena = a};
	clock_gettime(CLOCK_REALTIME, &o.v.now);
	value_now(o.v.now, o.v.now_text);
	int result = stage_in_order(&o, e);
	if (result < 0)
		locate(&o, e);
	*document = result == 0 ? json_incref(o.documents[0]) : NULL;
	if (*document)
		staged_tell_keys(o.results[0], *document);
	saving_release(&o.v);
	return result;
}

/* While the transaction is there to be read, and its references can be set right for those who share the commit. */
static void report_failure(struct order *o)
{
	err_auto ignored = ERR_INIT;
	if (o->report) {
		answers_settle(&o->v);
		report_answers(o, o->report->failed);
	}
	if (o->v.lenient)
		txn_defer_references(&o->v.txn, false, &ignored);
}

/* Carries out what is in the order, and ends it. */
static int save_order(struct order *o, struct err *e)
{
	clock_gettime(CLOCK_REALTIME, &o->v.now);
	value_now(o->v.now, o->v.now_text);
	int result = in_order(o, e);
	if (result < 0 && o->report)
		o->report->failed = failed_request(o);
	if (o->v.open) {
		report_failure(o);
		txn_rollback(&o->v.txn);
		err_set(e, EIO, "the save ended early");
		result = -e->code;
	}
	if (result < 0)
		locate(o, e);
	else
		tell_observers(o);
	saving_release(&o->v);
	return result;
}

int save(struct saver *s, const struct actor *actor, const struct request *requests, size_t n, struct outcome *outcomes,
	 struct arena *a, struct err *e)
{
	return save_all(s, actor, requests, n, outcomes, NULL, a, e);
}

int save_all(struct saver *s, const struct actor *actor, const struct request *requests, size_t n,
	     struct outcome *outcomes, struct report *report, struct arena *a, struct err *e)
{
	struct order o = {.v = {.saver = s, .actor = actor, .lenient = n > 1},
			  .requests = requests,
			  .n = n,
			  .outcomes = outcomes,
			  .outcomes_arena = a,
			  .report = report};
	return save_order(&o, e);
}

int save_stream(struct saver *s, const struct actor *actor, save_next *next, void *data, bool *blamed, struct err *e)
{
	struct order o = {.v = {.saver = s, .actor = actor}, .next = next, .data = data};
	int result = save_order(&o, e);
	*blamed = result < 0 && o.at;
	return result;
}
