/*
 * settle.c - what others do to the records of a transaction, found when its commit is refused: a further change of the
 * record is one of what it is then.
 */
#include <errno.h>

#include "staging.h"

struct place {
	int model, key;
};

static const struct record *stored_at(struct world *w, bool target, const struct step *step)
{
	return &w->root->records[target ? step->to_model : step->model][target ? step->to : step->key];
}

static bool is_pair(const struct step *step)
{
	return step->kind == STEP_MOVE || step->kind == STEP_EXCHANGE;
}

/* ---- finding ---- */

static bool finds(struct world *w, struct step *step, bool target)
{
	const struct record *stored = stored_at(w, target, step);
	bool fresh = step->fresh && target == (step->kind == STEP_MOVE);

	if (target && !is_pair(step))
		return false;
	if (stored->there && fresh)
		step->conflict = MADE;
	else if (!stored->there && (target ? step->target_based : step->based))
		step->conflict = REMOVED;
	else
		return false;
	step->of_target = target;
	if (stored->there)
		row_set(&step->current, &stored->row);
	return true;
}

static struct place where(const struct step *step)
{
	bool pair = is_pair(step), target = step->conflict == MADE ? pair : pair && !step->of_target;

	return target ? (struct place){step->to_model, step->to} : (struct place){step->model, step->key};
}

static bool is_for(const struct step *step, struct place at)
{
	return !step->cancelled && ((step->model == at.model && step->key == at.key) ||
				    (is_pair(step) && step->to_model == at.model && step->to == at.key));
}

/* Of an exchange the other record still moves. */
static void halve(struct step *step)
{
	bool other = !step->of_target;
	int key = step->key;

	step->kind = STEP_MOVE;
	step->existed = false;
	step->fresh = true;
	step->conflict = NO_CONFLICT;
	if (other) {
		step->key = step->to;
		step->to = key;
		step->based = step->target_based;
		row_set(&step->base, &step->target);
	}
	step->target_based = false;
}

static void cancel(struct staging *g, int at, int end, struct place place)
{
	for (int i = at + 1; i < end; i++)
		if (is_for(&g->steps[i], place))
			g->steps[i].cancelled = true;
	if (g->steps[at].kind == STEP_EXCHANGE)
		halve(&g->steps[at]);
	else
		g->steps[at].cancelled = true;
}

/* What was changed here and then removed, and others have removed it meanwhile. */
static void drop_removed(struct staging *g, int at)
{
	struct step *step = &g->steps[at];
	struct place place = where(step);
	bool replaces = step->kind == STEP_MOVE && step->existed;
	int i = at + 1;

	while (i < g->n && !(is_for(&g->steps[i], place) && g->steps[i].kind != STEP_SAVE))
		i++;
	if (i == g->n || g->steps[i].kind != STEP_DELETE || step->kind == STEP_EXCHANGE)
		return;
	cancel(g, at, replaces ? i : i + 1, place);
	if (!replaces)
		return;
	g->steps[i].based = step->target_based;
	row_set(&g->steps[i].base, &step->target);
}

int note_conflict(struct world *w, struct step *step, int rc)
{
	if ((rc != -ENOENT && rc != -EEXIST) || !(finds(w, step, false) || finds(w, step, true)))
		return rc;
	if (step->conflict != REMOVED)
		return rc;
	drop_removed(w->staging, (int)(step - w->staging->steps));
	return -EBUSY;
}

bool staging_conflict(const struct world *w, int *model, int *key)
{
	for (int i = 0; w->staging && i < w->staging->n; i++) {
		const struct step *step = &w->staging->steps[i];
		struct place place = where(step);
		if (step->cancelled || step->conflict == NO_CONFLICT)
			continue;
		*model = place.model;
		*key = place.key;
		return true;
	}
	return false;
}

/* ---- settling ---- */

void renew(struct staging *g, int model, int key)
{
	for (int i = 0; i < g->n; i++) {
		struct step *step = &g->steps[i];
		int of_model = step->of_target ? step->to_model : step->model;
		int of_key = step->of_target ? step->to : step->key;
		if (step->conflict != CHANGED || of_model != model || of_key != key)
			continue;
		row_set(step->of_target ? &step->target : &step->base, &step->current);
		step->conflict = NO_CONFLICT;
	}
}

static bool is_left_there(const struct staging *g, int at, struct place place)
{
	for (int i = at + 1; i < g->n; i++)
		if (is_for(&g->steps[i], place) && g->steps[i].kind != STEP_SAVE)
			return false;
	return true;
}

static void take_over(struct step *step)
{
	bool moves = step->kind == STEP_MOVE;

	*(moves ? &step->target_based : &step->based) = true;
	row_set(moves ? &step->target : &step->base, &step->current);
	step->existed = true;
	step->fresh = false;
	step->conflict = NO_CONFLICT;
	step->save = PUT;
}

/* A step that is for a row of its own. */
static struct step *add_based(struct world *w, int kind, struct place at, bool based, const struct row *base)
{
	struct step *step = add_step(w, kind, at.model, at.key);
	struct row copy = {0};

	row_set(&copy, base);
	step->based = based;
	row_set(&step->base, &copy);
	row_clear(&copy);
	return step;
}

static void make_anew(struct world *w, int at, struct place place, const struct row *row)
{
	struct staging *g = w->staging;
	int n = g->n;
	bool replaces = g->steps[at].kind == STEP_MOVE && g->steps[at].existed;
	bool based = replaces && g->steps[at].target_based;
	struct row base = {0};

	row_set(&base, &g->steps[at].target);
	struct step *step = add_based(w, STEP_SAVE, place, based, &base);
	row_clear(&base);
	step->save = PUT;
	step->existed = replaces;
	step->fresh = !replaces;
	set_parts(step, place.model, row);
	cancel(g, at, n, place);
}

static void take_back(struct world *w, int at, struct place place)
{
	struct staging *g = w->staging;
	const struct step *step = &g->steps[at];
	bool moves = step->kind == STEP_MOVE, made = step->conflict == MADE;
	bool replaces = moves && !made && step->existed;
	bool based = replaces ? step->target_based : step->based;
	struct place gone = replaces ? place : (struct place){step->model, step->key};
	struct row base = {0};

	row_set(&base, replaces ? &step->target : &step->base);
	cancel(g, at, g->n, place);
	if (replaces || (moves && made))
		add_based(w, STEP_DELETE, gone, based, &base);
	row_clear(&base);
}

bool settle(struct world *w, int model, int key, const struct row *row)
{
	struct staging *g = w->staging;

	for (int i = 0; i < g->n; i++) {
		struct step *step = &g->steps[i];
		struct place place = where(step);
		if (step->cancelled || step->conflict < REMOVED || place.model != model || place.key != key ||
		    !is_left_there(g, i, place))
			continue;
		if (row && step->conflict == MADE) {
			take_over(step);
			return false;
		}
		if (row)
			make_anew(w, i, place, row);
		else
			take_back(w, i, place);
		return true;
	}
	return false;
}
