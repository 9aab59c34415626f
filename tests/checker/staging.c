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

#include "checker.h"

struct part {
	bool given;
	struct datum value;
};

/* A change of one record; several documents for it one after the other are one step. */
struct step {
	enum { STEP_SAVE, STEP_DELETE, STEP_MOVE } kind;
	int model, key, to_model, to;
	bool existed, cancelled; /* existed: what is saved, or what a move replaces, inside and before */
	bool based;              /* base is what was stored when it was made */
	struct row base;
	bool target_based; /* of a move: so was target */
	struct row target;
	bool has_current; /* what was stored when it was refused for having changed */
	struct row current;
	enum save_kind save;
	struct part parts[FIELDS_MAX];
	const char *status;
};

struct staging {
	bool staged[MODELS][KEYS];
	int seen[MODELS][KEYS]; /* changes of the stored record that the inside shows */
	int last[MODELS][KEYS]; /* the last step of the record, counted from 1 */
	struct step *steps;
	int n, room;
};

static void release_step(struct step *step)
{
	row_clear(&step->base);
	row_clear(&step->target);
	row_clear(&step->current);
	for (int i = 0; i < FIELDS_MAX; i++)
		free(step->parts[i].value.string);
}

static void release_staging(struct world *w)
{
	for (int i = 0; w->staging && i < w->staging->n; i++)
		release_step(&w->staging->steps[i]);
	if (w->staging)
		free(w->staging->steps);
	free(w->staging);
	w->staging = NULL;
}

/* ---- steps ---- */

static struct step *last_step(struct staging *g, int model, int key)
{
	struct step *step = g->last[model][key] ? &g->steps[g->last[model][key] - 1] : NULL;

	return step && !step->cancelled ? step : NULL;
}

static struct step *add_step(struct world *w, int kind, int model, int key)
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
	if (step->based)
		row_set(&step->base, &stored->row);
	return step;
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

void staging_save(struct world *w, int model, int key, enum save_kind kind, const json_t *document)
{
	struct step *step = last_step(w->staging, model, key);
	bool further = step && step->kind == STEP_SAVE && w->records[model][key].there;

	if (!further) {
		step = add_step(w, STEP_SAVE, model, key);
		step->save = kind;
	}
	if (kind == PUT)
		step->save = PUT;
	if (further && step->has_current) {
		row_set(&step->base, &step->current);
		step->based = true;
		step->has_current = false;
	}
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

void staging_delete(struct world *w, int model, int key)
{
	struct step *last = last_step(w->staging, model, key);

	if (last && last->kind == STEP_SAVE && !last->existed && !is_referred_to(model))
		last->cancelled = true;
	else
		add_step(w, STEP_DELETE, model, key);
}

void staging_move(struct world *w, int model, int from, int to_model, int to, bool replace)
{
	const struct record *stored = &world_root(w)->records[to_model][to];
	bool first = !last_step(w->staging, to_model, to);
	struct step *step = add_step(w, STEP_MOVE, model, from);

	(void)replace;
	step->to_model = to_model;
	step->to = to;
	step->existed = w->records[to_model][to].there;
	step->target_based = first && stored->there;
	if (step->target_based)
		row_set(&step->target, &stored->row);
	w->staging->last[to_model][to] = w->staging->n;
}

void staging_mark(struct world *w, int model, int key)
{
	w->staging->staged[model][key] = true;
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
static void start(struct world *w)
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

/* ---- the commit ---- */

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

	if (there != step->existed)
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
	if (!w->records[step->model][step->key].there || (step->existed && !w->records[step->to_model][step->to].there))
		return -ENOENT;
	return save_move(w, step->model, step->key, step->to_model, step->to, step->existed);
}

static int replay_delete(struct world *w, struct step *step)
{
	step->status = "deleted";
	return save_delete(w, step->model, step->key);
}

static int replay(struct world *w, struct step *step)
{
	static int (*const kinds[])(struct world *, struct step *) = {
	    [STEP_SAVE] = replay_save, [STEP_DELETE] = replay_delete, [STEP_MOVE] = replay_move};

	return step->cancelled ? 0 : kinds[step->kind](w, step);
}

/* Whether somebody has changed what the step is for. */
static bool is_outdated(struct world *w, struct step *step)
{
	const struct record *r = &w->records[step->model][step->key];

	const struct record *target = &w->records[step->to_model][step->to];

	if (!step->cancelled && step->target_based && target->there && !row_equal(&target->row, &step->target))
		return true;
	if (step->cancelled || !step->based || !r->there || row_equal(&r->row, &step->base))
		return false;
	step->has_current = true;
	row_set(&step->current, &r->row);
	return true;
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

static int size_of(const struct staging *g)
{
	int n = 0;

	for (int i = 0; i < g->n; i++)
		n += !g->steps[i].cancelled;
	return n;
}

static int replay_all(struct world *copy, struct staging *g, int *other)
{
	int n = size_of(g), rc = 0;

	copy->lenient = copy->late = n > 1;
	for (int i = 0; i < g->n; i++) {
		struct step *step = &g->steps[i];
		if (n == 1 && step->kind == STEP_SAVE && !step->existed)
			continue; /* a record that is there already says so itself */
		if (!is_outdated(copy, step))
			continue;
		*other = n == 1 ? replay(copy, step) : 0;
		return -EBUSY;
	}
	for (int i = 0; i < g->n && rc == 0; i++)
		rc = replay(copy, &g->steps[i]);
	if (rc == 0 && n > 1 && dangles(copy)) {
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
		bool moved = step->kind == STEP_MOVE;
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

void expect_commit(struct world *w, const struct call *c, struct expected *x)
{
	struct world copy = {0};

	if (c->flags) { /* abort */
		staging_drop(w);
		return;
	}
	copy_records(&copy, w->root);
	x->result = replay_all(&copy, w->staging, &x->other);
	if (x->result == 0) {
		x->wants = WANTS_ANSWER;
		tell(w->staging, &x->bytes);
		copy_records(w->root, &copy);
		w->state = TXN_COMMITTED;
		start(w);
	}
	world_release(&copy);
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
	start(w);
}

void expect_drop(struct world *w, const struct call *c, struct expected *x)
{
	(void)c, (void)x;
	staging_drop(w);
}

void expect_state(struct world *w, const struct call *c, struct expected *x)
{
	(void)c;
	text_printf(&x->bytes, "%s %d\n", w->state == TXN_OPEN ? "open" : "committed", size_of(w->staging));
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
