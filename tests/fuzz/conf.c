/*
 * conf.c - any text as mount.conf: syntax, meaning, hooks and their SQL, and the sentences about its mistakes.
 */
#include <string.h>

#include "../../hooks/answer.h"
#include "fuzz.h"

/* What has no mistake makes tables, against which the SQL of its hooks is compiled. */
static void make_tables(struct conf *conf, struct schema *schema, struct hooks *hooks)
{
	err_auto e = ERR_INIT;
	buf_auto out = BUF_INIT;
	struct store *store = NULL;
	if (store_open_memory(&store, schema, &e) < 0) {
		must(e.code && *e.text);
		return;
	}
	int result = hooks_prepare(hooks, conf, store, schema, &e);
	must(result == 0 || conf->nmistakes || e.code);
	schema_json(&out, schema, NULL);
	must(!buf_failed(&out));
	store_close(store);
}

static void read_all(struct conf *conf, const char *text, size_t size)
{
	struct schema schema = SCHEMA_INIT;
	struct hooks hooks = {0};
	err_auto e = ERR_INIT;
	int result = conf_parse(conf, "mount.conf", text, size, &e);
	if (result == 0)
		result = schema_read(&schema, conf, &e);
	if (result == 0)
		result = hooks_read(&hooks, conf, &schema, &e);
	if (result == 0 && !conf->nmistakes)
		answers_check(&hooks, conf, &schema);
	must(result == 0 || e.code == -result);
	if (result == 0 && !conf->nmistakes)
		make_tables(conf, &schema, &hooks);
	hooks_release(&hooks);
	schema_release(&schema);
}

int fuzz_one(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct conf conf = CONF_INIT;
	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	must(nowhere != NULL);
	if (size && memmem(data, size, "plugin", 6))
		return 0; /* whatever file it names would be loaded and run */
	read_all(&conf, (const char *)data, size);
	conf_print_mistakes(&conf, nowhere);
	conf_release(&conf);
	return 0;
}
