/*
 * test_json.c - reading strictly, and finding where pointers point.
 *
 * The table of texts is the corpus of RFC 8259's grammar: the scanner must judge each, whole and byte by byte, as the
 * reader does.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../store/buf.h"
#include "../../store/err.h"
#include "../../store/json.h"

#define TEXT(literal) literal, sizeof(literal) - 1

static const struct {
	const char *text;
	size_t len;
	bool valid;
	bool scanner_only; /* valid for the scanner, refused by the reader */
} corpus[] = {
    {TEXT("{}"), true, false},
    {TEXT(" \t\r\n{ } \n"), true, false},
    {TEXT("{\"a\":1}"), true, false},
    {TEXT("{\"\":\"\"}"), true, false},
    {TEXT("{\"a\":[]}"), true, false},
    {TEXT("{\"a\":[1,2 , 3]}"), true, false},
    {TEXT("{\"a\":{\"b\":{}},\"c\":[[],{}]}"), true, false},
    {TEXT("{\"a\":true,\"b\":false,\"c\":null}"), true, false},
    {TEXT("{\"a\":-0,\"b\":0.0,\"c\":1e5,\"d\":1E+5,\"e\":1e-5,\"f\":-12.5e+03}"), true, false},
    {TEXT("{\"a\":9223372036854775807,\"b\":-9223372036854775808}"), true, false},
    {TEXT("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"}"), true, false},
    {TEXT("{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"}"), true, false},
    {TEXT("{\"a\":\"\x7f\"}"), true, false},
    {TEXT("{\"\\u0061\":1,\"b\":2}"), true, false},
    {TEXT("{\"a\":1e-400}"), true, false},
    {TEXT("{\"a\":1,\"a\":2}"), false, true},
    {TEXT("{\"a\":1,\"\\u0061\":2}"), false, true},
    {TEXT("{\"a\":{\"b\":1,\"b\":1}}"), false, true},
    {TEXT("{\"a\":9223372036854775808}"), false, true},
    {TEXT("{\"a\":-9223372036854775809}"), false, true},
    {TEXT("{\"a\":1e999}"), false, true},
    {TEXT(""), false, false},
    {TEXT("  \n"), false, false},
    {TEXT("null"), false, false},
    {TEXT("[]"), false, false},
    {TEXT("\"a\""), false, false},
    {TEXT("1"), false, false},
    {TEXT("\xef\xbb\xbf{}"), false, false},
    {TEXT("{"), false, false},
    {TEXT("{\"a"), false, false},
    {TEXT("{\"a\""), false, false},
    {TEXT("{\"a\":"), false, false},
    {TEXT("{\"a\":1"), false, false},
    {TEXT("{\"a\":1,"), false, false},
    {TEXT("{\"a\":[1"), false, false},
    {TEXT("{\"a\":1,}"), false, false},
    {TEXT("{,\"a\":1}"), false, false},
    {TEXT("{\"a\":[1,]}"), false, false},
    {TEXT("{\"a\":[,1]}"), false, false},
    {TEXT("{\"a\":[1 2]}"), false, false},
    {TEXT("{\"a\":[1}"), false, false},
    {TEXT("{\"a\":{]}"), false, false},
    {TEXT("{\"a\" 1}"), false, false},
    {TEXT("{\"a\"::1}"), false, false},
    {TEXT("{\"a\":1 \"b\":2}"), false, false},
    {TEXT("{a:1}"), false, false},
    {TEXT("{'a':1}"), false, false},
    {TEXT("{1:1}"), false, false},
    {TEXT("{\"a\":'b'}"), false, false},
    {TEXT("{\"a\":tru}"), false, false},
    {TEXT("{\"a\":True}"), false, false},
    {TEXT("{\"a\":truex}"), false, false},
    {TEXT("{\"a\":nul"), false, false},
    {TEXT("{\"a\":NaN}"), false, false},
    {TEXT("{\"a\":Infinity}"), false, false},
    {TEXT("{\"a\":-Infinity}"), false, false},
    {TEXT("{\"a\":01}"), false, false},
    {TEXT("{\"a\":-01}"), false, false},
    {TEXT("{\"a\":+1}"), false, false},
    {TEXT("{\"a\":.5}"), false, false},
    {TEXT("{\"a\":1.}"), false, false},
    {TEXT("{\"a\":1.e5}"), false, false},
    {TEXT("{\"a\":1e}"), false, false},
    {TEXT("{\"a\":1e+}"), false, false},
    {TEXT("{\"a\":1.5.5}"), false, false},
    {TEXT("{\"a\":1e5e5}"), false, false},
    {TEXT("{\"a\":1e5.5}"), false, false},
    {TEXT("{\"a\":-}"), false, false},
    {TEXT("{\"a\":--1}"), false, false},
    {TEXT("{\"a\":0x10}"), false, false},
    {TEXT("{\"a\":1_000}"), false, false},
    {TEXT("{\"a\":\"\t\"}"), false, false},
    {TEXT("{\"a\":\"\n\"}"), false, false},
    {TEXT("{\"a\":\"\x1f\"}"), false, false},
    {TEXT("{\"a\":\"\\a\"}"), false, false},
    {TEXT("{\"a\":\"\\'\"}"), false, false},
    {TEXT("{\"a\":\"\\u12\"}"), false, false},
    {TEXT("{\"a\":\"\\u123g\"}"), false, false},
    {TEXT("{\"a\":\"\\U0041\"}"), false, false},
    {TEXT("{\"a\":\"\\x41\"}"), false, false},
    {TEXT("{\"a\":\"\\u0000\"}"), false, false},
    {TEXT("{\"\\u0000\":1}"), false, false},
    {TEXT("{\"a\":\"\\ud800\"}"), false, false},
    {TEXT("{\"a\":\"\\ud800x\"}"), false, false},
    {TEXT("{\"a\":\"\\ud800\\n\"}"), false, false},
    {TEXT("{\"a\":\"\\ud800\\ud800\"}"), false, false},
    {TEXT("{\"a\":\"\\ud800\\u0041\"}"), false, false},
    {TEXT("{\"a\":\"\\udc00\"}"), false, false},
    {TEXT("{\"a\":\"\\udc00\\ud800\"}"), false, false},
    {TEXT("{\"a\":\"\x80\"}"), false, false},
    {TEXT("{\"a\":\"\xc0\x80\"}"), false, false},
    {TEXT("{\"a\":\"\xc1\xbf\"}"), false, false},
    {TEXT("{\"a\":\"\xc3\"}"), false, false},
    {TEXT("{\"a\":\"\xe0\x80\x80\"}"), false, false},
    {TEXT("{\"a\":\"\xe2\x82\"}"), false, false},
    {TEXT("{\"a\":\"\xed\xa0\x80\"}"), false, false},
    {TEXT("{\"a\":\"\xf0\x80\x80\x80\"}"), false, false},
    {TEXT("{\"a\":\"\xf4\x90\x80\x80\"}"), false, false},
    {TEXT("{\"a\":\"\xf5\x80\x80\x80\"}"), false, false},
    {TEXT("{\"a\":\"\xff\"}"), false, false},
    {TEXT("{\"\xff\":1}"), false, false},
    {TEXT("{\"a\":1\0}"), false, false},
    {TEXT("{\"a\":\"\0\"}"), false, false},
    {TEXT("{\"a\":1}\0"), false, false},
    {TEXT("\0{}"), false, false},
    {TEXT("{\"a\":1}x"), false, false},
    {TEXT("{\"a\":1}{}"), false, false},
    {TEXT("{\"a\":1},"), false, false},
    {TEXT("{\"a\":1}}"), false, false},
    {TEXT("{\"a\":1}\xc2\xa0"), false, false},
    {TEXT("{\"a\":1 /* b */}"), false, false},
    {TEXT("{\"a\":1} // b"), false, false},
    {TEXT("{\"a\":1} # b"), false, false},
    {TEXT("{\"a\":1\f}"), false, false},
    {TEXT("{\"a\":1\v}"), false, false},
};

static bool reader_takes(const char *text, size_t len)
{
	json_scope *json = NULL;
	err_auto e = ERR_INIT;
	int rc = json_read(text, len, &json, &e);
	ck_assert_int_eq(rc, rc ? -EBADMSG : 0);
	ck_assert_int_eq(rc, -e.code);
	ck_assert(rc == 0 || (e.nproblems == 1 && e.problems[0].line > 0 && e.problems[0].column > 0));
	ck_assert((rc == 0) == (json != NULL));
	return rc == 0;
}

static bool scanner_takes(const char *text, size_t len, size_t step)
{
	struct json_scan s;
	json_scan_init(&s);
	for (size_t at = 0; at < len && s.state != SCAN_INVALID;) {
		size_t n = json_scan(&s, text + at, len - at < step ? len - at : step);
		ck_assert(n > 0 || s.state == SCAN_INVALID);
		at += n;
	}
	return s.state == SCAN_COMPLETE;
}

START_TEST(the_reader_judges_the_corpus)
{
	ck_assert_msg(reader_takes(corpus[_i].text, corpus[_i].len) == corpus[_i].valid, "%s", corpus[_i].text);
}
END_TEST

START_TEST(the_scanner_agrees_whole_and_in_pieces)
{
	bool takes = corpus[_i].valid || corpus[_i].scanner_only;
	for (size_t step = 1; step < 5; step++)
		ck_assert_msg(scanner_takes(corpus[_i].text, corpus[_i].len, step) == takes, "%s", corpus[_i].text);
	ck_assert_msg(scanner_takes(corpus[_i].text, corpus[_i].len, 1000) == takes, "%s", corpus[_i].text);
}
END_TEST

static void ck_as_jansson(const char *text, size_t len)
{
	json_scope *ours = NULL, *theirs = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	err_auto e = ERR_INIT;
	ck_assert_int_eq(json_read(text, len, &ours, &e), theirs ? 0 : -EBADMSG);
	ck_assert_msg(!theirs || json_equal(ours, theirs), "%.*s", (int)len, text);
}

START_TEST(random_damage_never_divides_scanner_and_reader)
{
	static const char base[] =
	    "{\"a\":[1,-2.5e3,true,null],\"b\\u00e9\":{\"c\":\"x\\uD83D\\uDE00\xc3\xa9\"},\"d\":\"\"}";
	static const char bytes[] = "{}[]:,\"\\u0e-+.19atfn \n\x01\x80\xc3\xff";
	char text[sizeof base];
	srandom(1);
	for (int round = 0; round < 20000; round++) {
		memcpy(text, base, sizeof base);
		for (long n = random() % 3; n >= 0; n--)
			text[(size_t)random() % (sizeof base - 1)] = bytes[(size_t)random() % sizeof bytes];
		bool scanner = scanner_takes(text, sizeof base - 1, 1 + (size_t)random() % 80);
		bool reader = reader_takes(text, sizeof base - 1);
		if (scanner)
			ck_as_jansson(text, sizeof base - 1);
		ck_assert_msg(!reader || scanner, "only the reader takes %s", text);
		if (scanner && !reader) {
			json_error_t error;
			json_t *json = json_loadb(text, sizeof base - 1, JSON_REJECT_DUPLICATES, &error);
			ck_assert_ptr_null(json);
			ck_assert_msg(json_error_code(&error) == json_error_duplicate_key ||
					  json_error_code(&error) == json_error_numeric_overflow,
				      "%s: %s", text, error.text);
		}
	}
}
END_TEST

/* The last byte may be the last of its page. */
START_TEST(what_the_reader_makes_is_what_jansson_makes)
{
	static const char *const values[] = {
	    "\"\"",
	    "\"plain\"",
	    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
	    "\"a\\u00e9\\uD83D\\uDE00z\"",
	    "\"\\n\"",
	    "\"\\ud7ff\\ue000\"",
	    "\"\xc3\xa9\\\\\xf0\x9f\x98\x80\"",
	    "-0",
	    "0",
	    "-0.0",
	    "1.5",
	    "-12.50e+03",
	    "1E5",
	    "1e-400",
	    "0.000000000000001",
	    "0.0000000000000001",
	    "19.99",
	    "4.35",
	    "123456789012345",
	    "1234567890123456",
	    "-9223372036854775808",
	    "9223372036854775807",
	    "123456789012345.5",
	    "true",
	    "false",
	    "null",
	    "[]",
	    "[ 1 ,\t[2 , {} ] ]",
	    "{}",
	    "{ \"x\" : { \"\\u0079\\n\" : \"\\n\" } }",
	};
	enum { VALUES = sizeof values / sizeof *values };
	srandom(2);
	for (int round = 0; round < 5000; round++) {
		buf_auto b = BUF_INIT;
		buf_char(&b, '{');
		for (long n = random() % 12; n >= 0; n--)
			buf_printf(&b, "%s\"%s%ld\":%s%s", b.len > 1 ? " ,\n" : " ", random() % 2 ? "n" : "\\u006e\\t",
				   random() % 40, random() % 2 ? "" : " ", values[random() % VALUES]);
		buf_char(&b, '}');
		char *exact = malloc(b.len);
		ck_assert_ptr_nonnull(exact);
		memcpy(exact, b.data, b.len);
		ck_as_jansson(exact, b.len);
		free(exact);
	}
}
END_TEST

START_TEST(a_number_is_read_to_the_nearest_double)
{
	char text[128];
	srandom(3);
	for (int round = 0; round < 100000; round++) {
		double real = (double)random() * (double)random() / (double)(1 + random() % 1000000);
		int len = snprintf(text, sizeof text, "{\"a\":%s%.*f}", random() % 2 ? "-" : "", (int)(random() % 17),
				   real / (double)(1LL << random() % 60));
		ck_as_jansson(text, (size_t)len);
	}
}
END_TEST

static void ck_mistake(const char *text, int line, int column, const char *why)
{
	json_scope *json = NULL;
	err_auto e = ERR_INIT;
	ck_assert_int_eq(json_read(text, strlen(text), &json, &e), -EBADMSG);
	ck_assert_msg(strstr(e.text, why), "%s has no %s", e.text, why);
	ck_assert_str_eq(e.problems[0].pointer, "");
	ck_assert_int_eq(e.problems[0].line, line);
	ck_assert_int_eq(e.problems[0].column, column);
}

START_TEST(a_mistake_has_its_line_and_column)
{
	ck_mistake("{\n  \"a\": 1\n  \"b\": 2\n}", 3, 3, "expected a comma or }");
	ck_mistake("{\n  \"a\": 1,\n}", 3, 1, "double quotes");
	ck_mistake("{\"a\":\n\n[1", 3, 3, "ends before");
	ck_mistake("{} {", 1, 4, "text after the object");
	ck_mistake("", 1, 1, "no object");
}
END_TEST

START_TEST(a_doubled_member_is_told_at_its_second_name)
{
	ck_mistake("{\"a\": 1,\n  \"a\": 2}", 2, 3, "stands before");
	ck_mistake("{\"\\\"a\": 1, \"\\u0022a\": 2}", 1, 12, "stands before");
	ck_mistake("{\"x\\\\\":1,\n\"x\\\\\":1}", 2, 1, "stands before");
}
END_TEST

START_TEST(a_number_out_of_range_is_told_at_its_first_digit)
{
	ck_mistake("{\"a\":\n 9223372036854775808}", 2, 2, "out of range");
	ck_mistake("{\"a\":\n  -1e999 }", 2, 3, "out of range");
}
END_TEST

START_TEST(sixty_four_levels_are_read_and_sixty_five_are_not)
{
	for (int levels = LIMIT_JSON_DEPTH; levels <= LIMIT_JSON_DEPTH + 1; levels++) {
		buf_auto b = BUF_INIT;
		buf_str(&b, "{\"a\":");
		buf_fill(&b, '[', (size_t)levels - 1);
		buf_fill(&b, ']', (size_t)levels - 1);
		buf_char(&b, '}');
		ck_assert_int_eq(reader_takes(b.data, b.len), levels == LIMIT_JSON_DEPTH);
	}
}
END_TEST

START_TEST(a_text_above_the_limit_is_too_big)
{
	json_scope *json = NULL;
	err_auto e = ERR_INIT;
	buf_auto b = BUF_INIT;
	buf_str(&b, "{}");
	buf_fill(&b, ' ', LIMIT_RECORD - 2);
	ck_assert_int_eq(json_read(b.data, b.len, &json, &e), 0);
	buf_char(&b, ' ');
	json_decref(json);
	json = NULL;
	ck_assert_int_eq(json_read(b.data, b.len, &json, &e), -EFBIG);
}
END_TEST

/* ---- locating ---- */

static void ck_located(const char *text, const char *pointer, int line, int column)
{
	err_auto e = ERR_INIT;
	err_problem(&e, EBADMSG, pointer, "is wrong");
	json_locate(text, strlen(text), &e);
	ck_assert_msg(e.problems[0].line == line && e.problems[0].column == column, "%s at %d:%d", pointer,
		      e.problems[0].line, e.problems[0].column);
}

static const char places[] = "\n{\n"
			     "  \"a\": 1, \"b\": \"x,}\\\"\",\n"
			     "  \"c\": [ {}, {\"d\": [1, [2, 3]]}, -1.5e3 ],\n"
			     "  \"s/l~a\\u0073h\": null,\n"
			     "  \"\\ud83d\\ude00\": true, \"\": {\"\": 7}\n"
			     "}\n";

START_TEST(a_pointer_is_located_at_its_value)
{
	ck_located(places, "", 2, 1);
	ck_located(places, "/a", 3, 8);
	ck_located(places, "/b", 3, 16);
	ck_located(places, "/c", 4, 8);
	ck_located(places, "/c/1/d/1/1", 4, 28);
	ck_located(places, "/c/2", 4, 34);
	ck_located(places, "/s~1l~0ash", 5, 19);
	ck_located(places, "/\xf0\x9f\x98\x80", 6, 19);
	ck_located(places, "/", 6, 29);
	ck_located(places, "//", 6, 34);
}
END_TEST

START_TEST(a_missing_member_is_located_at_the_object_it_should_be_in)
{
	ck_located(places, "/nope", 2, 1);
	ck_located(places, "/c/1/nope", 4, 14);
	ck_located(places, "/c/7", 4, 8);
	ck_located(places, "/a/b", 3, 8);
}
END_TEST

START_TEST(a_place_that_is_known_stays)
{
	err_auto e = ERR_INIT;
	err_problem(&e, EBADMSG, "/a", "is wrong");
	e.problems[0].line = 7;
	e.problems[0].column = 9;
	json_locate(places, strlen(places), &e);
	ck_assert_int_eq(e.problems[0].line, 7);
	ck_assert_int_eq(e.problems[0].column, 9);
}
END_TEST

START_TEST(locating_in_damaged_text_stays_within_it)
{
	for (size_t len = 0; len < sizeof places; len++) {
		err_auto e = ERR_INIT;
		char *cut = malloc(len ? len : 1);
		ck_assert_ptr_nonnull(cut);
		memcpy(cut, places, len);
		err_problem(&e, EBADMSG, "/c/1/d/1/1", "is wrong");
		err_problem(&e, EBADMSG, "/s~1l~0ash", "is wrong");
		err_problem(&e, EBADMSG, "/\xf0\x9f\x98\x80/x", "is wrong");
		json_locate(cut, len, &e);
		ck_assert_int_ge(e.problems[0].line, 1);
		free(cut);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("json");
	TCase *c = tcase_create("json");
	int n = sizeof corpus / sizeof *corpus;
	suite_add_tcase(s, c);
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, the_reader_judges_the_corpus, 0, n);
	tcase_add_loop_test(c, the_scanner_agrees_whole_and_in_pieces, 0, n);
	tcase_add_test(c, random_damage_never_divides_scanner_and_reader);
	tcase_add_test(c, what_the_reader_makes_is_what_jansson_makes);
	tcase_add_test(c, a_number_is_read_to_the_nearest_double);
	tcase_add_test(c, a_mistake_has_its_line_and_column);
	tcase_add_test(c, a_doubled_member_is_told_at_its_second_name);
	tcase_add_test(c, a_number_out_of_range_is_told_at_its_first_digit);
	tcase_add_test(c, sixty_four_levels_are_read_and_sixty_five_are_not);
	tcase_add_test(c, a_text_above_the_limit_is_too_big);
	tcase_add_test(c, a_pointer_is_located_at_its_value);
	tcase_add_test(c, a_missing_member_is_located_at_the_object_it_should_be_in);
	tcase_add_test(c, a_place_that_is_known_stays);
	tcase_add_test(c, locating_in_damaged_text_stays_within_it);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
