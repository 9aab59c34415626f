/*
 * plugin.c - loads plugins, and is their host: the functions of rowfs-plugin.h.
 *
 * A plugin's structure may be shorter than ours (an older header) or longer (a newer one): it is copied into one of our
 * size, and what it lacks is NULL. Whatever a host function refuses stays: the err of the call is the save's, even when
 * the plugin's function returns success, because rows may have changed half of the way.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "reply.h"
#include "cause.h"
#include "event.h"
#include "plugin.h"
#include "rowfs-plugin.h"

struct plugin {
	struct rowfs_plugin table;
	void *library, *self;
	const char *file; /* as mount.conf names it, for messages; of the conf */
};

struct rowfs_call {
	struct plugin *plugin;
	struct saving *saving; /* NULL: not in an event */
	const struct hook *hook;
	struct change *change;
	struct err why;
};

/* ---- the host ---- */

static bool in_event(struct rowfs_call *call)
{
	if (call->saving && !call->why.code)
		return true;
	err_set(&call->why, ECANCELED, "%s asks for a record where there is no event", call->plugin->file);
	return false;
}

static const char *plain(struct rowfs_call *call, const struct value *row, const char *name)
{
	const struct field *f = call->saving ? model_field(call->change->model, name) : NULL;
	if (!row || !f || f->write_only || row[f->index].kind == VALUE_NULL)
		return NULL;
	buf_auto text = BUF_INIT;
	value_plain(&text, f->type, &row[f->index]);
	const char *copy = buf_failed(&text) ? NULL : arena_copy(&call->saving->arena, buf_text(&text), text.len);
	if (!copy)
		err_nomem(&call->why);
	return copy;
}

static const char *host_old_value(struct rowfs_call *call, const char *field)
{
	return plain(call, call->saving ? call->change->old : NULL, field);
}

static const char *host_new_value(struct rowfs_call *call, const char *field)
{
	return plain(call, call->saving ? call->change->row : NULL, field);
}

/* A copy that lives as long as the save. */
static const char *keep(struct rowfs_call *call, const struct buf *text, size_t *len)
{
	const char *copy = buf_failed(text) ? NULL : arena_copy(&call->saving->arena, buf_text(text), text->len);
	if (!copy)
		err_nomem(&call->why);
	else if (len)
		*len = text->len;
	return copy;
}

static const char *host_event_json(struct rowfs_call *call, size_t *len)
{
	buf_auto text = BUF_INIT;
	if (!in_event(call))
		return NULL;
	const struct change *c = call->change;
	struct event_object event = event_of(event_name(call->hook->event), c, call->saving->actor);
	event_write(&text, &event);
	return keep(call, &text, len);
}

static json_t *document(struct rowfs_call *call, const char *what, const char *text)
{
	err_auto why = ERR_INIT;
	json_t *json = NULL;
	if (json_read(text, strlen(text), &json, &why) < 0)
		err_set(&call->why, why.code == ENOMEM ? ENOMEM : ECANCELED, "%s: %s: %s", call->plugin->file, what,
			why.text);
	return json;
}

static int host_edit(struct rowfs_call *call, const char *text)
{
	if (!in_event(call))
		return -1;
	if (call->hook->event != EVENT_PRE_SAVE) {
		err_set(&call->why, ECANCELED, "%s edits the record, which only pre_save may", call->plugin->file);
		return -1;
	}
	json_t *json = document(call, "edit", text);
	if (!json)
		return -1;
	return reply_edit(call->saving, call->change, call->plugin->file, json, VERB_PATCH, &call->why) < 0 ? -1 : 0;
}

static const char *host_read(struct rowfs_call *call, const char *path, size_t *len)
{
	const struct model *model;
	struct value key;
	buf_auto text = BUF_INIT;
	err_auto why = ERR_INIT;
	if (!in_event(call) || cause_path(call->saving, call->plugin->file, path, &model, &key, &call->why) < 0)
		return NULL;
	int result = key.kind == VALUE_NULL ? -ENOENT : store_show(call->saving->conn, model, &key, &text, NULL, &why);
	if (result < 0 && result != -ENOENT)
		err_set(&call->why, why.code, "%s: %s: %s", call->plugin->file, path, why.text);
	return result < 0 ? NULL : keep(call, &text, len);
}

static int request(struct rowfs_call *call, enum request_kind kind, const char *path, const char *text)
{
	json_scope *json = NULL;
	if (!in_event(call) || (text && !(json = document(call, path, text))))
		return -1;
	if (cause_request(call->saving, call->change, call->plugin->file, kind, path, json, &call->why) < 0)
		return -1;
	return saving_carry_caused(call->saving, &call->why) < 0 ? -1 : 0;
}

static int host_put(struct rowfs_call *call, const char *path, const char *json)
{
	return request(call, REQUEST_PUT, path, json);
}

static int host_merge(struct rowfs_call *call, const char *path, const char *json)
{
	return request(call, REQUEST_MERGE, path, json);
}

static int host_remove(struct rowfs_call *call, const char *path)
{
	return request(call, REQUEST_DELETE, path, NULL);
}

static int host_refuse(struct rowfs_call *call, int code, const char *sentence)
{
	const char *text = sentence && *sentence ? sentence : "the plugin refuses";
	err_set(&call->why, code ? err_clamp(code) : ECANCELED, "%s", text);
	return -1;
}

static const struct rowfs_host host = {
    ._struct_size = sizeof host,
    ._api_version = ROWFS_PLUGIN_API_VERSION,
    .old_value = host_old_value,
    .new_value = host_new_value,
    .event_json = host_event_json,
    .edit = host_edit,
    .read = host_read,
    .put = host_put,
    .merge = host_merge,
    .remove = host_remove,
    .refuse = host_refuse,
};

/* ---- loading ---- */

typedef const struct rowfs_plugin *init_function(void);

/* The sentence of a call that failed; a mistake of mount.conf. */
static void mistake(struct hook_reader *r, const struct word *w, const struct rowfs_call *call)
{
	conf_mistake(r->conf, w, "%s", call->why.code ? call->why.text : "the plugin refuses");
}

static bool take_table(struct plugin *p, struct hook_reader *r, const struct word *w, const struct rowfs_plugin *given)
{
	size_t least = offsetof(struct rowfs_plugin, ready), ours = sizeof p->table;
	if (!given || given->_api_version < 1 || given->_api_version > ROWFS_PLUGIN_API_VERSION) {
		conf_mistake(r->conf, w, "%s was built for version %d of plugins, rowfs speaks 1 to %d", w->text,
			     given ? given->_api_version : 0, ROWFS_PLUGIN_API_VERSION);
		return false;
	}
	if (given->_struct_size < least || !given->name) {
		conf_mistake(r->conf, w, "%s has no name or a structure that is too short", w->text);
		return false;
	}
	memcpy(&p->table, given, given->_struct_size < ours ? (size_t)given->_struct_size : ours);
	return true;
}

static bool open_library(struct plugin *p, struct hook_reader *r, const struct word *w)
{
	const char *path = conf_path(r->conf, w);
	p->library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
	if (!p->library) {
		conf_mistake(r->conf, w, "%s", path ? dlerror() : "out of memory");
		return false;
	}
	init_function *init = (init_function *)dlsym(p->library, "rowfs_plugin_init");
	if (!init) {
		conf_mistake(r->conf, w, "%s is no plugin: it has no rowfs_plugin_init", w->text);
		return false;
	}
	return take_table(p, r, w, init());
}

static bool load(struct plugin *p, struct hook_reader *r, const struct word *w)
{
	struct rowfs_call call = {.plugin = p};
	if (!p->table.load)
		return true;
	p->self = p->table.load(&host, &call);
	if (!p->self)
		mistake(r, w, &call);
	err_release(&call.why);
	return p->self;
}

static int config(struct plugin *p, struct hook_reader *r, const struct word *w)
{
	struct rowfs_call call = {.plugin = p};
	const char *equals = strchr(w->text, '=');
	if (!equals || equals == w->text) {
		conf_mistake(r->conf, w, "KEY=VALUE is expected");
		return 0;
	}
	if (!p->table.config) {
		conf_mistake(r->conf, w, "%s has nothing to be configured", p->file);
		return 0;
	}
	const char *key = arena_copy(&r->hooks->arena, w->text, (size_t)(equals - w->text));
	if (!key)
		return err_nomem(r->e);
	if (p->table.config(p->self, &host, &call, key, equals + 1) != 0 || call.why.code)
		mistake(r, w, &call);
	err_release(&call.why);
	return 0;
}

int plugin_open(struct plugin **out, struct hook_reader *r, const struct word *words, size_t n)
{
	struct plugin *p = calloc(1, sizeof *p);
	int result = 0;
	*out = NULL;
	if (!p)
		return err_nomem(r->e);
	p->file = words[0].text;
	if (!open_library(p, r, &words[0]) || !load(p, r, &words[0])) {
		p->table.unload = NULL; /* there is no self */
		plugin_close(p);
		return 0;
	}
	for (size_t i = 1; i < n && result == 0; i++)
		result = config(p, r, &words[i]);
	*out = p;
	return result;
}

void plugin_close(struct plugin *p)
{
	if (!p)
		return;
	if (p->table.unload)
		p->table.unload(p->self);
	if (p->library)
		dlclose(p->library);
	free(p);
}

int plugin_ready(struct plugin *p, struct err *e)
{
	struct rowfs_call call = {.plugin = p};
	int result = p->table.ready ? p->table.ready(p->self, &host, &call) : 0;
	if (result != 0 || call.why.code)
		result = err_set(e, call.why.code ? call.why.code : EIO, "%s: %s", p->file,
				 call.why.code ? call.why.text : "the plugin is not ready");
	err_release(&call.why);
	return result;
}

/* ---- events ---- */

static rowfs_event_function *function_of(const struct plugin *p, enum event event)
{
	rowfs_event_function *const functions[EVENT_COUNT] = {
	    [EVENT_PRE_SAVE] = p->table.pre_save,
	    [EVENT_PRE_DELETE] = p->table.pre_delete,
	    [EVENT_APPLY] = p->table.apply,
	    [EVENT_POST_SAVE] = p->table.post_save,
	    [EVENT_POST_DELETE] = p->table.post_delete,
	    [EVENT_BEFORE_COMMIT] = p->table.before_commit,
	};
	return functions[event];
}

bool plugin_has(const struct plugin *p, enum event event)
{
	return function_of(p, event);
}

static int conclude(struct rowfs_call *call, int result, struct err *e)
{
	const char *file = call->plugin->file;
	if (call->why.code)
		return err_set(e, call->why.code, "%s", call->why.text);
	if (result < 0)
		return err_set(e, ECANCELED, "%s refuses", file);
	if (result == ROWFS_GO_ON)
		return 0;
	if (result != ROWFS_HANDLED || call->hook->event != EVENT_APPLY)
		return err_set(e, ECANCELED, "%s returns %d, which %s may not", file, result,
			       event_name(call->hook->event));
	call->change->handled = true;
	return 0;
}

int act_plugin(struct saving *v, const struct hook *h, struct change *c, struct err *e)
{
	struct rowfs_call call = {.plugin = h->plugin, .saving = v, .hook = h, .change = c};
	buf_auto key = BUF_INIT;
	value_plain(&key, c->model->key->type, change_key(c));
	struct rowfs_event event = {
	    ._struct_size = sizeof event,
	    .event = event_name(h->event),
	    .verb = verb_name(c->verb),
	    .put_type = event_put_type(c->verb),
	    .model = c->model->name,
	    .key = buf_text(&key),
	    .uid = v->actor->uid,
	    .gid = v->actor->gid,
	    .pid = v->actor->pid,
	};
	if (buf_failed(&key))
		return err_nomem(e);
	int result = function_of(h->plugin, h->event)(h->plugin->self, &host, &call, &event);
	result = conclude(&call, result, e);
	err_release(&call.why);
	return result;
}
