/*
 * test_json_write.c - printing as jq 1.6 prints: the same bytes for a table of edges and thousands of random values.
 *
 * One jq process a layout reads everything that is compared.
 */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../store/buf.h"
#include "../../store/err.h"
#include "../../store/json.h"

static void add_numbers(json_t *array)
{
	static const double reals[] = {0,
				       -0.0,
				       0.1,
				       1e17,
				       1e16,
				       1e15,
				       12e17,
				       1.2345678e20,
				       3e-7,
				       1e-4,
				       1e-5,
				       1.5e-5,
				       5e-324,
				       1e22,
				       1e23,
				       4.35,
				       1.005,
				       2.5e17,
				       1.7976931348623157e308,
				       2.2250738585072014e-308,
				       99999999999999984.0,
				       100,
				       123456789012345680.0,
				       0.30000000000000004,
				       999999999999999.9,
				       19.99,
				       1e14,
				       123456.789,
				       0.000123,
				       0.001,
				       9007199254740992.0,
				       4.9e-322,
				       1e-322};
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		json_array_append_new(array, json_real(reals[i]));
	for (int power = -1074; power < 1024; power++)
		json_array_append_new(array, json_real(ldexp(1, power)));
	for (int i = 0; i < 4000; i++) {
		uint64_t bits = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
		double real;
		memcpy(&real, &bits, sizeof real);
		if (isfinite(real))
			json_array_append_new(array, json_real(real));
		json_array_append_new(array, json_real((double)(random() % 10000000) / 100));
		json_array_append_new(array, json_real((double)random() / (double)(1 + random() % 100000)));
		json_array_append_new(array, json_real((double)random() * pow(10, (double)(random() % 20))));
		json_array_append_new(array, json_integer(random() - random()));
	}
	json_array_append_new(array, json_integer(INT64_C(9007199254740991)));
	json_array_append_new(array, json_integer(INT64_C(-9007199254740991)));
}

static void add_strings(json_t *array)
{
	for (int c = 1; c < 0x300; c++) {
		char text[8] = {(char)(c < 0x80 ? c : 0xc0 | c >> 6), (char)(c < 0x80 ? 0 : 0x80 | (c & 0x3f))};
		json_array_append_new(array, json_string(text));
	}
	json_array_append_new(array, json_string("a/b \"c\" \\ \u2028\u2029 \xf0\x9f\x98\x80 \xef\xbf\xbd"));
	json_array_append_new(array, json_string(""));
}

/* All sorts of things in one document. */
static json_t *sampler(void)
{
	json_t *top = json_object(), *numbers = json_array(), *strings = json_array();
	add_numbers(numbers);
	add_strings(strings);
	json_object_set_new(top, "numbers", numbers);
	json_object_set_new(top, "z/\"~\x7f", strings);
	json_object_set_new(top, "empty", json_pack("{s:{},s:[],s:[[],{}]}", "o", "a", "both"));
	json_object_set_new(top, "a", json_pack("{s:{s:[b,b,n]}}", "nested", "list", 1, 0));
	return top;
}

static void run_jq(const struct buf *in, const char *options, struct buf *out)
{
	char directory[] = "/tmp/rowfs-json-XXXXXX", path[64], command[128], chunk[4096];
	size_t n;
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/in", directory);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(in->data, 1, in->len, file), in->len);
	ck_assert_int_eq(fclose(file), 0);
	snprintf(command, sizeof command, "jq %s . %s", options, path);
	FILE *jq = popen(command, "r");
	ck_assert_ptr_nonnull(jq);
	while ((n = fread(chunk, 1, sizeof chunk, jq)) > 0)
		buf_add(out, chunk, n);
	ck_assert_int_eq(pclose(jq), 0);
	unlink(path);
	rmdir(directory);
}

/* Names the first line that differs. */
static void ck_same_text(const struct buf *ours, const struct buf *jqs)
{
	size_t at = 0, line = 0;
	while (at < ours->len && at < jqs->len && ours->data[at] == jqs->data[at]) {
		at++;
		line = ours->data[at - 1] == '\n' ? at : line;
	}
	ck_assert_msg(at == ours->len && at == jqs->len, "%.*s is not jq's %.*s", (int)strcspn(ours->data + line, "\n"),
		      ours->data + line, (int)strcspn(jqs->data + line, "\n"), jqs->data + line);
}

START_TEST(printed_bytes_are_those_of_jq)
{
	json_scope *top = sampler();
	for (int indent = -1; indent <= 0; indent++) {
		buf_auto ours = BUF_INIT, jqs = BUF_INIT;
		json_write(&ours, top, indent);
		buf_char(&ours, '\n');
		run_jq(&ours, indent < 0 ? "-c" : "", &jqs);
		ck_same_text(&ours, &jqs);
	}
}
END_TEST

START_TEST(every_real_reads_back_as_the_same_double)
{
	json_scope *numbers = json_array();
	add_numbers(numbers);
	for (size_t i = 0; i < json_array_size(numbers); i++) {
		buf_auto b = BUF_INIT;
		double real = json_number_value(json_array_get(numbers, i));
		json_write_real(&b, real);
		ck_assert_msg(strtod(b.data, NULL) == real, "%s is not %a", b.data, real);
	}
}
END_TEST

static void ck_real(double real, const char *text)
{
	buf_auto b = BUF_INIT;
	json_write_real(&b, real);
	ck_assert_str_eq(buf_text(&b), text);
}

START_TEST(reals_print_as_the_contract_says)
{
	ck_real(1e17, "1e+17");
	ck_real(3e-7, "3e-07");
	ck_real(1.0, "1");
	ck_real(0.1, "0.1");
	ck_real(-2.5, "-2.5");
	ck_real(INFINITY, "1.7976931348623157e+308");
	ck_real(-INFINITY, "-1.7976931348623157e+308");
	ck_real(NAN, "null");
}
END_TEST

START_TEST(integers_print_exactly_at_both_ends)
{
	buf_auto b = BUF_INIT;
	json_write_integer(&b, INT64_MIN);
	buf_char(&b, ' ');
	json_write_integer(&b, INT64_MAX);
	ck_assert_str_eq(b.data, "-9223372036854775808 9223372036854775807");
}
END_TEST

START_TEST(invalid_utf8_prints_as_the_replacement_character)
{
	buf_auto b = BUF_INIT;
	json_write_string(&b, "a\xff\xc3z\xe2\x82", 6);
	ck_assert_str_eq(b.data, "\"a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\"");
}
END_TEST

START_TEST(a_nested_value_is_indented_from_its_depth_on)
{
	buf_auto b = BUF_INIT;
	json_scope *json = json_pack("{s:[i]}", "a", 1);
	json_write(&b, json, 1);
	ck_assert_str_eq(b.data, "{\n    \"a\": [\n      1\n    ]\n  }");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("json_write");
	TCase *c = tcase_create("json_write");
	suite_add_tcase(s, c);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, printed_bytes_are_those_of_jq);
	tcase_add_test(c, every_real_reads_back_as_the_same_double);
	tcase_add_test(c, reals_print_as_the_contract_says);
	tcase_add_test(c, integers_print_exactly_at_both_ends);
	tcase_add_test(c, invalid_utf8_prints_as_the_replacement_character);
	tcase_add_test(c, a_nested_value_is_indented_from_its_depth_on);
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
