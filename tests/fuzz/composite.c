/*
 * composite.c - any text as a document for .txn/.run: refused with a sentence, or staged and carried out in a small
 * shop up to the commit, which a hook refuses, so that every text finds the same rows. What is answered is JSON.
 */
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../hooks/composite.h"
#include "../../hooks/journal.h"
#include "../../store/json.h"
#include "fuzz.h"

static const char conf_text[] =
    "store sqlite:fuzz.db\ndurability off\n"
    "on before_commit check \"0\" \"not now\"\n"
    "model orders { fields { id integer key\n name string required max 20\n qty integer min 0\n code string unique\n"
    "  secret string hidden }\n"
    "  embeds-many lines by order_id\n embeds-one bills by order_id\n has-many notes by order_id }\n"
    "model lines { fields { id integer key\n order_id integer required references orders\n qty integer unique } }\n"
    "model bills { fields { id integer key\n order_id integer required references orders\n sum number } }\n"
    "model notes { fields { id string key\n uid integer default uid\n order_id integer references orders on-delete "
    "cascade }\n"
    "  owner uid\n visible owner }\n";

static const struct actor actor = {.uid = 4242, .gid = 4242, .pid = 1};
static char directory[] = "/tmp/rowfs-fuzz-XXXXXX";
static struct saver *saver;

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void clean_up(void)
{
	nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const struct schema *s, const char *model, int64_t key, const char *text)
{
	static const struct actor root = {.pid = 1};
	arena_auto arena = ARENA_INIT;
	err_auto e = ERR_INIT;
	struct outcome outcome;
	struct request r = {.kind = REQUEST_PUT,
			    .model = schema_model(s, model),
			    .key = value_integer(key),
			    .text = text,
			    .len = strlen(text)};
	must(save(saver, &root, &r, 1, &outcome, &arena, &e) == 0);
}

/* With two orders, of which one has parts; then hooks refuse. */
static void open_shop(void)
{
	static struct conf conf;
	static struct schema schema;
	static struct hooks hooks, none;
	static struct journal *journal;
	struct store *store;
	char path[64];
	err_auto e = ERR_INIT;
	must(mkdtemp(directory) != NULL);
	atexit(clean_up);
	snprintf(path, sizeof path, "%s/mount.conf", directory);
	must(conf_parse(&conf, path, conf_text, sizeof conf_text - 1, &e) == 0);
	must(schema_read(&schema, &conf, &e) == 0 && hooks_read(&hooks, &conf, &schema, &e) == 0);
	must(conf.nmistakes == 0 && store_open(&store, &schema, 0, &e) == 0);
	must(hooks_prepare(&hooks, &conf, store, &schema, &e) == 0 && journal_new(&journal) == 0);
	must(saver_new(&saver, &schema, &none, store, journal, "/nowhere", &e) == 0);
	put(&schema, "orders", 7, "{\"name\":\"a\",\"lines\":[{\"id\":1,\"qty\":1}],\"bills\":{\"id\":1}}");
	put(&schema, "orders", 8, "{\"name\":\"b\",\"code\":\"x\"}");
	saver_free(saver);
	must(saver_new(&saver, &schema, &hooks, store, journal, "/nowhere", &e) == 0);
}

int fuzz_one(const uint8_t *data, size_t size)
{
	buf_auto answer = BUF_INIT;
	err_auto e = ERR_INIT;
	if (!saver)
		open_shop();
	int result = composite_run(saver, &actor, (const char *)data, size, 1 << 20, &answer, &e);
	must(result == 0 || (result == -e.code && *e.text && err_clamp(e.code) == e.code));
	json_t *read = answer.len ? json_loadb(answer.data, answer.len, JSON_ALLOW_NUL, NULL) : NULL;
	must(!answer.len || json_is_array(read));
	must(result == 0 ? answer.len > 0 : true);
	json_decref(read);
	return 0;
}
