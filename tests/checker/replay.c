/*
 * replay.c - the commit of a transaction: its steps in their order, done to a copy of the mount's records.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "staging.h"

static json_t *document_of_step(const struct step *step)
{
	json_t *document = json_object();

	for (size_t i = 0; i < models[step->model].nfields; i++) {
		const struct part *part = &step->parts[i];
		const char *name = models[step->model].fields[i].name;
		if (part->given)
			json_object_set_new(document, name,
					    part->value.kind == NOTHING   ? json_null()
					    : part->value.kind == INTEGER ? json_integer(part->value.integer)
									  : json_string(part->value.string));
	}
	return document;
}

static int replay_save(struct world *w, struct step *step)
{
	json_t *document = document_of_step(step);
	const struct record *r = &w->records[step->model][step->key];
	bool there = r->there;
	int changes = r->changes;
	int rc =
	    save_document(w, step->model, step->key, step->save, step->existed ? EXISTING : NEW, NULL, document, true);

	json_decref(document);
	step->status = !there                  ? "created"
		       : r->changes == changes ? "unchanged"
		       : step->save == PUT     ? "replaced"
					       : "patched";
	return rc;
}

/* The target first. */
static int replay_key(struct world *w, struct step *step)
{
	bool there = w->records[step->model][step->to].there;

	if (there != step->existed && !(step->existed && step->target_based))
		return there ? -EEXIST : -ENOENT;
	if (there && !w->late && world_referred(w, step->model, step->to))
		return -EBUSY;
	if (!w->records[step->model][step->key].there)
		return -ENOENT;
	return save_key(w, step->model, step->key, step->to, step->existed);
}

static int replay_move(struct world *w, struct step *step)
{
	step->status = "moved";
	if (step->model == step->to_model)
		return replay_key(w, step);
	if (!w->records[step->model][step->key].there ||
	    (step->existed && !step->target_based && !w->records[step->to_model][step->to].there))
		return -ENOENT;
	return save_move(w, step->model, step->key, step->to_model, step->to, step->existed);
}

static int replay_delete(struct world *w, struct step *step)
{
	bool there = w->records[step->model][step->key].there;

	step->status = there ? "deleted" : "unchanged";
	return !there && step->based ? 0 : save_delete(w, step->model, step->key);
}

static int replay_exchange(struct world *w, struct step *step)
{
	step->status = "exchanged";
	if (!w->records[step->model][step->key].there || !w->records[step->model][step->to].there)
		return -ENOENT;
	return save_exchange(w, step->model, step->key, step->to);
}

static int replay(struct world *w, struct step *step)
{
	static int (*const kinds[])(struct world *, struct step *) = {[STEP_SAVE] = replay_save,
								      [STEP_DELETE] = replay_delete,
								      [STEP_MOVE] = replay_move,
								      [STEP_EXCHANGE] = replay_exchange};

	return step->cancelled ? 0 : kinds[step->kind](w, step);
}

static bool is_other(struct step *step, const struct record *r, bool based, const struct row *base, bool of_target)
{
	if (step->cancelled || !based || !r->there || row_equal(&r->row, base))
		return false;
	step->conflict = CHANGED;
	step->of_target = of_target;
	row_set(&step->current, &r->row);
	return true;
}

/* Whether somebody has changed what the step is for: of several steps all are looked at before the first one. */
static bool is_outdated(struct world *w, struct step *step)
{
	return is_other(step, &w->records[step->model][step->key], step->based, &step->base, false) ||
	       is_other(step, &w->records[step->to_model][step->to], step->target_based, &step->target, true);
}

/* Of one step: what a move replaces goes first. */
static bool is_target_outdated(struct world *w, struct step *step)
{
	bool source = w->records[step->model][step->key].there || step->model == step->to_model;

	return step->kind == STEP_MOVE && source &&
	       is_other(step, &w->records[step->to_model][step->to], step->target_based, &step->target, true);
}

/* A reference to nothing: what it refers to never came, or has gone. */
static bool dangles(struct world *w)
{
	int lines = model_number("lines"), carts = model_number("carts");

	for (int k = 0; k < KEYS; k++) {
		const struct record *r = &w->records[lines][k];
		bool found = !r->there || r->row.values[0].kind == NOTHING;
		for (int i = 0; i < KEYS; i++)
			found = found ||
				(w->records[carts][i].there && key_of(carts, i).integer == r->row.values[0].integer);
		if (!found)
			return true;
	}
	return false;
}

static int replay_one(struct world *copy, struct step *step, int *other)
{
	if (is_target_outdated(copy, step))
		return -EBUSY;
	int rc = replay(copy, step);
	/* It was judged before the copy has changed. */
	if (rc == -ENOENT || rc == -EEXIST || (step->kind == STEP_SAVE && !step->existed))
		return rc;
	if (!is_outdated(copy->root, step))
		return rc;
	*other = rc;
	return -EBUSY;
}

static int replay_all(struct world *copy, struct staging *g, int *other, struct step **at)
{
	int n = staging_size(g), rc = 0;

	copy->lenient = copy->late = n > 1;
	for (int i = 0; i < g->n && n > 1; i++)
		if (is_outdated(copy, *at = &g->steps[i]))
			return -EBUSY;
	for (int i = 0; i < g->n && rc == 0; i++) {
		*at = &g->steps[i];
		rc = n > 1 || (*at)->cancelled ? replay(copy, *at) : replay_one(copy, *at, other);
	}
	if (rc == 0 && n > 1 && dangles(copy)) {
		*at = NULL;
		*other = -EBUSY;
		return -EBADMSG;
	}
	return rc;
}

/* As answer.json tells it. */
static void tell(const struct staging *g, struct text *out)
{
	text_resize(out, 0);
	for (int i = 0; i < g->n; i++) {
		const struct step *step = &g->steps[i];
		bool moved = step->kind >= STEP_MOVE;
		int model = moved ? step->to_model : step->model;
		if (!step->cancelled)
			text_printf(out, "%s/%s %s\n", models[model].name,
				    name_of(model, moved ? step->to : step->key)->text, step->status);
	}
}

static void copy_records(struct world *to, const struct world *from)
{
	for (int m = 0; m < MODELS; m++)
		for (int k = 0; k < KEYS; k++) {
			struct row row = to->records[m][k].row;
			row_set(&row, &from->records[m][k].row);
			to->records[m][k] = from->records[m][k];
			to->records[m][k].row = row;
		}
	memcpy(to->topped, from->topped, sizeof(to->topped));
}

/* ---- a world as it was ---- */

struct snapshot {
	struct world world; /* its records */
	struct staging *staging;
};

static void copy_step(struct step *to, const struct step *from)
{
	*to = *from;
	to->base = to->target = to->current = (struct row){0};
	row_set(&to->base, &from->base);
	row_set(&to->target, &from->target);
	row_set(&to->current, &from->current);
	for (int i = 0; i < FIELDS_MAX; i++) {
		to->parts[i].value = (struct datum){0};
		datum_set(&to->parts[i].value, &from->parts[i].value);
	}
}

static struct staging *copy_staging(const struct staging *from)
{
	struct staging *g = malloc(sizeof(*g));

	if (!g)
		abort();
	*g = *from;
	g->room = from->n + 1;
	g->steps = calloc((size_t)g->room, sizeof(*g->steps));
	if (!g->steps)
		abort();
	for (int i = 0; i < from->n; i++)
		copy_step(&g->steps[i], &from->steps[i]);
	return g;
}

struct snapshot *world_keep(const struct world *w)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	copy_records(&s->world, w);
	s->staging = w->staging ? copy_staging(w->staging) : NULL;
	return s;
}

void world_settle(struct world *w, struct snapshot *s, bool restore)
{
	if (restore) {
		struct staging *now = w->staging;
		copy_records(w, &s->world);
		w->staging = s->staging;
		s->staging = now;
	}
	staging_free(s->staging);
	world_release(&s->world);
	free(s);
}

/* ---- the call ---- */

void expect_commit(struct world *w, const struct call *c, struct expected *x)
{
	struct world copy = {0};

	if (c->flags) { /* abort */
		staging_drop(w);
		return;
	}
	struct step *at = NULL;

	copy.root = w->root;
	copy_records(&copy, w->root);
	x->result = replay_all(&copy, w->staging, &x->other, &at);
	if (x->result < 0 && at)
		x->result = note_conflict(w, at, x->result);
	if (x->result == 0) {
		x->wants = WANTS_ANSWER;
		tell(w->staging, &x->bytes);
		copy_records(w->root, &copy);
		w->state = TXN_COMMITTED;
		staging_start(w);
	}
	world_release(&copy);
}
