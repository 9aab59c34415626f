/*
 * generate_staging.c - draws about transactions, and about what changes several records or finds them by a value.
 */
#include <string.h>

#include "checker.h"
#include "generate.h"

void generate_reserve(struct generator *g, struct world *w)
{
	struct call *c = generate_push(g, CALL_RESERVE);

	(void)w;
	c->model = below(g, MODELS);
}

void generate_value(struct generator *g, struct world *w)
{
	struct call *c = generate_push(g, CALL_VALUE);
	struct field_place place = value_field();
	const struct record *r;

	c->model = place.model;
	c->name = generate_key(g);
	r = &w->records[place.model][c->name];
	c->flags = below(g, KEYS + 1);
	for (int k = 0; k < KEYS && r->there && chance(g, 95); k++)
		if (datum_equal(&r->row.values[place.field], &(struct datum){0}))
			c->flags = KEYS;
		else if (key_of(model_number("carts"), k).integer == r->row.values[place.field].integer)
			c->flags = k;
	c->offset = chance(g, 80) ? below(g, 3) : below(g, KEYS + 1);
}

/* On one line, and with the key where it has none. */
static void add_line(struct generator *g, int model, int key, struct text *document, struct text *lines)
{
	const char *name = models[model].key.name;
	struct datum k = key_of(model, key);

	for (size_t i = 0; i < document->len; i++)
		if (document->data[i] == '\n')
			document->data[i] = ' ';
	if (document->len && document->data[0] == '{' && !memmem(document->data, document->len, name, strlen(name)) &&
	    chance(g, 98)) {
		text_printf(lines, "{\"%s\":", name);
		if (k.kind == STRING)
			text_printf(lines, "\"%s\",", k.string);
		else
			text_printf(lines, "%lld,", (long long)k.integer);
		text_add(lines, document->data + 1, document->len - 1);
	} else {
		text_add(lines, document->data, document->len);
	}
	text_str(lines, "\n");
}

void generate_import(struct generator *g, struct world *w)
{
	struct call *c = generate_push(g, CALL_IMPORT);
	struct text lines = {0}, line = {0};

	c->model = below(g, MODELS);
	for (int n = 1 + below(g, 4); n > 0; n--) {
		int key = generate_key(g);
		text_clear(&line);
		make_document(g, w, c->model, key, false, &line);
		add_line(g, c->model, key, &line, &lines);
	}
	generate_data(c, lines.data, lines.len);
	text_release(&lines);
	text_release(&line);
}

/* What is open is closed first: a new one has other files. */
void generate_transaction(struct generator *g, struct world *w)
{
	struct call *c;

	if (w->state == TXN_NONE) {
		for (int i = w->first_slot; i < w->first_slot + w->nslots; i++)
			if (w->slots[i]) {
				c = generate_push(g, CALL_CLOSE);
				c->slot = i;
				c->actor = w->slots[i]->actor;
			}
		generate_push(g, CALL_MAKE);
		return;
	}
	if (chance(g, 40)) {
		generate_push(g, CALL_STATE);
		return;
	}
	c = generate_push(g, w->state == TXN_COMMITTED || chance(g, 5) ? CALL_DROP : CALL_COMMIT);
	c->flags = chance(g, 5);
}

static void change_somehow(struct generator *g, struct world *w, int model, int key)
{
	struct call *c;

	if (chance(g, 50)) {
		generate_echo(g, w, model, key);
		return;
	}
	c = generate_push(g, CALL_UNLINK);
	c->model = model;
	c->name = key;
}

/* Outside, what a transaction has changed; or inside, what a commit was refused for. */
void generate_conflict(struct generator *g, struct world *w)
{
	int model, key, txn = g->txn;

	if (chance(g, 60) && staging_conflict(w, &model, &key)) {
		change_somehow(g, w, model, key);
	} else if (staging_some(w, below(g, 1000), &model, &key)) {
		g->txn = 0;
		change_somehow(g, world_root(w), model, key);
		g->txn = txn;
	}
	if (chance(g, 60))
		generate_push(g, CALL_COMMIT);
}
