/*
 * stage_stream.c - requests that come one by one, staged in a transaction that is being prepared: all of them or none.
 *
 * The rows are taken back by a savepoint around those of each request, the steps by what they were. Nobody sees some of
 * them: the stage's lock is held until the last one.
 */
#include <errno.h>

#include "../store/json.h"
#include "../store/phase.h"
#include "order.h"
#include "stage_parts.h"
#include "staged.h"

/* A document that can't be read is told when it is staged. */
static int find_key(struct request *r, struct arena *a, struct err *e)
{
	err_auto ignored = ERR_INIT;
	json_scope *document = NULL;
	if (r->key.kind != VALUE_NULL || json_read(r->text, r->len, &document, &ignored) < 0)
		return 0;
	stream_key(r->model, document, a, &r->key);
	return value_copy(a, &r->key, &r->key) < 0 ? err_nomem(e) : 0;
}

static int stage_one(struct stage *g, const struct actor *actor, struct request *r, struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct outcome outcome;
	int result = find_key(r, &a, e);
	if (result == 0)
		result = stage_request(g, actor, r, &outcome, &a, e);
	stage_tell_held(g);
	return result;
}

static int stage_all(struct stage *g, const struct actor *actor, save_next *next, void *data, bool *blamed,
		     struct err *e)
{
	struct request r;
	int result;
	while ((result = next(data, &r, e)) > 0) {
		*blamed = true;
		if (stage_one(g, actor, &r, e) < 0)
			return -e->code;
		*blamed = false;
	}
	return result;
}

/* Keys that were given to those before the one that is refused are free again. */
static void settle_keys(struct stage *g, bool keep)
{
	struct saving v = {.saver = g->saver, .staged = &g->staging};
	g->staging.many = false;
	staged_settle_keys(&v, keep);
}

static int stage_marked(struct stage *g, const struct actor *actor, save_next *next, void *data, bool *blamed,
			struct err *e)
{
	err_auto why = ERR_INIT;
	if (steps_mark(&g->steps, e) < 0 || stage_begin(g->conn, e) < 0) {
		steps_keep(&g->steps);
		return -e->code;
	}
	g->staging.many = true;
	int result = stage_all(g, actor, next, data, blamed, e);
	settle_keys(g, result == 0);
	(result == 0 ? steps_keep : steps_take_back)(&g->steps);
	if (stage_end(g->conn, result == 0, &why) < 0)
		return err_set(e, why.code, "%s", why.text);
	return result;
}

int stage_save_stream(struct stage *g, const struct actor *actor, save_next *next, void *data, bool *blamed,
		      struct err *e)
{
	*blamed = false;
	pthread_mutex_lock(&g->lock);
	int result = stage_may_change(g, e);
	if (result == 0)
		result = stage_connect(g, e);
	if (result == 0)
		result = stage_marked(g, actor, next, data, blamed, e);
	stage_settle(g);
	pthread_mutex_unlock(&g->lock);
	phase("staged");
	return result;
}
