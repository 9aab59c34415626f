/*
 * after_show.c - the programs of after_commit that wait, as people see and drop them: .after/ID.json, .info/status.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../store/json.h"
#include "after.h"

static struct timespec time_of(int64_t ms)
{
	return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

static json_t *json_time(int64_t ms)
{
	char text[32];
	if (!ms)
		return json_null();
	value_now(time_of(ms), text);
	return json_string(text);
}

static json_t *json_text(const char *text)
{
	json_t *json = text ? json_string(text) : json_null();
	return json ? json : json_string("a message that is no UTF-8");
}

static json_t *json_event(const char *text)
{
	json_t *json = NULL;
	json_read_value(text, strlen(text), JSON_ALLOW_NUL, &json);
	return json;
}

static json_t *json_of(const struct pending *p)
{
	return json_pack("{sI so so so sb sI so so so so}", "id", (json_int_t)p->id, "path", json_text(p->path), "run",
			 json_loads(p->hook, 0, NULL), "created", json_time(p->created_ms), "held", p->held, "attempts",
			 (json_int_t)p->attempts, "failed", json_time(p->message ? p->failed_ms : 0), "message",
			 json_text(p->message), "next_try", json_time(p->next_ms), "event", json_event(p->event));
}

int after_show(struct saver *s, int64_t id, struct buf *out, struct timespec *created, struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct pending p;
	struct conn *c = store_read_begin(s->store, e);
	if (!c)
		return -e->code;
	int result = store_pending_get(c, id, &a, &p, e);
	store_read_end(c);
	if (result < 0)
		return result;
	json_scope *json = json_of(&p);
	if (!json)
		return err_nomem(e);
	json_write(out, json, 0);
	buf_char(out, '\n');
	if (created)
		*created = time_of(p.created_ms);
	return buf_failed(out) ? err_nomem(e) : 0;
}

int after_following(struct saver *s, int64_t id, int64_t *next, struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct pending p;
	struct conn *c = store_read_begin(s->store, e);
	if (!c)
		return -e->code;
	int result = store_pending_following(c, id, &a, &p, e);
	store_read_end(c);
	*next = result > 0 ? p.id : 0;
	return result < 0 ? result : 0;
}

int after_drop(struct saver *s, int64_t id, struct err *e)
{
	struct txn t;
	int result = txn_begin(s->store, &t, e);
	if (result < 0)
		return result;
	result = txn_pending_remove(&t, id, e);
	if (result < 0)
		txn_rollback(&t);
	else
		result = txn_commit(&t, e);
	if (result == 0)
		after_wake(s->after); /* others may have waited for it */
	return result;
}

static void print_total(struct buf *out, const struct pending_total *total)
{
	char since[32];
	value_now(time_of(total->since_ms), since);
	buf_printf(out, "after_commit: %" PRId64 " %s", total->n, total->n == 1 ? "program waits" : "programs wait");
	if (total->n)
		buf_printf(out, ", since %s", since);
	if (total->held)
		buf_printf(out, ", %" PRId64 " of hooks that mount.conf does not have", total->held);
	buf_char(out, '\n');
}

static void print_failure(struct buf *out, const struct pending *p)
{
	char failed[32], next[32];
	value_now(time_of(p->failed_ms), failed);
	value_now(time_of(p->next_ms), next);
	buf_printf(out, "after_commit: last failure %s: %s: %s: %s; attempt %" PRId64 ", next %s\n", failed, p->path,
		   p->hook, p->message ? p->message : "", p->attempts, p->held ? "never" : next);
}

int after_print_status(struct saver *s, uid_t uid, bool all, struct buf *out, struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct pending_total total;
	struct pending failed;
	struct conn *c = store_read_begin(s->store, e);
	if (!c)
		return -e->code;
	int result = store_pending_total(c, &total, e);
	int any = result == 0 && total.n ? store_pending_last_failed(c, &a, &failed, e) : 0;
	store_read_end(c);
	if (result == 0 && total.kept)
		print_total(out, &total);
	if (any > 0 && (all || failed.uid == uid))
		print_failure(out, &failed);
	return any < 0 ? any : result;
}
