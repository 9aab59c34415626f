/*
 * stage_stream.c - requests that come one by one, staged in a transaction that is being prepared: all of them or none.
 *
 * Nobody sees some of them: the stage's lock is held until the last one.
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
	err_auto wrong = ERR_INIT;
	json_scope *document = NULL;
	if (r->key.kind != VALUE_NULL)
		return 0;
	int result = json_read(r->text, r->len, &document, &wrong);
	if (result < 0)
		return result == -ENOMEM ? err_nomem(e) : 0;
	if (stream_key(r->model, document, a, &r->key, e) < 0)
		return -e->code;
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

int stage_save_stream(struct stage *g, const struct actor *actor, save_next *next, void *data, bool *blamed,
		      struct err *e)
{
	*blamed = false;
	pthread_mutex_lock(&g->lock);
	int result = stage_change_begin(g, true, e);
	if (result == 0)
		result = stage_change_end(g, stage_all(g, actor, next, data, blamed, e), e);
	stage_settle(g);
	pthread_mutex_unlock(&g->lock);
	phase("staged");
	return result;
}
