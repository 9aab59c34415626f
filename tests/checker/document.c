/*
 * document.c - the models that the checker mounts, their names, and rows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"

#define ID                                                                                                             \
	{                                                                                                              \
		.name = "id", .type = INTEGER, .rules = "integer key"                                                  \
	}

const struct model models[MODELS] = {
    {.name = "items",
     .key = ID,
     .nfields = 4,
     .fields = {{.name = "title", .type = STRING, .rules = "string"},
		{.name = "qty", .type = INTEGER, .rules = "integer default 1", .fallback = {INTEGER, 1, NULL}},
		{.name = "kind", .type = STRING, .rules = "string immutable", .immutable = true},
		{.name = "body", .type = STRING, .rules = "string"}}},
    {.name = "notes",
     .key = {.name = "slug", .type = STRING, .rules = "string key"},
     .nfields = 3,
     .fields = {{.name = "text",
		 .type = STRING,
		 .rules = "string default none required max 40",
		 .required = true,
		 .fallback = {STRING, 0, "none"},
		 .max = 40},
		{.name = "rank", .type = INTEGER, .rules = "integer min 0 max 100", .max = 100},
		{.name = "title", .type = STRING, .rules = "string"}}},
    {.name = "guarded",
     .key = ID,
     .nfields = 3,
     .fields = {{.name = "amount", .type = INTEGER, .rules = "integer required", .required = true},
		{.name = "label", .type = STRING, .rules = "string unique", .unique = true},
		{.name = "cart_id", .type = INTEGER, .rules = "integer"}},
     .options = "\ton pre_save check \":amount >= 0\" \"The amount must not be negative\"\n",
     .not_negative = "amount"},
    {.name = "carts",
     .key = ID,
     .nfields = 1,
     .fields = {{.name = "title", .type = STRING, .rules = "string default cart", .fallback = {STRING, 0, "cart"}}},
     .options = "\thas-many lines by cart_id limit 3\n",
     .child = "lines",
     .by = "cart_id",
     .limit = 3},
    {.name = "lines",
     .key = ID,
     .nfields = 2,
     .fields = {{.name = "cart_id", .type = INTEGER, .rules = "integer references carts", .references = "carts"},
		{.name = "amount", .type = INTEGER, .rules = "integer required", .required = true}}},
};

int model_number(const char *name)
{
	int i = 0;

	while (strcmp(models[i].name, name) != 0)
		i++;
	return i;
}

/* ---- names ---- */

/* Behind the highest one none can be reserved: only items has it. */
static const int64_t integer_keys[KEYS] = {1, 2, 3, 7, 12, 0, 2147483650, 281474976710655};
static const char *const text_keys[KEYS] = {"a", "b", "a b", "x/y", ".hidden", "100%", "\xc3\xa4", "7"};
static const char *const text_names[KEYS] = {"a", "b", "a b", "x%2Fy", "%2Ehidden", "100%25", "\xc3\xa4", "7"};

static const char *const scratch_names[] = {"tmp",        ".1.json.swp", "new.txt", "1.json~",
					    "7.json.bak", ".json",       ".#lock"};
static const char *const invalid_names[2][3] = {{"007.json", "x.json", "281474976710656.json"},
						{"%61.json", "a%zz.json", "%2f.json"}};

/* What is different in each process that works on a mount together with others. */
static struct {
	int number;
	char suffix[16]; /* of names and of text keys */
	char keys[KEYS][40];
	struct name names[MODELS][NAMES];
} worker;

int names_worker(void)
{
	return worker.number;
}

static int64_t integer_key(int model, int key)
{
	if (integer_keys[key] == 281474976710655)
		return integer_keys[key] / (model == 0 ? 1 : 2) - worker.number;
	return integer_keys[key] + worker.number * 1000;
}

struct datum key_of(int model, int key)
{
	if (models[model].key.type == INTEGER)
		return (struct datum){INTEGER, integer_key(model, key), NULL};
	return (struct datum){STRING, 0, worker.keys[key]};
}

static void fill_name(struct name *n, int model, int i)
{
	bool integer = models[model].key.type == INTEGER;
	enum { SCRATCH_FIRST = KEYS, INVALID_FIRST = SCRATCH_FIRST + 7, OTHERS_FIRST = INVALID_FIRST + 3 };
	const size_t size = sizeof(n->text);

	if (i < KEYS) {
		*n = (struct name){.kind = NAME_RECORD, .key = i};
		if (integer)
			snprintf(n->text, size, "%lld.json", (long long)integer_key(model, i));
		else
			snprintf(n->text, size, "%s%s.json", text_names[i], worker.suffix);
	} else if (i < INVALID_FIRST) {
		*n = (struct name){.kind = NAME_SCRATCH};
		snprintf(n->text, size, "%s%s", scratch_names[i - SCRATCH_FIRST], worker.suffix);
	} else if (i < OTHERS_FIRST) {
		*n = (struct name){.kind = NAME_INVALID};
		snprintf(n->text, size, "%s", invalid_names[!integer][i - INVALID_FIRST]);
	} else {
		*n = (struct name){.kind = i == OTHERS_FIRST ? NAME_DIGITS : NAME_LONG};
		snprintf(n->text, size, "4913");
		if (n->kind == NAME_LONG)
			memset(n->text, 'n', 256);
	}
}

void names_choose(int number)
{
	worker.number = number;
	if (number > 0)
		snprintf(worker.suffix, sizeof(worker.suffix), "%d", number);
	for (int i = 0; i < KEYS; i++)
		snprintf(worker.keys[i], sizeof(worker.keys[i]), "%s%s", text_keys[i], worker.suffix);
	for (int i = 0; i < NAMES; i++)
		for (int m = 0; m < MODELS; m++)
			fill_name(&worker.names[m][i], m, i);
}

const struct name *name_of(int model, int name)
{
	return &worker.names[model][name];
}

/* ---- rows ---- */

void datum_set(struct datum *to, const struct datum *from)
{
	char *string = from->kind == STRING ? strdup(from->string) : NULL;

	free(to->string);
	*to = *from;
	to->string = string;
}

bool datum_equal(const struct datum *a, const struct datum *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == STRING ? strcmp(a->string, b->string) == 0 : a->kind == NOTHING || a->integer == b->integer;
}

void row_set(struct row *to, const struct row *from)
{
	for (int i = 0; i < FIELDS_MAX; i++)
		datum_set(&to->values[i], &from->values[i]);
}

void row_clear(struct row *row)
{
	for (int i = 0; i < FIELDS_MAX; i++)
		free(row->values[i].string);
	*row = (struct row){0};
}

bool row_equal(const struct row *a, const struct row *b)
{
	for (int i = 0; i < FIELDS_MAX; i++)
		if (!datum_equal(&a->values[i], &b->values[i]))
			return false;
	return true;
}
