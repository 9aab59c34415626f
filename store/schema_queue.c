/*
 * schema_queue.c - what makes a model a queue: its program, its numbers, and the fields of every job.
 */
#include <string.h>
#include <strings.h>

#include "limits.h"
#include "schema_read.h"

enum { DEFAULT_BACKOFF_MS = 30000 };

static const char *const statuses[] = {"queued", "running", "done", "failed", "cancelled"};

/* Where a literal default is NULL but the kind says there is one, it is a number: 0, or the queue's attempts. */
static const struct queue_field_rule {
	const char *name;
	enum field_type type;
	bool required, read_only;
	enum default_kind default_kind;
} queue_fields[QUEUE_FIELDS] = {
    [QUEUE_STATUS] = {"status", TYPE_STRING, true, false, DEFAULT_LITERAL},
    [QUEUE_ATTEMPTS] = {"attempts", TYPE_INTEGER, true, true, DEFAULT_LITERAL},
    [QUEUE_MAX_ATTEMPTS] = {"max_attempts", TYPE_INTEGER, true, false, DEFAULT_LITERAL},
    [QUEUE_PRIORITY] = {"priority", TYPE_INTEGER, true, false, DEFAULT_LITERAL},
    [QUEUE_RUN_AT] = {"run_at", TYPE_DATETIME, true, false, DEFAULT_NOW},
    [QUEUE_CREATED_AT] = {"created_at", TYPE_DATETIME, true, true, DEFAULT_NOW},
    [QUEUE_STARTED_AT] = {"started_at", TYPE_DATETIME, false, true, DEFAULT_NONE},
    [QUEUE_FINISHED_AT] = {"finished_at", TYPE_DATETIME, false, true, DEFAULT_NONE},
    [QUEUE_WORKER] = {"worker", TYPE_STRING, false, true, DEFAULT_NONE},
    [QUEUE_LEASE_UNTIL] = {"lease_until", TYPE_DATETIME, false, true, DEFAULT_NONE},
    [QUEUE_RESULT] = {"result", TYPE_JSON, false, false, DEFAULT_NONE},
    [QUEUE_ERRORS] = {"errors", TYPE_JSON, false, true, DEFAULT_NONE},
};

bool is_queue_field(const char *name)
{
	for (size_t i = 0; i < QUEUE_FIELDS; i++)
		if (strcasecmp(queue_fields[i].name, name) == 0)
			return true;
	return false;
}

void begin_queue(struct reader *r)
{
	struct queue *q = r->model->queue = reader_alloc(r, 1, sizeof *q);

	if (q)
		*q = (struct queue){
		    .workers = 1,
		    .timeout_ms = TIMEOUT_JOB_MS,
		    .attempts = 1,
		    .backoff_ms = DEFAULT_BACKOFF_MS,
		    .keep_ms = -1,
		};
}

void read_run(struct reader *r, const struct directive *d)
{
	size_t n = directive_args(d);
	const char **argv = reader_alloc(r, n + 1, sizeof *argv);

	if (!argv)
		return;
	for (size_t i = 0; i < n; i++)
		argv[i] = d->words[1 + i].text;
	if (argv[0][0] == '\0')
		conf_mistake(r->c, &d->words[1], "the name of the program is empty");
	if (strchr(argv[0], '/'))
		argv[0] = conf_path(r->c, &d->words[1]);
	r->nomem |= !argv[0];
	r->model->queue->argv = argv;
}

void read_queue_setting(struct reader *r, const struct directive *d)
{
	struct queue *q = r->model->queue;
	const struct {
		const char *name;
		long *number;
		long long *ms;
		long long min, max;
		const char *range;
	} settings[] =
	    {
		{"workers", &q->workers, NULL, 1, 1000, "a number from 1 to 1000"},
		{"limit", &q->limit, NULL, 1, 1000000, "a number from 1 to 1000000"},
		{"attempts", &q->attempts, NULL, 1, 1000000, "a number from 1 to 1000000"},
		{"timeout", NULL, &q->timeout_ms, 1, 30 * 86400000LL, "a time from 1ms to 30d, such as 10m"},
		{"backoff", NULL, &q->backoff_ms, 0, 30 * 86400000LL, "a time from 0s to 30d, such as 30s"},
		{"keep", NULL, &q->keep_ms, 0, 36500 * 86400000LL, "a time from 0s to 36500d, such as 7d"},
	    },
	  *s = settings;
	const struct word *w = &d->words[1];
	long long value;

	while (strcmp(s->name, d->words[0].text) != 0)
		s++;
	bool known = s->number ? word_integer(w, &value) : word_duration(w, &value);
	if (!known || value < s->min || value > s->max)
		conf_mistake(r->c, w, "'%s' is %s", s->name, s->range);
	else if (s->number)
		*s->number = (long)value;
	else
		*s->ms = value;
}

void keep_unique(struct reader *r, const struct directive *d)
{
	r->model->queue->unique_source = d;
}

void read_unique(struct reader *r)
{
	struct model *m = r->model;
	const struct directive *d = m->queue ? m->queue->unique_source : NULL;
	size_t n = d ? directive_args(d) : 0;

	if (n == 0)
		return;
	m->queue->unique = reader_alloc(r, n, sizeof *m->queue->unique);
	for (size_t i = 0; i < n && m->queue->unique; i++) {
		const struct word *w = &d->words[1 + i];
		const struct field *f = find_field(r, w, m);
		if (f == m->key)
			conf_mistake(r->c, w, "'%s' is the key, which no two jobs share", w->text);
		else if (f && (is_queue_field(f->name) || f->type == TYPE_JSON))
			conf_mistake(r->c, w, "'%s' can't tell whether two jobs are for the same work", w->text);
		else if (f)
			m->queue->unique[m->queue->nunique++] = f;
	}
}

/* Copied, since the words of a field are not const. */
static void set_statuses(struct reader *r, struct field *status)
{
	status->words = reader_alloc(r, sizeof statuses / sizeof *statuses, sizeof *status->words);
	if (!status->words)
		return;
	memcpy(status->words, statuses, sizeof statuses);
	status->nwords = sizeof statuses / sizeof *statuses;
	status->default_value = value_text(statuses[0], strlen(statuses[0]));
}

void add_queue_fields(struct reader *r)
{
	struct model *m = r->model;

	for (size_t i = 0; i < QUEUE_FIELDS; i++) {
		const struct queue_field_rule *rule = &queue_fields[i];
		struct field *f = &m->fields[m->nfields];
		*f = (struct field){
		    .name = rule->name,
		    .type = rule->type,
		    .index = m->nfields++,
		    .required = rule->required,
		    .read_only = rule->read_only,
		    .default_kind = rule->default_kind,
		};
		if (rule->default_kind == DEFAULT_LITERAL)
			f->default_value = value_integer(i == QUEUE_MAX_ATTEMPTS ? m->queue->attempts : 0);
		if (i == QUEUE_STATUS)
			set_statuses(r, f);
		m->queue->fields[i] = f;
	}
	struct field *max_attempts = &m->fields[m->queue->fields[QUEUE_MAX_ATTEMPTS]->index];
	max_attempts->has_min = true;
	max_attempts->min = 1;
}
