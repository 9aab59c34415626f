/*
 * stage_commit.c - the end of a transaction that is being prepared: its requests in one save, or, of a program's, as
 * further saves of the one that waits for it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../store/json.h"
#include "../store/phase.h"
#include "cause.h"
#include "report.h"
#include "stage_parts.h"

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
	c->report.ends = arena_alloc(&c->arena, (n + 1) * sizeof *c->report.ends);
	if (!c->steps || !c->requests || !c->outcomes || !c->report.ends)
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
	if (c->requests[i].kind == REQUEST_EXCHANGE)
		return "exchanged";
	return c->outcomes[i].changed ? done[c->outcomes[i].verb] : "unchanged";
}

static void write_change(struct buf *b, struct commit *c, size_t i, struct buf *path, const struct err *why)
{
	const struct request *r = &c->requests[i]; /* the step is out of the processor's reach by now */
	bool committed = why->code == 0;
	size_t answer = i ? c->report.ends[i - 1] : 0;
	struct report_line line = {
	    .method = c->methods ? c->methods[i] : methods[r->kind],
	    .status = status_of(c, i, committed),
	    .model = r->new_model ? r->new_model : r->model,
	    .key = r->new_key.kind == VALUE_NULL ? &r->key : &r->new_key,
	    .answer = buf_text(&c->report.answers) + answer,
	    .answer_len = c->report.ends[i] - answer,
	    .error = !committed && i == c->report.failed ? why : NULL,
	};
	buf_reset(path);
	record_print_path(path, line.model, line.key);
	line.path = buf_text(path);
	report_add(b, &line);
}

static void write_report(struct buf *b, struct commit *c, const struct err *why)
{
	buf_auto path = BUF_INIT;
	report_open(b);
	for (size_t i = 0; i < c->n; i++)
		write_change(b, c, i, &path, why);
	report_close(b);
}

/* The sentence names the record, which the error of ctl does not. */
static int refuse(struct commit *c, struct err *why, struct err *e)
{
	struct step *step = c->report.failed < c->n ? c->steps[c->report.failed] : NULL;
	err_take(e, why);
	if (step && !(c->methods && e->nproblems)) {
		const char *text =
		    arena_printf(&c->arena, "%s: %s", record_path(&c->arena, step->model, &step->key), e->text);
		snprintf(e->text, sizeof e->text, "%s", text ? text : "");
	}
	return -e->code;
}

/* In a document with several requests a problem stands in the body of its request. */
static void place_problems(struct commit *c, struct err *why)
{
	err_auto placed = ERR_INIT;
	if (!c->methods || !why->nproblems || c->report.failed >= c->n)
		return;
	const char *pointer = arena_printf(&c->arena, "/requests/%zu/body", c->report.failed);
	err_graft(&placed, why, pointer ? pointer : "");
	err_take(why, &placed);
}

/* With the lock. What was staged is stored now, or is as it was. */
static void settle(struct stage *g, bool committed)
{
	if (committed || g->aborted)
		stage_drop(g);
	g->state = g->aborted ? GONE : committed ? COMMITTED : OPEN;
}

int stage_commit(struct stage *g, const struct actor *actor, size_t room, struct buf *answer, struct err *e)
{
	struct commit c = {.report.room = room};
	err_auto why = ERR_INIT;
	pthread_mutex_lock(&g->lock);
	int result = stage_may_change(g, e);
	if (result == 0)
		result = collect(g, &c, e);
	if (result == 0)
		g->state = COMMITTING;
	pthread_mutex_unlock(&g->lock);
	if (result == 0) {
		phase("committing");
		result = c.n ? save_all(g->saver, actor, c.requests, c.n, c.outcomes, &c.report, &c.arena, &why) : 0;
		place_problems(&c, &why);
		if (result < 0 && !c.methods && c.report.failed < c.n)
			stage_note_conflict(g, actor, c.steps[c.report.failed], &why);
		write_report(answer, &c, &why);
		pthread_mutex_lock(&g->lock);
		if (result < 0)
			refuse(&c, &why, e);
		g->steps.conflicts |= result < 0;
		if (result < 0 && c.report.failed < c.n)
			stage_drop_removed(g, c.steps[c.report.failed]);
		settle(g, result == 0);
		pthread_mutex_unlock(&g->lock);
		phase("reported");
	}
	buf_release(&c.report.answers);
	arena_release(&c.arena);
	return result;
}

/* ---- what a program has staged ---- */

/* What a move replaces goes, if it is still there. */
static int cause_delete(struct saving *v, struct change *by, const struct step *step, const struct change *move,
			struct err *e)
{
	struct change *c = change_new(v, step->model, REQUEST_DELETE, &move->new_key, e);
	if (!c)
		return -e->code;
	c->if_there = true;
	c->origin = move->origin;
	c->path = move->path;
	if (!v->open && *step->target && !(c->checksum = arena_copy(&v->arena, step->target, strlen(step->target))))
		return err_nomem(e);
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
	if (!c)
		return -e->code;
	c->origin = hook;
	c->cancels = step->kind == REQUEST_DELETE;
	c->path = record_path(&v->arena, step->model, &step->key);
	if (copy_key(v, &step->key, &c->key, e) < 0 || copy_key(v, &step->new_key, &c->new_key, e) < 0)
		return -e->code;
	if (step->text && (json_read(step->text, step->len, &document, e) < 0 || saving_keep(v, document, e) < 0))
		return -e->code;
	if (moves && step->expect == EXPECT_RECORD && cause_delete(v, by, step, c, e) < 0)
		return -e->code;
	c->document = document;
	/* "": that there is none. What is staged in the transaction was made of what it is. */
	if (!v->open && (*step->checksum || (step->kind <= REQUEST_MERGE && step->expect == EXPECT_NONE)))
		c->checksum = arena_copy(&v->arena, step->checksum, strlen(step->checksum));
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
	pthread_mutex_lock(&g->lock);
	g->state = GONE;
	int result = stage_drop_rows(g, e); /* rows that can't be taken back go with the save */
	if (keep && result == 0)
		result = be_lenient(v, g->steps.n, e);
	for (size_t i = 0; keep && i < g->steps.n && result == 0; i++)
		if (!g->steps.of[i]->cancelled)
			result = cause_step(v, by, g->steps.of[i], hook, e);
	steps_release(&g->steps);
	pthread_mutex_unlock(&g->lock);
	return result;
}
