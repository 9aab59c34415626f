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
		if (version_sum(&o->v, c, o->requests[i].checksum, o->outcomes[i].checksum, e) < 0)
			return -e->code;
		if (value_copy(o->outcomes_arena, change_key(c), &o->outcomes[i].key) < 0 ||
		    answer_find(&o->v, c, o->n == 1, &o->outcomes[i], o->outcomes_arena) < 0)
			return err_nomem(e);
	}
	return 0;
}

void order_report_answers(struct order *o, size_t n)
{
	size_t room = o->report ? o->report->room : 0;
	uid_t before = o->v.conn ? store_view_as(o->v.conn, o->v.actor->uid) : VIEW_ALL;
	for (size_t i = 0; o->report && i < n && o->results[i]; i++) {
		err_auto ignored = ERR_INIT;
		struct outcome outcome = {.verb = o->results[i]->verb};
		struct buf *answer = &o->report->answers[i];
		answer->limit = room ? room : 1;
		if (outcome.verb == VERB_DELETE || !o->v.conn ||
		    answer_find(&o->v, o->results[i], o->n == 1, &outcome, &o->v.arena) < 0 ||
		    answer_write(o->v.conn, o->results[i]->model, &outcome, answer, &ignored) < 0)
			buf_reset(answer);
		room -= answer->len < room ? answer->len : room;
	}
	if (o->v.conn)
		store_view_as(o->v.conn, before);
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
