/*
 * reply.c - any text as what a hook's program answers: an edit, a refusal, further saves and deletes, carried out in a
 * transaction of a small shop, which is rolled back. The first byte chooses the event.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "../../hooks/reply.h"
#include "../../store/json.h"
#include "fuzz.h"

static const char conf_text[] =
    "store sqlite:fuzz.db\n"
    "model orders { fields { id integer key\n name string required max 20\n qty integer min 0\n secret string hidden "
    "}\n"
    "  embeds-many lines by order_id\n has-many notes by order_id }\n"
    "model lines { fields { id integer key\n order_id integer required references orders\n qty integer unique } }\n"
    "model notes { fields { id string key\n order_id integer references orders on-delete cascade } }\n";

static struct hooks none;

static const struct actor actor = {.uid = 1000, .gid = 1000, .pid = 1};

static int run(struct saving *v, enum request_kind kind, const char *model, const struct value *key, const char *text,
	       struct change **out, struct err *e)
{
	json_t *document = NULL;
	struct change *c = *out = change_new(v, schema_model(v->saver->schema, model), kind, key, e);
	if (!c || (text && json_read(text, strlen(text), &document, e) < 0))
		return -e->code;
	if (document && saving_keep(v, document, e) < 0)
		return -e->code;
	c->document = document;
	return change_resolve(v, c, e) < 0 || change_add(v, c, e) < 0 ? -e->code : 0;
}

static void open_saving(struct saving *v, struct saver *s)
{
	err_auto e = ERR_INIT;
	*v = (struct saving){.saver = s, .actor = &actor, .now = {1709209800, 120000000}};
	value_now(v->now, v->now_text);
	must(txn_begin(s->store, &v->txn, &e) == 0);
	v->conn = v->txn.conn;
}

static struct saver *shop(void)
{
	static struct saver s;
	err_auto e = ERR_INIT;
	if (s.store)
		return &s;
	s.schema = fuzz_schema(conf_text, sizeof conf_text - 1);
	s.hooks = &none;
	must(store_open_memory(&s.store, s.schema, &e) == 0);
	return &s;
}

static void answer(struct saving *v, enum event event, const char *text, size_t size)
{
	static const struct value seven = {.kind = VALUE_INTEGER, .integer = 7};
	buf_auto out = BUF_INIT;
	err_auto e = ERR_INIT;
	struct hook hook = {.event = event, .kind = HOOK_RUN};
	struct change *c, *note;
	struct value note_key = value_text("n", 1);
	must(run(v, REQUEST_PUT, "orders", &seven, "{\"name\":\"a\",\"qty\":1,\"lines\":[{\"qty\":1}]}", &c, &e) == 0);
	if (event != EVENT_PRE_SAVE) {
		must(change_apply(v, c, &e) == 0);
		c->applied = true;
		must(run(v, REQUEST_PUT, "notes", &note_key, "{\"order_id\":7}", &note, &e) == 0);
		must(change_apply(v, note, &e) == 0);
	}
	buf_add(&out, text, size);
	int result = reply_read(v, &hook, c, "hooks/fuzz", &out, &e);
	if (result == 0)
		result = saving_carry_caused(v, &e);
	must(result == 0 || (result == -e.code && *e.text && err_clamp(e.code) == e.code));
}

int fuzz_one(const uint8_t *data, size_t size)
{
	static const enum event events[] = {EVENT_PRE_SAVE, EVENT_APPLY, EVENT_POST_SAVE, EVENT_BEFORE_COMMIT};
	struct saving v;
	if (!size)
		return 0;
	open_saving(&v, shop());
	answer(&v, events[data[0] % 4], (const char *)data + 1, size - 1);
	txn_rollback(&v.txn);
	saving_release(&v);
	return 0;
}
