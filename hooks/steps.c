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

void steps_release(struct steps *s)
{
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
	enter(s, step->model, &step->key, step);
	if (step->new_key.kind != VALUE_NULL)
		enter(s, step->new_model ? step->new_model : step->model, &step->new_key, step);
	return 0;
}

void steps_renew(struct steps *s, const struct model *m, const struct value *key)
{
	for (size_t i = 0; s->outdated && i < s->n; i++) {
		struct step *step = s->of[i];
		const struct model *model = step->of_target && step->new_model ? step->new_model : step->model;
		if (!*step->current || model != m || !value_equal(step->of_target ? &step->new_key : &step->key, key))
			continue;
		memcpy(step->of_target ? step->target : step->checksum, step->current, sizeof step->current);
		step->current[0] = '\0';
	}
}

int steps_rewrite(struct steps *s, struct step *step, enum request_kind kind, const struct buf *text, struct err *e)
{
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

void steps_cancel(struct steps *s, struct step *step)
{
	s->bytes -= step->rewritten ? step->len : 0;
	free(step->rewritten);
	step->text = step->rewritten = NULL;
	step->len = 0;
	s->cancelled += !step->cancelled;
	step->cancelled = true;
}

struct request steps_request(const struct step *step, bool trusted)
{
	return (struct request){
	    .kind = step->kind,
	    .model = step->model,
	    .key = step->key,
	    .expect = step->expect,
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
