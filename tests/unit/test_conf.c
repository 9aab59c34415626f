/*
 * test_conf.c - the syntax of mount.conf: words, quotes, blocks, places, mistakes.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../store/conf.h"
#include "../../store/limits.h"
#include "../../store/nearest.h"

/* Parses text that has no mistake and compares what was understood: words in <>, blocks in {}. */
static void print_tree(const struct directive *d, FILE *to)
{
	for (; d; d = d->next) {
		for (size_t i = 0; i < d->nwords; i++)
			fprintf(to, "<%s>", d->words[i].text);
		if (d->has_block) {
			fputc('{', to);
			print_tree(d->children, to);
			fputc('}', to);
		}
		fputc(';', to);
	}
}

static void understood_as(const char *text, const char *tree)
{
	conf_auto c = CONF_INIT;
	err_auto e = ERR_INIT;
	char *got = NULL;
	size_t len;
	FILE *to = open_memstream(&got, &len);

	ck_assert_int_eq(conf_parse(&c, "a.conf", text, strlen(text), &e), 0);
	print_tree(c.directives, to);
	fclose(to);
	ck_assert_str_eq(got, tree);
	ck_assert_uint_eq(c.nmistakes, 0);
	free(got);
}

static char *mistakes_of(struct conf *c)
{
	char *got = NULL;
	size_t len;
	FILE *to = open_memstream(&got, &len);

	conf_print_mistakes(c, to);
	fclose(to);
	return got;
}

static void told_as(const char *text, const char *expected)
{
	conf_auto c = CONF_INIT;
	err_auto e = ERR_INIT;

	ck_assert_int_eq(conf_parse(&c, "a.conf", text, strlen(text), &e), 0);
	char *got = mistakes_of(&c);
	ck_assert_str_eq(got, expected);
	free(got);
}

START_TEST(a_directive_is_a_line_of_words)
{
	understood_as("a b  c\td\n\n  e\r\n", "<a><b><c><d>;<e>;");
	understood_as("a b", "<a><b>;");
	understood_as("a;b c;;d", "<a>;<b><c>;<d>;");
	understood_as("\xEF\xBB\xBF"
		      "a b\n",
		      "<a><b>;");
}
END_TEST

START_TEST(comments_start_where_a_word_could)
{
	understood_as("# x\na b # c { \" }\nd#e '#'\n", "<a><b>;<d#e><#>;");
}
END_TEST

START_TEST(blocks_nest_and_close_their_directive)
{
	understood_as("a b { c d; e { } }\nf", "<a><b>{<c><d>;<e>{};};<f>;");
	understood_as("a { b\n c }  d {\n}\n", "<a>{<b>;<c>;};<d>{};");
	understood_as("a {b}c{ }", "<a>{<b>;};<c>{};");
	understood_as("run{\n}", "<run>{};");
}
END_TEST

START_TEST(braces_in_a_word_belong_to_it)
{
	understood_as("a [a-z]{3} x{2,3}y ${b}", "<a><[a-z]{3}><x{2,3}y><${b}>;");
	understood_as("on { timeout 5s}", "<on>{<timeout><5s>;};");
}
END_TEST

START_TEST(quoted_words_span_lines_and_hold_anything)
{
	understood_as("a \"b c\nd # { } ; '\" e", "<a><b c\nd # { } ; '><e>;");
	understood_as("a 'b \\n \" c'", "<a><b \\n \" c>;");
	understood_as("a \"\" ''", "<a><><>;");
	understood_as("a \"\\\" \\\\ \\n \\d\"", "<a><\" \\ \n \\d>;");
}
END_TEST

START_TEST(a_quote_inside_a_word_is_part_of_it)
{
	understood_as("enqueue jobs note=\"a b\" n='c d'e", "<enqueue><jobs><note=a b><n=c de>;");
}
END_TEST

START_TEST(a_backslash_takes_the_next_character)
{
	understood_as("a\\ b \\{ \\} \\; \\# \\\\ \\\"", "<a b><{><}><;><#><\\><\">;");
}
END_TEST

START_TEST(words_know_their_places)
{
	static const char text[] = "a bc\n\t\"d\ne\" f { g }\n";
	conf_auto c = CONF_INIT;
	err_auto e = ERR_INIT;

	ck_assert_int_eq(conf_parse(&c, "a.conf", text, strlen(text), &e), 0);
	const struct word *bc = &c.directives->words[1], *d = &c.directives->next->words[0];
	const struct word *f = d + 1, *g = &c.directives->next->children->words[0];
	ck_assert(bc->line == 1 && bc->column == 3 && bc->length == 2 && !bc->quoted);
	ck_assert(d->line == 2 && d->column == 2 && d->length == 2 && d->quoted);
	ck_assert(f->line == 3 && f->column == 4 && f->length == 1);
	ck_assert(g->line == 3 && g->column == 8);
}
END_TEST

START_TEST(mistakes_are_told_with_line_and_caret)
{
	told_as("a\n\tb \"c\nd\n", "a.conf:2:4: error: this quote is never closed\n\tb \"c\n\t  ^\n");
	told_as("a {\n", "a.conf:1:3: error: this block is never closed\na {\n  ^\n");
	told_as("a\n}", "a.conf:2:1: error: there is no block to close here\n}\n^\n");
	told_as("a b\\\n", "a.conf:1:4: error: a \\ can't end a line; a quoted word may span lines\na b\\\n   ^\n");
	told_as("a b\\", "a.conf:1:4: error: a \\ can't end a line; a quoted word may span lines\na b\\\n   ^\n");
}
END_TEST

START_TEST(the_caret_counts_characters_not_bytes)
{
	static const char text[] = "\xC3\xA4\xC3\xB6 b\xC3\xBC"
				   "c d\n";
	conf_auto c = CONF_INIT;
	err_auto e = ERR_INIT;

	ck_assert_int_eq(conf_parse(&c, "a.conf", text, strlen(text), &e), 0);
	conf_mistake(&c, &c.directives->words[1], "here");
	char *got = mistakes_of(&c);
	ck_assert_str_eq(got, "a.conf:1:6: error: here\n\xC3\xA4\xC3\xB6 b\xC3\xBC"
			      "c d\n   ^~~\n");
	free(got);
}
END_TEST

START_TEST(mistakes_are_sorted_and_told_once)
{
	conf_auto c = CONF_INIT;
	err_auto e = ERR_INIT;

	ck_assert_int_eq(conf_parse(&c, "a.conf", "a b\nc\n", 6, &e), 0);
	conf_mistake(&c, &c.directives->next->words[0], "third");
	conf_mistake(&c, &c.directives->words[1], "second");
	conf_mistake(&c, &c.directives->words[1], "second");
	conf_mistake(&c, NULL, "first");
	char *got = mistakes_of(&c);
	ck_assert_str_eq(got, "a.conf:1:1: error: first\na b\n^\na.conf:1:3: error: second\na b\n  ^\n"
			      "a.conf:2:1: error: third\nc\n^\n");
	free(got);
}
END_TEST

START_TEST(a_word_that_shares_no_letter_is_not_near)
{
	static const char *const known[] = {"a", "xy", "Q"};
	ck_assert_ptr_null(nearest("b", known, 3));
	ck_assert_str_eq(nearest("q", known, 3), "Q");
	ck_assert_str_eq(nearest("xz", known, 3), "xy");
	ck_assert_str_eq(nearest("ab", known, 3), "a");
}
END_TEST

START_TEST(a_near_word_is_proposed)
{
	static const char *const known[] = {"model", "queue", "on", "store"};
	static const struct {
		const char *word, *text;
	} cases[] = {
	    {"modle", "unknown word 'modle'; did you mean 'model'?"},
	    {"que", "unknown word 'que'; did you mean 'queue'?"},
	    {"st", "unknown word 'st'; known: model, queue, on and store"},
	    {"mdl", "unknown word 'mdl'; known: model, queue, on and store"},
	    {"MODEL", "unknown word 'MODEL'; did you mean 'model'?"},
	    {"no", "unknown word 'no'; did you mean 'on'?"},
	    {"quue", "unknown word 'quue'; did you mean 'queue'?"},
	    {"sotres", "unknown word 'sotres'; did you mean 'store'?"},
	    {"entirely", "unknown word 'entirely'; known: model, queue, on and store"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		conf_auto c = CONF_INIT;
		err_auto e = ERR_INIT;
		ck_assert_int_eq(conf_parse(&c, "a.conf", cases[i].word, strlen(cases[i].word), &e), 0);
		conf_unknown(&c, &c.directives->words[0], "word", known, 4);
		ck_assert_str_eq(c.mistakes[0].text, cases[i].text);
	}
}
END_TEST

START_TEST(mistakes_over_the_limit_are_not_kept)
{
	conf_auto c = CONF_INIT;
	err_auto e = ERR_INIT;

	ck_assert_int_eq(conf_parse(&c, "a.conf", "a", 1, &e), 0);
	for (int i = 0; i < 2 * LIMIT_MISTAKES; i++)
		conf_mistake(&c, &c.directives->words[0], "mistake %d", i);
	ck_assert_uint_eq(c.nmistakes, LIMIT_MISTAKES);
	ck_assert_str_eq(c.mistakes[LIMIT_MISTAKES - 1].text,
			 "too many mistakes; what was found after this one is not told");
}
END_TEST

START_TEST(a_nul_byte_and_bytes_that_are_not_utf8_are_refused_with_their_place)
{
	static const struct {
		const char *text;
		size_t len;
		const char *told;
	} cases[] = {
	    {"a\nb\0c", 5, "a.conf:2:2: a NUL byte can't stand here"},
	    {"a \xFF", 3, "a.conf:1:3: this is not UTF-8"},
	    {"\xC3", 1, "a.conf:1:1: this is not UTF-8"},
	    {"\xC0\x80", 2, "a.conf:1:1: this is not UTF-8"},
	    {"\xED\xA0\x80", 3, "a.conf:1:1: this is not UTF-8"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		conf_auto c = CONF_INIT;
		err_auto e = ERR_INIT;
		ck_assert_int_eq(conf_parse(&c, "a.conf", cases[i].text, cases[i].len, &e), -EBADMSG);
		ck_assert_str_eq(e.text, cases[i].told);
		ck_assert_uint_eq(c.nmistakes, 1);
	}
}
END_TEST

START_TEST(a_file_that_is_too_large_is_refused)
{
	conf_auto c = CONF_INIT;
	err_auto e = ERR_INIT;
	char *text = malloc(LIMIT_CONF + 1);

	memset(text, '\n', LIMIT_CONF + 1);
	ck_assert_int_eq(conf_parse(&c, "a.conf", text, LIMIT_CONF, &e), 0);
	conf_release(&c);
	ck_assert_int_eq(conf_parse(&c, "a.conf", text, LIMIT_CONF + 1, &e), -EFBIG);
	free(text);
}
END_TEST

START_TEST(a_file_that_never_ends_is_refused)
{
	conf_auto c = CONF_INIT;
	err_auto e = ERR_INIT;

	ck_assert_int_eq(conf_read(&c, "/dev/zero", &e), -EFBIG);
}
END_TEST

START_TEST(a_file_that_cant_be_read_is_named)
{
	conf_auto c = CONF_INIT, d = CONF_INIT;
	err_auto e = ERR_INIT, f = ERR_INIT;

	ck_assert_int_eq(conf_read(&c, "/nonexistent/a.conf", &e), -ENOENT);
	ck_assert_str_eq(e.text, "/nonexistent/a.conf can't be read: No such file or directory");
	ck_assert_int_eq(conf_read(&d, "/", &f), -EISDIR);
}
END_TEST

START_TEST(a_file_is_read_and_paths_start_at_its_directory)
{
	char dir[] = "/tmp/rowfs-conf-XXXXXX", path[64], wanted[64];
	conf_auto c = CONF_INIT;
	err_auto e = ERR_INIT;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/a.conf", dir);
	snprintf(wanted, sizeof wanted, "%s/hooks/x", dir);
	FILE *f = fopen(path, "w");
	for (int i = 0; i < 5000; i++)
		fputs("run hooks/x /bin/true\n", f);
	fclose(f);
	ck_assert_int_eq(conf_read(&c, path, &e), 0);
	ck_assert_str_eq(conf_path(&c, &c.directives->words[1]), wanted);
	ck_assert_str_eq(conf_path(&c, &c.directives->words[2]), "/bin/true");
	ck_assert_uint_eq(c.len, 5000 * 22);
	unlink(path);
	rmdir(dir);
}
END_TEST

START_TEST(numbers_are_whole_words)
{
	static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1x", "0x1", "1.0", "9223372036854775808", "--1"};
	long long n;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!word_integer(&(struct word){.text = bad[i]}, &n), "'%s'", bad[i]);
	ck_assert(word_integer(&(struct word){.text = "-12"}, &n) && n == -12);
	ck_assert(word_integer(&(struct word){.text = "9223372036854775807"}, &n) && n == 9223372036854775807LL);
}
END_TEST

START_TEST(durations_have_a_unit)
{
	static const char *const bad[] = {"",   "5", "s", "-5s", "5 s", "5S", "5w", "1.5h", "9223372036854775807d",
					  "5ss"};
	static const struct {
		const char *text;
		long long ms;
	} good[] = {{"0s", 0}, {"500ms", 500}, {"30s", 30000}, {"10m", 600000}, {"2h", 7200000}, {"7d", 604800000}};
	long long ms;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!word_duration(&(struct word){.text = bad[i]}, &ms), "'%s'", bad[i]);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ck_assert(word_duration(&(struct word){.text = good[i].text}, &ms) && ms == good[i].ms);
}
END_TEST

static TCase *syntax(void)
{
	TCase *t = tcase_create("syntax");

	tcase_add_test(t, a_directive_is_a_line_of_words);
	tcase_add_test(t, comments_start_where_a_word_could);
	tcase_add_test(t, blocks_nest_and_close_their_directive);
	tcase_add_test(t, braces_in_a_word_belong_to_it);
	tcase_add_test(t, quoted_words_span_lines_and_hold_anything);
	tcase_add_test(t, a_quote_inside_a_word_is_part_of_it);
	tcase_add_test(t, a_backslash_takes_the_next_character);
	tcase_add_test(t, words_know_their_places);
	tcase_add_test(t, numbers_are_whole_words);
	tcase_add_test(t, durations_have_a_unit);
	return t;
}

static TCase *mistakes(void)
{
	TCase *t = tcase_create("mistakes");

	tcase_add_test(t, mistakes_are_told_with_line_and_caret);
	tcase_add_test(t, the_caret_counts_characters_not_bytes);
	tcase_add_test(t, mistakes_are_sorted_and_told_once);
	tcase_add_test(t, a_near_word_is_proposed);
	tcase_add_test(t, a_word_that_shares_no_letter_is_not_near);
	tcase_add_test(t, mistakes_over_the_limit_are_not_kept);
	tcase_add_test(t, a_nul_byte_and_bytes_that_are_not_utf8_are_refused_with_their_place);
	tcase_add_test(t, a_file_that_is_too_large_is_refused);
	tcase_add_test(t, a_file_that_never_ends_is_refused);
	tcase_add_test(t, a_file_that_cant_be_read_is_named);
	tcase_add_test(t, a_file_is_read_and_paths_start_at_its_directory);
	return t;
}

int main(void)
{
	Suite *s = suite_create("conf");
	suite_add_tcase(s, syntax());
	suite_add_tcase(s, mistakes());
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
