/*
 * act.c - what one hook does to one change: SQL in the transaction, a check, a job. Programs: act_program.c.
 *
 * A hook refuses with a sentence; whether it ran inside the transaction or on a snapshot before it is save.c's affair.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "act.h"
#include "reply.h"
#include "cause.h"
#include "change.h"
#include "plugin.h"

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
	json_t *json = NULL;
	json_read_value(buf_text(&text), text.len, JSON_ALLOW_NUL, &json);
	return json;
}

static bool is_true(const struct value *value)
{
	return (value->kind == VALUE_INTEGER && value->integer != 0) ||
	       (value->kind == VALUE_REAL && value->real != 0) ||
	       (value->kind == VALUE_TEXT && strtod(value->text.data, NULL) != 0);
}

/*
 * A column named error refuses, in apply one named handled takes the place of the row's change, in pre_save one named
 * like a field replaces it; any other is nothing.
 */
static int take_column(void *data, const char *name, const struct value *value, struct err *e)
{
	struct statement *s = data;
	const struct model *m = s->change->model;
	if (strcmp(name, "error") == 0 && value->kind != VALUE_NULL) {
		buf_auto text = BUF_INIT;
		value_plain(&text, TYPE_STRING, value);
		return err_set(e, ECANCELED, "%s", text.len ? buf_text(&text) : "an sql hook refuses");
	}
	if (s->hook->event == EVENT_APPLY && strcmp(name, "handled") == 0)
		s->change->handled = is_true(value);
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

static int act_sql(struct saving *v, const struct hook *h, struct change *c, struct err *e)
{
	struct statement s = {.saving = v, .hook = h, .change = c};
	int result = sql_run(&v->txn, prepared(h, c), look_up, take_column, &s, e);
	if (result == 0 && s.edits)
		return reply_edit(v, c, "an sql hook", s.edits, VERB_PATCH, e);
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
	s->truth = is_true(value);
	return 0;
}

static int act_check(struct saving *v, const struct hook *h, struct change *c, struct err *e)
{
	struct statement s = {.saving = v, .hook = h, .change = c};
	int result = sql_run(&v->txn, prepared(h, c), look_up, take_truth, &s, e);
	return result < 0 || s.truth ? result
				     : err_set(e, ECANCELED, "%s", *h->message ? h->message : "a check refuses");
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
	struct change *job = change_new(v, h->queue, REQUEST_PUT, NULL, e);
	json_t *document = job_document(v, h, c);
	if (!job || !document) {
		json_decref(document);
		return err_nomem(e);
	}
	job->document = document;
	int result = saving_keep(v, document, e);
	return result < 0 ? result : cause(v, c, job, e);
}

static int (*const acts[HOOK_KIND_COUNT])(struct saving *, const struct hook *, struct change *, struct err *) = {
    [HOOK_SQL] = act_sql,   [HOOK_CHECK] = act_check,   [HOOK_RUN] = act_run,
    [HOOK_PIPE] = act_pipe, [HOOK_PLUGIN] = act_plugin, [HOOK_ENQUEUE] = act_enqueue,
};

/* Problems with an embedded record stand where its entry does. */
int act(struct saving *v, const struct hook *h, struct change *c, struct err *e)
{
	err_auto why = ERR_INIT;
	if (!c->pointer)
		return acts[h->kind](v, h, c, e);
	return acts[h->kind](v, h, c, &why) < 0 ? err_graft(e, &why, c->pointer) : 0;
}
