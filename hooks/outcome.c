/*
 * outcome.c - what became of the requests of a save, while the transaction is there to be read.
 */
#include "answer.h"
#include "order.h"
#include "version.h"

int order_fill_outcomes(struct order *o, struct err *e)
{
	if (o->n > 1)
		answers_settle(&o->v);
	for (size_t i = 0; o->outcomes && i < o->n; i++) {
		const struct change *c = o->results[i];
		o->outcomes[i].verb = c->verb;
		o->outcomes[i].changed = c->changed;
		if (!o->report && version_sum(&o->v, c, o->requests[i].checksum, o->outcomes[i].checksum, e) < 0)
			return -e->code;
		if (value_copy(o->outcomes_arena, change_key(c), &o->outcomes[i].key) < 0 ||
		    answer_find(&o->v, c, o->n == 1, &o->outcomes[i], o->outcomes_arena) < 0)
			return err_nomem(e);
	}
	return 0;
}

static void report_answer(struct order *o, const struct change *c, struct buf *answers)
{
	err_auto ignored = ERR_INIT;
	struct outcome outcome = {.verb = c->verb};
	size_t start = answers->len;
	if (c->verb == VERB_DELETE)
		return;
	if (answer_find(&o->v, c, o->n == 1, &outcome, &o->v.arena) < 0 ||
	    answer_write(o->v.conn, c->model, &outcome, answers, &ignored) < 0)
		buf_take_back(answers, start);
}

void order_report_answers(struct order *o, size_t n)
{
	struct report *r = o->report;
	struct conn *conn = o->v.conn;
	if (!r)
		return;
	uid_t before = conn ? store_view_as(conn, o->v.actor->uid) : VIEW_ALL;
	buf_reset(&r->answers);
	r->answers.limit = r->room ? r->room : 1;
	for (size_t i = 0; i < o->n; i++) {
		if (conn && i < n && o->results[i])
			report_answer(o, o->results[i], &r->answers);
		r->ends[i] = r->answers.len;
	}
	if (conn)
		store_view_as(conn, before);
}

size_t order_failed_request(const struct order *o)
{
	const struct change *c = o->v.failing;
	size_t at = 0, i = 0;
	if (o->carried < o->n || !c)
		return o->carried;
	while (c->cause || c->parent)
		c = c->cause ? c->cause : c->parent;
	while (at < o->v.n && o->v.changes[at] != c)
		at++;
	while (i + 1 < o->n && o->starts[i + 1] <= at)
		i++;
	return i;
}
