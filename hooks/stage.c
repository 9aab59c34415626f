/*
 * stage.c - a transaction that is being prepared: its requests, what they make of the rows, and their one save.
 *
 * Steps are requests in the order in which they came. A table finds the last step of each record; a further document
 * for the record is laid over that step's where nothing in between can tell the difference (may_compose).
 *
 *   OPEN --stage_commit--> COMMITTING --refused--> OPEN, or --committed--> COMMITTED; any --stage_abort--> GONE
 *
 * Invariants: steps do not change while COMMITTING. The connection shows the stored rows with all steps done. A step
 * has the checksum that its record had before the first step for it.
 */
#include "stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "change.h"
#include "compose.h"
#include "cause.h"
#include "report.h"
#include "steps.h"

enum { STEP_BYTES = 512 }; /* a step and its row without their text */
enum state { OPEN, COMMITTING, COMMITTED, GONE };

struct stage {
	struct saver *saver;
	struct conn *conn;
	struct txn txn; /* inside which it is */
	bool inside, trusted;
	const char *const *methods; /* of the requests, each of which is a step; NULL: they are not kept apart */
	struct staging staging;
	pthread_mutex_t lock; /* guards what follows, and the connection */
	enum state state;
	bool aborted; /* while it is being committed */
	struct steps steps;
	_Atomic size_t held; /* read without it */
};

/* ---- from start to end ---- */

static int new_stage(struct stage **out, struct saver *s, struct err *e)
{
	struct stage *g = calloc(1, sizeof *g);
	if (!g)
		return err_nomem(e);
	g->saver = s;
	pthread_mutex_init(&g->lock, NULL);
	*out = g;
	return 0;
}

int stage_new(struct stage **out, struct saver *s, bool trusted, struct err *e)
{
	if (new_stage(out, s, e) < 0)
		return -e->code;
	(*out)->trusted = trusted;
	return 0;
}

int stage_new_inside(struct stage **out, struct saver *s, struct txn *t, struct err *e)
{
	if (new_stage(out, s, e) < 0)
		return -e->code;
	struct stage *g = *out;
	g->inside = g->trusted = true;
	g->txn = *t;
	g->conn = t->conn;
	g->staging.txn = &g->txn;
	return 0;
}

/* With the lock. */
static void drop_rows(struct stage *g)
{
	err_auto ignored = ERR_INIT;
	if (g->inside && g->conn)
		stage_discard(g->conn, &ignored);
	else
		stage_close(g->conn);
	g->conn = NULL;
}

/* With the lock. A text stands in its step and in the rows that it makes. */
static void tell_held(struct stage *g)
{
	g->held = 2 * g->steps.bytes + g->steps.n * STEP_BYTES;
}

/* With the lock. */
static void drop(struct stage *g)
{
	g->state = GONE;
	drop_rows(g);
	steps_release(&g->steps);
	tell_held(g);
}

void stage_abort(struct stage *g)
{
	pthread_mutex_lock(&g->lock);
	if (g->state == COMMITTING)
		g->aborted = true;
	else
		drop(g);
	pthread_mutex_unlock(&g->lock);
}

void stage_free(struct stage *g)
{
	if (!g)
		return;
	stage_abort(g);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

void stage_keep_separate(struct stage *g, const char *const *methods)
{
	g->methods = methods;
}

/* ---- reading ---- */

/* The connection is opened when it is first needed: most programs never look. */
static int connect(struct stage *g, struct err *e)
{
	if (g->state == GONE)
		return err_set(e, ENOENT, "the transaction has ended");
	return g->conn ? 0 : stage_open(g->saver->store, &g->conn, e);
}

static void end_read(void *data)
{
	struct stage *g = data;
	stage_hand_out(g->conn, VIEW_ALL, NULL, NULL);
	if (!g->inside)
		stage_rest(g->conn);
	pthread_mutex_unlock(&g->lock);
}

struct conn *stage_read_begin(struct stage *g, uid_t viewer, struct err *e)
{
	pthread_mutex_lock(&g->lock);
	if (connect(g, e) == 0) {
		stage_hand_out(g->conn, viewer, end_read, g);
		return g->conn;
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

bool stage_committed(struct stage *g)
{
	pthread_mutex_lock(&g->lock);
	bool committed = g->state == COMMITTED;
	pthread_mutex_unlock(&g->lock);
	return committed;
}

size_t stage_held(const struct stage *g)
{
	return g->held;
}

size_t stage_size(struct stage *g)
{
	pthread_mutex_lock(&g->lock);
	size_t n = g->steps.n;
	pthread_mutex_unlock(&g->lock);
	return n;
}

/* ---- staging ---- */

static int may_stage(const struct stage *g, struct err *e)
{
	if (g->state == COMMITTING)
		return err_set(e, EBUSY, "the transaction is being committed");
	if (g->state == COMMITTED)
		return err_set(e, EROFS, "the transaction has been committed; make a new one");
	return g->state == GONE ? err_set(e, ENOENT, "the transaction has ended") : 0;
}

/* What the record is before its first step, as the actor sees it; "" where there is none. */
static int stored_checksum(struct stage *g, const struct actor *actor, const struct model *m, const struct value *key,
			   char out[CHECKSUM_SIZE], struct err *e)
{
	err_auto why = ERR_INIT;
	out[0] = '\0';
	if (g->inside || key->kind == VALUE_NULL || steps_find(&g->steps, m, key))
		return 0;
	struct conn *c = store_read_as(g->saver->store, g->trusted ? VIEW_ALL : actor->uid, e);
	if (!c)
		return -e->code;
	int result = store_checksum(c, m, key, out, &why);
	store_read_end(c);
	return result < 0 && result != -ENOENT ? err_set(e, -result, "%s", why.text) : 0;
}

/* A record whose file is part of another one, or has such parts, may change by a step for the other one. */
static bool is_simple(const struct model *m)
{
	return !m->embeds && !m->embedded;
}

static bool may_compose(const struct stage *g, const struct step *last, const struct request *r, bool exists)
{
	return last && exists && (r->kind == REQUEST_PUT || r->kind == REQUEST_MERGE) && last->kind <= REQUEST_MERGE &&
	       (is_simple(r->model) || last == steps_last(&g->steps));
}

/* The document of the later request becomes that of both. */
static int compose(struct step *last, const struct request *r, json_t *document, json_t **out, struct err *e)
{
	json_t *first = NULL;
	int result = json_read(last->text, last->len, &first, e);
	if (result < 0)
		return result;
	if (r->kind == REQUEST_PUT) {
		result = compose_put(r->model, first, document);
		json_decref(first);
		*out = json_incref(document);
	} else {
		result = compose_merge(r->model, first, last->kind == REQUEST_PUT, document);
		*out = first;
	}
	return result < 0 ? err_nomem(e) : 0;
}

/* Without what it says of a version: that was looked at. */
static int print(json_t *document, struct buf *text, struct err *e)
{
	json_object_del(document, CHECKSUM_MEMBER);
	json_write(text, document, -1);
	return buf_failed(text) ? err_nomem(e) : 0;
}

struct staged_request {
	const struct request *request;
	const struct outcome *outcome;
	json_t *document;
	char checksum[CHECKSUM_SIZE];
	bool existed; /* in the transaction, before */
};

static int compose_step(struct stage *g, struct step *last, const struct staged_request *x, struct err *e)
{
	buf_auto text = BUF_INIT;
	json_scope *both = NULL;
	if (compose(last, x->request, x->document, &both, e) < 0 || print(both, &text, e) < 0)
		return -e->code;
	return steps_rewrite(&g->steps, last, x->request->kind == REQUEST_PUT ? REQUEST_PUT : last->kind, &text, e);
}

static int add_step(struct stage *g, const struct staged_request *x, struct err *e)
{
	buf_auto text = BUF_INIT;
	struct request r = *x->request;
	if (x->document && print(x->document, &text, e) < 0)
		return -e->code;
	r.trusted = g->trusted;
	r.text = x->document ? buf_text(&text) : NULL;
	r.len = text.len;
	r.checksum = *x->checksum ? x->checksum : NULL;
	if (r.kind <= REQUEST_MERGE) {
		r.key = x->outcome->key;
		r.expect = x->existed ? EXPECT_RECORD : EXPECT_NONE;
	}
	return steps_add(&g->steps, &r, e);
}

/* Made here and gone again, with nothing that went with it: as if it had never been. */
static bool cancels(const struct stage *g, const struct step *last, const struct request *r)
{
	struct reference_iter at = {0, 0};
	const struct model *child;
	return last && r->kind == REQUEST_DELETE && last->kind <= REQUEST_MERGE && last->expect == EXPECT_NONE &&
	       is_simple(r->model) && !schema_next_reference(g->saver->schema, r->model, &at, &child);
}

static int record(struct stage *g, const struct staged_request *x, struct err *e)
{
	const struct request *r = x->request;
	struct step *last = steps_find(&g->steps, r->model, &x->outcome->key);
	if (g->methods)
		return add_step(g, x, e);
	if (!x->outcome->changed)
		return 0;
	if (may_compose(g, last, r, x->existed))
		return compose_step(g, last, x, e);
	if (cancels(g, last, r)) {
		steps_cancel(&g->steps, last);
		return 0;
	}
	return add_step(g, x, e);
}

static int stage_locked(struct stage *g, const struct actor *actor, const struct request *request,
			struct outcome *outcome, struct arena *a, struct err *e)
{
	struct request r = *request;
	struct staged_request x = {.request = request, .outcome = outcome};
	const struct value *key = r.kind == REQUEST_RESTORE ? &r.new_key : &r.key;
	if (g->trusted && (r.kind == REQUEST_RESTORE || r.new_model))
		return err_set(e, EPERM, "a hook's program can't move a record to another model, or bring one back");
	if (may_stage(g, e) < 0 || connect(g, e) < 0 || steps_room(&g->steps, r.len, e) < 0 ||
	    stored_checksum(g, actor, r.model, key, x.checksum, e) < 0)
		return -e->code;
	r.trusted = g->trusted;
	int result = save_staged(g->saver, actor, &r, g->conn, &g->staging, outcome, &x.document, a, e);
	if (result == 0) {
		outcome->answer = NULL;
		outcome->answer_key = outcome->key;
		x.existed = outcome->verb != VERB_CREATE;
		result = record(g, &x, e);
	}
	json_decref(x.document);
	return result;
}

int stage_save(struct stage *g, const struct actor *actor, const struct request *request, struct outcome *outcome,
	       struct arena *a, struct err *e)
{
	pthread_mutex_lock(&g->lock);
	int result = stage_locked(g, actor, request, outcome, a, e);
	tell_held(g);
	if (!g->inside && g->conn)
		stage_rest(g->conn);
	pthread_mutex_unlock(&g->lock);
	return result;
}

int stage_reserve_key(struct stage *g, const struct model *m, struct value *key, struct err *e)
{
	struct saving v = {.saver = g->saver, .staged = &g->staging};
	pthread_mutex_lock(&g->lock);
	int result = may_stage(g, e);
	if (result == 0)
		result = connect(g, e);
	v.conn = g->conn;
	if (result == 0)
		result = saving_next_key(&v, m, key, e);
	if (!g->inside && g->conn)
		stage_rest(g->conn);
	pthread_mutex_unlock(&g->lock);
	saving_release(&v);
	return result;
}

/* ---- the commit ---- */

static const char *const methods[] = {
    [REQUEST_PUT] = "put",   [REQUEST_MERGE] = "patch",     [REQUEST_DELETE] = "delete",
    [REQUEST_MOVE] = "move", [REQUEST_RESTORE] = "restore", [REQUEST_EXCHANGE] = "exchange",
};
static const char *const done[] = {
    [VERB_CREATE] = "created", [VERB_REPLACE] = "replaced", [VERB_PATCH] = "patched", [VERB_DELETE] = "deleted"};

struct commit {
	struct step **steps;
	struct request *requests;
	struct outcome *outcomes;
	struct report report;
	const char *const *methods;
	size_t n;
	struct arena arena;
};

/* Those that are not cancelled. */
static int collect(struct stage *g, struct commit *c, struct err *e)
{
	size_t n = g->steps.n;
	c->methods = g->methods;
	c->steps = arena_alloc(&c->arena, (n + 1) * sizeof(struct step *));
	c->requests = arena_alloc(&c->arena, (n + 1) * sizeof *c->requests);
	c->outcomes = arena_alloc(&c->arena, (n + 1) * sizeof *c->outcomes);
	c->report.answers = arena_alloc(&c->arena, (n + 1) * sizeof *c->report.answers);
	if (!c->steps || !c->requests || !c->outcomes || !c->report.answers)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++) {
		if (g->steps.of[i]->cancelled)
			continue;
		c->steps[c->n] = g->steps.of[i];
		c->requests[c->n++] = steps_request(g->steps.of[i], g->trusted);
	}
	return 0;
}

static const char *status_of(const struct commit *c, size_t i, bool committed)
{
	if (!committed)
		return i == c->report.failed ? "failed" : i < c->report.failed ? "not committed" : "skipped";
	if (c->requests[i].kind == REQUEST_MOVE)
		return "moved";
	return c->outcomes[i].changed ? done[c->outcomes[i].verb] : "unchanged";
}

static void write_change(struct buf *b, struct commit *c, size_t i, const struct err *why)
{
	const struct step *step = c->steps[i];
	bool committed = why->code == 0;
	struct report_line line = {
	    .method = c->methods ? c->methods[i] : methods[step->kind],
	    .status = status_of(c, i, committed),
	    .model = step->new_model ? step->new_model : step->model,
	    .key = step->new_key.kind == VALUE_NULL ? &step->key : &step->new_key,
	    .answer = &c->report.answers[i],
	    .error = !committed && i == c->report.failed ? why : NULL,
	};
	line.path = record_path(&c->arena, line.model, line.key);
	report_add(b, &line);
}

static void write_report(struct buf *b, struct commit *c, const struct err *why)
{
	report_open(b);
	for (size_t i = 0; i < c->n; i++)
		write_change(b, c, i, why);
	report_close(b);
}

/* The sentence names the record, which the error of ctl does not. */
static int refuse(struct commit *c, struct err *why, struct err *e)
{
	struct step *step = c->report.failed < c->n ? c->steps[c->report.failed] : NULL;
	if (step && *why->current)
		memcpy(step->current, why->current, sizeof step->current);
	if (!step)
		return err_set(e, why->code, "%s", why->text);
	return err_set(e, why->code, "%s: %s", record_path(&c->arena, step->model, &step->key), why->text);
}

/* With the lock. What was staged is stored now, or is as it was. */
static void settle(struct stage *g, bool committed)
{
	if (committed || g->aborted)
		drop(g);
	g->state = g->aborted ? GONE : committed ? COMMITTED : OPEN;
}

int stage_commit(struct stage *g, const struct actor *actor, size_t room, struct buf *answer, struct err *e)
{
	struct commit c = {.report.room = room};
	err_auto why = ERR_INIT;
	pthread_mutex_lock(&g->lock);
	int result = may_stage(g, e);
	if (result == 0)
		result = collect(g, &c, e);
	if (result == 0)
		g->state = COMMITTING;
	pthread_mutex_unlock(&g->lock);
	if (result == 0) {
		result = c.n ? save_all(g->saver, actor, c.requests, c.n, c.outcomes, &c.report, &c.arena, &why) : 0;
		write_report(answer, &c, &why);
		pthread_mutex_lock(&g->lock);
		if (result < 0)
			refuse(&c, &why, e);
		settle(g, result == 0);
		pthread_mutex_unlock(&g->lock);
	}
	for (size_t i = 0; i < c.n; i++)
		buf_release(&c.report.answers[i]);
	arena_release(&c.arena);
	return result;
}

/* ---- what a program has staged ---- */

static int cause_delete(struct saving *v, struct change *by, const struct step *step, const char *origin, struct err *e)
{
	struct value *row;
	bool early = !v->conn;
	if (early && !(v->conn = store_read_begin(v->saver->store, e)))
		return -e->code;
	int result = saving_read(v, step->model, &step->new_key, &row, e);
	if (early) {
		store_read_end(v->conn);
		v->conn = NULL;
	}
	if (result < 0 || !row)
		return result;
	struct change *c = change_new(v, step->model, REQUEST_DELETE, &step->new_key, e);
	if (!c)
		return -e->code;
	c->origin = origin;
	return cause(v, by, c, e);
}

static int copy_key(struct saving *v, const struct value *from, struct value *to, struct err *e)
{
	return value_copy(&v->arena, from, to) < 0 ? err_nomem(e) : 0;
}

static int cause_step(struct saving *v, struct change *by, const struct step *step, const char *hook, struct err *e)
{
	json_t *document = NULL;
	bool moves = step->kind == REQUEST_MOVE;
	struct change *c = change_new(v, step->model, moves ? REQUEST_PUT : step->kind, NULL, e);
	const char *origin = arena_printf(&v->arena, "%s: %s", hook, record_path(&v->arena, step->model, &step->key));
	if (!c || !origin)
		return err_nomem(e);
	if (copy_key(v, &step->key, &c->key, e) < 0 || copy_key(v, &step->new_key, &c->new_key, e) < 0)
		return -e->code;
	if (step->text && (json_read(step->text, step->len, &document, e) < 0 || saving_keep(v, document, e) < 0))
		return -e->code;
	if (moves && cause_delete(v, by, step, origin, e) < 0)
		return -e->code;
	c->document = document;
	c->origin = origin;
	c->checksum = *step->checksum ? arena_copy(&v->arena, step->checksum, strlen(step->checksum)) : NULL;
	return cause(v, by, c, e);
}

/* Several may refer to each other in any order. */
static int be_lenient(struct saving *v, size_t n, struct err *e)
{
	if (n < 2 || v->lenient)
		return 0;
	v->lenient = true;
	return v->open ? txn_defer_references(&v->txn, true, e) : 0;
}

int stage_take(struct stage *g, bool keep, struct saving *v, struct change *by, const char *hook, struct err *e)
{
	int result = 0;
	pthread_mutex_lock(&g->lock);
	g->state = GONE;
	drop_rows(g);
	if (keep)
		result = be_lenient(v, g->steps.n, e);
	for (size_t i = 0; keep && i < g->steps.n && result == 0; i++)
		if (!g->steps.of[i]->cancelled)
			result = cause_step(v, by, g->steps.of[i], hook, e);
	steps_release(&g->steps);
	pthread_mutex_unlock(&g->lock);
	return result;
}
