/*
 * test_value.c - the types of fields: what each takes from JSON and from text, its canonical form, and how it prints.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "../../store/arena.h"
#include "../../store/buf.h"
#include "../../store/err.h"
#include "../../store/json.h"
#include "../../store/limits.h"
#include "../../store/value.h"

/* Plain text of what the type makes of a JSON text; NULL where it refuses. In the arena. */
static const char *taken(struct arena *a, enum field_type type, const char *json_text)
{
	json_error_t error;
	err_auto e = ERR_INIT;
	buf_auto plain = BUF_INIT;
	struct value v;
	json_t *json = json_loads(json_text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	ck_assert_msg(json != NULL, "%s: %s", json_text, error.text);
	int rc = value_from_json(type, json, "/f", a, &v, &e);
	ck_assert_int_eq(rc, rc ? -EBADMSG : 0);
	ck_assert_int_eq(rc, -e.code);
	if (rc == 0)
		value_plain(&plain, type, &v);
	const char *copy = rc ? NULL : arena_copy(a, buf_text(&plain), plain.len);
	json_decref(json);
	return copy;
}

static const struct {
	enum field_type type;
	const char *json, *plain; /* NULL: refused */
} table[] = {
    {TYPE_INTEGER, "7", "7"},
    {TYPE_INTEGER, "-9223372036854775808", "-9223372036854775808"},
    {TYPE_INTEGER, "7.0", NULL},
    {TYPE_INTEGER, "\"7\"", NULL},
    {TYPE_INTEGER, "true", NULL},
    {TYPE_INTEGER, "null", ""},
    {TYPE_NUMBER, "7", "7"},
    {TYPE_NUMBER, "7.5", "7.5"},
    {TYPE_NUMBER, "\"7\"", NULL},
    {TYPE_STRING, "\"a\\u00e9\"", "a\xc3\xa9"},
    {TYPE_STRING, "\"\"", ""},
    {TYPE_STRING, "7", NULL},
    {TYPE_STRING, "\"a\\u0000b\"", NULL},
    {TYPE_BOOLEAN, "true", "true"},
    {TYPE_BOOLEAN, "false", "false"},
    {TYPE_BOOLEAN, "1", NULL},
    {TYPE_BOOLEAN, "\"true\"", NULL},
    {TYPE_DATE, "\"2024-02-29\"", "2024-02-29"},
    {TYPE_DATE, "\"2023-02-29\"", NULL},
    {TYPE_DATE, "\"1900-02-29\"", NULL},
    {TYPE_DATE, "\"2000-02-29\"", "2000-02-29"},
    {TYPE_DATE, "\"2024-04-31\"", NULL},
    {TYPE_DATE, "\"0000-01-01\"", NULL},
    {TYPE_DATE, "\"0001-01-01\"", "0001-01-01"},
    {TYPE_DATE, "\"2024-1-1\"", NULL},
    {TYPE_DATE, "\"2024-01-01 \"", NULL},
    {TYPE_DATE, "20240101", NULL},
    {TYPE_TIME, "\"12:30\"", "12:30:00"},
    {TYPE_TIME, "\"12:30:05.500\"", "12:30:05.5"},
    {TYPE_TIME, "\"12:30:05.000\"", "12:30:05"},
    {TYPE_TIME, "\"12:30:05.1234567\"", "12:30:05.123456"},
    {TYPE_TIME, "\"12:30:05.\"", NULL},
    {TYPE_TIME, "\"12:30:60\"", NULL},
    {TYPE_TIME, "\"24:00\"", NULL},
    {TYPE_TIME, "\"12:30Z\"", NULL},
    {TYPE_DATETIME, "\"2024-02-29T12:30:00Z\"", "2024-02-29T12:30:00Z"},
    {TYPE_DATETIME, "\"2024-02-29 12:30:00z\"", "2024-02-29T12:30:00Z"},
    {TYPE_DATETIME, "\"2024-02-29T12:30:00.120Z\"", "2024-02-29T12:30:00.12Z"},
    {TYPE_DATETIME, "\"2024-02-29T12:30:00.123456789Z\"", "2024-02-29T12:30:00.123456Z"},
    {TYPE_DATETIME, "\"2024-02-29T12:30:00.1234567890Z\"", NULL},
    {TYPE_DATETIME, "\"2024-03-01T00:30:00+02:00\"", "2024-02-29T22:30:00Z"},
    {TYPE_DATETIME, "\"2023-12-31T23:30:00-00:45\"", "2024-01-01T00:15:00Z"},
    {TYPE_DATETIME, "\"1969-12-31T23:59:59Z\"", "1969-12-31T23:59:59Z"},
    {TYPE_DATETIME, "\"0001-01-01T00:30:00+01:00\"", NULL},
    {TYPE_DATETIME, "\"0001-01-01T00:30:00+00:30\"", "0001-01-01T00:00:00Z"},
    {TYPE_DATETIME, "\"9999-12-31T23:30:00-01:00\"", NULL},
    {TYPE_DATETIME, "\"2016-12-31T23:59:60Z\"", NULL},
    {TYPE_DATETIME, "\"2024-02-29T12:30:00\"", NULL},
    {TYPE_DATETIME, "\"2024-02-29T12:30Z\"", NULL},
    {TYPE_DATETIME, "\"2024-02-29\"", NULL},
    {TYPE_DATETIME, "1709209800", NULL},
    {TYPE_UUID, "\"01890A5D-AC96-774B-BCCE-B302099A8057\"", "01890a5d-ac96-774b-bcce-b302099a8057"},
    {TYPE_UUID, "\"01890a5dac96774bbcceb302099a8057\"", NULL},
    {TYPE_UUID, "\"01890a5d-ac96-774b-bcce-b302099a805g\"", NULL},
    {TYPE_UUID, "\"\"", NULL},
    {TYPE_JSON, "{\"b\": [1, 2.50, {}], \"a\": \"\\u00e9\"}", "{\"b\":[1,2.5,{}],\"a\":\"\xc3\xa9\"}"},
    {TYPE_JSON, "\"text\"", "\"text\""},
    {TYPE_JSON, "null", ""},
};

START_TEST(each_type_takes_its_json_and_nothing_else)
{
	arena_auto a = ARENA_INIT;
	const char *plain = taken(&a, table[_i].type, table[_i].json);
	ck_assert_msg((plain == NULL) == (table[_i].plain == NULL), "%s", table[_i].json);
	if (plain)
		ck_assert_str_eq(plain, table[_i].plain);
}
END_TEST

START_TEST(a_mismatch_is_a_problem_at_its_pointer)
{
	arena_auto a = ARENA_INIT;
	err_auto e = ERR_INIT;
	struct value v;
	json_scope *json = json_string("x");
	ck_assert_int_eq(value_from_json(TYPE_INTEGER, json, "/units", &a, &v, &e), -EBADMSG);
	ck_assert_str_eq(e.problems[0].pointer, "/units");
	ck_assert_str_eq(e.problems[0].text, "must be an integer");
}
END_TEST

START_TEST(canonical_text_is_borrowed_from_the_document)
{
	arena_auto a = ARENA_INIT;
	err_auto e = ERR_INIT;
	struct value v;
	json_scope *json = json_string("2024-02-29T12:30:00Z");
	ck_assert_int_eq(value_from_json(TYPE_DATETIME, json, "/f", &a, &v, &e), 0);
	ck_assert_ptr_eq(v.text.data, json_string_value(json));
}
END_TEST

START_TEST(no_json_is_null)
{
	arena_auto a = ARENA_INIT;
	err_auto e = ERR_INIT;
	struct value v = value_integer(1);
	ck_assert_int_eq(value_from_json(TYPE_INTEGER, NULL, "/f", &a, &v, &e), 0);
	ck_assert_int_eq(v.kind, VALUE_NULL);
}
END_TEST

static const struct {
	enum field_type type;
	const char *text, *json; /* NULL: refused */
} texts[] = {
    {TYPE_INTEGER, "0", "0"},
    {TYPE_INTEGER, "-7", "-7"},
    {TYPE_INTEGER, "9223372036854775807", "9223372036854775807"},
    {TYPE_INTEGER, "-9223372036854775808", "-9223372036854775808"},
    {TYPE_INTEGER, "9223372036854775808", NULL},
    {TYPE_INTEGER, "-9223372036854775809", NULL},
    {TYPE_INTEGER, "99999999999999999999", NULL},
    {TYPE_INTEGER, "007", NULL},
    {TYPE_INTEGER, "-0", NULL},
    {TYPE_INTEGER, "+7", NULL},
    {TYPE_INTEGER, "7 ", NULL},
    {TYPE_INTEGER, "", NULL},
    {TYPE_INTEGER, "-", NULL},
    {TYPE_NUMBER, "1.50", "1.5"},
    {TYPE_NUMBER, "-3", "-3"},
    {TYPE_NUMBER, "1e999", NULL},
    {TYPE_NUMBER, "nan", NULL},
    {TYPE_NUMBER, "0x1", NULL},
    {TYPE_NUMBER, "1 2", NULL},
    {TYPE_NUMBER, "", NULL},
    {TYPE_BOOLEAN, "true", "true"},
    {TYPE_BOOLEAN, "false", "false"},
    {TYPE_BOOLEAN, "1", NULL},
    {TYPE_STRING, "a\"b", "\"a\\\"b\""},
    {TYPE_STRING, "", "\"\""},
    {TYPE_STRING, "\xff", NULL},
    {TYPE_DATE, "2024-02-30", NULL},
    {TYPE_DATE, "2024-02-29", "\"2024-02-29\""},
    {TYPE_UUID, "01890A5D-AC96-774B-BCCE-B302099A8057", "\"01890a5d-ac96-774b-bcce-b302099a8057\""},
    {TYPE_JSON, "{\"a\" : 1}", "{\"a\":1}"},
    {TYPE_JSON, "null", "null"},
    {TYPE_JSON, "{", NULL},
    {TYPE_JSON, "", NULL},
};

START_TEST(each_type_takes_its_text_and_nothing_else)
{
	arena_auto a = ARENA_INIT;
	buf_auto json = BUF_INIT;
	struct value v;
	int rc = value_from_text(texts[_i].type, texts[_i].text, strlen(texts[_i].text), &a, &v);
	ck_assert_msg(rc == (texts[_i].json ? 0 : -EBADMSG), "%s", texts[_i].text);
	if (rc)
		return;
	value_write(&json, texts[_i].type, &v, -1);
	ck_assert_str_eq(json.data, texts[_i].json);
}
END_TEST

START_TEST(text_with_a_nul_byte_is_no_value)
{
	arena_auto a = ARENA_INIT;
	struct value v;
	for (int type = 0; type < TYPE_COUNT; type++)
		ck_assert_int_eq(value_from_text((enum field_type)type, "1\0", 2, &a, &v), -EBADMSG);
}
END_TEST

START_TEST(every_type_is_found_by_its_name)
{
	for (int type = 0; type < TYPE_COUNT; type++)
		ck_assert_int_eq(field_type_by_name(field_type_name((enum field_type)type)), type);
	ck_assert_int_eq(field_type_by_name("text"), -1);
}
END_TEST

static void ck_written(enum field_type type, struct value v, int indent, const char *expected)
{
	buf_auto b = BUF_INIT;
	value_write(&b, type, &v, indent);
	ck_assert_str_eq(buf_text(&b), expected);
}

START_TEST(a_value_of_another_kind_prints_as_what_it_is)
{
	ck_written(TYPE_BOOLEAN, value_integer(7), -1, "7");
	ck_written(TYPE_INTEGER, value_text("x", 1), -1, "\"x\"");
	ck_written(TYPE_NUMBER, value_integer(INT64_C(9007199254740993)), -1, "9007199254740993");
	ck_written(TYPE_JSON, value_integer(1), -1, "1");
	ck_written(TYPE_JSON, value_text("{not", 4), -1, "\"{not\"");
	ck_written(TYPE_DATE, value_real(1.5), -1, "1.5");
}
END_TEST

START_TEST(stored_json_is_indented_where_it_stands)
{
	ck_written(TYPE_JSON, value_text("{\"a\":[1]}", 9), 1, "{\n    \"a\": [\n      1\n    ]\n  }");
	ck_written(TYPE_JSON, value_text("{ \"a\" : [] }", 12), -1, "{\"a\":[]}");
	ck_written(TYPE_JSON, value_text("[]", 2), 1, "[]");
}
END_TEST

START_TEST(values_are_equal_by_what_they_say)
{
	struct value one = value_integer(1), real = value_real(1), text = value_text("1", 1), null = value_null();
	struct value same = value_text("1x", 1), longer = value_text("1x", 2);
	ck_assert(value_equal(&one, &real));
	ck_assert(value_equal(&real, &one));
	ck_assert(!value_equal(&one, &text));
	ck_assert(!value_equal(&one, &null));
	ck_assert(value_equal(&null, &null));
	ck_assert(value_equal(&text, &same));
	ck_assert(!value_equal(&text, &longer));
}
END_TEST

START_TEST(a_copy_outlives_its_source)
{
	arena_auto a = ARENA_INIT;
	char text[] = "abc";
	struct value from = value_text(text, 3), to;
	ck_assert_int_eq(value_copy(&a, &from, &to), 0);
	text[0] = 'x';
	ck_assert_str_eq(to.text.data, "abc");
}
END_TEST

START_TEST(now_has_milliseconds_and_no_zeros_behind_them)
{
	char out[32];
	ck_assert_uint_eq(value_now((struct timespec){1709209800, 123456789}, out), 24);
	ck_assert_str_eq(out, "2024-02-29T12:30:00.123Z");
	ck_assert_uint_eq(value_now((struct timespec){0, 100000000}, out), 22);
	ck_assert_str_eq(out, "1970-01-01T00:00:00.1Z");
	ck_assert_uint_eq(value_now((struct timespec){-1, 999999}, out), 20);
	ck_assert_str_eq(out, "1969-12-31T23:59:59Z");
	ck_assert_uint_eq(value_today((struct timespec){1709209800, 0}, out), 10);
	ck_assert_str_eq(out, "2024-02-29");
}
END_TEST

START_TEST(days_of_ten_thousand_years_are_those_of_the_c_library)
{
	for (long long day = -719162; day < 2932897; day++) {
		char date[32];
		struct tm tm;
		struct timespec ts = {day * 86400, 0};
		char expected[32];
		if (day % 97 && day % 365)
			continue;
		gmtime_r(&ts.tv_sec, &tm);
		value_today(ts, date);
		snprintf(expected, sizeof expected, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
		ck_assert_str_eq(date, expected);
	}
}
END_TEST

START_TEST(a_uuid_is_canonical_of_version_7_and_new)
{
	arena_auto a = ARENA_INIT;
	char one[37], other[37];
	struct value v;
	value_uuid((struct timespec){1709209800, 123000000}, one);
	value_uuid((struct timespec){1709209800, 123000000}, other);
	ck_assert_int_eq(value_from_text(TYPE_UUID, one, strlen(one), &a, &v), 0);
	ck_assert_str_eq(v.text.data, one);
	ck_assert_int_eq(one[14], '7');
	ck_assert(strchr("89ab", one[19]));
	ck_assert_int_eq(strncmp(one, "018df4d7-cdbb-7", 15), 0);
	ck_assert_str_ne(one, other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("value");
	TCase *c = tcase_create("value");
	suite_add_tcase(suite, c);
	tcase_set_timeout(c, 30);
	tcase_add_loop_test(c, each_type_takes_its_json_and_nothing_else, 0, sizeof table / sizeof *table);
	tcase_add_test(c, a_mismatch_is_a_problem_at_its_pointer);
	tcase_add_test(c, canonical_text_is_borrowed_from_the_document);
	tcase_add_test(c, no_json_is_null);
	tcase_add_loop_test(c, each_type_takes_its_text_and_nothing_else, 0, sizeof texts / sizeof *texts);
	tcase_add_test(c, text_with_a_nul_byte_is_no_value);
	tcase_add_test(c, every_type_is_found_by_its_name);
	tcase_add_test(c, a_value_of_another_kind_prints_as_what_it_is);
	tcase_add_test(c, stored_json_is_indented_where_it_stands);
	tcase_add_test(c, values_are_equal_by_what_they_say);
	tcase_add_test(c, a_copy_outlives_its_source);
	tcase_add_test(c, now_has_milliseconds_and_no_zeros_behind_them);
	tcase_add_test(c, days_of_ten_thousand_years_are_those_of_the_c_library);
	tcase_add_test(c, a_uuid_is_canonical_of_version_7_and_new);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
