/*
 * save.c - the order of a save. in_order() and in_transaction(), which it has carried out, are the one place where it
 * is written.
 *
 * A request becomes a change (change.c; relocate.c where names change), which is carried out with its hooks and with
 * what belongs to it (carry.c). Rows change there and nowhere else, and either all of them do or none. in_transaction()
 * may run on the thread of another save (txn_run); some programs run before it (early.c).
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "../store/json.h"
#include "../store/phase.h"
#include "access.h"
#include "after.h"
#include "answer.h"
#include "event.h"
#include "order.h"
#include "staged.h"
#include "version.h"

/* ---- 1. parse ---- */

static int read_document(struct order *o, size_t i, struct err *e)
{
	const struct request *r = &o->requests[i];
	if (!r->text || r->kind >= REQUEST_DELETE || o->documents[i])
		return 0;
	int result = (r->judged ? json_read_judged : json_read)(r->text, r->len, &o->documents[i], e);
	return result < 0 ? result : saving_keep(&o->v, o->documents[i], e);
}

/* Of several those that are known to be right wait for their turn: there is memory for one after another. */
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
		if ((o->n == 1 || !o->at->judged) && read_document(o, i, e) < 0)
			return -e->code;
	}
	o->carried = o->n;
	phase("parsed");
	return 0;
}

/* Of several requests all were looked at before the first one (check_versions). */
const char *order_version(const struct order *o, const char *checksum)
{
	return o->n == 1 ? checksum : NULL;
}

struct change *order_change(struct order *o, size_t i, struct err *e)
{
	const struct request *r = &o->requests[i];
	struct change *c = read_document(o, i, e) < 0 ? NULL : change_new(&o->v, r->model, r->kind, &r->key, e);
	if (!c)
		return NULL;
	c->expect = r->expect;
	c->if_there = r->if_there;
	c->where = r->where;
	c->was = r->was;
	c->trusted = c->exempt = r->trusted;
	c->runner = r->runner;
	c->attempt = r->attempt;
	c->quiet = r->quiet;
	c->forget = r->forget;
	c->cancels = r->kind == REQUEST_DELETE;
	c->checksum = order_version(o, r->checksum);
	c->document = o->documents[i];
	return c;
}

/* ---- 3. to 5. the requests ---- */

static int begin(struct saving *v, struct err *e)
{
	v->open = true;
	v->conn = v->txn.conn;
	txn_by(&v->txn, v->actor->uid);
	phase("begun");
	return v->lenient ? txn_defer_references(&v->txn, true, e) : 0;
}

/* All before the first one: what requests and their hooks do to each other's records is part of the save. */
static int check_versions(struct order *o, struct err *e)
{
	for (size_t i = 0; i < o->n && o->n > 1; i++) {
		o->carried = i;
		if (version_check_request(&o->v, &o->requests[i], e) < 0)
			return -e->code;
	}
	o->carried = 0;
	phase("versions");
	return 0;
}

/* What has brought nothing else along has its row, and no use for the document any more. */
static int let_document_go(struct order *o, size_t i, struct err *e)
{
	struct saving *v = &o->v;
	struct change *c = o->results[i];
	bool alone = v->n == o->starts[i] + 1 && v->kept && v->kept->json == o->documents[i] && !c->model->embeds;
	if (o->n == 1 || !alone || !c->row)
		return 0;
	for (size_t k = 0; k < c->model->nfields; k++)
		if (value_copy(&v->arena, &c->row[k], &c->row[k]) < 0)
			return err_nomem(e);
	c->key = c->old ? c->key : *change_key(c);
	c->document = NULL;
	c->deleted = NULL;
	json_decref(v->kept->json);
	v->kept = v->kept->next;
	o->documents[i] = NULL;
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
		if (order_carry(o, *result, e) < 0 || let_document_go(o, i, e) < 0)
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
			    order_hooks(v, EVENT_BEFORE_COMMIT, v->changes[committed], 0, e) < 0)
				return -e->code;
		struct change *c = v->changes[enqueued++];
		if (c->changed && order_hooks(v, EVENT_AFTER_COMMIT, c, 0, e) < 0)
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

static int in_transaction(struct order *o, struct err *e)
{
	struct saving *v = &o->v;
	if (begin(v, e) < 0 ||            /* from here on other saves wait */
	    check_versions(o, e) < 0 ||   /* that several requests were made for */
	    carry_requests(o, e) < 0 ||   /* each: read, validate, pre_save or pre_delete, apply, its rows */
	    order_post(v, 0, e) < 0 ||    /* post_save, post_delete */
	    finish_changes(v, e) < 0 ||   /* before_commit, then enqueue of after_commit */
	    check_references(o, e) < 0 || /* between several requests */
	    order_fill_outcomes(o, e) < 0)
		return -e->code;
	order_report_answers(o, o->n);
	if (versions_end(v, e) < 0 || record_after(o, e) < 0) /* after_commit's programs, which then run */
		return -e->code;
	phase("recorded");
	return 0;
}

/* While the transaction is there to be read, and its references can be set right for those who share the commit. */
static void report_failure(struct order *o)
{
	err_auto ignored = ERR_INIT;
	if (o->report) {
		o->report->failed = order_failed_request(o);
		answers_settle(&o->v);
		order_report_answers(o, o->report->failed);
	}
	if (o->v.lenient)
		txn_defer_references(&o->v.txn, false, &ignored);
}

/* What txn_run has to do for an order, on whatever thread. */
static int work(void *data, struct err *e)
{
	struct order *o = data;
	int result = in_transaction(o, e);
	if (result < 0) {
		result = err_set(e, EIO, "the save ended early");
		report_failure(o);
	}
	o->v.open = false;
	return result;
}

static int in_order(struct order *o, struct err *e)
{
	if (order_parse(o, e) < 0 || order_early(o, e) < 0)
		return -e->code;
	if (o->nothing)
		return order_fill_outcomes(o, e);
	int result = txn_run(o->v.saver->store, &o->v.txn, work, o, e);
	phase("durable");
	if (result == 0 && o->recorded)
		after_wake(o->v.saver->after);
	return result;
}

/* The same as far as it goes without hooks and without the database. */
static int stage_in_order(struct order *o, struct err *e)
{
	if (order_parse(o, e) < 0)
		return -e->code;
	int result = carry_requests(o, e);
	return result < 0 ? result : order_fill_outcomes(o, e);
}

static void locate(const struct order *o, struct err *e)
{
	if (o->at && o->at->text && e->nproblems && !o->report) /* of several the texts are not as they were written */
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

/* Carries out what is in the order, and ends it. */
static int save_order(struct order *o, struct err *e)
{
	clock_gettime(CLOCK_REALTIME, &o->v.now);
	value_now(o->v.now, o->v.now_text);
	int result = in_order(o, e);
	if (result < 0 && o->report)
		o->report->failed = order_failed_request(o);
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
