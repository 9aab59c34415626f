/*
 * world.c - what there is: records, scratch files, open files.
 */
#include <stdlib.h>
#include <string.h>

#include "checker.h"

void world_init(struct world *w)
{
	*w = (struct world){.nslots = OUTER_SLOTS};
	for (int i = 0; i < TXNS; i++) {
		w->txns[i] = calloc(1, sizeof(*w));
		if (!w->txns[i])
			abort();
		w->txns[i]->root = w;
		w->txns[i]->first_slot = OUTER_SLOTS + i * INNER_SLOTS;
		w->txns[i]->nslots = INNER_SLOTS;
		w->txns[i]->lenient = true;
	}
}

struct world *world_in(struct world *root, int txn)
{
	return txn ? root->txns[txn - 1] : root;
}

struct world *world_root(struct world *w)
{
	return w->root ? w->root : w;
}

void record_changed(struct world *w, int model, int key)
{
	w->records[model][key].changed = true;
	w->records[model][key].changes++;
	w->topped[model] = w->topped[model] || key == KEYS - 1;
	if (w->staging)
		staging_mark(w, model, key);
}

void world_release(struct world *w)
{
	for (int i = 0; i < TXNS && w->txns[i]; i++) {
		staging_drop(w->txns[i]);
		world_release(w->txns[i]);
		free(w->txns[i]);
	}
	for (int i = 0; i < SLOTS; i++)
		handle_drop(w, i);
	for (int m = 0; m < MODELS; m++)
		for (int n = 0; n < NAMES; n++)
			if (w->scratches[m][n])
				scratch_take_name(w, m, n);
	for (int m = 0; m < MODELS; m++)
		for (int k = 0; k < KEYS; k++)
			row_clear(&w->records[m][k].row);
}

/* ---- scratch files ---- */

struct scratch *world_scratch(struct world *w, int model, int name)
{
	return w->scratches[model][name];
}

void scratch_link(struct world *w, struct scratch *s, int model, int name)
{
	w->scratches[model][name] = s;
	s->holders++;
	s->links++;
}

struct scratch *world_add_scratch(struct world *w, int model, int name, mode_t mode)
{
	struct scratch *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->mode = mode;
	text_resize(&s->data, 0);
	scratch_link(w, s, model, name);
	return s;
}

int scratch_name(const struct world *w, const struct scratch *s, int model)
{
	int n = 0;

	while (n < NAMES && w->scratches[model][n] != s)
		n++;
	return n % NAMES;
}

void scratch_hold(struct scratch *s)
{
	s->holders++;
}

void scratch_drop(struct scratch *s)
{
	if (--s->holders > 0)
		return;
	text_release(&s->data);
	free(s);
}

void scratch_take_name(struct world *w, int model, int name)
{
	struct scratch *s = w->scratches[model][name];

	w->scratches[model][name] = NULL;
	s->links--;
	scratch_drop(s);
}

void scratch_resize(struct scratch *s, int64_t size)
{
	text_resize(&s->data, (size_t)size);
	s->times_set = false;
}

/* ---- open files ---- */

void handle_drop(struct world *w, int slot)
{
	struct handle *h = w->slots[slot];

	w->slots[slot] = NULL;
	if (!h || --h->holders > 0)
		return;
	if (h->scratch)
		scratch_drop(h->scratch);
	text_release(&h->pinned);
	text_release(&h->draft);
	row_clear(&h->base);
	free(h);
}

bool world_unsaved(struct world *w, int model, int key)
{
	for (int i = 0; i < SLOTS; i++) {
		struct handle *h = w->slots[i];
		if (h && !h->scratch && h->unsaved && !h->gone && h->model == model && h->key == key)
			return !w->records[model][key].there;
	}
	return false;
}

void world_remove_unsaved(struct world *w, int model, int key)
{
	for (int i = 0; i < SLOTS; i++) {
		struct handle *h = w->slots[i];
		if (h && !h->scratch && h->unsaved && h->model == model && h->key == key)
			h->gone = true;
	}
}

/* ---- records ---- */

static void show_character(struct text *out, unsigned char c)
{
	static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *at = strchr(special, c);

	if (at)
		text_printf(out, "\\%c", letters[at - special]);
	else if (c < 0x20 || c == 0x7f)
		text_printf(out, "\\u%04x", c);
	else
		text_add(out, &c, 1);
}

static void show_string(struct text *out, const char *string)
{
	text_str(out, "\"");
	for (const char *c = string; *c; c++)
		show_character(out, (unsigned char)*c);
	text_str(out, "\"");
}

static void show_datum(struct text *out, const struct datum *d)
{
	if (d->kind == NOTHING)
		text_str(out, "null");
	else if (d->kind == INTEGER)
		text_printf(out, "%lld", (long long)d->integer);
	else
		show_string(out, d->string);
}

static void show_fields(struct text *out, const struct model *m, const struct datum *key, const struct row *row,
			const char *indent, const char *except)
{
	text_printf(out, "{\n%s  \"%s\": ", indent, m->key.name);
	show_datum(out, key);
	for (size_t i = 0; i < m->nfields; i++) {
		if (except && strcmp(except, m->fields[i].name) == 0)
			continue;
		text_printf(out, ",\n%s  \"%s\": ", indent, m->fields[i].name);
		show_datum(out, &row->values[i]);
	}
}

/* Children of a record in the order of their keys. */
static int children(struct world *w, const struct model *m, const struct datum *key, int found[KEYS])
{
	int child = model_number(m->child), n = 0;

	for (int k = 0; k < KEYS; k++)
		if (w->records[child][k].there && datum_equal(&w->records[child][k].row.values[0], key))
			found[n++] = k;
	for (int i = 1; i < n; i++)
		for (int j = i; j > 0 && key_of(child, found[j]).integer < key_of(child, found[j - 1]).integer; j--) {
			int swap = found[j];
			found[j] = found[j - 1];
			found[j - 1] = swap;
		}
	return n;
}

static void show_children(struct world *w, const struct model *m, const struct datum *key, struct text *out)
{
	int found[KEYS], n = children(w, m, key, found), child = model_number(m->child);
	int first = n > (int)m->limit ? n - (int)m->limit : 0;

	text_printf(out, ",\n  \"%s\": [", m->child);
	for (int i = first; i < n; i++) {
		struct datum child_key = key_of(child, found[i]);
		text_str(out, i > first ? ",\n    " : "\n    ");
		show_fields(out, &models[child], &child_key, &w->records[child][found[i]].row, "    ", m->by);
		text_str(out, "\n    }");
	}
	text_str(out, n ? "\n  ]" : "]");
	if (first > 0)
		text_printf(out, ",\n  \"%s_total\": %d", m->child, n);
}

void world_show(struct world *w, int model, int key, struct text *out)
{
	struct datum k = key_of(model, key);

	text_clear(out);
	show_fields(out, &models[model], &k, &w->records[model][key].row, "", NULL);
	if (models[model].child)
		show_children(w, &models[model], &k, out);
	text_str(out, "\n}\n");
}

int world_records(const struct world *w)
{
	int n = 0;

	for (int m = 0; m < MODELS; m++)
		for (int k = 0; k < KEYS; k++)
			n += w->records[m][k].there;
	return n;
}

bool world_referred(struct world *w, int model, int key)
{
	int found[KEYS];
	struct datum k = key_of(model, key);

	return models[model].child && children(w, &models[model], &k, found) > 0;
}
