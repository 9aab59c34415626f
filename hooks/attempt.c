/*
 * attempt.c - what a job's row goes through when it is started once.
 *
 * A job changes through save() only, so its hooks fire, its file follows and what its program wrote is checked. A job
 * that was deleted or given another status while it ran keeps what it was given.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "../store/log.h"
#include "../store/phase.h"
#include "act.h"
#include "attempt.h"
#include "event.h"

enum { STATUS_AGAIN = 75, AGAIN_MS = 30000, LONGEST_BACKOFF_MS = 24 * 3600 * 1000 };

static struct timespec time_in(long long ms)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += ms % 1000 * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

/* ---- the job's row ---- */

static void add_member(struct buf *b, const struct model *queue, enum queue_field field, const char *json)
{
	buf_char(b, b->len ? ',' : '{');
	json_write_string(b, queue->queue->fields[field]->name, strlen(queue->queue->fields[field]->name));
	buf_char(b, ':');
	buf_str(b, json);
}

static void add_time(struct buf *b, const struct model *queue, enum queue_field field, long long ms)
{
	char now[32], quoted[40];
	value_now(time_in(ms), now);
	snprintf(quoted, sizeof quoted, "\"%s\"", now);
	add_member(b, queue, field, quoted);
}

static void add_integer(struct buf *b, const struct model *queue, enum queue_field field, int64_t integer)
{
	char digits[24];
	snprintf(digits, sizeof digits, "%lld", (long long)integer);
	add_member(b, queue, field, digits);
}

static const struct value *job_value(const struct attempt *a, enum queue_field field)
{
	return &a->row[a->queue->queue->fields[field]->index];
}

static int64_t job_integer(const struct attempt *a, enum queue_field field, int64_t otherwise)
{
	const struct value *v = job_value(a, field);
	return v->kind == VALUE_INTEGER ? v->integer : otherwise;
}

static bool job_has_status(const struct attempt *a, const char *status)
{
	const struct value *v = job_value(a, QUEUE_STATUS);
	return v->kind == VALUE_TEXT && strcmp(v->text.data, status) == 0;
}

/* Closes the patch and saves it. */
static int patch_job(struct saver *s, const struct actor *actor, const struct model *queue, const struct value *key,
		     struct buf *patch, struct err *e)
{
	arena_auto arena = ARENA_INIT;
	buf_char(patch, '}');
	if (buf_failed(patch))
		return err_nomem(e);
	struct request request = {
	    .kind = REQUEST_MERGE,
	    .model = queue,
	    .key = *key,
	    .expect = EXPECT_RECORD,
	    .text = patch->data,
	    .len = patch->len,
	    .trusted = true,
	};
	return save(s, actor, &request, 1, NULL, &arena, e);
}

/* Reads the row again, on a snapshot. */
static int read_job(struct attempt *a, struct err *e)
{
	struct conn *c = store_read_begin(a->saver->store, e);
	if (!c)
		return -e->code;
	a->row = arena_alloc(&a->arena, a->queue->nfields * sizeof *a->row);
	int result = a->row ? store_get(c, a->queue, &a->key, &a->arena, a->row, NULL, e) : err_nomem(e);
	store_read_end(c);
	return result;
}

static void tell(struct attempt *a, const char *what, const struct err *e)
{
	log_info("%s: %s: %s", record_path(&a->arena, a->queue, &a->key), what, e->text);
}

/* ---- what became of it ---- */

/* The program's output as one JSON value; as a string where it is none. */
static void add_result(struct buf *patch, const struct model *queue, const struct buf *out)
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
		json_write_string(&text, out->data, len);
	patch->failed |= text.failed || wrapped.failed;
	add_member(patch, queue, QUEUE_RESULT, buf_text(&text));
}

/* The entries so far and one more. */
static void add_error(struct buf *patch, const struct attempt *a, const char *message)
{
	char now[32];
	buf_auto text = BUF_INIT;
	const struct value *before = job_value(a, QUEUE_ERRORS);
	json_scope *list = before->kind == VALUE_TEXT ? json_loads(before->text.data, JSON_ALLOW_NUL, NULL) : NULL;
	if (!json_is_array(list)) {
		json_decref(list);
		list = json_array();
	}
	value_now(time_in(0), now);
	json_t *entry = json_pack("{ss sI ss}", "time", now, "attempt", (json_int_t)a->number, "message", message);
	if (!entry) /* the message is no UTF-8 */
		entry = json_pack("{ss sI ss}", "time", now, "attempt", (json_int_t)a->number, "message",
				  "the program failed with a message that is no UTF-8");
	if (!list || json_array_append_new(list, entry) < 0)
		patch->failed = true;
	json_write(&text, list, -1);
	patch->failed |= text.failed;
	add_member(patch, a->queue, QUEUE_ERRORS, buf_text(&text));
}

/* backoff, doubled with every attempt, and up to a quarter more, so that jobs that failed together part. */
static long long backoff_ms(const struct attempt *a)
{
	long long ms = a->queue->queue->backoff_ms;
	for (int64_t i = 1; i < a->number && ms < LONGEST_BACKOFF_MS; i++)
		ms *= 2;
	unsigned random = 0;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = (unsigned)time_in(0).tv_nsec;
	return ms + random % (ms / 4 + 1);
}

static void again(struct buf *patch, const struct attempt *a, long long ms, bool counted)
{
	add_member(patch, a->queue, QUEUE_STATUS, "\"queued\"");
	add_time(patch, a->queue, QUEUE_RUN_AT, ms);
	if (!counted)
		add_integer(patch, a->queue, QUEUE_ATTEMPTS, a->number - 1);
}

static void end(struct buf *patch, const struct attempt *a, const char *status)
{
	add_member(patch, a->queue, QUEUE_STATUS, status);
	add_time(patch, a->queue, QUEUE_FINISHED_AT, 0);
}

static void fail(struct buf *patch, struct attempt *a, const struct err *why)
{
	int64_t most = job_integer(a, QUEUE_MAX_ATTEMPTS, a->queue->queue->attempts);
	if (a->number < most) {
		again(patch, a, backoff_ms(a), true);
	} else {
		end(patch, a, "\"failed\"");
		journal_add(a->saver->journal, a->actor->uid, 0, record_path(&a->arena, a->queue, &a->key), why);
	}
	add_error(patch, a, why->text);
}

/* The row must still be as claimed: somebody may have deleted, ended or requeued the job meanwhile. */
static bool still_ours(struct attempt *a, struct err *e)
{
	if (read_job(a, e) < 0)
		return false;
	if (job_has_status(a, "running") && job_integer(a, QUEUE_ATTEMPTS, 0) == a->number)
		return true;
	err_set(e, EBUSY, "it was changed while it ran and stays as it is");
	return false;
}

static void write_back(struct attempt *a, const struct program_result *r, const struct err *why)
{
	err_auto e = ERR_INIT, second = ERR_INIT;
	buf_auto patch = BUF_INIT, failed = BUF_INIT;
	if (!still_ours(a, &e)) {
		tell(a, "the job's end is not stored", &e);
		return;
	}
	if (r->stopped)
		again(&patch, a, 0, false);
	else if (r->status == STATUS_AGAIN && !r->timed_out)
		again(&patch, a, AGAIN_MS, false);
	else if (why->code)
		fail(&patch, a, why);
	else
		end(&patch, a, "\"done\"");
	if (!r->stopped && !why->code)
		add_result(&patch, a->queue, &r->out);
	add_member(&patch, a->queue, QUEUE_LEASE_UNTIL, "null");
	if (patch_job(a->saver, a->actor, a->queue, &a->key, &patch, &e) == 0)
		return;
	tell(a, "the job's end is not stored", &e);
	if (e.code == ENOENT)
		return;
	fail(&failed, a, &e); /* too large a result, a hook that refuses it: the job must not seem to run for ever */
	if (patch_job(a->saver, a->actor, a->queue, &a->key, &failed, &second) < 0)
		tell(a, "nor is its failure", &second);
}

/* ---- running ---- */

/* A job's message is the last line that its program wrote to standard error. */
static void last_line(const struct buf *text, struct err *why, struct program_result *r)
{
	const char *start = buf_text(text), *end = start + text->len;
	while (end > start && strchr(" \t\r\n", end[-1]))
		end--;
	const char *line = memrchr(start, '\n', (size_t)(end - start));
	line = line ? line + 1 : start;
	if (why->code == 0 || end == line || r->timed_out || r->too_much || r->signal)
		return;
	int code = why->code;
	err_release(why);
	err_set(why, code, "%.*s", (int)(end - line), line);
}

static void run_program(struct attempt *a, struct program_result *r, struct err *why)
{
	struct event_object event = {"job", VERB_CREATE, a->queue, &a->key, NULL, a->row, a->actor, NULL};
	struct program p = {
	    .argv = a->queue->queue->argv,
	    .timeout_ms = a->queue->queue->timeout_ms,
	    .stop = (const volatile bool *)a->stop,
	    .wake_fd = a->wake_fd,
	};
	*r = (struct program_result){.status = -1};
	if (event_program(&p, &a->arena, &event, a->saver, why) < 0 || program_run(&p, r, why) < 0)
		return;
	program_verdict(&p, r, why);
	last_line(&r->err, why, r);
}

void attempt_run(struct attempt *a)
{
	struct program_result r;
	err_auto why = ERR_INIT;
	phase("job-claimed");
	run_program(a, &r, &why);
	phase("job-ran");
	write_back(a, &r, &why);
	phase("job-finished");
	program_result_release(&r);
}

/* ---- before it runs ---- */

int attempt_find(struct attempt *a, long long *next_ms, struct err *e)
{
	struct conn *c = store_read_begin(a->saver->store, e);
	if (!c)
		return -e->code;
	int result = store_due_job(c, a->queue, &a->arena, &a->key, next_ms, e);
	store_read_end(c);
	if (result <= 0)
		return result;
	result = read_job(a, e);
	return result < 0 ? result : 1;
}

int attempt_claim(struct attempt *a, struct err *e)
{
	buf_auto patch = BUF_INIT;
	const struct model *queue = a->queue;
	a->number = job_integer(a, QUEUE_ATTEMPTS, 0) + 1;
	phase("job-found");
	add_member(&patch, queue, QUEUE_STATUS, "\"running\"");
	add_integer(&patch, queue, QUEUE_ATTEMPTS, a->number);
	add_time(&patch, queue, QUEUE_STARTED_AT, 0);
	add_member(&patch, queue, QUEUE_FINISHED_AT, "null");
	add_member(&patch, queue, QUEUE_WORKER, "\"rowfs\"");
	add_time(&patch, queue, QUEUE_LEASE_UNTIL, queue->queue->timeout_ms + 2 * TIMEOUT_TERM_MS);
	int result = patch_job(a->saver, a->actor, queue, &a->key, &patch, e);
	return result < 0 ? result : read_job(a, e);
}

void attempt_give_back(struct attempt *a)
{
	err_auto e = ERR_INIT;
	buf_auto patch = BUF_INIT;
	again(&patch, a, AGAIN_MS, false);
	if (patch_job(a->saver, a->actor, a->queue, &a->key, &patch, &e) < 0)
		tell(a, "the job can't be queued again", &e);
}

int attempt_recover(struct saver *s, const struct actor *actor, const struct model *queue, const struct value *key,
		    struct err *e)
{
	buf_auto patch = BUF_INIT;
	add_member(&patch, queue, QUEUE_STATUS, "\"queued\"");
	add_time(&patch, queue, QUEUE_RUN_AT, 0);
	add_member(&patch, queue, QUEUE_LEASE_UNTIL, "null");
	return patch_job(s, actor, queue, key, &patch, e);
}
