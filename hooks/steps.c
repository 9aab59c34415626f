/*
 * steps.c - the requests of a transaction that is being prepared.
 *
 * The index is open addressing by model and key; a key of it is borrowed from its step. Places are never emptied: a
 * cancelled step is passed over.
 */
#include "steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../store/limits.h"

/* What a step takes besides its text, about: itself, its place in the index, its row. */
enum { STEP_BYTES = 256 };

struct step_place {
	const struct model *model;
	const struct value *key;
	struct step *step; /* NULL: the place is free */
};

/* What a step was when steps were marked; a text that was written anew is its own from then on. */
struct step_before {
	struct step_before *next;
	struct step *step;
	struct step was;
};

void steps_release(struct steps *s)
{
	steps_keep(s);
	for (size_t i = 0; i < s->n; i++)
		free(s->of[i]->rewritten);
	free(s->of);
	free(s->index);
	arena_release(&s->arena);
	*s = (struct steps){0};
}

int steps_room(const struct steps *s, size_t bytes, struct err *e)
{
	if (s->n >= LIMIT_CHANGES)
		return err_set(e, EFBIG, "a transaction changes at most %d records", LIMIT_CHANGES);
	if (s->bytes + bytes > LIMIT_STAGED_BYTES)
		return err_set(e, EFBIG, "the records that a transaction prepares have at most %d bytes",
			       LIMIT_STAGED_BYTES);
	return 0;
}

/* ---- the index ---- */

static struct step_place *place_of(const struct steps *s, const struct model *m, const struct value *key)
{
	size_t at = value_hash(key, m->index) & (s->places - 1);
	while (s->index[at].step && !(s->index[at].model == m && value_equal(s->index[at].key, key)))
		at = (at + 1) & (s->places - 1);
	return &s->index[at];
}

static int grow_index(struct steps *s, struct err *e)
{
	struct steps before = *s;
	if (2 * (s->used + 2) < s->places)
		return 0;
	s->places = s->places ? 2 * s->places : 64;
	s->index = calloc(s->places, sizeof *s->index);
	if (!s->index) {
		*s = before;
		return err_nomem(e);
	}
	for (size_t i = 0; i < before.places; i++)
		if (before.index[i].step)
			*place_of(s, before.index[i].model, before.index[i].key) = before.index[i];
	free(before.index);
	return 0;
}

static void enter(struct steps *s, const struct model *m, const struct value *key, struct step *step)
{
	struct step_place *place = place_of(s, m, key);
	s->used += !place->step;
	*place = (struct step_place){m, key, step};
}

static void enter_both(struct steps *s, struct step *step)
{
	enter(s, step->model, &step->key, step);
	if (step->new_key.kind != VALUE_NULL)
		enter(s, step->new_model ? step->new_model : step->model, &step->new_key, step);
}

/* Keys are not what they were. */
static void index_anew(struct steps *s)
{
	s->used = 0;
	if (s->index)
		memset(s->index, 0, s->places * sizeof *s->index);
	for (size_t i = 0; i < s->n; i++)
		enter_both(s, s->of[i]);
}

struct step *steps_find(const struct steps *s, const struct model *m, const struct value *key)
{
	struct step *step = s->places && key->kind != VALUE_NULL ? place_of(s, m, key)->step : NULL;
	return step && !step->cancelled ? step : NULL;
}

const struct step *steps_last(const struct steps *s)
{
	return s->n ? s->of[s->n - 1] : NULL;
}

/* ---- steps ---- */

static struct step *new_step(struct steps *s, const struct request *r, struct err *e)
{
	struct step *step = arena_alloc(&s->arena, sizeof *step);
	if (!step || value_copy(&s->arena, &r->key, &step->key) < 0 ||
	    value_copy(&s->arena, &r->new_key, &step->new_key) < 0 ||
	    (r->text && !(step->text = arena_copy(&s->arena, r->text, r->len)))) {
		err_nomem(e);
		return NULL;
	}
	step->len = r->text ? r->len : 0;
	s->bytes += step->len;
	step->kind = r->kind;
	step->model = r->model;
	step->new_model = r->new_model;
	step->expect = r->expect;
	snprintf(step->checksum, sizeof step->checksum, "%s", r->checksum ? r->checksum : "");
	snprintf(step->target, sizeof step->target, "%s", r->target_checksum ? r->target_checksum : "");
	return step;
}

/* ---- taking back ---- */

int steps_mark(struct steps *s, bool many, struct err *e)
{
	s->mark = malloc(sizeof *s->mark);
	if (!s->mark)
		return err_nomem(e);
	*s->mark = *s;
	s->many = many;
	if (many)
		s->arena = (struct arena)ARENA_INIT;
	return 0;
}

/* A text that its step still has is the step's again. */
static void forget_before(struct steps *s, struct step_before *b)
{
	if (b->was.rewritten && b->step->text == b->was.rewritten) {
		b->step->rewritten = b->was.rewritten;
	} else if (b->was.rewritten) {
		s->bytes -= b->was.len;
		free(b->was.rewritten);
	}
	free(b);
}

void steps_keep(struct steps *s)
{
	while (s->before) {
		struct step_before *first = s->before;
		s->before = first->next;
		forget_before(s, first);
	}
	if (s->mark && s->many)
		arena_join(&s->arena, &s->mark->arena);
	free(s->mark);
	s->mark = NULL;
}

int steps_remember(struct steps *s, struct step *step, struct err *e)
{
	if (!s->mark)
		return 0;
	struct step_before *b = malloc(sizeof *b);
	if (!b)
		return err_nomem(e);
	*b = (struct step_before){s->before, step, *step};
	step->rewritten = NULL;
	s->before = b;
	return 0;
}

static void restore(struct step_before *b)
{
	free(b->step->rewritten);
	*b->step = b->was;
	free(b);
}

void steps_take_back(struct steps *s)
{
	while (s->before) {
		struct step_before *last = s->before;
		s->before = last->next;
		restore(last);
	}
	while (s->n > s->mark->n)
		free(s->of[--s->n]->rewritten);
	if (s->many)
		arena_release(&s->arena);
	s->bytes = s->mark->bytes;
	s->cancelled = s->mark->cancelled;
	s->conflicts = s->mark->conflicts;
	index_anew(s);
	steps_keep(s);
}

/* ---- changing ---- */

int steps_add(struct steps *s, const struct request *r, struct err *e)
{
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		struct step **grown = realloc(s->of, room * sizeof(struct step *));
		if (!grown)
			return err_nomem(e);
		s->of = grown;
		s->room = room;
	}
	struct step *step = grow_index(s, e) < 0 ? NULL : new_step(s, r, e);
	if (!step)
		return -e->code;
	s->of[s->n++] = step;
	s->bytes += STEP_BYTES;
	enter_both(s, step);
	return 0;
}

int steps_renew(struct steps *s, const struct model *m, const struct value *key, struct err *e)
{
	for (size_t i = 0; s->conflicts && i < s->n; i++) {
		struct step *step = s->of[i];
		const struct model *model = step->of_target && step->new_model ? step->new_model : step->model;
		if (step->conflict != CONFLICT_CHANGED || model != m ||
		    !value_equal(step->of_target ? &step->new_key : &step->key, key))
			continue;
		if (steps_remember(s, step, e) < 0)
			return -e->code;
		memcpy(step->of_target ? step->target : step->checksum, step->current, sizeof step->current);
		step->conflict = NO_CONFLICT;
	}
	return 0;
}

int steps_rewrite(struct steps *s, struct step *step, enum request_kind kind, const struct buf *text, struct err *e)
{
	if (steps_remember(s, step, e) < 0)
		return -e->code;
	char *copy = malloc(text->len + 1);
	if (!copy)
		return err_nomem(e);
	memcpy(copy, buf_text(text), text->len + 1);
	s->bytes += text->len - (step->rewritten ? step->len : 0);
	free(step->rewritten);
	step->text = step->rewritten = copy;
	step->len = text->len;
	step->kind = kind;
	return 0;
}

int steps_cancel(struct steps *s, struct step *step, struct err *e)
{
	if (steps_remember(s, step, e) < 0)
		return -e->code;
	s->bytes -= step->rewritten ? step->len : 0;
	free(step->rewritten);
	step->text = step->rewritten = NULL;
	step->len = 0;
	s->cancelled += !step->cancelled;
	step->cancelled = true;
	return 0;
}

int steps_halve(struct steps *s, struct step *step, bool other, struct err *e)
{
	const struct value key = step->key;
	if (steps_remember(s, step, e) < 0)
		return -e->code;
	step->kind = REQUEST_MOVE;
	step->expect = EXPECT_NONE;
	step->conflict = NO_CONFLICT;
	step->fresh = true;
	if (other) {
		step->key = step->new_key;
		step->new_key = key;
		memcpy(step->checksum, step->target, sizeof step->checksum);
		index_anew(s);
	}
	step->target[0] = '\0';
	return 0;
}

struct request steps_request(const struct step *step, bool trusted)
{
	/* What is to go and has gone already is in nobody's way. */
	bool replaces = step->kind == REQUEST_MOVE ? *step->target : step->kind == REQUEST_RESTORE && *step->checksum;
	return (struct request){
	    .kind = step->kind,
	    .model = step->model,
	    .key = step->key,
	    .expect = replaces ? EXPECT_ANY : step->expect,
	    .if_there = step->kind == REQUEST_DELETE && *step->checksum,
	    .text = step->text,
	    .len = step->len,
	    .judged = true, /* it was printed here */
	    .new_model = step->new_model,
	    .new_key = step->new_key,
	    .trusted = trusted,
	    .checksum = *step->checksum ? step->checksum : NULL,
	    .target_checksum = *step->target ? step->target : NULL,
	};
}
