/*
 * staging.c - section 7 of the contract: transactions that are prepared as directories, and their one save.
 *
 * The inside of a transaction is a world of its own in which the calls do what they do everywhere. What is changed in
 * it is noted as steps, and its row shows; of all other records it shows what is stored. The commit takes the steps in
 * their order to a copy of the mount's records: either all of them succeed and the copy is the mount, or nothing has
 * changed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "staging.h"

static void release_step(struct step *step)
{
	row_clear(&step->base);
	row_clear(&step->target);
	row_clear(&step->current);
	for (int i = 0; i < FIELDS_MAX; i++)
		free(step->parts[i].value.string);
}

void staging_free(struct staging *g)
{
	for (int i = 0; g && i < g->n; i++)
		release_step(&g->steps[i]);
	if (g)
		free(g->steps);
	free(g);
}

static void release_staging(struct world *w)
{
	staging_free(w->staging);
	w->staging = NULL;
}

/* ---- steps ---- */

struct step *last_step(struct staging *g, int model, int key)
{
	struct step *step = g->last[model][key] ? &g->steps[g->last[model][key] - 1] : NULL;

	return step && !step->cancelled ? step : NULL;
}

struct step *add_step(struct world *w, int kind, int model, int key)
{
	struct staging *g = w->staging;
	const struct record *stored = &world_root(w)->records[model][key];
	bool first = !last_step(g, model, key);

	if (g->n == g->room) {
		g->room = g->room ? 2 * g->room : 32;
		g->steps = realloc(g->steps, (size_t)g->room * sizeof(*g->steps));
		if (!g->steps)
			abort();
	}
	struct step *step = &g->steps[g->n++];
	*step = (struct step){.kind = kind, .model = model, .key = key, .existed = w->records[model][key].there};
	g->last[model][key] = g->n;
	step->based = first && stored->there;
	step->fresh = kind == STEP_SAVE && first && !step->existed;
	if (step->based)
		row_set(&step->base, &stored->row);
	return step;
}

void set_parts(struct step *step, int model, const struct row *row)
{
	for (size_t i = 0; i < models[model].nfields; i++) {
		step->parts[i].given = true;
		datum_set(&step->parts[i].value, &row->values[i]);
	}
}

static void set_part(struct part *part, const struct field *f, const json_t *json)
{
	struct datum value = {0};

	if (f->type == INTEGER && json_is_integer(json))
		value = (struct datum){INTEGER, json_integer_value(json), NULL};
	else if (json_is_string(json))
		value = (struct datum){STRING, 0, (char *)json_string_value(json)};
	part->given = true;
	datum_set(&part->value, &value);
}

/* It must not come before other steps: they may have freed a unique value, or moved what is referred to. */
static bool is_tied(struct world *w, int model, int key, const struct row *row)
{
	const struct record *r = &w->records[model][key];

	for (size_t i = 0; i < models[model].nfields; i++)
		if ((models[model].fields[i].unique || models[model].fields[i].references) &&
		    !datum_equal(&r->row.values[i], &row->values[i]))
			return w->staging->last[model][key] != w->staging->n;
	return false;
}

void staging_save(struct world *w, int model, int key, enum save_kind kind, const json_t *document,
		  const struct row *row)
{
	if (settle(w, model, key, row))
		return;
	renew(w->staging, model, key);
	if (w->records[model][key].there && row_equal(&w->records[model][key].row, row))
		return;
	struct step *step = last_step(w->staging, model, key);
	bool further = step && step->kind == STEP_SAVE && w->records[model][key].there && !is_tied(w, model, key, row);

	if (!further) {
		step = add_step(w, STEP_SAVE, model, key);
		step->save = kind;
	}
	if (kind == PUT)
		step->save = PUT;
	for (size_t i = 0; i < models[model].nfields; i++) {
		const json_t *json = json_object_get(document, models[model].fields[i].name);
		if (kind == PUT)
			step->parts[i].given = false;
		if (json)
			set_part(&step->parts[i], &models[model].fields[i], json);
	}
}

static bool is_referred_to(int model)
{
	return models[model].child;
}

bool staging_delete(struct world *w, int model, int key)
{
	if (settle(w, model, key, NULL))
		return !last_step(w->staging, model, key);
	renew(w->staging, model, key);
	struct step *last = last_step(w->staging, model, key);
	if (last && last->kind == STEP_SAVE && !last->existed && !is_referred_to(model))
		last->cancelled = true;
	else
		add_step(w, STEP_DELETE, model, key);
	return false;
}

static struct step *add_two(struct world *w, int kind, int model, int from, int to_model, int to)
{
	const struct record *stored = &world_root(w)->records[to_model][to];
	bool first = !last_step(w->staging, to_model, to);
	struct step *step = add_step(w, kind, model, from);

	step->to_model = to_model;
	step->to = to;
	step->existed = w->records[to_model][to].there;
	step->fresh = kind == STEP_MOVE && first && !step->existed;
	step->target_based = first && stored->there;
	if (step->target_based)
		row_set(&step->target, &stored->row);
	w->staging->last[to_model][to] = w->staging->n;
	return step;
}

void staging_move(struct world *w, int model, int from, int to_model, int to)
{
	renew(w->staging, model, from);
	add_two(w, STEP_MOVE, model, from, to_model, to);
}

void staging_exchange(struct world *w, int model, int a, int b)
{
	renew(w->staging, model, b);
	renew(w->staging, model, a);
	add_two(w, STEP_EXCHANGE, model, a, model, b);
}

void staging_mark(struct world *w, int model, int key)
{
	w->staging->staged[model][key] = true;
}

void staging_unmark(struct world *w, int model, int key)
{
	w->staging->staged[model][key] = false;
	w->staging->seen[model][key] = -1;
	w->records[model][key].ino = 0;
}

int staging_size(const struct staging *g)
{
	int n = 0;

	for (int i = 0; i < g->n; i++)
		n += !g->steps[i].cancelled;
	return n;
}

bool staging_some(const struct world *w, int which, int *model, int *key)
{
	if (!w->staging || w->staging->n == 0)
		return false;
	const struct step *step = &w->staging->steps[which % w->staging->n];
	bool target = step->kind >= STEP_MOVE && which % 2;
	*model = target ? step->to_model : step->model;
	*key = target ? step->to : step->key;
	return true;
}

/* ---- what the inside shows ---- */

static void refresh_record(struct world *w, int model, int key)
{
	const struct record *stored = &w->root->records[model][key];
	struct record *r = &w->records[model][key];

	if (w->staging->seen[model][key] == stored->changes)
		return;
	w->staging->seen[model][key] = stored->changes;
	if (r->born != stored->born)
		r->ino = 0;
	r->there = stored->there;
	r->born = stored->born;
	r->mtime = 0;
	row_set(&r->row, &stored->row);
}

void staging_refresh(struct world *root)
{
	for (int t = 0; t < TXNS; t++)
		for (int m = 0; m < MODELS && root->txns[t]->staging; m++)
			for (int k = 0; k < KEYS; k++)
				if (!root->txns[t]->staging->staged[m][k])
					refresh_record(root->txns[t], m, k);
}

/* From here on it shows what is stored. */
void staging_start(struct world *w)
{
	release_staging(w);
	w->staging = calloc(1, sizeof(*w->staging));
	if (!w->staging)
		abort();
	for (int m = 0; m < MODELS; m++)
		for (int k = 0; k < KEYS; k++) {
			w->staging->seen[m][k] = -1;
			w->records[m][k].ino = 0;
		}
}

void staging_drop(struct world *w)
{
	release_staging(w);
	w->state = TXN_NONE;
	for (int m = 0; m < MODELS; m++)
		for (int n = 0; n < NAMES; n++)
			if (w->scratches[m][n])
				scratch_take_name(w, m, n);
}

/* ---- the other calls ---- */

void expect_make(struct world *w, const struct call *c, struct expected *x)
{
	(void)c;
	x->skip = w->state != TXN_NONE;
	for (int i = 0; i < SLOTS; i++)
		x->skip = x->skip || w->slots[i];
	if (x->skip)
		return;
	w->state = TXN_OPEN; /* refusals are remembered by name: by that of the one before, too */
	staging_start(w);
}

void expect_drop(struct world *w, const struct call *c, struct expected *x)
{
	(void)c, (void)x;
	staging_drop(w);
}

void expect_state(struct world *w, const struct call *c, struct expected *x)
{
	(void)c;
	text_printf(&x->bytes, "%s %d\n", w->state == TXN_OPEN ? "open" : "committed", staging_size(w->staging));
	x->wants = WANTS_BYTES;
	x->result = (int)x->bytes.len;
}

/* Which key it is, is looked at when it is known. */
void expect_reserve(struct world *w, const struct call *c, struct expected *x)
{
	x->skip = models[c->model].key.type != INTEGER;
	for (int t = 0; t <= TXNS; t++)
		x->any = x->any || world_in(world_root(w), t)->topped[c->model];
	x->wants = WANTS_KEY;
	x->model = c->model;
}
