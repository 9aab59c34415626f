/*
 * composite.c - any text as a document with several requests for a small shop: its variables, each of its requests
 * staged over what is stored, and their commit up to the last hook, which refuses it, so that every text finds the
 * same records.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../hooks/composite.h"
#include "../../store/json.h"
#include "fuzz.h"

static const char conf_text[] =
    "store sqlite:%s/shop.db\n"
    "durability off\n"
    "model orders { fields { id integer key\n name string required max 20 unique\n qty integer min 0\n"
    "  secret string write-only }\n"
    "  embeds-many lines by order_id\n embeds-one bills by order_id\n has-many notes by order_id\n"
    "  checksum in-file with bills }\n"
    "model lines { fields { id integer key\n order_id integer required references orders\n qty integer unique } }\n"
    "model bills { fields { id integer key\n order_id integer required references orders\n sum number } }\n"
    "model notes { fields { id string key\n order_id integer references orders on-delete cascade\n data json } }\n"
    "on before_commit check \"0\" \"never\"\n";

static char directory[64];

struct shop {
	struct conf conf;
	struct schema schema;
	struct hooks hooks;
	struct store *store;
	struct journal *journal;
	struct saver *saver;
};

static void clean_up(void)
{
	static const char *const names[] = {"shop.db", "shop.db-wal", "shop.db-shm", "shop.db-hold"};
	char path[128];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		unlink(path);
	}
	rmdir(directory);
}

static void fill(struct shop *s)
{
	const struct value order[] = {value_integer(7), value_text("a", 1), value_integer(1), value_null()};
	const struct value line[] = {value_integer(1), value_integer(7), value_integer(3)};
	const struct value note[] = {value_text("n", 1), value_integer(7), value_text("{}", 2)};
	struct txn t;
	err_auto e = ERR_INIT;
	must(txn_begin(s->store, &t, &e) == 0);
	must(txn_insert(&t, schema_model(&s->schema, "orders"), order, &e) == 0);
	must(txn_insert(&t, schema_model(&s->schema, "lines"), line, &e) == 0);
	must(txn_insert(&t, schema_model(&s->schema, "notes"), note, &e) == 0);
	must(txn_commit(&t, &e) == 0);
}

static struct shop *open_shop(void)
{
	static struct shop s;
	char text[sizeof conf_text + sizeof directory];
	err_auto e = ERR_INIT;
	if (s.saver)
		return &s;
	const char *base = getenv("TMPDIR");
	snprintf(directory, sizeof directory, "%s/rowfs-XXXXXX", base && *base ? base : "/tmp");
	must(mkdtemp(directory));
	atexit(clean_up);
	int len = snprintf(text, sizeof text, conf_text, directory);
	must(conf_parse(&s.conf, "mount.conf", text, (size_t)len, &e) == 0);
	must(schema_read(&s.schema, &s.conf, &e) == 0 && hooks_read(&s.hooks, &s.conf, &s.schema, &e) == 0);
	must(store_open(&s.store, &s.schema, 0, &e) == 0);
	must(hooks_prepare(&s.hooks, &s.conf, s.store, &s.schema, &e) == 0);
	conf_print_mistakes(&s.conf, stderr);
	must(s.conf.nmistakes == 0);
	fill(&s);
	must(journal_new(&s.journal) == 0);
	must(saver_new(&s.saver, &s.schema, &s.hooks, s.store, s.journal, "/nowhere", &e) == 0);
	return &s;
}

/* One object a request, each with its status. */
static void check_answer(const struct buf *answer)
{
	json_t *report, *each;
	size_t i;
	must(json_read_value(buf_text(answer), answer->len, JSON_ALLOW_NUL, &report) == 0);
	must(json_is_array(report) && json_array_size(report) <= LIMIT_COMPOSITE);
	json_array_foreach(report, i, each) must(json_is_string(json_object_get(each, "status")));
	json_decref(report);
}

int fuzz_one(const uint8_t *data, size_t size)
{
	static const struct actor actor = {.uid = 1000, .gid = 1000, .pid = 1};
	struct shop *s = open_shop();
	buf_auto answer = BUF_INIT;
	err_auto e = ERR_INIT;
	char *text = malloc(size + 1);
	must(text);
	memcpy(text, data, size);
	text[size] = '\0';
	int result = composite_run(s->saver, &actor, text, size, LIMIT_STAGED_BYTES, &answer, &e);
	must(result == -e.code && (result == 0 || (*e.text && err_clamp(e.code) == e.code)));
	must(result < 0 || answer.len);
	if (answer.len)
		check_answer(&answer);
	free(text);
	return 0;
}
