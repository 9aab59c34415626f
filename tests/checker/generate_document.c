/*
 * generate_document.c - good documents, and every kind of bad ones.
 */
#include <string.h>

#include "generate.h"

static void add_number(struct generator *g, const struct field *f, struct text *out)
{
	if (strcmp(f->name, "cart_id") == 0)
		text_printf(out, "%d", chance(g, 90) ? (int)key_of(model_number("carts"), below(g, 3)).integer : 99);
	else if (strcmp(f->name, "rank") == 0)
		text_printf(out, "%d", chance(g, 90) ? below(g, 100) : 101);
	else
		text_printf(out, "%d", chance(g, 85) ? below(g, 5) : -1 - below(g, 3));
}

static void add_string(struct generator *g, const struct field *f, struct text *out)
{
	static const char *const strings[] = {
	    "\"\"",        "\"x\"",     "\"a \\\"b\\\" \\\\ c\"", "\"\xc3\xa4\xe2\x82\xac\"", "\"line\\nline\"",
	    "\"\\u00e9\"", "\"{\\\"\"", "\"1234567890123456789\""};

	if (strcmp(f->name, "kind") == 0)
		text_str(out, "\"k\"");
	else if (strcmp(f->name, "label") == 0)
		text_printf(out, "\"l%d\"", 10 * names_worker() + below(g, 3));
	else if (chance(g, 3)) {
		text_str(out, "\"");
		for (int i = below(g, 60); i >= 0; i--)
			text_str(out, "w");
		text_str(out, "\"");
	} else
		text_str(out, strings[below(g, sizeof(strings) / sizeof(strings[0]))]);
}

static void add_big(struct generator *g, struct text *out)
{
	text_str(out, "\"");
	for (int i = 2000 + below(g, 200) * 100; i > 0; i--)
		text_add(out, "0123456789", 10);
	text_str(out, "\"");
}

static void add_value(struct generator *g, const struct field *f, struct text *out)
{
	if (strcmp(f->name, "body") == 0 && chance(g, 2))
		add_big(g, out);
	else if (chance(g, 6))
		text_str(out, "null");
	else if (chance(g, 3))
		text_str(out, f->type == STRING ? "17" : "\"seventeen\"");
	else if (f->type == STRING)
		add_string(g, f, out);
	else
		add_number(g, f, out);
}

static void add_member(struct text *out, const char *name, bool pretty)
{
	text_str(out, out->data[out->len - 1] == '{' ? "" : ",");
	text_printf(out, pretty ? "\n  \"%s\" : " : "\"%s\":", name);
}

static void add_key(struct generator *g, int model, int key, struct text *out)
{
	struct datum k = key_of(model, chance(g, 94) ? key : below(g, KEYS));

	if (k.kind == STRING)
		text_printf(out, "\"%s\"", k.string);
	else
		text_printf(out, "%lld", (long long)k.integer);
}

static void add_children(struct generator *g, struct text *out)
{
	static const char *const lists[] = {
	    "[]", "[{\"id\":1,\"amount\":2}]", "[{\"amount\":2}]", "[7]", "{}", "[{\"id\":null}]"};

	text_str(out, lists[below(g, sizeof(lists) / sizeof(lists[0]))]);
}

static void add_object(struct generator *g, int model, int key, int members, struct text *out)
{
	const struct model *m = &models[model];
	bool pretty = chance(g, 40);

	text_str(out, "{");
	if (chance(g, 40)) {
		add_member(out, m->key.name, pretty);
		add_key(g, model, key, out);
	}
	size_t first = (size_t)below(g, (int)m->nfields);
	for (size_t i = 0; i < m->nfields; i++) {
		const struct field *f = &m->fields[(first + i) % m->nfields];
		if (!chance(g, strcmp(f->name, "kind") == 0 ? 15 : members))
			continue;
		add_member(out, f->name, pretty);
		add_value(g, f, out);
	}
	if (m->child && chance(g, 10)) {
		add_member(out, m->child, pretty);
		add_children(g, out);
	}
	text_str(out, pretty ? "\n}\n" : chance(g, 50) ? "}" : "}\n");
}

static void spoil_cut(struct generator *g, struct text *out)
{
	text_resize(out, (size_t)below(g, (int)out->len));
}

static void spoil_byte(struct generator *g, struct text *out)
{
	static const char bytes[] = "{}[]\",:x0\t \n\\\xff\xc3";

	out->data[below(g, (int)out->len)] = bytes[below(g, sizeof(bytes))];
}

static void spoil_front(struct generator *g, struct text *out)
{
	static const char *const fronts[] = {"\xef\xbb\xbf", "[", "// no\n", "x", "  \n", "null", "\""};
	struct text t = {0};

	text_str(&t, fronts[below(g, sizeof(fronts) / sizeof(fronts[0]))]);
	text_add(&t, out->data, out->len);
	text_copy(out, &t);
	text_release(&t);
}

static void spoil_end(struct generator *g, struct text *out)
{
	static const char *const ends[] = {"  \n\n", "x", "{}", "\n{}\n", "}", ",", "\n// no"};

	text_str(out, ends[below(g, sizeof(ends) / sizeof(ends[0]))]);
}

static void spoil_member(struct generator *g, struct text *out)
{
	static const char *const members[] = {"\"colour\":1,",
					      "\"title\":\"x\",\"title\":\"y\",",
					      "\"Title\":null,",
					      "\"\":{\"a\":[1,2.5e3,true,false,null]},",
					      "'a':1,",
					      "\"x\":01,",
					      "\"x\":\"\\u0000\",",
					      "\"x\":\"\t\","};
	struct text t = {0};

	if (out->data[0] != '{')
		return;
	text_str(&t, "{");
	text_str(&t, members[below(g, sizeof(members) / sizeof(members[0]))]);
	text_add(&t, out->data + 1, out->len - 1);
	text_copy(out, &t);
	text_release(&t);
}

static void spoil_all(struct generator *g, struct text *out)
{
	text_resize(out, 0);
	if (chance(g, 60))
		text_str(out, " \n");
}

void make_document(struct generator *g, struct world *w, int model, int key, bool small, struct text *out)
{
	static void (*const spoils[])(struct generator *, struct text *) = {
	    spoil_cut, spoil_cut, spoil_byte, spoil_byte, spoil_front, spoil_end, spoil_end, spoil_member, spoil_all};

	text_resize(out, 0);
	if (w->records[model][key].there && chance(g, 12))
		world_show(w, model, key, out);
	else
		add_object(g, model, key, small ? 35 : 90, out);
	if (small && chance(g, 15))
		add_object(g, model, key, 35, out);
	if (chance(g, 22))
		spoils[below(g, sizeof(spoils) / sizeof(spoils[0]))](g, out);
}
