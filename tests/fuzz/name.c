/*
 * name.c - any bytes as a file name, and as a key: each key has one name and each record name one key.
 */
#include <errno.h>
#include <string.h>

#include "fuzz.h"

static const char conf_text[] = "store sqlite:fuzz.db\n"
				"model numbers { fields { id integer key } }\n"
				"model texts { fields { id string key\n n integer } }\n"
				"model uuids { fields { id uuid key } }\n"
				"model days { fields { id date key } }\n"
				"model moments { fields { id datetime key } }\n";

/* A name that has a key is the name of that key. */
static void name_to_key(const struct model *m, const char *name)
{
	arena_auto arena = ARENA_INIT;
	buf_auto again = BUF_INIT;
	struct value key;
	int result = record_key(m, name, &arena, &key);
	must(result == 0 || result == -ENOENT || result == -ENAMETOOLONG);
	must(result != -ENAMETOOLONG || strlen(name) > LIMIT_NAME);
	if (result < 0)
		return;
	must(record_is_name(name));
	must(!strchr(name, '/') && name[0] != '.');
	must(record_name(m, &key, &again) == 0);
	must(strcmp(buf_text(&again), name) == 0);
}

/* Any text that is a valid value can be a key, and comes back. */
static void key_to_name(const struct model *m, const char *text, size_t size)
{
	arena_auto arena = ARENA_INIT;
	buf_auto name = BUF_INIT;
	struct value key = value_text(text, size), again;
	int result = record_name(m, &key, &name);
	if (result < 0) {
		must(result == -ENAMETOOLONG || result == -ENOENT);
		return;
	}
	must(name.len <= LIMIT_NAME && record_is_name(buf_text(&name)) && !strchr(buf_text(&name), '/'));
	result = record_key(m, buf_text(&name), &arena, &again);
	must(result == -ENOENT || (result == 0 && value_equal(&key, &again)));
}

int fuzz_one(const uint8_t *data, size_t size)
{
	const struct schema *s = fuzz_schema(conf_text, sizeof conf_text - 1);
	char *name = malloc(size + 6);
	must(name != NULL);
	memcpy(name, data, size);
	name[size] = 0;
	for (size_t i = 0; i < s->nmodels; i++)
		name_to_key(&s->models[i], name);
	key_to_name(schema_model(s, "texts"), name, strlen(name));
	strcat(name, ".json");
	for (size_t i = 0; i < s->nmodels; i++)
		name_to_key(&s->models[i], name);
	free(name);
	return 0;
}
