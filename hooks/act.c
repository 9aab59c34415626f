/*
 * act.c - what one hook does to one change: SQL in the transaction, a check, a program, a job.
 *
 * A hook refuses with a sentence; whether it ran inside the transaction or on a snapshot before it is save.c's affair.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "act.h"
#include "change.h"
#include "event.h"

/* ---- parameters ---- */

static const struct {
	const char *name;
	enum parameter_kind kind;
	enum field_type type;
} fixed[] = {
    {"verb", PARAMETER_VERB, TYPE_STRING}, {"uid", PARAMETER_UID, TYPE_INTEGER}, {"gid", PARAMETER_GID, TYPE_INTEGER},
    {"now", PARAMETER_NOW, TYPE_DATETIME}, {"key", PARAMETER_KEY, TYPE_COUNT},
};

static const struct {
	const char *prefix;
	enum parameter_kind kind;
} prefixes[] = {{"new_", PARAMETER_NEW}, {"old_", PARAMETER_OLD}, {"$", PARAMETER_FIELD}, {"", PARAMETER_FIELD}};

bool parameter_find(const struct model *m, const char *name, struct parameter *out)
{
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
		if (strcmp(name, fixed[i].name) != 0)
			continue;
		bool key = fixed[i].kind == PARAMETER_KEY;
		*out = (struct parameter){fixed[i].kind, key ? m->key : NULL, key ? m->key->type : fixed[i].type};
		return true;
	}
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		size_t len = strlen(prefixes[i].prefix);
		const struct field *f = strncmp(name, prefixes[i].prefix, len) == 0 ? model_field(m, name + len) : NULL;
		if (!f)
			continue;
		*out = (struct parameter){prefixes[i].kind, f, f->type};
		return true;
	}
	return false;
}

static struct value row_value(const struct value *row, const struct field *f)
{
	return row ? row[f->index] : value_null();
}

static struct value parameter_value(const struct saving *v, const struct change *c, const struct parameter *p)
{
	const char *verb = verb_name(c->verb);
	switch (p->kind) {
	case PARAMETER_KEY:
		return *change_key(c);
	case PARAMETER_VERB:
		return value_text(verb, strlen(verb));
	case PARAMETER_UID:
		return value_integer(v->actor->uid);
	case PARAMETER_GID:
		return value_integer(v->actor->gid);
	case PARAMETER_NOW:
		return value_text(v->now_text, strlen(v->now_text));
	case PARAMETER_NEW:
		return row_value(c->row, p->field);
	case PARAMETER_OLD:
		return row_value(c->old, p->field);
	case PARAMETER_FIELD:
		break;
	}
	return row_value(c->row ? c->row : c->old, p->field);
}

/* ---- sql and check ---- */

struct statement {
	struct saving *saving;
	const struct hook *hook;
	struct change *change;
	json_t *edits; /* fields that a returned row sets */
	bool truth;    /* of a check */
};

static void look_up(void *data, const char *name, struct value *out)
{
	const struct statement *s = data;
	struct parameter p;
	*out = parameter_find(s->change->model, name, &p) ? parameter_value(s->saving, s->change, &p) : value_null();
}

static json_t *json_of_value(enum field_type type, const struct value *value)
{
	buf_auto text = BUF_INIT;
	value_write(&text, type, value, -1);
	if (buf_failed(&text))
		return NULL;
	return json_loadb(buf_text(&text), text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* A column named error refuses, in pre_save one named like a field replaces it, any other is nothing. */
static int take_column(void *data, const char *name, const struct value *value, struct err *e)
{
	struct statement *s = data;
	const struct model *m = s->change->model;
	if (strcmp(name, "error") == 0 && value->kind != VALUE_NULL) {
		buf_auto text = BUF_INIT;
		value_plain(&text, TYPE_STRING, value);
		return err_set(e, ECANCELED, "%s", buf_text(&text));
	}
	const struct field *f = s->hook->event == EVENT_PRE_SAVE ? model_field(m, name) : NULL;
	if (!f)
		return 0;
	if (!s->edits)
		s->edits = json_object();
	return json_object_set_new(s->edits, name, json_of_value(f->type, value)) < 0 ? err_nomem(e) : 0;
}

static struct sql *prepared(const struct hook *h, const struct change *c)
{
	return h->model ? h->prepared : h->prepared_for ? h->prepared_for[c->model->index] : NULL;
}

/* A hook's edit that can't be stored is the hook's fault: refused, and named. */
static int bind_edit(struct saving *v, struct change *c, const char *hook, json_t *edit, enum verb verb, struct err *e)
{
	err_auto why = ERR_INIT;
	int result = change_edit(v, c, edit, verb, &why);
	if (result == 0)
		return 0;
	return err_set(e, why.code == ENOMEM ? ENOMEM : ECANCELED, "%s edits the record: %s", hook, why.text);
}

static int act_sql(struct saving *v, const struct hook *h, struct change *c, struct err *e)
{
	struct statement s = {.saving = v, .hook = h, .change = c};
	int result = sql_run(&v->txn, prepared(h, c), look_up, take_column, &s, e);
	if (result == 0 && s.edits)
		return bind_edit(v, c, "an sql hook", s.edits, VERB_PATCH, e);
	json_decref(s.edits);
	return result;
}

static void write_name(struct buf *b, const char *name)
{
	buf_char(b, '"');
	for (; *name; name++) {
		if (*name == '"')
			buf_char(b, '"');
		buf_char(b, *name);
	}
	buf_char(b, '"');
}

void check_write(struct buf *b, const struct model *m, const char *expression)
{
	buf_printf(b, "SELECT (%s\n) FROM (SELECT ", expression); /* the expression may end in a comment */
	for (size_t i = 0; i < m->nfields; i++) {
		buf_printf(b, "%s:$%s AS ", i ? ", " : "", m->fields[i].name);
		write_name(b, m->fields[i].name);
	}
	buf_char(b, ')');
}

static int take_truth(void *data, const char *name, const struct value *value, struct err *e)
{
	struct statement *s = data;
	(void)name, (void)e;
	s->truth = (value->kind == VALUE_INTEGER && value->integer != 0) ||
		   (value->kind == VALUE_REAL && value->real != 0) ||
		   (value->kind == VALUE_TEXT && strtod(value->text.data, NULL) != 0);
	return 0;
}

static int act_check(struct saving *v, const struct hook *h, struct change *c, struct err *e)
{
	struct statement s = {.saving = v, .hook = h, .change = c};
	int result = sql_run(&v->txn, prepared(h, c), look_up, take_truth, &s, e);
	return result < 0 || s.truth ? result : err_set(e, ECANCELED, "%s", h->message);
}

/* ---- run ---- */

/* The first word of the first line may name an errno. */
static int refuse_by_status(const char *name, const struct program_result *r, struct err *e)
{
	const char *line = buf_text(&r->err);
	while (isspace((unsigned char)*line))
		line++;
	int len = (int)strcspn(line, "\r\n"), word = (int)strcspn(line, " :\t\r\n");
	int code = err_by_name(line, (size_t)word);
	if (code) {
		word += (int)strspn(line + word, " :\t");
		line += word;
		len -= word;
	}
	if (len > 0)
		return err_set(e, code ? code : ECANCELED, "%.*s", len, line);
	return err_set(e, code ? code : ECANCELED, "%s ended with status %d", name, r->status);
}

int program_verdict(const struct program *p, const struct program_result *r, struct err *e)
{
	const char *name = program_name(p);
	bool seconds = p->timeout_ms % 1000 == 0;
	if (r->timed_out)
		return err_set(e, ETIMEDOUT, "%s took longer than %lld %s", name,
			       seconds ? p->timeout_ms / 1000 : p->timeout_ms, seconds ? "s" : "ms");
	if (r->too_much)
		return err_set(e, ECANCELED, "%s wrote more than %d bytes to its standard output", name,
			       LIMIT_HOOK_OUTPUT);
	if (r->stopped)
		return err_set(e, ECANCELED, "%s was ended because the mount ends", name);
	if (r->signal)
		return err_set(e, ECANCELED, "%s was ended by signal %d (%s)", name, r->signal, strsignal(r->signal));
	return r->status == 0 ? 0 : refuse_by_status(name, r, e);
}

/* {"errors":{"field":"text"},"message":"..."}: the message first, then one problem for each field. */
static int refuse_by_answer(const json_t *answer, struct err *e)
{
	const char *message = json_string_value(json_object_get(answer, "message"));
	json_t *errors = json_object_get(answer, "errors"), *text;
	const char *field;
	if (json_object_size(errors) == 0)
		return message ? err_set(e, ECANCELED, "%s", message) : 0;
	if (message)
		err_problem(e, ECANCELED, "", "%s", message);
	json_object_foreach(errors, field, text)
	{
		char pointer[LIMIT_NAME + 2] = "/";
		strncat(pointer, field, LIMIT_NAME);
		err_problem(e, ECANCELED, pointer, "%s", json_is_string(text) ? json_string_value(text) : "is refused");
	}
	return -e->code;
}

static int check_members(const char *name, enum event event, json_t *answer, struct err *e)
{
	static const char *const later[] = {"handled", "save", "delete"};
	for (size_t i = 0; i < sizeof later / sizeof *later; i++)
		if (json_object_get(answer, later[i]))
			return err_set(e, ECANCELED, "%s answers \"%s\", which is not in this version", name, later[i]);
	const json_t *row = json_object_get(answer, "new"), *errors = json_object_get(answer, "errors");
	const json_t *message = json_object_get(answer, "message");
	if (row && event != EVENT_PRE_SAVE)
		return err_set(e, ECANCELED, "%s answers \"new\", which only pre_save may", name);
	if ((row && !json_is_object(row)) || (errors && !json_is_object(errors)))
		return err_set(e, ECANCELED, "%s answers \"%s\" that is no object", name, row ? "new" : "errors");
	if (message && !json_is_string(message))
		return err_set(e, ECANCELED, "%s answers \"message\" that is no string", name);
	if (json_object_size(answer) != (size_t)(!!row + !!errors + !!message))
		return err_set(e, ECANCELED, "%s answers a member that is none of new, errors and message", name);
	return 0;
}

static int take_answer(struct saving *v, const struct hook *h, struct change *c, const char *name,
		       const struct buf *out, struct err *e)
{
	err_auto why = ERR_INIT;
	json_scope *answer = NULL;
	const char *text = buf_text(out);
	if (strspn(text, " \t\r\n") == out->len)
		return 0;
	if (json_read(text, out->len, &answer, &why) < 0)
		return err_set(e, ECANCELED, "%s answers what is no JSON object: %s", name, why.text);
	if (check_members(name, h->event, answer, e) < 0 || refuse_by_answer(answer, e) < 0)
		return -e->code;
	json_t *row = json_object_get(answer, "new");
	return row ? bind_edit(v, c, name, json_incref(row), VERB_REPLACE, e) : 0;
}

/* What a session of the table is to `started` and `ended`. */
struct waiting {
	struct saver *saver;
	struct session session;
};

static void session_started(void *data, pid_t id)
{
	struct waiting *w = data;
	struct session *s = &w->session;
	pthread_mutex_lock(&w->saver->sessions_lock);
	*s = (struct session){id, w->saver->sessions, &w->saver->sessions};
	if (s->next)
		s->next->link = &s->next;
	w->saver->sessions = s;
	pthread_mutex_unlock(&w->saver->sessions_lock);
}

static void session_ended(void *data, pid_t id)
{
	struct waiting *w = data;
	struct session *s = &w->session;
	(void)id;
	pthread_mutex_lock(&w->saver->sessions_lock);
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	pthread_mutex_unlock(&w->saver->sessions_lock);
}

static int act_run(struct saving *v, const struct hook *h, struct change *c, struct err *e)
{
	struct waiting waiting = {.saver = v->saver};
	struct event_object event = {
	    event_name(h->event), c->verb, c->model, change_key(c), c->old, c->row, v->actor, c};
	struct program p = {
	    .argv = h->argv,
	    .timeout_ms = h->timeout_ms,
	    .started = session_started,
	    .ended = session_ended,
	    .data = &waiting,
	    .wake_fd = -1,
	};
	err_auto why = ERR_INIT;
	struct program_result r;
	if (event_program(&p, &v->arena, &event, v->saver, e) < 0)
		return err_nomem(e);
	int result = program_run(&p, &r, &why);
	if (result < 0)
		return err_set(e, result == -ENOMEM ? ENOMEM : ECANCELED, "%s", why.text);
	result = program_verdict(&p, &r, e);
	if (result == 0)
		result = take_answer(v, h, c, program_name(&p), &r.out, e);
	program_result_release(&r);
	return result;
}

/* ---- enqueue ---- */

static json_t *job_document(const struct saving *v, const struct hook *h, const struct change *c)
{
	json_t *document = json_object();
	for (size_t i = 0; i < h->nassignments; i++) {
		const struct assignment *a = &h->assignments[i];
		struct value value = a->literal;
		struct parameter p = {.type = a->field->type};
		if (a->parameter && parameter_find(c->model, a->parameter, &p))
			value = parameter_value(v, c, &p);
		if (json_object_set_new(document, a->field->name, json_of_value(p.type, &value)) < 0) {
			json_decref(document);
			return NULL;
		}
	}
	return document;
}

static int act_enqueue(struct saving *v, const struct hook *h, struct change *c, struct err *e)
{
	if (c->depth >= LIMIT_HOOK_DEPTH)
		return err_set(e, EPROTO, "hooks of %s enqueue jobs, whose hooks enqueue jobs, more than %d deep",
			       h->queue->name, LIMIT_HOOK_DEPTH);
	struct change *job = change_new(v, h->queue, REQUEST_PUT, NULL, e);
	json_t *document = job_document(v, h, c);
	if (!job || !document) {
		json_decref(document);
		return err_nomem(e);
	}
	job->trusted = true;
	job->depth = c->depth + 1;
	job->cause = c;
	job->document = document;
	int result = saving_keep(v, document, e);
	return result < 0 ? result : change_add(v, job, e);
}

static int (*const acts[HOOK_KIND_COUNT])(struct saving *, const struct hook *, struct change *, struct err *) = {
    [HOOK_SQL] = act_sql,
    [HOOK_CHECK] = act_check,
    [HOOK_RUN] = act_run,
    [HOOK_ENQUEUE] = act_enqueue,
};

/* Problems with an embedded record stand where its entry does. */
int act(struct saving *v, const struct hook *h, struct change *c, struct err *e)
{
	err_auto why = ERR_INIT;
	if (!c->pointer)
		return acts[h->kind](v, h, c, e);
	return acts[h->kind](v, h, c, &why) < 0 ? err_graft(e, &why, c->pointer) : 0;
}
