/*
 * reply.c - reads the JSON object that a hook's program answers with. Its members are a table: which event may have
 * each, and of which type it is. Whatever the table does not know refuses the save: a program that means something else
 * than what is done must not let it through.
 */
#include <errno.h>
#include <string.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "reply.h"
#include "cause.h"

/* A hook's edit that can't be stored is the hook's fault: refused, and named. */
int reply_edit(struct saving *v, struct change *c, const char *by, json_t *edit, enum verb verb, struct err *e)
{
	err_auto why = ERR_INIT;
	int result = change_edit(v, c, edit, verb, &why);
	if (result == 0)
		return 0;
	return err_set(e, why.code == ENOMEM ? ENOMEM : ECANCELED, "%s edits the record: %s", by, why.text);
}

static const char *sentence(const json_t *text)
{
	const char *given = json_string_value(text);
	return given && *given ? given : "is refused";
}

/* {"errors":{"field":"text"},"message":"..."}: the message first, then one problem for each field. */
static int refuse_by_reply(const char *by, const json_t *answer, struct err *e)
{
	const char *message = json_string_value(json_object_get(answer, "message"));
	json_t *errors = json_object_get(answer, "errors"), *text;
	const char *field;
	if (json_object_size(errors) == 0 && message)
		return err_set(e, ECANCELED, *message ? "%s" : "%.0s%s refuses", message, by);
	if (message && *message)
		err_problem(e, ECANCELED, "", "%s", message);
	json_object_foreach(errors, field, text)
	{
		char pointer[LIMIT_NAME + 2] = "/";
		strncat(pointer, field, LIMIT_NAME);
		err_problem(e, ECANCELED, pointer, "%s", sentence(text));
	}
	return -e->code;
}

/* ---- members ---- */

enum member {
	MEMBER_NEW,
	MEMBER_ERRORS,
	MEMBER_MESSAGE,
	MEMBER_HANDLED,
	MEMBER_SAVE,
	MEMBER_DELETE,
	MEMBER_VERSION,
	MEMBERS
};

static bool is_flag(const json_t *json)
{
	return json_is_boolean(json);
}

static bool is_object(const json_t *json)
{
	return json_is_object(json);
}

static bool is_list(const json_t *json)
{
	return json_is_array(json);
}

static bool is_one(const json_t *json)
{
	return json_integer_value(json) == 1;
}

static bool is_text(const json_t *json)
{
	return json_is_string(json);
}

static const struct {
	const char *name, *type;
	bool (*fits)(const json_t *);
	bool one_event; /* only `event` may have it */
	enum event event;
} members[MEMBERS] = {
    [MEMBER_NEW] = {"new", "object", is_object, true, EVENT_PRE_SAVE},
    [MEMBER_ERRORS] = {"errors", "object", is_object, false, 0},
    [MEMBER_MESSAGE] = {"message", "string", is_text, false, 0},
    [MEMBER_HANDLED] = {"handled", "boolean", is_flag, true, EVENT_APPLY},
    [MEMBER_SAVE] = {"save", "array", is_list, false, 0},
    [MEMBER_DELETE] = {"delete", "array", is_list, false, 0},
    [MEMBER_VERSION] = {"version", "1, the version that rowfs speaks", is_one, false, 0},
};

static int check_member(const char *by, enum event event, const char *name, const json_t *value, struct err *e)
{
	size_t i = 0;
	while (i < MEMBERS && strcmp(members[i].name, name) != 0)
		i++;
	if (i == MEMBERS)
		return err_set(e, ECANCELED,
			       "%s answers \"%.*s\", which is none of new, errors, message, handled, save and delete",
			       by, LIMIT_NAME, name);
	if (members[i].one_event && event != members[i].event)
		return err_set(e, ECANCELED, "%s answers \"%s\", which only %s may", by, name,
			       event_name(members[i].event));
	if (!members[i].fits(value))
		return err_set(e, ECANCELED, "%s answers \"%s\" that is no %s", by, name, members[i].type);
	return 0;
}

static int check_members(const char *by, enum event event, json_t *answer, struct err *e)
{
	const char *name;
	json_t *value;
	json_object_foreach(answer, name, value)
	{
		if (check_member(by, event, name, value, e) < 0)
			return -e->code;
	}
	return 0;
}

/* {"path":"tracks/3.json","merge":{...}}, or put in place of merge. */
static int take_save(struct saving *v, struct change *c, const char *by, json_t *entry, struct err *e)
{
	const char *path = json_string_value(json_object_get(entry, "path"));
	json_t *put = json_object_get(entry, "put"), *merge = json_object_get(entry, "merge");
	json_t *document = put ? put : merge;
	if (!path || !json_is_object(document) || json_object_size(entry) != 2)
		return err_set(e, ECANCELED,
			       "%s answers \"save\" whose entries are not {\"path\":...,\"put\":{...}} or "
			       "{\"path\":...,\"merge\":{...}}",
			       by);
	return cause_request(v, c, by, put ? REQUEST_PUT : REQUEST_MERGE, path, document, e);
}

static int take_delete(struct saving *v, struct change *c, const char *by, json_t *entry, struct err *e)
{
	if (!json_is_string(entry))
		return err_set(e, ECANCELED, "%s answers \"delete\" whose entries are not paths", by);
	return cause_request(v, c, by, REQUEST_DELETE, json_string_value(entry), NULL, e);
}

static int take_all(struct saving *v, struct change *c, const char *by, const json_t *list,
		    int (*take)(struct saving *, struct change *, const char *, json_t *, struct err *), struct err *e)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (take(v, c, by, json_array_get(list, i), e) < 0)
			return -e->code;
	return 0;
}

static int carry_out(struct saving *v, struct change *c, const char *by, json_t *answer, struct err *e)
{
	json_t *row = json_object_get(answer, members[MEMBER_NEW].name);
	if (json_is_true(json_object_get(answer, members[MEMBER_HANDLED].name)))
		c->handled = true;
	if (row && reply_edit(v, c, by, json_incref(row), VERB_REPLACE, e) < 0)
		return -e->code;
	if (take_all(v, c, by, json_object_get(answer, members[MEMBER_SAVE].name), take_save, e) < 0)
		return -e->code;
	return take_all(v, c, by, json_object_get(answer, members[MEMBER_DELETE].name), take_delete, e);
}

int reply_take(struct saving *v, const struct hook *h, struct change *c, const char *name, json_t *answer,
	       struct err *e)
{
	if (check_members(name, h->event, answer, e) < 0 || refuse_by_reply(name, answer, e) < 0)
		return -e->code;
	return carry_out(v, c, name, answer, e);
}

int reply_read(struct saving *v, const struct hook *h, struct change *c, const char *name, const struct buf *out,
	       struct err *e)
{
	err_auto why = ERR_INIT;
	json_scope *answer = NULL;
	const char *text = buf_text(out);
	if (strspn(text, " \t\r\n") == out->len)
		return 0;
	if (json_read(text, out->len, &answer, &why) < 0)
		return err_set(e, ECANCELED, "%s answers what is no JSON object: %s", name, why.text);
	return reply_take(v, h, c, name, answer, e);
}
