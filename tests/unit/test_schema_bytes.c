/*
 * test_schema_bytes.c - whatever the bytes of mount.conf are, the answer is a mistake and never a crash.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../store/buf.h"
#include "../../store/limits.h"
#include "../../store/model.h"
#include "source.h"

/* What is read must be usable for what goes on with a mistaken conf: every model has a key and its indexes are right.
 */
static void check_answer(const struct schema *s, struct conf *c)
{
	char *told = NULL;
	size_t len;
	FILE *to = open_memstream(&told, &len);

	conf_print_mistakes(c, to);
	fclose(to);
	ck_assert_uint_eq(len > 0, c->nmistakes > 0);
	free(told);
	for (size_t i = 0; i < s->nmodels; i++) {
		const struct model *m = &s->models[i];
		ck_assert_ptr_eq(m->key, &m->fields[m->key->index]);
		for (size_t j = 0; j < m->nfields; j++)
			ck_assert_uint_eq(m->fields[j].index, j);
	}
}

static void answer(const char *text, size_t len)
{
	conf_auto c = CONF_INIT;
	err_auto e = ERR_INIT;
	struct schema s = SCHEMA_INIT;
	int rc = conf_parse(&c, "a.conf", text, len, &e);

	if (rc)
		ck_assert(rc == -EBADMSG && c.nmistakes == 1);
	else
		ck_assert_int_eq(schema_read(&s, &c, &e), 0);
	check_answer(&s, &c);
	schema_release(&s);
}

START_TEST(every_truncation_is_answered)
{
	buf_auto text = BUF_INIT;

	read_file(&text, "mount.conf");
	for (size_t len = 0; len <= text.len; len++)
		answer(buf_text(&text), len);
}
END_TEST

START_TEST(every_flipped_byte_is_answered)
{
	static const unsigned char flips[] = {0x01, 0x20, 0x80, 0xFF};
	buf_auto text = BUF_INIT;

	read_file(&text, "mount.conf");
	for (size_t i = 0; i < text.len; i++)
		for (size_t j = 0; j < sizeof flips; j++) {
			text.data[i] ^= (char)flips[j];
			answer(text.data, text.len);
			text.data[i] ^= (char)flips[j];
		}
}
END_TEST

START_TEST(every_special_character_anywhere_is_answered)
{
	buf_auto text = BUF_INIT;

	read_file(&text, "mount.conf");
	for (size_t i = 0; i < text.len; i++) {
		char before = text.data[i];
		for (const char *c = "{};\"'\\#\n"; *c; c++) {
			text.data[i] = *c;
			answer(text.data, text.len);
		}
		text.data[i] = before;
	}
}
END_TEST

/* Words of the grammar in a random order; the seed is fixed, so that a failure repeats. */
START_TEST(random_words_are_answered)
{
	static const char *const words[] = {
	    "store",  "sqlite:a", "model",      "queue",   "fields",  "{",          "{",         "}",
	    "\n",     "\n",       ";",          "a",       "b",       "id",         "integer",   "string",
	    "key",    "required", "unique",     "default", "now",     "enum",       "x,y",       "max",
	    "min",    "3",        "-1",         "pattern", "[a-z]+",  "((a+)+)+",   "format",    "email",
	    "hidden", "has-many", "by",         "limit",   "has-one", "references", "on-delete", "set-null",
	    "run",    "workers",  "10m",        "timeout", "mode",    "0640",       "on",        "check",
	    "\"\"",   "'a b'",    "from",       "json",    "boolean", "uuid",       "status",    "read-only",
	    "\\",     "#",        "write-only", "cascade",
	};
	unsigned seed = 1;

	for (int round = 0; round < 3000; round++) {
		buf_auto text = BUF_INIT;
		buf_str(&text, round % 2 ? "store sqlite:a\nmodel a { fields { id integer key\n" : "");
		for (int i = 0; i < 60; i++) {
			seed = seed * 1103515245u + 12345u;
			buf_str(&text, words[(seed >> 16) % (sizeof words / sizeof *words)]);
			buf_char(&text, ' ');
		}
		answer(text.data, text.len);
	}
}
END_TEST

START_TEST(large_files_of_one_character_are_answered)
{
	char *text = malloc(LIMIT_CONF);

	for (const char *c = "{}\"'\\;a#\n "; *c; c++) {
		memset(text, *c, LIMIT_CONF);
		answer(text, LIMIT_CONF);
		for (size_t i = 0; i < LIMIT_CONF; i += 2)
			text[i] = 'x';
		answer(text, LIMIT_CONF);
	}
	free(text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("schema bytes");
	TCase *t = tcase_create("answered");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, every_truncation_is_answered);
	tcase_add_test(t, every_flipped_byte_is_answered);
	tcase_add_test(t, every_special_character_anywhere_is_answered);
	tcase_add_test(t, random_words_are_answered);
	tcase_add_test(t, large_files_of_one_character_are_answered);
	suite_add_tcase(s, t);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
