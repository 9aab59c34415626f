/*
 * test_scan.c - following a text that arrives in pieces: when it is complete, when it can't become an object any more,
 * and where that is. What the grammar allows is judged in test_json.c, with the reader.
 */
#include <check.h>
#include <string.h>

#include "../../store/json.h"

static size_t scan(struct json_scan *s, const char *text)
{
	return json_scan(s, text, strlen(text));
}

START_TEST(white_space_alone_is_empty)
{
	struct json_scan s;
	json_scan_init(&s);
	ck_assert_int_eq(s.state, SCAN_EMPTY);
	ck_assert_uint_eq(scan(&s, " \n\t\r"), 4);
	ck_assert_int_eq(s.state, SCAN_EMPTY);
}
END_TEST

START_TEST(the_beginning_of_an_object_is_partial)
{
	struct json_scan s;
	json_scan_init(&s);
	ck_assert_uint_eq(scan(&s, "{\"a\": 1"), 7);
	ck_assert_int_eq(s.state, SCAN_PARTIAL);
}
END_TEST

START_TEST(the_scan_stops_behind_the_byte_that_completes_the_object)
{
	struct json_scan s;
	json_scan_init(&s);
	ck_assert_uint_eq(scan(&s, "{\"a\": {}}\n{\"b\": 2}"), 9);
	ck_assert_int_eq(s.state, SCAN_COMPLETE);
}
END_TEST

START_TEST(white_space_behind_the_object_is_passed_over)
{
	struct json_scan s;
	json_scan_init(&s);
	scan(&s, "{}");
	ck_assert_uint_eq(scan(&s, "\n \n"), 3);
	ck_assert_int_eq(s.state, SCAN_COMPLETE);
}
END_TEST

START_TEST(text_behind_the_object_is_invalid_and_not_read)
{
	struct json_scan s;
	json_scan_init(&s);
	scan(&s, "{}");
	ck_assert_uint_eq(scan(&s, " \n {}"), 3);
	ck_assert_int_eq(s.state, SCAN_INVALID);
	ck_assert_str_eq(s.why, "text after the object");
	ck_assert_int_eq(s.line, 2);
	ck_assert_int_eq(s.column, 2);
}
END_TEST

START_TEST(the_scan_stops_before_the_byte_that_is_wrong)
{
	struct json_scan s;
	json_scan_init(&s);
	ck_assert_uint_eq(scan(&s, "{\n  \"a\": 1;}"), 10);
	ck_assert_int_eq(s.state, SCAN_INVALID);
	ck_assert_int_eq(s.line, 2);
	ck_assert_int_eq(s.column, 9);
	ck_assert_str_eq(s.why, "expected a comma or }");
}
END_TEST

START_TEST(an_invalid_text_stays_invalid)
{
	struct json_scan s;
	json_scan_init(&s);
	scan(&s, "[");
	ck_assert_uint_eq(scan(&s, "{}"), 0);
	ck_assert_int_eq(s.state, SCAN_INVALID);
}
END_TEST

START_TEST(a_character_may_be_cut_anywhere_between_two_pieces)
{
	static const char text[] = "{\"\xe2\x82\xac\\ud83d\\ude00\": -1.5e-3}";
	for (size_t cut = 0; cut < sizeof text - 1; cut++) {
		struct json_scan s;
		json_scan_init(&s);
		ck_assert_uint_eq(json_scan(&s, text, cut), cut);
		ck_assert_int_eq(s.state, cut ? SCAN_PARTIAL : SCAN_EMPTY);
		ck_assert_uint_eq(json_scan(&s, text + cut, sizeof text - 1 - cut), sizeof text - 1 - cut);
		ck_assert_int_eq(s.state, SCAN_COMPLETE);
		ck_assert_int_eq(s.column, sizeof text);
	}
}
END_TEST

static const struct {
	const char *text, *why;
} reasons[] = {
    {"\xef\xbb\xbf{}", "a byte order mark can't stand here"},
    {"[1]", "the text must be one object, which begins with {"},
    {"{a", "expected a member's name in double quotes"},
    {"{\"a\" 1", "expected a colon"},
    {"{\"a\": x", "expected a value"},
    {"{\"a\": [1 2", "expected a comma or ]"},
    {"{\"a\": NaN", "expected a value"},
    {"{\"a\": nil", "expected true, false or null"},
    {"{\"a\": 01", "a number can't begin with 0 and more digits"},
    {"{\"a\": -x", "expected a digit"},
    {"{\"a\": \"\n", "a control character in a string must be escaped"},
    {"{\"a\": \"\\q", "no such escape in a string"},
    {"{\"a\": \"\\u00g", "expected four hexadecimal digits behind \\u"},
    {"{\"a\": \"\\u0000", "the character \\u0000 can't be stored"},
    {"{\"a\": \"\\ud800\"", "a high surrogate needs a low one behind it"},
    {"{\"a\": \"\\udc00", "a low surrogate needs a high one before it"},
    {"{\"a\": \"\xff", "invalid UTF-8"},
};

START_TEST(each_mistake_says_what_was_expected)
{
	struct json_scan s;
	json_scan_init(&s);
	scan(&s, reasons[_i].text);
	ck_assert_int_eq(s.state, SCAN_INVALID);
	ck_assert_str_eq(s.why, reasons[_i].why);
}
END_TEST

START_TEST(the_sixty_fifth_level_is_too_deep)
{
	struct json_scan s;
	json_scan_init(&s);
	scan(&s, "{\"a\":");
	for (int i = 1; i < LIMIT_JSON_DEPTH; i++)
		ck_assert_uint_eq(scan(&s, "["), 1);
	ck_assert_uint_eq(scan(&s, "["), 0);
	ck_assert_int_eq(s.state, SCAN_INVALID);
	ck_assert_str_eq(s.why, "arrays and objects are nested too deeply");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scan");
	TCase *c = tcase_create("scan");
	suite_add_tcase(suite, c);
	tcase_add_test(c, white_space_alone_is_empty);
	tcase_add_test(c, the_beginning_of_an_object_is_partial);
	tcase_add_test(c, the_scan_stops_behind_the_byte_that_completes_the_object);
	tcase_add_test(c, white_space_behind_the_object_is_passed_over);
	tcase_add_test(c, text_behind_the_object_is_invalid_and_not_read);
	tcase_add_test(c, the_scan_stops_before_the_byte_that_is_wrong);
	tcase_add_test(c, an_invalid_text_stays_invalid);
	tcase_add_test(c, a_character_may_be_cut_anywhere_between_two_pieces);
	tcase_add_loop_test(c, each_mistake_says_what_was_expected, 0, sizeof reasons / sizeof *reasons);
	tcase_add_test(c, the_sixty_fifth_level_is_too_deep);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
