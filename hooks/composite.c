/*
 * composite.c - a document with several requests: a transaction that is prepared and committed at once (stage.h).
 *
 * Requests are staged one by one, so that what one makes is there for the variables of the next. Problems are told at
 * their pointers in the whole document.
 */
#include "composite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "change.h"
#include "report.h"
#include "stage.h"
#include "substitute.h"

static const struct method {
	const char *name;
	enum request_kind kind;
	enum expect expect;
	bool body;
} methods[] = {
    {"post", REQUEST_PUT, EXPECT_NONE, true},
    {"put", REQUEST_PUT, EXPECT_ANY, true},
    {"patch", REQUEST_MERGE, EXPECT_RECORD, true},
    {"delete", REQUEST_DELETE, EXPECT_RECORD, false},
};

struct part {
	const json_t *json; /* as it was written */
	const struct method *method;
	const char *path;
	const struct model *model;
	struct value key; /* of the record, once it is known */
	struct buf answer;
	bool staged;
};

struct composite {
	struct saver *saver;
	const struct actor *actor;
	struct stage *stage;
	struct part *parts;
	const char **methods;
	size_t n, room;
	json_t *variables;
	struct arena arena;
};

/* ---- the document ---- */

static const char *pointer_to(struct composite *c, size_t i, const char *member)
{
	const char *pointer = arena_printf(&c->arena, "/requests/%zu%s%s", i, *member ? "/" : "", member);
	return pointer ? pointer : "";
}

static bool is_known(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names != NULL;
}

static void check_members(struct composite *c, size_t i, const json_t *json, struct err *e)
{
	static const char *const names[] = {"method", "path", "body", "checksum", "vars", NULL};
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)json, name, value) if (!is_known(name, names))
	    err_problem(e, EBADMSG, pointer_to(c, i, name), "is no member of a request");
}

static void check_vars(struct composite *c, size_t i, const json_t *vars, struct err *e)
{
	size_t at;
	json_t *each;
	if (vars && !json_is_array(vars))
		err_problem(e, EBADMSG, pointer_to(c, i, "vars"), "must be a list of objects with name and path");
	json_array_foreach((json_t *)vars, at, each)
	{
		if (!json_is_string(json_object_get(each, "name")) || !json_is_string(json_object_get(each, "path")))
			err_problem(e, EBADMSG, pointer_to(c, i, "vars"),
				    "must be a list of objects with name and path");
	}
}

/* What can be said before any request is carried out. */
static void check_part(struct composite *c, size_t i, struct err *e)
{
	struct part *p = &c->parts[i];
	const char *method = json_string_value(json_object_get(p->json, "method"));
	const json_t *body = json_object_get(p->json, "body"), *checksum = json_object_get(p->json, "checksum");
	if (!json_is_object(p->json)) {
		err_problem(e, EBADMSG, pointer_to(c, i, ""), "must be an object");
		return;
	}
	check_members(c, i, p->json, e);
	for (size_t k = 0; method && k < sizeof methods / sizeof *methods; k++)
		if (strcmp(methods[k].name, method) == 0)
			p->method = &methods[k];
	if (!p->method)
		err_problem(e, EBADMSG, pointer_to(c, i, "method"), "must be post, put, patch or delete");
	if (!json_is_string(json_object_get(p->json, "path")))
		err_problem(e, EBADMSG, pointer_to(c, i, "path"), "must be a string such as orders/7.json");
	if (p->method && p->method->body && !json_is_object(body))
		err_problem(e, EBADMSG, pointer_to(c, i, "body"), "must be an object");
	if (p->method && !p->method->body && body && !json_is_null(body))
		err_problem(e, EBADMSG, pointer_to(c, i, "body"), "is not for %s", p->method->name);
	if (checksum && !json_is_string(checksum))
		err_problem(e, EBADMSG, pointer_to(c, i, "checksum"), "must be a string");
	check_vars(c, i, json_object_get(p->json, "vars"), e);
}

static int read_parts(struct composite *c, const json_t *document, struct err *e)
{
	const json_t *requests = json_object_get(document, "requests");
	if (!json_is_array(requests) || json_object_size(document) != 1)
		return err_problem(e, EBADMSG, "", "must have one member, \"requests\", a list of requests");
	c->n = json_array_size(requests);
	if (c->n > LIMIT_COMPOSITE)
		return err_problem(e, EFBIG, "/requests", "has %zu requests, and at most %d can be saved together",
				   c->n, LIMIT_COMPOSITE);
	c->parts = arena_alloc(&c->arena, (c->n + 1) * sizeof *c->parts);
	c->methods = arena_alloc(&c->arena, (c->n + 1) * sizeof *c->methods);
	if (!c->parts || !c->methods)
		return err_nomem(e);
	for (size_t i = 0; i < c->n; i++) {
		c->parts[i].json = json_array_get(requests, i);
		check_part(c, i, e);
		c->methods[i] = c->parts[i].method ? c->parts[i].method->name : "";
	}
	return -e->code;
}

/* ---- one request ---- */

/* "orders/7.json", or without a key "orders" and "orders/.new". */
static int find_record(struct composite *c, struct part *p, struct err *e)
{
	const char *slash = strchr(p->path, '/');
	const char *name = slash ? arena_copy(&c->arena, p->path, (size_t)(slash - p->path)) : p->path;
	p->model = name ? schema_model(c->saver->schema, name) : NULL;
	if (!p->model || p->model->hidden)
		return err_problem(e, EBADMSG, "", "there is no model of this name");
	if (!slash || strcmp(slash + 1, ".new") == 0)
		return p->method->kind == REQUEST_PUT ? 0 : err_problem(e, EBADMSG, "", "names no record");
	if (record_key(p->model, slash + 1, &c->arena, &p->key) < 0)
		return err_problem(e, EBADMSG, "", "is not the path of a record");
	return 0;
}

static int resolve_path(struct composite *c, struct part *p, size_t i, struct err *e)
{
	err_auto why = ERR_INIT;
	const char *written = json_string_value(json_object_get(p->json, "path"));
	p->path = substitute_text(c->variables, written, &c->arena, &why);
	if (p->path && find_record(c, p, &why) == 0)
		return 0;
	return err_graft(e, &why, pointer_to(c, i, "path"));
}

static int resolve_body(struct composite *c, struct part *p, size_t i, struct buf *text, struct err *e)
{
	err_auto why = ERR_INIT;
	json_scope *body = json_deep_copy(json_object_get(p->json, "body"));
	if (!p->method->body)
		return 0;
	if (!body)
		return err_nomem(e);
	if (substitute_json(c->variables, &body, "", &c->arena, &why) < 0)
		return err_graft(e, &why, pointer_to(c, i, "body"));
	json_write(text, body, -1);
	return buf_failed(text) ? err_nomem(e) : 0;
}

static int show(struct composite *c, struct part *p, struct err *e)
{
	if (p->method->kind == REQUEST_DELETE)
		return 0;
	struct conn *conn = stage_read_begin(c->stage, c->actor->uid, e);
	if (!conn)
		return -e->code;
	int result = store_show(conn, p->model, &p->key, &p->answer, NULL, e);
	store_read_end(conn);
	return result;
}

static int set_variables(struct composite *c, struct part *p, size_t i, struct err *e)
{
	const json_t *vars = json_object_get(p->json, "vars");
	json_scope *record = NULL;
	size_t at;
	json_t *each;
	if (!vars || json_array_size(vars) == 0)
		return 0;
	if (p->answer.len)
		json_read_value(p->answer.data, p->answer.len, JSON_ALLOW_NUL, &record);
	json_array_foreach((json_t *)vars, at, each)
	{
		const char *path = json_string_value(json_object_get(each, "path"));
		json_t *value = substitute_find(record, path);
		if (!value)
			return err_problem(e, EBADMSG, pointer_to(c, i, "vars"), "%.100s is not in the record", path);
		if (json_object_set(c->variables, json_string_value(json_object_get(each, "name")), value) < 0)
			return err_nomem(e);
	}
	return 0;
}

/* Those of the report, should a later request be refused. */
static void keep_answers(struct composite *c, size_t i)
{
	size_t kept = 0;
	for (size_t k = 0; k <= i; k++)
		kept += c->parts[k].answer.len;
	if (kept > c->room)
		buf_release(&c->parts[i].answer);
}

static int stage_part(struct composite *c, size_t i, struct err *e)
{
	struct part *p = &c->parts[i];
	err_auto why = ERR_INIT;
	buf_auto text = BUF_INIT;
	struct outcome outcome;
	if (resolve_path(c, p, i, e) < 0 || resolve_body(c, p, i, &text, e) < 0)
		return -e->code;
	struct request r = {
	    .kind = p->method->kind,
	    .model = p->model,
	    .key = p->key,
	    .expect = p->key.kind == VALUE_NULL ? EXPECT_ANY : p->method->expect,
	    .text = p->method->body ? buf_text(&text) : NULL,
	    .len = text.len,
	    .checksum = json_string_value(json_object_get(p->json, "checksum")),
	};
	if (stage_save(c->stage, c->actor, &r, &outcome, &c->arena, &why) < 0)
		return why.nproblems ? err_graft(e, &why, pointer_to(c, i, "body")) : (err_take(e, &why), -e->code);
	p->key = outcome.key;
	p->staged = true;
	if (show(c, p, e) < 0 || set_variables(c, p, i, e) < 0)
		return -e->code;
	keep_answers(c, i);
	return 0;
}

/* ---- all of them ---- */

/* Where one was refused before the commit. */
static void report(struct composite *c, size_t failed, const struct err *why, struct buf *answer)
{
	report_open(answer);
	for (size_t i = 0; i < c->n; i++) {
		const struct part *p = &c->parts[i];
		bool shown = i < failed && !buf_failed(&p->answer) && answer->len + p->answer.len < c->room;
		struct report_line line = {
		    .path = p->path ? p->path : json_string_value(json_object_get(p->json, "path")),
		    .method = p->method->name,
		    .status = i < failed    ? "not committed"
			      : i == failed ? "failed"
					    : "skipped",
		    .model = p->staged ? p->model : NULL,
		    .key = &p->key,
		    .answer = p->answer.data,
		    .answer_len = shown ? p->answer.len : 0,
		    .error = i == failed ? why : NULL,
		};
		if (p->staged)
			line.path = record_path(&c->arena, p->model, &p->key);
		report_add(answer, &line);
	}
	report_close(answer);
}

static int run(struct composite *c, const char *text, size_t len, struct buf *answer, struct err *e)
{
	json_scope *document = NULL;
	if (json_read(text, len, &document, e) < 0 || read_parts(c, document, e) < 0)
		return -e->code;
	c->variables = json_object();
	if (!c->variables || stage_new(&c->stage, c->saver, false, e) < 0)
		return err_nomem(e);
	stage_keep_separate(c->stage, c->methods);
	for (size_t i = 0; i < c->n; i++) {
		if (stage_part(c, i, e) == 0)
			continue;
		json_locate(text, len, e);
		report(c, i, e, answer);
		return -e->code;
	}
	return stage_commit(c->stage, c->actor, c->room, answer, e);
}

int composite_run(struct saver *s, const struct actor *actor, const char *text, size_t len, size_t room,
		  struct buf *answer, struct err *e)
{
	struct composite c = {.saver = s, .actor = actor, .room = room};
	int result = run(&c, text, len, answer, e);
	if (result < 0)
		json_locate(text, len, e);
	for (size_t i = 0; i < c.n && c.parts; i++)
		buf_release(&c.parts[i].answer);
	json_decref(c.variables);
	stage_free(c.stage);
	arena_release(&c.arena);
	return result;
}
