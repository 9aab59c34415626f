/*
 * document.c - any text as the document of a record that has fields of every type: refused with problems that have a
 * place, or bound; what is bound is printed, and the print, read and bound again, gives the same row and the same
 * bytes.
 *
 * The first byte chooses between a create, a replace and a patch.
 */
#include <errno.h>
#include <string.h>

#include "../../hooks/change.h"
#include "../../store/json.h"
#include "fuzz.h"

static const char conf_text[] = "store sqlite:fuzz.db\n"
				"model things { fields {\n"
				"	id integer key\n"
				"	name string required min 1 max 60\n"
				"	size integer min -5 max 9007199254740993\n"
				"	price number min -1e300 max 1e300\n"
				"	weight number\n"
				"	paid boolean\n"
				"	day date\n"
				"	at datetime\n"
				"	clock time\n"
				"	uid uuid\n"
				"	extra json\n"
				"	kind string default new enum new,old\n"
				"	code string pattern [A-Z]{2}[0-9]+\n"
				"	mail string format email\n"
				"	site string format uri\n"
				"	host string format hostname\n"
				"	v4 string format ipv4\n"
				"	v6 string format ipv6\n"
				"	made datetime default now read-only\n"
				"	maker string immutable\n"
				"	secret string hidden default s3\n"
				"	token string write-only default t0\n"
				"} }\n";

static const struct value key = {.kind = VALUE_INTEGER, .integer = 7};

static struct bind bind_of(const struct model *m, enum verb verb, const struct value *old)
{
	return (struct bind){
	    .model = m, .verb = verb, .old = old, .key = &key, .now = {1709209800, 120000000}, .uid = 4242};
}

static void check_problems(const struct err *e)
{
	must(e->code && *e->text);
	for (size_t i = 0; i < e->nproblems; i++)
		must(e->problems[i].line > 0 && e->problems[i].column > 0 && *e->problems[i].text);
}

static void print(struct buf *out, const struct model *m, const struct value *row)
{
	size_t members = record_open(out, m, row, SHOW_FILE, 0, NULL);
	record_close(out, members, 0);
	must(!buf_failed(out));
}

/* What the file shows can be saved as it stands and changes nothing. */
static void save_again(const struct model *m, const struct value *row)
{
	arena_auto arena = ARENA_INIT;
	buf_auto first = BUF_INIT, second = BUF_INIT;
	err_auto e = ERR_INIT;
	json_scope *document = NULL;
	struct value again[LIMIT_FIELDS];
	print(&first, m, row);
	if (first.len > LIMIT_RECORD)
		return;
	must(json_read(first.data, first.len, &document, &e) == 0);
	struct bind b = bind_of(m, VERB_REPLACE, row);
	must(record_bind(&b, document, again, &arena, &e) == 0);
	must(row_equal(m, row, again));
	print(&second, m, again);
	must(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

static void bind_document(const struct model *m, enum verb verb, const struct value *old, const char *text, size_t size)
{
	arena_auto arena = ARENA_INIT;
	err_auto e = ERR_INIT;
	json_scope *document = NULL;
	struct value row[LIMIT_FIELDS];
	struct bind b = bind_of(m, verb, old);
	int result = json_read(text, size, &document, &e);
	if (result == 0)
		result = record_bind(&b, document, row, &arena, &e);
	if (result == 0) {
		save_again(m, row);
		return;
	}
	must(result == -e.code);
	if (document)
		json_locate(text, size, &e);
	if (e.code != EFBIG)
		check_problems(&e);
}

int fuzz_one(const uint8_t *data, size_t size)
{
	static const enum verb verbs[] = {VERB_CREATE, VERB_REPLACE, VERB_PATCH};
	static const char stored[] = "{\"name\":\"a\",\"size\":3,\"price\":1.5,\"paid\":true,\"day\":\"2020-01-01\","
				     "\"extra\":{\"a\":[1,{\"b\":null}]},\"maker\":\"ann\"}";
	static struct value old[LIMIT_FIELDS];
	static struct arena arena;
	const struct model *m = fuzz_schema(conf_text, sizeof conf_text - 1)->models;
	if (!size)
		return 0;
	if (!arena.blocks) {
		err_auto e = ERR_INIT;
		static json_t *document; /* the row borrows from it */
		struct bind b = bind_of(m, VERB_CREATE, NULL);
		must(json_read(stored, sizeof stored - 1, &document, &e) == 0);
		must(record_bind(&b, document, old, &arena, &e) == 0);
	}
	enum verb verb = verbs[data[0] % 3];
	bind_document(m, verb, verb == VERB_CREATE ? NULL : old, (const char *)data + 1, size - 1);
	return 0;
}
