/*
 * stage_conflict.c - what others do to records that a transaction changes, before it is committed.
 *
 * It is found when a commit is refused for it, and noted at the step. A further request for the record is then one for
 * what the record is now: a change of one that was removed makes it anew, as the transaction shows it; a record that
 * others have made is replaced. To remove the name takes back what was staged there: of what others have made nothing
 * goes by that. A name that was moved on since is not settled, and the next commit is refused again.
 */
#include <errno.h>
#include <string.h>

#include "../store/json.h"
#include "stage_parts.h"

/* One of the two records that a step is for. */
struct side {
	const struct model *model;
	const struct value *key;
	const char *checksum; /* that it had; "": none */
	bool fresh;           /* it was not there */
};

static const struct model *target_model(const struct step *step)
{
	return step->new_model ? step->new_model : step->model;
}

/* What RESTORE takes is no record. */
static struct side side_of(const struct step *step, bool target)
{
	bool single = step->kind <= REQUEST_DELETE, restores = step->kind == REQUEST_RESTORE;
	struct side none = {NULL, NULL, "", false};
	if (!target)
		return restores ? none : (struct side){step->model, &step->key, step->checksum, single && step->fresh};
	return single ? none
		      : (struct side){target_model(step), &step->new_key, restores ? step->checksum : step->target,
				      step->fresh};
}

/* ---- finding ---- */

static enum conflict conflict_of(struct conn *c, const struct step *step, bool target, char current[CHECKSUM_SIZE])
{
	err_auto ignored = ERR_INIT;
	struct side s = side_of(step, target);
	int result = s.model ? store_checksum(c, s.model, s.key, current, &ignored) : 0;
	if (!s.model)
		return NO_CONFLICT;
	if (result == 0 && s.fresh)
		return CONFLICT_MADE;
	return result == -ENOENT && *s.checksum ? CONFLICT_REMOVED : NO_CONFLICT;
}

static void say_removed(const struct step *step, struct err *why)
{
	arena_auto a = ARENA_INIT;
	struct side lost = side_of(step, step->of_target), shown = side_of(step, !step->of_target);
	const char *path = record_path(&a, lost.model, lost.key);
	err_release(why);
	if (shown.model)
		err_set(why, EBUSY,
			"%s, which is %s here, has been removed since; write that again to make it anew, "
			"or remove it",
			path, record_path(&a, shown.model, shown.key));
	else
		err_set(why, EBUSY,
			"%s has been removed since it was changed here; write it again to make it anew, or "
			"remove it",
			path);
}

void stage_note_conflict(struct stage *g, const struct actor *actor, struct step *step, struct err *why)
{
	if (*why->current) {
		step->conflict = CONFLICT_CHANGED;
		memcpy(step->current, why->current, sizeof step->current);
		step->of_target =
		    strcmp(why->supplied, step->target) == 0 && strcmp(why->supplied, step->checksum) != 0;
		return;
	}
	err_auto ignored = ERR_INIT;
	struct conn *c =
	    why->code == ENOENT || why->code == EEXIST ? store_read_as(g->saver->store, actor->uid, &ignored) : NULL;
	if (!c)
		return;
	step->conflict = conflict_of(c, step, step->of_target = false, step->current);
	if (step->conflict == NO_CONFLICT)
		step->conflict = conflict_of(c, step, step->of_target = true, step->current);
	store_read_end(c);
	if (step->conflict == CONFLICT_REMOVED)
		say_removed(step, why);
}

/* ---- settling ---- */

/* Where in the transaction that stands which has no record any more, or that which others have a record for. */
static struct side where(const struct step *step)
{
	bool moves = step->kind > REQUEST_DELETE;
	if (step->conflict == CONFLICT_MADE)
		return side_of(step, moves);
	return side_of(step, moves && !step->of_target);
}

static bool is_at(const struct model *m, const struct value *key, const struct side *s)
{
	return s->model == m && value_equal(key, s->key);
}

static bool is_for(const struct step *step, const struct side *s)
{
	return is_at(step->model, &step->key, s) ||
	       (step->kind > REQUEST_DELETE && is_at(target_model(step), &step->new_key, s));
}

/* Nothing but documents for the record came since. */
static bool is_left_there(const struct steps *steps, size_t at, const struct side *s)
{
	for (size_t i = at + 1; i < steps->n; i++)
		if (!steps->of[i]->cancelled && is_for(steps->of[i], s) && steps->of[i]->kind > REQUEST_MERGE)
			return false;
	return true;
}

/* A record that goes with the model's, or loses it, by a step: that would be about what others have made. */
static bool has_followers(const struct stage *g, const struct model *m)
{
	struct reference_iter at = {0, 0};
	const struct model *child;
	const struct field *by;
	while ((by = schema_next_reference(g->saver->schema, m, &at, &child)))
		for (size_t i = 0; i < g->steps.n; i++)
			if (!g->steps.of[i]->cancelled && target_model(g->steps.of[i]) == child &&
			    (child->embedded || by->on_delete != DELETE_RESTRICT))
				return true;
	return false;
}

/* The step, and what is for the record behind it up to `end`. An exchange still moves the other record. */
static int cancel(struct steps *steps, size_t at, size_t end, const struct side *s, struct err *e)
{
	struct step *step = steps->of[at];
	for (size_t i = at + 1; i < end; i++)
		if (!steps->of[i]->cancelled && is_for(steps->of[i], s) && steps_cancel(steps, steps->of[i], e) < 0)
			return -e->code;
	return step->kind == REQUEST_EXCHANGE ? steps_halve(steps, step, !step->of_target, e)
					      : steps_cancel(steps, step, e);
}

/* Where it is removed later, and only changed until then; 0: it is not. */
static size_t removal(const struct steps *steps, size_t at, const struct side *s)
{
	for (size_t i = at + 1; i < steps->n; i++)
		if (!steps->of[i]->cancelled && is_for(steps->of[i], s) && steps->of[i]->kind > REQUEST_MERGE)
			return steps->of[i]->kind == REQUEST_DELETE ? i : 0;
	return 0;
}

void stage_drop_removed(struct stage *g, const struct step *step)
{
	err_auto ignored = ERR_INIT;
	size_t at = 0;
	while (at < g->steps.n && g->steps.of[at] != step)
		at++;
	if (at == g->steps.n || step->conflict != CONFLICT_REMOVED || step->kind == REQUEST_EXCHANGE)
		return;
	struct side s = where(step);
	size_t gone = removal(&g->steps, at, &s);
	bool replaces = step->kind == REQUEST_MOVE && step->expect == EXPECT_RECORD;
	if (gone && cancel(&g->steps, at, replaces ? gone : gone + 1, &s, &ignored) == 0 && replaces)
		memcpy(g->steps.of[gone]->checksum, step->target, sizeof step->target);
}

/* All that the transaction shows of the record, with what no file shows as far as it was written here. */
static int whole_text(struct stage *g, const struct side *s, const struct request *r, json_t *document,
		      struct buf *text, struct err *e)
{
	struct step *last = steps_find(&g->steps, s->model, s->key);
	buf_auto shown = BUF_INIT;
	json_scope *json = NULL;
	if (last && last->text && (last->kind == REQUEST_PUT || r->kind == REQUEST_PUT))
		return stage_compose(last, r, document, text, e);
	if (r->kind == REQUEST_PUT)
		return stage_print(document, text, e);
	if (store_show(g->conn, s->model, s->key, &shown, NULL, e) < 0 ||
	    json_read(buf_text(&shown), shown.len, &json, e) < 0)
		return -e->code;
	return stage_print(json, text, e);
}

static int make_anew(struct stage *g, size_t at, const struct side *s, const struct request *r, json_t *document,
		     bool *done, struct err *e)
{
	struct step *step = g->steps.of[at];
	bool replaces = step->kind == REQUEST_MOVE && step->expect == EXPECT_RECORD;
	buf_auto text = BUF_INIT;
	if (whole_text(g, s, r, document, &text, e) < 0)
		return -e->code;
	struct request put = {.kind = REQUEST_PUT,
			      .model = s->model,
			      .key = *s->key,
			      .expect = replaces ? EXPECT_RECORD : EXPECT_NONE,
			      .checksum = replaces && *step->target ? step->target : NULL,
			      .text = buf_text(&text),
			      .len = text.len};
	size_t n = g->steps.n;
	*done = true;
	if (steps_add(&g->steps, &put, e) < 0)
		return -e->code;
	g->steps.of[n]->fresh = !replaces;
	return cancel(&g->steps, at, n, s, e);
}

static int take_over(struct steps *steps, struct step *step, struct err *e)
{
	if (steps_remember(steps, step, e) < 0)
		return -e->code;
	memcpy(step->kind == REQUEST_MOVE ? step->target : step->checksum, step->current, sizeof step->current);
	step->expect = EXPECT_RECORD;
	step->fresh = false;
	step->conflict = NO_CONFLICT;
	if (step->kind == REQUEST_MERGE)
		step->kind = REQUEST_PUT;
	return 0;
}

/* What a move has left behind still goes; so does what it was to replace, where its own source is gone. */
static int take_back(struct stage *g, size_t at, const struct side *s, bool *done, struct err *e)
{
	struct step *step = g->steps.of[at];
	bool moves = step->kind == REQUEST_MOVE, made = step->conflict == CONFLICT_MADE;
	bool replaces = moves && !made && step->expect == EXPECT_RECORD;
	struct request gone = {.kind = REQUEST_DELETE,
			       .model = replaces ? s->model : step->model,
			       .key = replaces ? *s->key : step->key,
			       .expect = EXPECT_RECORD,
			       .checksum = replaces ? step->target : step->checksum};
	*done = true;
	if (!replaces &&
	    (stage_forget(g->conn, s->model, s->key, e) < 0 || stage_undelete(g->conn, s->model, s->key, e) < 0))
		return -e->code;
	if (cancel(&g->steps, at, g->steps.n, s, e) < 0)
		return -e->code;
	return replaces || (moves && made) ? steps_add(&g->steps, &gone, e) : 0;
}

static int settle(struct stage *g, size_t at, const struct side *s, const struct request *r, json_t *document,
		  bool *done, struct err *e)
{
	if (r->kind == REQUEST_DELETE)
		return has_followers(g, s->model) ? 0 : take_back(g, at, s, done, e);
	if (g->steps.of[at]->conflict == CONFLICT_MADE)
		return take_over(&g->steps, g->steps.of[at], e);
	return make_anew(g, at, s, r, document, done, e);
}

int stage_settle_conflicts(struct stage *g, const struct request *r, const struct value *key, json_t *document,
			   bool *done, struct err *e)
{
	for (size_t i = 0; i < g->steps.n && r->kind <= REQUEST_DELETE; i++) {
		const struct step *step = g->steps.of[i];
		if (step->cancelled || step->conflict < CONFLICT_REMOVED)
			continue;
		struct side s = where(step);
		if (s.model && is_at(r->model, key, &s) && is_left_there(&g->steps, i, &s))
			return settle(g, i, &s, r, document, done, e);
	}
	return 0;
}
