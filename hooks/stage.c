/*
 * stage.c - a transaction that is being prepared: its requests, and what they make of the rows.
 *
 * Steps are requests in the order in which they came. A table finds the last step of each record; a further document
 * for the record is laid over that step's where nothing in between can tell the difference (may_compose).
 *
 * Invariants: steps do not change while COMMITTING. The connection shows the stored rows with all steps done, or
 * nothing where there was no memory for it (stage_ready). A step has the checksum that its record had, as its user sees
 * it, before the first step for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../store/json.h"
#include "../store/phase.h"
#include "compose.h"
#include "stage_parts.h"
#include "staged.h"

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
	(*out)->staging.keeps = !trusted;
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

int stage_drop_rows(struct stage *g, struct err *e)
{
	int result = 0;
	if (g->inside && g->conn)
		result = stage_discard(g->conn, e);
	else
		stage_close(g->conn);
	g->conn = NULL;
	return result;
}

enum { STEP_BYTES = 512 }; /* a step and its row without their text */

/* With the lock. A text stands in its step and in the rows that it makes. */
void stage_tell_held(struct stage *g)
{
	g->held = 2 * g->steps.bytes + g->steps.n * STEP_BYTES;
}

void stage_drop(struct stage *g)
{
	err_auto ignored = ERR_INIT;
	g->state = GONE;
	stage_drop_rows(g, &ignored);
	steps_release(&g->steps);
	stage_tell_held(g);
}

void stage_abort(struct stage *g)
{
	pthread_mutex_lock(&g->lock);
	if (g->state == COMMITTING)
		g->aborted = true;
	else
		stage_drop(g);
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

void stage_never_wait(struct stage *g)
{
	g->staging.never_wait = true;
}

bool stage_would_wait(struct stage *g)
{
	pthread_mutex_lock(&g->lock);
	bool would_wait = g->staging.would_wait;
	pthread_mutex_unlock(&g->lock);
	return would_wait;
}

void stage_keep_separate(struct stage *g, const char *const *methods)
{
	g->methods = methods;
}

/* ---- reading ---- */

/* With the lock: opens the connection when it is first needed, for most programs never look. */
static int stage_connect(struct stage *g, struct err *e)
{
	if (g->state == GONE)
		return err_set(e, ENOENT, "the transaction has ended");
	if (g->conn)
		return stage_ready(g->conn, e);
	int result = stage_open(g->saver->store, &g->conn, e);
	return result < 0 || !g->trusted ? result : stage_hold(g->conn, e);
}

/* Between two requests: what a user sees follows what is stored. A program's transaction is of one state. */
static void rest(struct stage *g)
{
	if (g->conn && !g->trusted)
		stage_rest(g->conn);
}

static void end_read(void *data)
{
	struct stage *g = data;
	stage_hand_out(g->conn, VIEW_ALL, NULL, NULL);
	rest(g);
	pthread_mutex_unlock(&g->lock);
}

struct conn *stage_read_begin(struct stage *g, uid_t viewer, struct err *e)
{
	pthread_mutex_lock(&g->lock);
	if (stage_connect(g, e) == 0) {
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
	size_t n = g->steps.n - g->steps.cancelled;
	pthread_mutex_unlock(&g->lock);
	return n;
}

/* ---- staging ---- */

int stage_may_change(const struct stage *g, struct err *e)
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
	struct conn *c = g->trusted ? g->conn : store_read_as(g->saver->store, actor->uid, e);
	if (!c)
		return -e->code;
	int result = store_checksum(c, m, key, out, &why);
	if (!g->trusted)
		store_read_end(c);
	return result < 0 && result != -ENOENT ? err_set(e, -result, "%s", why.text) : 0;
}

struct staged_request {
	const struct request *request;
	const struct outcome *outcome;
	json_t *document;
	char checksum[CHECKSUM_SIZE], target[CHECKSUM_SIZE];
	bool existed; /* in the transaction, before; of MOVE and RESTORE: the target */
	bool tied;    /* it changes what only the steps before it may have made possible */
};

/* A record whose file is part of another one, or has such parts, may change by a step for the other one. */
static bool is_simple(const struct model *m)
{
	return !m->embeds && !m->embedded;
}

static bool may_compose(const struct stage *g, const struct step *last, const struct staged_request *x)
{
	const struct request *r = x->request;
	if (!last || !x->existed || r->kind > REQUEST_MERGE || last->kind > REQUEST_MERGE)
		return false;
	return last == steps_last(&g->steps) || (is_simple(r->model) && !x->tied);
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

int stage_print(json_t *document, struct buf *text, struct err *e)
{
	json_object_del(document, CHECKSUM_MEMBER);
	json_write(text, document, -1);
	return buf_failed(text) ? err_nomem(e) : 0;
}

int stage_compose(struct step *last, const struct request *r, json_t *document, struct buf *text, struct err *e)
{
	json_scope *both = NULL;
	return compose(last, r, document, &both, e) < 0 ? -e->code : stage_print(both, text, e);
}

static int compose_step(struct stage *g, struct step *last, const struct staged_request *x, struct err *e)
{
	buf_auto text = BUF_INIT;
	if (stage_compose(last, x->request, x->document, &text, e) < 0)
		return -e->code;
	return steps_rewrite(&g->steps, last, x->request->kind == REQUEST_PUT ? REQUEST_PUT : last->kind, &text, e);
}

static int add_step(struct stage *g, const struct staged_request *x, struct err *e)
{
	buf_auto text = BUF_INIT;
	struct request r = *x->request;
	if (x->document && stage_print(x->document, &text, e) < 0)
		return -e->code;
	r.trusted = g->trusted;
	r.text = x->document ? buf_text(&text) : NULL;
	r.len = text.len;
	r.checksum = *x->checksum ? x->checksum : NULL;
	r.target_checksum = *x->target ? x->target : NULL;
	if (r.kind <= REQUEST_MERGE)
		r.key = x->outcome->key;
	if (r.kind != REQUEST_DELETE)
		r.expect = x->existed ? EXPECT_RECORD : EXPECT_NONE;
	const struct model *m = r.new_model ? r.new_model : r.model;
	const struct value *made = r.new_key.kind == VALUE_NULL ? &r.key : &r.new_key;
	bool fresh = !x->existed && r.kind != REQUEST_EXCHANGE && !steps_find(&g->steps, m, made);
	if (steps_add(&g->steps, &r, e) < 0)
		return -e->code;
	steps_find(&g->steps, m, made)->fresh = fresh;
	return 0;
}

/* Made here and gone again, with nothing that went with it: as if it had never been. */
static bool cancels(const struct stage *g, const struct step *last, const struct request *r)
{
	struct reference_iter at = {0, 0};
	const struct model *child;
	return last && r->kind == REQUEST_DELETE && last->kind <= REQUEST_MERGE && last->expect == EXPECT_NONE &&
	       is_simple(r->model) && !schema_next_reference(g->saver->schema, r->model, &at, &child);
}

/* Whoever makes a further request for a record has been told what others have done to it. */
static int settle_conflicts(struct stage *g, const struct staged_request *x, bool *done, struct err *e)
{
	const struct request *r = x->request;
	const struct value *key = r->kind == REQUEST_MOVE ? &r->key : &x->outcome->key;
	if (stage_settle_conflicts(g, r, key, x->document, done, e) < 0 || steps_renew(&g->steps, r->model, key, e) < 0)
		return -e->code;
	return r->kind == REQUEST_EXCHANGE ? steps_renew(&g->steps, r->model, &r->key, e) : 0;
}

static int record(struct stage *g, const struct staged_request *x, struct err *e)
{
	const struct request *r = x->request;
	bool done = false;
	if (g->methods)
		return add_step(g, x, e);
	if (g->steps.conflicts && settle_conflicts(g, x, &done, e) < 0)
		return -e->code;
	if (done || (!x->outcome->changed && !r->new_model)) /* what moves has gone from where it was */
		return 0;
	struct step *last = steps_find(&g->steps, r->model, &x->outcome->key);
	if (may_compose(g, last, x))
		return compose_step(g, last, x, e);
	if (!cancels(g, last, r))
		return add_step(g, x, e);
	return stage_undelete(g->conn, r->model, &r->key, e) < 0 ? -e->code : steps_cancel(&g->steps, last, e);
}

/* What a move would replace: the commit finds the same there, or nothing where nothing was. */
static int look_at_target(struct stage *g, const struct actor *actor, const struct request *r, struct staged_request *x,
			  struct err *e)
{
	const struct model *m = r->new_model ? r->new_model : r->model;
	err_auto why = ERR_INIT;
	if (r->kind <= REQUEST_DELETE)
		return 0;
	int result = store_get(g->conn, m, &r->new_key, NULL, NULL, NULL, &why);
	if (result < 0 && result != -ENOENT)
		return err_set(e, -result, "%s", why.text);
	x->existed = result == 0;
	return r->kind == REQUEST_RESTORE ? 0 : stored_checksum(g, actor, m, &r->new_key, x->target, e);
}

/* A unique value that another record had, or a reference to what has moved: it must not come before those steps. */
static bool is_tie(const struct model *m, const struct field *f)
{
	return f != m->key && (f->unique || f->references);
}

static bool differs_in_ties(const struct model *m, const struct value *before, const struct value *after)
{
	for (size_t i = 0; before && after && i < m->nfields; i++)
		if (is_tie(m, &m->fields[i]) && !value_equal(&before[i], &after[i]))
			return true;
	return false;
}

/* The row as it is in the transaction, where further requests came since the last one for it; else NULL. */
static int read_later(struct stage *g, const struct request *r, struct arena *a, struct value **row, struct err *e)
{
	const struct step *last = r->kind <= REQUEST_MERGE ? steps_find(&g->steps, r->model, &r->key) : NULL;
	err_auto why = ERR_INIT;
	*row = NULL;
	if (!last || last == steps_last(&g->steps))
		return 0;
	*row = arena_alloc(a, r->model->nfields * sizeof **row);
	if (!*row)
		return err_nomem(e);
	int result = store_get(g->conn, r->model, &r->key, a, *row, NULL, &why);
	if (result < 0)
		*row = NULL;
	return result == 0 || result == -ENOENT ? 0 : err_set(e, -result, "%s", why.text);
}

int stage_request(struct stage *g, const struct actor *actor, const struct request *request, struct outcome *outcome,
		  struct arena *a, struct err *e)
{
	struct request r = *request;
	struct staged_request x = {.request = request, .outcome = outcome};
	const struct value *key = r.kind == REQUEST_RESTORE ? &r.new_key : &r.key;
	struct value *before, *after;
	if (g->trusted && (r.kind >= REQUEST_RESTORE || r.new_model))
		return err_set(
		    e, EPERM, "a hook's program can't move a record to another model, bring one back, or exchange two");
	if (steps_room(&g->steps, r.len, e) < 0 || stored_checksum(g, actor, r.model, key, x.checksum, e) < 0 ||
	    look_at_target(g, actor, &r, &x, e) < 0 || read_later(g, &r, a, &before, e) < 0)
		return -e->code;
	r.trusted = g->trusted;
	int result = save_staged(g->saver, actor, &r, g->conn, &g->staging, outcome, &x.document, a, e);
	if (result == 0)
		result = read_later(g, &r, a, &after, e);
	if (result == 0) {
		x.tied = differs_in_ties(r.model, before, after);
		outcome->answer = NULL;
		outcome->answer_key = outcome->key;
		if (r.kind <= REQUEST_DELETE)
			x.existed = outcome->verb != VERB_CREATE;
		result = record(g, &x, e);
	}
	json_decref(x.document);
	return result;
}

int stage_change_begin(struct stage *g, bool many, struct err *e)
{
	if (stage_may_change(g, e) < 0 || stage_connect(g, e) < 0 || steps_mark(&g->steps, many, e) < 0)
		return -e->code;
	int result = stage_begin(g->conn, e);
	if (result < 0)
		steps_keep(&g->steps);
	return result;
}

int stage_change_end(struct stage *g, int result, struct err *e)
{
	err_auto why = ERR_INIT;
	struct saving v = {.saver = g->saver, .staged = &g->staging};
	if (stage_end(g->conn, result == 0, &why) < 0)
		result = err_set(e, why.code, "%s", why.text);
	staged_settle_keys(&v, result == 0);
	(result == 0 ? steps_keep : steps_take_back)(&g->steps);
	return result;
}

void stage_settle(struct stage *g)
{
	stage_tell_held(g);
	rest(g);
}

int stage_save(struct stage *g, const struct actor *actor, const struct request *request, struct outcome *outcome,
	       struct arena *a, struct err *e)
{
	pthread_mutex_lock(&g->lock);
	int result = stage_change_begin(g, false, e);
	if (result == 0)
		result = stage_change_end(g, stage_request(g, actor, request, outcome, a, e), e);
	stage_settle(g);
	pthread_mutex_unlock(&g->lock);
	phase("staged");
	return result;
}

int stage_reserve_key(struct stage *g, const struct model *m, struct value *key, struct err *e)
{
	struct saving v = {.saver = g->saver, .staged = &g->staging};
	pthread_mutex_lock(&g->lock);
	int result = stage_may_change(g, e);
	if (result == 0)
		result = stage_connect(g, e);
	v.conn = g->conn;
	if (result == 0)
		result = saving_next_key(&v, m, key, e);
	staged_settle_keys(&v, result == 0);
	rest(g);
	pthread_mutex_unlock(&g->lock);
	saving_release(&v);
	return result;
}
