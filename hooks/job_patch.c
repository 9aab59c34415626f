/*
 * job_patch.c - merge patches of jobs: their members, how they are saved, and those that are about a job nobody runs.
 */
#include "job_patch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "job_state.h"

/* ---- a patch ---- */

static void add_member(struct buf *b, const struct model *queue, enum queue_field field, const char *json)
{
	const char *name = queue->queue->fields[field]->name;
	buf_char(b, b->len ? ',' : '{');
	json_write_string(b, name, strlen(name));
	buf_char(b, ':');
	buf_str(b, json);
}

void patch_text(struct buf *b, const struct model *queue, enum queue_field field, const char *text)
{
	buf_auto quoted = BUF_INIT;
	json_write_string(&quoted, text, strlen(text));
	add_member(b, queue, field, buf_text(&quoted));
	b->failed |= buf_failed(&quoted);
}

void patch_time(struct buf *b, const struct model *queue, enum queue_field field, long long ms)
{
	arena_auto arena = ARENA_INIT;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	struct value time = job_time(&arena, now, ms);
	b->failed |= time.kind != VALUE_TEXT;
	patch_text(b, queue, field, time.kind == VALUE_TEXT ? time.text.data : "");
}

void patch_integer(struct buf *b, const struct model *queue, enum queue_field field, int64_t integer)
{
	char digits[24];
	snprintf(digits, sizeof digits, "%lld", (long long)integer);
	add_member(b, queue, field, digits);
}

struct request patch_request(const struct model *queue, const struct value *key, struct buf *patch, int64_t attempt)
{
	buf_char(patch, '}');
	return (struct request){
	    .kind = REQUEST_MERGE,
	    .model = queue,
	    .key = *key,
	    .expect = EXPECT_RECORD,
	    .text = patch->data,
	    .len = patch->len,
	    .trusted = true,
	    .runner = true,
	    .attempt = attempt,
	};
}

int patch_save(struct saver *s, const struct actor *actor, const struct request *requests, size_t n, struct err *e)
{
	arena_auto arena = ARENA_INIT;
	for (size_t i = 0; i < n; i++)
		if (!requests[i].text || requests[i].text[requests[i].len - 1] != '}')
			return err_nomem(e);
	return save(s, actor, requests, n, NULL, &arena, e);
}

/* With hooks, and without them where they refuse. */
int patch_save_anyway(struct saver *s, const struct actor *actor, struct request *r, struct err *e)
{
	err_auto why = ERR_INIT;
	if (patch_save(s, actor, r, 1, &why) == 0)
		return 0;
	if (why.code == EBUSY || why.code == ENOENT)
		return err_set(e, why.code, "%s", why.text);
	r->quiet = true;
	return patch_save(s, actor, r, 1, e);
}

static const struct value *row_value(const struct model *queue, const struct value *row, enum queue_field field)
{
	return &row[queue->queue->fields[field]->index];
}

int job_row(struct saver *s, const struct model *queue, const struct value *key, struct arena *a, struct value **row,
	    struct err *e)
{
	*row = arena_alloc(a, queue->nfields * sizeof **row);
	struct conn *c = *row ? store_read_begin(s->store, e) : NULL;
	if (!c)
		return *row ? -e->code : err_nomem(e);
	int result = store_get(c, queue, key, a, *row, NULL, e);
	store_read_end(c);
	return result;
}

int64_t job_integer(const struct model *queue, const struct value *row, enum queue_field field)
{
	const struct value *v = row_value(queue, row, field);
	return v->kind == VALUE_INTEGER ? v->integer : 0;
}

/* ---- errors ---- */

/* The message is cut, but not within a character, and is UTF-8 whatever the program wrote. */
static json_t *error_entry(int64_t attempt, const char *message)
{
	char now[32];
	struct timespec ts;
	size_t len = strlen(message);
	json_t *entry = NULL;
	clock_gettime(CLOCK_REALTIME, &ts);
	value_now(ts, now);
	len = len > LIMIT_JOB_MESSAGE ? LIMIT_JOB_MESSAGE : len;
	for (int cut = 0; cut < 4 && !entry && len >= (size_t)cut; cut++)
		entry = json_pack("{ss sI ss%}", "time", now, "attempt", (json_int_t)attempt, "message", message,
				  len - (size_t)cut);
	if (entry)
		return entry;
	return json_pack("{ss sI ss}", "time", now, "attempt", (json_int_t)attempt, "message",
			 "the program failed with a message that is no UTF-8");
}

/* The entries so far, as many as are kept, and one more. */
void patch_error(struct buf *patch, const struct model *queue, const struct value *row, const char *message)
{
	buf_auto text = BUF_INIT;
	const struct value *before = row_value(queue, row, QUEUE_ERRORS);
	json_scope *list = before->kind == VALUE_TEXT ? json_loads(before->text.data, JSON_ALLOW_NUL, NULL) : NULL;
	if (!json_is_array(list)) {
		json_decref(list);
		list = json_array();
	}
	while (json_array_size(list) >= LIMIT_JOB_ERRORS)
		json_array_remove(list, 0);
	patch->failed |= json_array_append_new(list, error_entry(job_integer(queue, row, QUEUE_ATTEMPTS), message)) < 0;
	json_write(&text, list, -1);
	patch->failed |= text.failed;
	add_member(patch, queue, QUEUE_ERRORS, buf_text(&text));
}

/* A zero byte becomes what bytes become that are no UTF-8: no text of the database has one. */
static void write_text(struct buf *out, const char *text, size_t len)
{
	buf_auto clean = BUF_INIT;
	for (size_t i = 0; i < len; i++)
		buf_add(&clean, text[i] ? &text[i] : "\xff", 1);
	json_write_string(out, buf_text(&clean), clean.len);
	out->failed |= clean.failed;
}

/* The program's output as one JSON value; as a string where it is none. */
void patch_result(struct buf *patch, const struct model *queue, const struct buf *out)
{
	err_auto why = ERR_INIT;
	buf_auto wrapped = BUF_INIT, text = BUF_INIT;
	json_scope *object = NULL;
	size_t len = out->len;
	while (len && strchr(" \t\r\n", out->data[len - 1]))
		len--;
	buf_str(&wrapped, "{\"result\":");
	buf_add(&wrapped, out->data, len);
	buf_char(&wrapped, '}');
	bool is_json =
	    len && json_read(buf_text(&wrapped), wrapped.len, &object, &why) == 0 && json_object_size(object) == 1;
	if (!len)
		buf_str(&text, "null");
	else if (is_json)
		json_write(&text, json_object_get(object, "result"), -1);
	else
		write_text(&text, out->data, len);
	patch->failed |= text.failed || wrapped.failed || why.code == ENOMEM;
	add_member(patch, queue, QUEUE_RESULT, buf_text(&text));
}

int job_rescue(struct saver *s, const struct actor *actor, const struct model *queue, const struct value *key,
	       const char *why, struct err *e)
{
	arena_auto arena = ARENA_INIT;
	buf_auto patch = BUF_INIT;
	struct value *row;
	int result = job_row(s, queue, key, &arena, &row, e);
	if (result < 0)
		return result;
	patch_text(&patch, queue, QUEUE_STATUS, "queued");
	patch_time(&patch, queue, QUEUE_RUN_AT, 0);
	patch_error(&patch, queue, row, why);
	struct request r = patch_request(queue, key, &patch, job_integer(queue, row, QUEUE_ATTEMPTS));
	return buf_failed(&patch) ? err_nomem(e) : patch_save_anyway(s, actor, &r, e);
}

/* ---- leases ---- */

int job_renew(struct saver *s, const struct actor *actor, const struct model *queue, const struct value *key,
	      int64_t attempt, long long ms, struct err *e)
{
	buf_auto patch = BUF_INIT;
	patch_time(&patch, queue, QUEUE_LEASE_UNTIL, ms);
	struct request r = patch_request(queue, key, &patch, attempt);
	r.quiet = true;
	return buf_failed(&patch) ? err_nomem(e) : patch_save(s, actor, &r, 1, e);
}
