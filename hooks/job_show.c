/*
 * job_show.c - what .info/status and .info/metrics.prom tell of queues. All of it is read from the database, in one
 * snapshot a queue, and through the queue's indexes.
 */
#include "job_show.h"

#include <inttypes.h>
#include <string.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "../store/queue.h"
#include "change.h"

enum { SHOWN_RUNNING = 5, SHOWN_FAILED = 3 };

static const char *const states[] = {"queued", "running", "done", "failed", "cancelled"};
enum { STATES = sizeof states / sizeof *states, FIRST_END = 2 };

/* What is known of a queue. */
struct summary {
	struct arena arena;
	struct queue_state *states;
	size_t nstates;
	int64_t due_in_ms; /* of the job that is due first, negative when it waits; QUEUE_NEVER */
	bool paused;
	struct keys running, failed;
};

static int summarize(struct conn *c, const struct model *queue, struct summary *s, struct err *e)
{
	*s = (struct summary){.due_in_ms = QUEUE_NEVER};
	int result = queue_states(c, queue, &s->arena, &s->states, &s->nstates, e);
	if (result == 0)
		result = queue_next(c, queue, JOBS_DUE, &s->due_in_ms, e);
	if (result == 0)
		result = queue_paused(c, queue, &s->paused, e);
	if (result == 0)
		result = queue_rows_running(c, queue, SHOWN_RUNNING, &s->arena, &s->running, e);
	if (result == 0)
		result = queue_rows_failed(c, queue, SHOWN_FAILED, &s->arena, &s->failed, e);
	return result;
}

static const struct queue_state *state_of(const struct summary *s, const char *status)
{
	static const struct queue_state none = {0};
	for (size_t i = 0; i < s->nstates; i++)
		if (strcmp(s->states[i].status, status) == 0)
			return &s->states[i];
	return &none;
}

/* ---- status ---- */

static const char *text_of(struct arena *a, const struct model *queue, const struct value *row, enum queue_field field)
{
	const struct value *v = &row[queue->queue->fields[field]->index];
	return v->kind == VALUE_TEXT      ? v->text.data
	       : v->kind == VALUE_INTEGER ? arena_printf(a, "%" PRId64, v->integer)
					  : "-";
}

static void print_running(struct arena *a, const struct model *queue, const struct value *row, const char *path,
			  struct buf *out)
{
	buf_printf(out, "  %s: running since %s, attempt %s, worker %s\n", path,
		   text_of(a, queue, row, QUEUE_STARTED_AT), text_of(a, queue, row, QUEUE_ATTEMPTS),
		   text_of(a, queue, row, QUEUE_WORKER));
}

static void print_failed(struct arena *a, const struct model *queue, const struct value *row, const char *path,
			 struct buf *out)
{
	json_scope *errors = json_loads(text_of(a, queue, row, QUEUE_ERRORS), JSON_ALLOW_NUL, NULL);
	size_t n = json_array_size(errors);
	const char *message = json_string_value(json_object_get(n ? json_array_get(errors, n - 1) : NULL, "message"));
	buf_printf(out, "  %s: failed %s: %.200s\n", path, text_of(a, queue, row, QUEUE_FINISHED_AT),
		   message ? message : "no message");
}

typedef void print_function(struct arena *a, const struct model *queue, const struct value *row, const char *path,
			    struct buf *out);

static int print_jobs(struct conn *c, const struct model *queue, const struct keys *keys, print_function *print,
		      struct buf *out, struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct value *row = arena_alloc(&a, queue->nfields * sizeof *row);
	int result = row ? 0 : err_nomem(e);
	for (size_t i = 0; i < keys->n && result == 0; i++) {
		result = store_get(c, queue, &keys->of[i], &a, row, NULL, e);
		if (result == 0)
			print(&a, queue, row, record_path(&a, queue, &keys->of[i]), out);
	}
	return result;
}

static void print_numbers(const struct summary *s, struct buf *out)
{
	int64_t recent = 0;
	for (size_t i = 0; i < STATES; i++)
		buf_printf(out, "%s%" PRId64 " %s", i ? ", " : " ", state_of(s, states[i])->n, states[i]);
	for (size_t i = 0; i < s->nstates; i++)
		recent += s->states[i].recent;
	buf_printf(out, "\n  %" PRId64 " ended in the last minute", recent);
	if (s->due_in_ms < 0)
		buf_printf(out, ", the oldest waits for %.1f s", (double)-s->due_in_ms / 1000);
	else if (s->due_in_ms != QUEUE_NEVER)
		buf_printf(out, ", the next is due in %.1f s", (double)s->due_in_ms / 1000);
	buf_str(out, s->paused ? ", paused\n" : "\n");
}

int queue_print_status(struct store *store, const struct model *queue, struct buf *out, struct err *e)
{
	struct summary s;
	struct conn *c = store_read_begin(store, e);
	if (!c)
		return -e->code;
	int result = summarize(c, queue, &s, e);
	buf_char(out, ' ');
	if (result == 0)
		print_numbers(&s, out);
	if (result == 0)
		result = print_jobs(c, queue, &s.running, print_running, out, e);
	if (result == 0)
		result = print_jobs(c, queue, &s.failed, print_failed, out, e);
	store_read_end(c);
	arena_release(&s.arena);
	return result;
}

/* ---- metrics ---- */

static void print_records(const struct model *m, struct conn *c, struct buf *out)
{
	err_auto ignored = ERR_INIT;
	int64_t n;
	if (store_count(c, m, &n, &ignored) == 0)
		buf_printf(out, "rowfs_records{model=\"%s\"} %" PRId64 "\n", m->name, n);
}

static void print_jobs_by_status(const struct model *m, const struct summary *s, struct buf *out)
{
	for (size_t i = 0; i < STATES; i++)
		buf_printf(out, "rowfs_jobs{queue=\"%s\",status=\"%s\"} %" PRId64 "\n", m->name, states[i],
			   state_of(s, states[i])->n);
}

static void print_ended(const struct model *m, const struct summary *s, struct buf *out)
{
	for (size_t i = FIRST_END; i < STATES; i++)
		buf_printf(out, "rowfs_jobs_ended_last_minute{queue=\"%s\",status=\"%s\"} %" PRId64 "\n", m->name,
			   states[i], state_of(s, states[i])->recent);
}

static void print_waits(const struct model *m, const struct summary *s, struct buf *out)
{
	buf_printf(out, "rowfs_queue_oldest_seconds{queue=\"%s\"} %.3f\n", m->name,
		   s->due_in_ms < 0 ? (double)-s->due_in_ms / 1000 : 0);
}

static void print_paused(const struct model *m, const struct summary *s, struct buf *out)
{
	buf_printf(out, "rowfs_queue_paused{queue=\"%s\"} %d\n", m->name, s->paused);
}

static const struct {
	const char *name, *help;
	void (*print)(const struct model *m, const struct summary *s, struct buf *out);
} gauges[] = {
    {"rowfs_jobs", "Jobs of a queue by status.", print_jobs_by_status},
    {"rowfs_jobs_ended_last_minute", "Jobs that ended within the last minute.", print_ended},
    {"rowfs_queue_oldest_seconds", "How long the job that is due longest has waited.", print_waits},
    {"rowfs_queue_paused", "Whether the queue is paused.", print_paused},
};

static void print_help(const char *name, const char *help, struct buf *out)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void print_gauges(const struct schema *schema, const struct summary *all, struct buf *out)
{
	for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++) {
		print_help(gauges[i].name, gauges[i].help, out);
		for (size_t k = 0; k < schema->nmodels; k++)
			if (schema->models[k].queue)
				gauges[i].print(&schema->models[k], &all[k], out);
	}
}

static int summarize_all(const struct schema *schema, struct conn *c, struct summary *all, struct err *e)
{
	int result = 0;
	for (size_t i = 0; i < schema->nmodels && result == 0; i++)
		if (schema->models[i].queue)
			result = summarize(c, &schema->models[i], &all[i], e);
	return result;
}

int metrics_print(struct saver *s, struct buf *out, struct err *e)
{
	arena_auto a = ARENA_INIT;
	const struct schema *schema = s->schema;
	struct summary *all = arena_alloc(&a, (schema->nmodels + 1) * sizeof *all);
	struct conn *c = all ? store_read_begin(s->store, e) : NULL;
	if (!c)
		return all ? -e->code : err_nomem(e);
	print_help("rowfs_records", "Records of a model.", out);
	for (size_t i = 0; i < schema->nmodels; i++)
		print_records(&schema->models[i], c, out);
	int result = summarize_all(schema, c, all, e);
	if (result == 0)
		print_gauges(schema, all, out);
	store_read_end(c);
	for (size_t i = 0; i < schema->nmodels; i++)
		arena_release(&all[i].arena);
	return result;
}
