/*
 * job_state.c - the state machine of queues, a table of what each change of status is; job_state.h draws it.
 */
#include "job_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "../store/limits.h"
#include "../store/queue.h"

enum status { NONE, QUEUED, RUNNING, DONE, FAILED, CANCELLED, STATUSES };
enum { LONGEST_BACKOFF_MS = 24 * 3600 * 1000 };

static const char *const names[STATUSES] = {
    [QUEUED] = "queued", [RUNNING] = "running", [DONE] = "done", [FAILED] = "failed", [CANCELLED] = "cancelled"};

/* One change of a job. */
struct step {
	struct saving *v;
	struct change *c;
	const struct queue *queue;
	const struct value *old; /* NULL: the job is new */
	struct value *row;       /* what it will be */
	bool nomem;
};

/* ---- the row ---- */

static const struct value *value_of(const struct step *s, const struct value *row, enum queue_field field)
{
	return &row[s->queue->fields[field]->index];
}

static void set(struct step *s, enum queue_field field, struct value value)
{
	s->row[s->queue->fields[field]->index] = value;
}

static int64_t integer_of(const struct step *s, const struct value *row, enum queue_field field)
{
	const struct value *v = value_of(s, row, field);
	return v->kind == VALUE_INTEGER ? v->integer : 0;
}

/* What another program has stored may be no status at all: it can be retried, like all that has ended. */
static enum status status_of(const struct queue *q, const struct value *row)
{
	const struct value *v = row ? &row[q->fields[QUEUE_STATUS]->index] : NULL;
	if (!v)
		return NONE;
	for (int i = QUEUED; i < STATUSES; i++)
		if (v->kind == VALUE_TEXT && strcmp(v->text.data, names[i]) == 0)
			return i;
	return CANCELLED;
}

bool job_runs(const struct model *queue, const struct value *row)
{
	return status_of(queue->queue, row) == RUNNING;
}

struct value job_time(struct arena *a, struct timespec from, long long ms)
{
	char text[32];
	from.tv_sec += ms / 1000;
	from.tv_nsec += ms % 1000 * 1000000;
	from.tv_sec += from.tv_nsec / 1000000000;
	from.tv_nsec %= 1000000000;
	size_t len = value_now(from, text);
	const char *copy = arena_copy(a, text, len);
	return copy ? value_text(copy, len) : value_null();
}

static void set_time(struct step *s, enum queue_field field, long long ms)
{
	struct value time = job_time(&s->v->arena, s->v->now, ms);
	s->nomem |= time.kind == VALUE_NULL;
	set(s, field, time);
}

long long job_backoff_ms(const struct queue *q, int64_t attempts)
{
	long long ms = q->backoff_ms, longest = ms > LONGEST_BACKOFF_MS ? ms : LONGEST_BACKOFF_MS;
	unsigned random = 0;
	for (int64_t i = 1; i < attempts && ms < longest; i++)
		ms *= 2;
	ms = ms > longest ? longest : ms;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = (unsigned)(size_t)&random >> 4;
	return ms + random % (ms / 4 + 1);
}

/* ---- who ---- */

static bool is_runner(const struct step *s)
{
	return s->c->runner;
}

static struct value worker_name(struct step *s)
{
	if (is_runner(s))
		return value_text(WORKER_ROWFS, strlen(WORKER_ROWFS));
	const char *uid = arena_printf(&s->v->arena, "%lu", (unsigned long)s->v->actor->uid);
	s->nomem |= !uid;
	return uid ? value_text(uid, strlen(uid)) : value_null();
}

/* Hooks act for others. */
static bool is_worker(struct step *s)
{
	struct value name = worker_name(s);
	return s->c->trusted || value_equal(value_of(s, s->old, QUEUE_WORKER), &name);
}

static const char *path_of(const struct step *s)
{
	return record_path(&s->v->arena, s->c->model, &s->c->key);
}

static int must_be_worker(struct step *s, const char *what, struct err *e)
{
	const struct value *worker = value_of(s, s->old, QUEUE_WORKER);
	if (is_worker(s))
		return 0;
	return err_set(e, EBUSY, "%s runs, and only its worker, %s, can %s; rm cancels it", path_of(s),
		       worker->kind == VALUE_TEXT ? worker->text.data : "which is not known", what);
}

/* The document says what the status is to be: of a whole file that may be what it was read as. */
static bool patches_status(const struct step *s)
{
	const char *name = s->queue->fields[QUEUE_STATUS]->name;
	return s->c->kind == REQUEST_MERGE && json_object_get(s->c->document, name);
}

static bool names_attempts(const struct step *s)
{
	return json_object_get(s->c->document, s->queue->fields[QUEUE_ATTEMPTS]->name);
}

/* ---- steps ---- */

typedef int step_function(struct step *s, struct err *e);

/* Who enqueues does not care which job does the work; who writes a file of its own must hear that there is none. */
static int drop_double(struct step *s, struct err *e)
{
	struct value other;
	int found = is_runner(s) ? 0 : queue_double(s->v->conn, s->c->model, s->row, &s->v->arena, &other, e);
	if (found <= 0)
		return found;
	if (s->c->depth == 0 || s->old || s->c->key.kind != VALUE_NULL)
		return err_set(e, EEXIST, "%s waits already, for the same work",
			       record_path(&s->v->arena, s->c->model, &other));
	s->c->dropped = true;
	s->c->key = other;
	return 0;
}

static bool is_same_work(const struct step *s)
{
	for (size_t i = 0; i < s->queue->nunique; i++) {
		size_t field = s->queue->unique[i]->index;
		if (!value_equal(&s->old[field], &s->row[field]))
			return false;
	}
	return true;
}

/* Doubles that other programs have made can be put off, or get another priority, as all that waits. */
static int edit(struct step *s, struct err *e)
{
	return is_same_work(s) ? 0 : drop_double(s, e);
}

/* A file that says how it ended was perhaps kept from elsewhere. */
static int add_ended(struct step *s, struct err *e)
{
	(void)e;
	if (value_of(s, s->row, QUEUE_FINISHED_AT)->kind == VALUE_NULL)
		set_time(s, QUEUE_FINISHED_AT, 0);
	return 0;
}

static int check_free(struct step *s, struct err *e)
{
	bool paused = false;
	int64_t running = 0;
	int result = queue_paused(s->v->conn, s->c->model, &paused, e);
	if (result == 0 && s->queue->limit)
		result = queue_running(s->v->conn, s->c->model, &running, e);
	if (result < 0)
		return result;
	if (paused)
		return err_set(e, EBUSY, "%s is paused", s->c->model->name);
	if (s->queue->limit && running >= s->queue->limit)
		return err_set(e, EBUSY, "%lld of %s run already, and no more may", (long long)running,
			       s->c->model->name);
	return 0;
}

static size_t without_zone(const struct value *time)
{
	size_t len = time->kind == VALUE_TEXT ? time->text.len : 0;
	return len && time->text.data[len - 1] == 'Z' ? len - 1 : len;
}

/* Canonical times without their Z sort as text. */
static bool is_before(const struct value *a, const struct value *b)
{
	size_t alen = without_zone(a), blen = without_zone(b);
	if (a->kind != VALUE_TEXT || b->kind != VALUE_TEXT)
		return false;
	int order = memcmp(a->text.data, b->text.data, alen < blen ? alen : blen);
	return order < 0 || (order == 0 && alen < blen);
}

static int check_due(struct step *s, struct err *e)
{
	const struct value *run_at = value_of(s, s->row, QUEUE_RUN_AT);
	struct value now = value_text(s->v->now_text, strlen(s->v->now_text));
	if (!is_before(&now, run_at))
		return 0;
	return err_set(e, EBUSY, "%s is not due before %s", path_of(s), run_at->text.data);
}

static int claim(struct step *s, struct err *e)
{
	int64_t attempts = s->old ? integer_of(s, s->old, QUEUE_ATTEMPTS) : 0;
	if (check_free(s, e) < 0 || (!is_runner(s) && check_due(s, e) < 0))
		return -e->code;
	set(s, QUEUE_ATTEMPTS, value_integer(attempts + 1));
	set(s, QUEUE_WORKER, worker_name(s));
	set(s, QUEUE_RESULT, value_null());
	set(s, QUEUE_FINISHED_AT, value_null());
	set_time(s, QUEUE_STARTED_AT, 0);
	set_time(s, QUEUE_LEASE_UNTIL, is_runner(s) ? TIMEOUT_LEASE_MS : s->queue->timeout_ms);
	return 0;
}

/* Running to running: a claim that came too late, unless it says that it is about this very start. */
static int hold(struct step *s, struct err *e)
{
	const struct value *worker = value_of(s, s->old, QUEUE_WORKER);
	if (!patches_status(s) || s->c->trusted || (names_attempts(s) && is_worker(s)))
		return 0;
	return err_set(e, EBUSY, "%s runs already, claimed by %s", path_of(s),
		       worker->kind == VALUE_TEXT ? worker->text.data : "somebody");
}

static int finish(struct step *s, struct err *e)
{
	if (must_be_worker(s, "end it", e) < 0)
		return -e->code;
	set_time(s, QUEUE_FINISHED_AT, 0);
	set(s, QUEUE_LEASE_UNTIL, value_null());
	return 0;
}

/* It may be started once more, however often it was. */
static void allow_start(struct step *s)
{
	int64_t attempts = integer_of(s, s->row, QUEUE_ATTEMPTS);
	if (!is_runner(s) && integer_of(s, s->row, QUEUE_MAX_ATTEMPTS) <= attempts)
		set(s, QUEUE_MAX_ATTEMPTS, value_integer(attempts + 1));
}

/* Who has put the job off while it ran is heeded. */
static void put_off(struct step *s)
{
	const struct value *until = value_of(s, s->old, QUEUE_RUN_AT);
	if (is_before(value_of(s, s->old, QUEUE_STARTED_AT), until) &&
	    is_before(value_of(s, s->row, QUEUE_RUN_AT), until))
		set(s, QUEUE_RUN_AT, *until);
}

static int queue_again(struct step *s, long long ms, struct err *e)
{
	if (drop_double(s, e) < 0)
		return -e->code;
	if (is_runner(s))
		put_off(s);
	else if (value_equal(value_of(s, s->row, QUEUE_RUN_AT), value_of(s, s->old, QUEUE_RUN_AT)))
		set_time(s, QUEUE_RUN_AT, ms);
	set(s, QUEUE_WORKER, value_null());
	set(s, QUEUE_LEASE_UNTIL, value_null());
	set(s, QUEUE_FINISHED_AT, value_null());
	set(s, QUEUE_RESULT, value_null());
	allow_start(s);
	return 0;
}

static int give_back(struct step *s, struct err *e)
{
	if (must_be_worker(s, "give it back", e) < 0)
		return -e->code;
	return queue_again(s, job_backoff_ms(s->queue, integer_of(s, s->old, QUEUE_ATTEMPTS)), e);
}

static int retry(struct step *s, struct err *e)
{
	return queue_again(s, 0, e);
}

static int cancel(struct step *s, struct err *e)
{
	(void)e;
	set_time(s, QUEUE_FINISHED_AT, 0);
	set(s, QUEUE_LEASE_UNTIL, value_null());
	return 0;
}

static int not_claimed(struct step *s, struct err *e)
{
	if (s->c->trusted)
		return cancel(s, e);
	return err_set(e, EBUSY, "%s is queued: who ends it must have claimed it", path_of(s));
}

/* A worker may say again how it ended; one that came too late must hear it. */
static int repeat(struct step *s, struct err *e)
{
	if (!patches_status(s) || is_worker(s) || row_equal(s->c->model, s->old, s->row))
		return 0;
	return err_set(e, EBUSY, "%s has ended already", path_of(s));
}

/* Hooks may say how it ended, but not that it runs: nobody would. */
static int ended(struct step *s, struct err *e)
{
	if (s->c->trusted && status_of(s->queue, s->row) != RUNNING)
		return cancel(s, e);
	return err_set(e, EBUSY, "%s has ended already, %s; queued runs it again", path_of(s),
		       names[status_of(s->queue, s->old)]);
}

/* What comes back, or from another queue, is what it was. But its program runs no more: it is due at once. */
static int bring_back(struct step *s, struct err *e)
{
	enum status status = status_of(s->queue, s->row);
	const struct value *worker = value_of(s, s->row, QUEUE_WORKER);
	const struct value rowfs = value_text(WORKER_ROWFS, strlen(WORKER_ROWFS));
	if (status == QUEUED)
		return drop_double(s, e);
	if (status == RUNNING && value_equal(worker, &rowfs))
		set_time(s, QUEUE_LEASE_UNTIL, 0);
	return 0;
}

static step_function *const steps[STATUSES][STATUSES] = {
    /*                 queued       running         done           failed         cancelled */
    [NONE] = {NULL, drop_double, claim, add_ended, add_ended, add_ended},
    [QUEUED] = {NULL, edit, claim, not_claimed, not_claimed, cancel},
    [RUNNING] = {NULL, give_back, hold, finish, finish, cancel},
    [DONE] = {NULL, retry, ended, repeat, ended, ended},
    [FAILED] = {NULL, retry, ended, ended, repeat, ended},
    [CANCELLED] = {NULL, retry, ended, ended, ended, repeat},
};

/* ---- from save() ---- */

static bool is_about(const struct step *s)
{
	return job_runs(s->c->model, s->old) && integer_of(s, s->old, QUEUE_ATTEMPTS) == s->c->attempt;
}

int job_check_document(struct saving *v, const struct change *c, struct err *e)
{
	const struct step s = {.v = v, .c = (struct change *)c, .queue = c->model->queue, .old = c->old};
	const json_t *attempts = json_object_get(c->document, s.queue->fields[QUEUE_ATTEMPTS]->name);
	if (!c->old)
		return 0;
	if (c->attempt)
		return is_about(&s)
			   ? 0
			   : err_set(e, EBUSY, "%s was ended, cancelled or claimed by another meanwhile", path_of(&s));
	int64_t has = integer_of(&s, c->old, QUEUE_ATTEMPTS);
	if (c->trusted || !json_is_integer(attempts) || json_integer_value(attempts) == has)
		return 0;
	return err_set(e, EBUSY, "%s is at attempt %lld, what is written is about attempt %lld", path_of(&s),
		       (long long)has, (long long)json_integer_value(attempts));
}

int job_enter(struct saving *v, struct change *c, struct value *row, struct err *e)
{
	struct step s = {.v = v, .c = c, .queue = c->model->queue, .old = c->old, .row = row};
	bool restored = !c->old && c->trusted && c->depth == 0;
	step_function *step = restored ? bring_back : steps[status_of(s.queue, c->old)][status_of(s.queue, row)];
	if (!step)
		return 0;
	int result = step(&s, e);
	return result == 0 && s.nomem ? err_nomem(e) : result;
}

int job_remove(struct saving *v, struct change *c, struct err *e)
{
	struct step s = {.v = v, .c = c, .queue = c->model->queue, .old = c->old};
	if (!job_runs(c->model, c->old))
		return 0;
	if (!c->cancels)
		return err_set(e, EBUSY, "%s runs: rm cancels it", path_of(&s));
	c->row = s.row = row_new(v, c->model, c->old);
	if (!s.row)
		return err_nomem(e);
	c->kind = REQUEST_MERGE;
	set(&s, QUEUE_STATUS, value_text(names[CANCELLED], strlen(names[CANCELLED])));
	cancel(&s, e);
	return s.nomem ? err_nomem(e) : 1;
}

int job_check_move(struct saving *v, const struct change *c, struct err *e)
{
	if (!job_runs(c->model, c->old))
		return 0;
	return err_set(e, EBUSY, "%s runs and can't be renamed", record_path(&v->arena, c->model, &c->key));
}
