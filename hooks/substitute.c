/*
 * substitute.c - puts variables into texts and documents, and finds what they are to hold.
 */
#include "substitute.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../store/buf.h"
#include "../store/json.h"

/* The variable whose name begins at text and ends at a brace; *end is behind that. */
static json_t *variable(const json_t *variables, const char *text, const char **end, struct err *e)
{
	const char *brace = strchr(text, '}');
	int len = brace ? (int)(brace - text) : (int)strlen(text);
	json_t *value = brace ? json_object_getn(variables, text, (size_t)len) : NULL;
	if (!value)
		err_problem(e, EBADMSG, "", "${%.*s} is no variable of an earlier request ($${ stands for ${)", len,
			    text);
	*end = brace ? brace + 1 : text + len;
	return value;
}

static void write_plain(struct buf *b, const json_t *value)
{
	if (json_is_string(value))
		buf_add(b, json_string_value(value), json_string_length(value));
	else
		json_write(b, value, -1);
}

static int write_text(const json_t *variables, const char *text, struct buf *b, struct err *e)
{
	while (*text) {
		if (strncmp(text, "$${", 3) == 0) {
			buf_str(b, "${");
			text += 3;
		} else if (strncmp(text, "${", 2) == 0) {
			const json_t *value = variable(variables, text + 2, &text, e);
			if (!value)
				return -e->code;
			write_plain(b, value);
		} else {
			buf_char(b, *text++);
		}
	}
	return buf_failed(b) ? err_nomem(e) : 0;
}

const char *substitute_text(const json_t *variables, const char *text, struct arena *a, struct err *e)
{
	buf_auto b = BUF_INIT;
	if (write_text(variables, text, &b, e) < 0)
		return NULL;
	const char *copy = arena_copy(a, buf_text(&b), b.len);
	if (!copy)
		err_nomem(e);
	return copy;
}

static int substitute_string(const json_t *variables, json_t **json, const char *pointer, struct err *e)
{
	err_auto why = ERR_INIT;
	buf_auto b = BUF_INIT;
	const char *text = json_string_value(*json), *end;
	json_t *value = NULL;
	if (strlen(text) != json_string_length(*json) || !strstr(text, "${"))
		return 0;
	if (strncmp(text, "${", 2) == 0 && strchr(text, '}') == text + strlen(text) - 1)
		value = json_deep_copy(variable(variables, text + 2, &end, &why));
	else if (write_text(variables, text, &b, &why) == 0)
		value = json_stringn(buf_text(&b), b.len);
	if (!value)
		return why.code ? err_graft(e, &why, pointer) : err_nomem(e);
	json_decref(*json);
	*json = value;
	return 0;
}

static int substitute_object(const json_t *variables, json_t *object, const char *pointer, struct arena *a,
			     struct err *e)
{
	const char *name;
	json_t *value;
	void *next;
	json_object_foreach_safe(object, next, name, value)
	{
		json_t *each = json_incref(value);
		const char *at = arena_printf(a, "%s/%s", pointer, name);
		substitute_json(variables, &each, at ? at : pointer, a, e);
		if (each == value)
			json_decref(each);
		else if (json_object_set_new(object, name, each) < 0)
			return err_nomem(e);
	}
	return -e->code;
}

static int substitute_array(const json_t *variables, json_t *array, const char *pointer, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		json_t *value = json_array_get(array, i), *each = json_incref(value);
		const char *at = arena_printf(a, "%s/%zu", pointer, i);
		substitute_json(variables, &each, at ? at : pointer, a, e);
		if (each == value)
			json_decref(each);
		else if (json_array_set_new(array, i, each) < 0)
			return err_nomem(e);
	}
	return -e->code;
}

int substitute_json(const json_t *variables, json_t **json, const char *pointer, struct arena *a, struct err *e)
{
	if (json_is_object(*json))
		return substitute_object(variables, *json, pointer, a, e);
	if (json_is_array(*json))
		return substitute_array(variables, *json, pointer, a, e);
	return json_is_string(*json) ? substitute_string(variables, json, pointer, e) : 0;
}

json_t *substitute_find(json_t *json, const char *path)
{
	if (*path++ != '$')
		return NULL;
	while (json && *path) {
		size_t len = strcspn(path + 1, ".[");
		char *end;
		if (*path == '.') {
			json = json_object_getn(json, path + 1, len);
			path += 1 + len;
		} else if (*path == '[') {
			json = json_array_get(json, strtoul(path + 1, &end, 10));
			path = end + 1;
			if (*end != ']')
				return NULL;
		} else {
			return NULL;
		}
	}
	return json;
}
