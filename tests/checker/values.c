/*
 * values.c - what else stands in a model's directory: links by the value of a field, which move, and lines of records.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "checker.h"

struct field_place value_field(void)
{
	return (struct field_place){model_number("lines"), 0};
}

void value_name(int model, int value, char out[32])
{
	if (value < KEYS)
		snprintf(out, 32, "%lld", (long long)key_of(model, value).integer);
	else
		snprintf(out, 32, ".null");
}

static struct datum value_of(int model, int value)
{
	return value < KEYS ? key_of(model, value) : (struct datum){0};
}

void expect_value(struct world *w, const struct call *c, struct expected *x)
{
	struct field_place place = value_field();
	const struct field *f = &models[place.model].fields[place.field];
	int to_model = model_number(f->references);
	struct record *r = &w->records[place.model][c->name];
	struct datum from = value_of(to_model, c->flags), to = value_of(to_model, (int)c->offset);

	x->result = r->there && datum_equal(&r->row.values[place.field], &from) ? 0 : -ENOENT;
	if (x->result < 0 || datum_equal(&from, &to))
		return;
	json_t *patch = json_object();
	json_object_set_new(patch, f->name, to.kind == NOTHING ? json_null() : json_integer(to.integer));
	x->result = save_document(w, place.model, c->name, MERGE, EXISTING, NULL, patch, true);
	json_decref(patch);
	if (x->result == 0)
		r->refused = false;
}

/* ---- lines ---- */

/* Which of the keys the document names; -1: another one, or none. */
static int key_in(int model, const json_t *document)
{
	const json_t *json = json_object_get(document, models[model].key.name);

	for (int k = 0; k < KEYS; k++) {
		struct datum key = key_of(model, k);
		if (json_is_integer(json) ? key.kind == INTEGER && key.integer == json_integer_value(json)
					  : json_is_string(json) && key.kind == STRING &&
						strcmp(key.string, json_string_value(json)) == 0)
			return k;
	}
	return -1;
}

static json_t *read_line(const char *line, size_t len)
{
	return text_scan(line, len) == SCAN_COMPLETE ? json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

static int save_line(struct world *w, int model, const char *line, size_t len)
{
	json_t *document = read_line(line, len);

	if (!document)
		return -EBADMSG;
	int rc = save_document(w, model, key_in(model, document), PUT, ANY, NULL, document, true);
	json_decref(document);
	return rc;
}

static bool is_blank(const char *line, size_t len)
{
	return text_scan(line, len) == SCAN_BLANK;
}

/* Which key a line without one gets can't be foreseen. */
static bool is_known(int model, const char *line, size_t len)
{
	json_t *document = read_line(line, len);
	bool known = !document || key_in(model, document) >= 0;

	json_decref(document);
	return known;
}

void expect_import(struct world *w, const struct call *c, struct expected *x)
{
	const char *end = c->data + c->len, *line, *stop;

	for (line = c->data; !x->skip && line < end; line = stop + 1) {
		stop = memchr(line, '\n', (size_t)(end - line));
		x->skip = !stop || !is_known(c->model, line, (size_t)(stop - line));
		if (!stop)
			break;
	}
	if (x->skip)
		return;
	struct snapshot *before = world_keep(w);
	for (line = c->data; x->result == 0 && line < end; line = stop + 1) {
		stop = memchr(line, '\n', (size_t)(end - line));
		if (!is_blank(line, (size_t)(stop - line)))
			x->result = save_line(w, c->model, line, (size_t)(stop - line));
	}
	world_settle(w, before, x->result < 0);
}
