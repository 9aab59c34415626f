/*
 * event.c - the event object and the environment of rowfs-hooks(5). No value of a write-only field leaves here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "change.h"
#include "event.h"
#include "process_name.h"
#include "tree.h"

/* By verb: how the event names it besides. */
static const char *const put_types[VERB_COUNT] = {
    [VERB_CREATE] = "newly_created",
    [VERB_REPLACE] = "updated",
    [VERB_PATCH] = "updated",
};
static const char *const statuses[VERB_COUNT] = {
    [VERB_CREATE] = "inserted",
    [VERB_REPLACE] = "modified",
    [VERB_PATCH] = "modified",
    [VERB_DELETE] = "deleted",
};
static const char *const passed_on[] = {"PATH", "HOME", "LANG"};

struct event_object event_of(const char *name, const struct change *c, const struct actor *actor)
{
	return (struct event_object){
	    .name = name,
	    .verb = c->verb,
	    .model = c->model,
	    .key = change_key(c),
	    .old = c->old,
	    .row = c->row,
	    .actor = actor,
	    .change = c,
	};
}

const char *event_put_type(enum verb verb)
{
	return put_types[verb];
}

/* ---- the object ---- */

static void write_name(struct buf *b, const char *name)
{
	buf_str(b, ",\"");
	buf_str(b, name);
	buf_str(b, "\":");
}

static void write_string(struct buf *b, const char *name, const char *text)
{
	write_name(b, name);
	if (text)
		json_write_string(b, text, strlen(text));
	else
		buf_str(b, "null");
}

/* With what it embeds, where the change knows that. */
static void write_row(struct buf *b, const char *name, const struct event_object *event, bool old,
		      const struct field *except)
{
	const struct value *row = old ? event->old : event->row;
	write_name(b, name);
	if (!row)
		buf_str(b, "null");
	else if (event->change)
		tree_write(b, event->change, old, SHOW_EVENT, -1, except);
	else
		record_close(b, record_open(b, event->model, row, SHOW_EVENT, -1, except), -1);
}

static bool is_changed(const struct event_object *event, size_t i)
{
	static const struct value none = {.kind = VALUE_NULL};
	return !value_equal(event->old ? &event->old[i] : &none, event->row ? &event->row[i] : &none);
}

static const char *status_of(const struct event_object *event)
{
	bool details = event->verb != VERB_DELETE && event->old && event->model->embeds &&
		       row_equal(event->model, event->old, event->row);
	return details ? "details_modified" : statuses[event->verb];
}

static void write_changed(struct buf *b, const struct event_object *event, const struct field *except)
{
	const char *comma = "";
	buf_str(b, ",\"changed\":[");
	for (size_t i = 0; i < event->model->nfields; i++) {
		const char *name = event->model->fields[i].name;
		if (&event->model->fields[i] == except || !is_changed(event, i))
			continue;
		buf_str(b, comma);
		json_write_string(b, name, strlen(name));
		comma = ",";
	}
	buf_char(b, ']');
}

static void write_details(struct buf *b, const struct change *c);

/* An embedded record that changes, without its reference to the parent. */
static void write_detail(struct buf *b, const struct change *c)
{
	const struct event_object event = {
	    .verb = c->verb, .model = c->model, .key = change_key(c), .old = c->old, .row = c->row, .change = c};
	buf_printf(b, "{\"status\":\"%s\",\"key\":", status_of(&event));
	value_write(b, c->model->key->type, event.key, -1);
	write_row(b, "old", &event, true, c->relation->by);
	write_row(b, "new", &event, false, c->relation->by);
	write_changed(b, &event, c->relation->by);
	if (c->model->embeds)
		write_details(b, c);
	buf_char(b, '}');
}

/* By member, those that change; members without any are left out. */
static void write_details(struct buf *b, const struct change *c)
{
	const struct relation *open = NULL;
	buf_str(b, ",\"details\":{");
	for (size_t i = 0; c && i < c->children.n; i++) {
		const struct change *child = c->children.of[i];
		if (!child->changed)
			continue;
		if (child->relation != open) {
			buf_str(b, open ? "]," : "");
			json_write_string(b, child->model->name, strlen(child->model->name));
			buf_str(b, ":[");
		} else {
			buf_char(b, ',');
		}
		open = child->relation;
		write_detail(b, child);
	}
	buf_str(b, open ? "]}" : "}");
}

void event_write(struct buf *b, const struct event_object *event)
{
	char comm[COMM_SIZE];
	const struct actor *actor = event->actor;
	process_name(actor->pid, comm);
	buf_str(b, "{\"version\":1");
	write_string(b, "event", event->name);
	write_string(b, "verb", verb_name(event->verb));
	write_string(b, "put_type", put_types[event->verb]);
	write_string(b, "model", event->model->name);
	buf_str(b, ",\"key\":");
	value_write(b, event->model->key->type, event->key, -1);
	buf_str(b, ",\"actor\":{\"uid\":");
	json_write_integer(b, actor->uid);
	buf_str(b, ",\"gid\":");
	json_write_integer(b, actor->gid);
	buf_str(b, ",\"pid\":");
	json_write_integer(b, actor->pid);
	write_string(b, "comm", comm);
	buf_char(b, '}');
	if (event->txn)
		write_string(b, "txn", event->txn);
	write_row(b, "old", event, true, NULL);
	write_row(b, "new", event, false, NULL);
	write_changed(b, event, NULL);
	write_string(b, "status", status_of(event));
	write_details(b, event->change);
	buf_char(b, '}');
}

/* ---- and back ---- */

/* A field that another version of mount.conf has given another type is left out. */
static int read_row(const struct model *m, const json_t *json, struct arena *a, struct value **row)
{
	if (!json_is_object(json))
		return 0;
	*row = arena_alloc(a, m->nfields * sizeof **row);
	for (size_t i = 0; *row && i < m->nfields; i++) {
		err_auto wrong = ERR_INIT;
		const json_t *member = json_object_get(json, m->fields[i].name);
		struct value value;
		int result = value_from_json(m->fields[i].type, member, "", a, &value, &wrong);
		if (result < 0)
			value = value_null();
		if (result == -ENOMEM || value_copy(a, &value, &(*row)[i]) < 0)
			return -ENOMEM;
	}
	return *row ? 0 : -ENOMEM;
}

static enum verb verb_by_name(const char *name)
{
	for (int verb = 0; verb < VERB_COUNT; verb++)
		if (name && strcmp(name, verb_name(verb)) == 0)
			return verb;
	return VERB_COUNT;
}

int event_read(struct event_object *event, struct actor *actor, const struct schema *s, const char *line,
	       struct arena *a, struct err *e)
{
	json_scope *json = NULL;
	if (json_read_value(line, strlen(line), JSON_ALLOW_NUL, &json) == -ENOMEM)
		return err_nomem(e);
	const char *name = json_string_value(json_object_get(json, "model"));
	const json_t *who = json_object_get(json, "actor");
	struct value *old = NULL, *row = NULL;
	*event = (struct event_object){
	    .name = "after_commit",
	    .verb = verb_by_name(json_string_value(json_object_get(json, "verb"))),
	    .model = name ? schema_model(s, name) : NULL,
	    .actor = actor,
	};
	*actor = (struct actor){.uid = (uid_t)json_integer_value(json_object_get(who, "uid")),
				.gid = (gid_t)json_integer_value(json_object_get(who, "gid")),
				.pid = (pid_t)json_integer_value(json_object_get(who, "pid"))};
	if (!event->model || event->verb == VERB_COUNT)
		return err_set(e, EIO, "the recorded event can't be read");
	if (read_row(event->model, json_object_get(json, "old"), a, &old) < 0 ||
	    read_row(event->model, json_object_get(json, "new"), a, &row) < 0)
		return err_nomem(e);
	if (!old && !row)
		return err_set(e, EIO, "the recorded event has no record");
	event->old = old;
	event->row = row;
	event->key = &(row ? row : old)[event->model->key->index];
	return 0;
}

/* ---- the environment ---- */

struct env {
	struct arena *arena;
	const char **list;
	size_t n;
	bool failed;
};

static void add_text(struct env *env, const char *text)
{
	env->failed |= !text;
	env->list[env->n++] = text;
}

#define add(env, ...) add_text(env, arena_printf((env)->arena, __VA_ARGS__))

static bool fits(const struct field *f, const struct buf *text)
{
	return f->type != TYPE_JSON && text->len <= LIMIT_ENV_VALUE && !memchr(buf_text(text), '\0', text->len);
}

/* null is left out, so that ${new_total+set} tells it from an empty string. */
static void add_row(struct env *env, const char *prefix, const struct model *m, const struct value *row,
		    struct buf *omitted)
{
	for (size_t i = 0; row && i < m->nfields; i++) {
		const struct field *f = &m->fields[i];
		if (f->write_only || row[i].kind == VALUE_NULL)
			continue;
		buf_auto text = BUF_INIT;
		value_plain(&text, f->type, &row[i]);
		if (fits(f, &text))
			add(env, "%s%s=%s", prefix, f->name, buf_text(&text));
		else
			buf_printf(omitted, "%s%s%s", omitted->len ? " " : "", prefix, f->name);
		env->failed |= buf_failed(&text);
	}
}

static void add_event(struct env *env, const struct event_object *event)
{
	buf_auto key = BUF_INIT;
	value_plain(&key, event->model->key->type, event->key);
	add(env, "ROWFS_EVENT=%s", event->name);
	add(env, "ROWFS_VERB=%s", verb_name(event->verb));
	if (put_types[event->verb])
		add(env, "ROWFS_PUT_TYPE=%s", put_types[event->verb]);
	add(env, "ROWFS_MODEL=%s", event->model->name);
	add(env, "ROWFS_KEY=%s", buf_text(&key));
	add(env, "ROWFS_UID=%lu", (unsigned long)event->actor->uid);
	add(env, "ROWFS_GID=%lu", (unsigned long)event->actor->gid);
	if (event->txn)
		add(env, "ROWFS_TXN=%s", event->txn);
	env->failed |= buf_failed(&key);
}

static void add_common(struct env *env, const struct saver *s, const struct user *user)
{
	for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
		bool own = user && strcmp(passed_on[i], "HOME") == 0;
		const char *value = own ? user->home : getenv(passed_on[i]);
		if (value)
			add(env, "%s=%s", passed_on[i], value);
	}
	add(env, "ROWFS_MOUNT=%s", s->mount);
	add(env, "ROWFS_CONF=%s/%s", s->schema->conf->directory, basename(s->schema->conf->path));
}

enum { FIXED = 17 }; /* the end among them */

const char *const *program_env(struct arena *a, const struct saver *s, const struct user *user)
{
	struct env env = {.arena = a};
	env.list = arena_alloc(a, FIXED * sizeof *env.list);
	if (!env.list)
		return NULL;
	add_common(&env, s, user);
	return env.failed ? NULL : env.list;
}

const char *const *event_env(struct arena *a, const struct event_object *event, const struct saver *s,
			     const struct user *user)
{
	struct env env = {.arena = a};
	buf_auto omitted = BUF_INIT;
	env.list = arena_alloc(a, (FIXED + 2 * event->model->nfields) * sizeof *env.list);
	if (!env.list)
		return NULL;
	add_common(&env, s, user);
	add_event(&env, event);
	add_row(&env, "new_", event->model, event->row, &omitted);
	add_row(&env, "old_", event->model, event->old, &omitted);
	if (omitted.len)
		add(&env, "ROWFS_OMITTED=%s", buf_text(&omitted));
	return env.failed || buf_failed(&omitted) ? NULL : env.list;
}

int event_program(struct program *p, struct arena *a, const struct event_object *event, const struct saver *s,
		  struct err *e)
{
	buf_auto line = BUF_INIT;
	event_write(&line, event);
	buf_char(&line, '\n');
	p->env = event_env(a, event, s, p->user);
	p->input = buf_failed(&line) ? NULL : arena_copy(a, line.data, line.len);
	p->input_len = line.len;
	p->directory = s->schema->conf->directory;
	return p->env && p->input ? 0 : err_nomem(e);
}
