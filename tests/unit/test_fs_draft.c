/*
 * test_fs_draft.c - when unsaved bytes become a save (fs/draft.h).
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../fs/draft.h"

static struct draft draft;
static struct err error;
static bool save;

static void set_up(void)
{
	draft_init(&draft, DRAFT_IN_ORDER);
	error = (struct err)ERR_INIT;
	save = false;
}

static void tear_down(void)
{
	draft_release(&draft);
	err_release(&error);
}

static int put(const char *text, int64_t offset)
{
	err_release(&error);
	return draft_write(&draft, text, strlen(text), offset, &save, &error);
}

static int sync_now(void)
{
	err_release(&error);
	return draft_sync(&draft, &save, &error);
}

static void load(const char *text)
{
	draft.mode = DRAFT_ANYWHERE;
	buf_str(&draft.text, text);
}

START_TEST(the_write_that_completes_the_object_asks_for_the_save)
{
	ck_assert_int_eq(put("{\"a\":", 0), 0);
	ck_assert(!save);
	ck_assert_int_eq(put("1}", 5), 0);
	ck_assert(save);
	ck_assert_str_eq(draft.text.data, "{\"a\":1}");
}
END_TEST

START_TEST(white_space_after_the_object_is_nothing)
{
	ck_assert_int_eq(put("{}\n", 0), 0);
	draft_saved(&draft);
	ck_assert_int_eq(put("\n \t", 3), 0);
	ck_assert(!save);
	ck_assert_int_eq(sync_now(), 0);
	ck_assert(!save);
}
END_TEST

START_TEST(more_than_one_object_in_one_write_is_refused_whole)
{
	ck_assert_int_eq(put("{}{}", 0), -EBADMSG);
	ck_assert(!save);
	ck_assert_int_eq(sync_now(), -EBADMSG);
}
END_TEST

START_TEST(text_after_a_saved_object_is_refused)
{
	ck_assert_int_eq(put("{}", 0), 0);
	draft_saved(&draft);
	ck_assert_int_eq(put("x", 2), -EBADMSG);
	ck_assert(!save);
}
END_TEST

START_TEST(a_text_that_can_no_longer_become_an_object_is_refused_at_once_with_its_place)
{
	ck_assert_int_eq(put("{\"a\":1,\n }", 0), -EBADMSG);
	ck_assert_uint_eq(error.nproblems, 1);
	ck_assert_int_eq(error.problems[0].line, 2);
	ck_assert_int_eq(error.problems[0].column, 2);
}
END_TEST

START_TEST(an_incomplete_draft_is_told_at_every_close_and_stays)
{
	ck_assert_int_eq(put("{\"a\":", 0), 0);
	ck_assert_int_eq(sync_now(), -EBADMSG);
	ck_assert_int_eq(sync_now(), -EBADMSG);
	ck_assert_int_eq(put("1}", 5), 0);
	ck_assert(save);
}
END_TEST

START_TEST(an_empty_draft_is_never_a_save)
{
	ck_assert_int_eq(sync_now(), 0);
	ck_assert(!save);
	ck_assert_int_eq(put("\n", 0), 0);
	ck_assert_int_eq(sync_now(), 0);
	ck_assert(!save);
}
END_TEST

START_TEST(a_refusal_is_repeated_until_the_text_starts_anew)
{
	ck_assert_int_eq(put("{\"a\":1}", 0), 0);
	draft_refused(&draft, ECANCELED);
	ck_assert_int_eq(sync_now(), -ECANCELED);
	ck_assert_int_eq(put("\n", 7), -ECANCELED);
	ck_assert_int_eq(put("{\"a\":2}", 0), 0);
	ck_assert(save);
	ck_assert_str_eq(draft.text.data, "{\"a\":2}");
}
END_TEST

START_TEST(ftruncate_to_0_starts_anew)
{
	ck_assert_int_eq(put("{]", 0), -EBADMSG);
	ck_assert_int_eq(draft_truncate(&draft, 0, &error), 0);
	ck_assert_int_eq(sync_now(), 0);
	ck_assert_int_eq(put("{}", 0), 0);
	ck_assert(save);
}
END_TEST

START_TEST(a_second_text_after_a_save_is_a_second_save)
{
	ck_assert_int_eq(put("{}", 0), 0);
	draft_saved(&draft);
	ck_assert_int_eq(draft_truncate(&draft, 0, &error), 0);
	ck_assert_int_eq(put("{\"b\":1}", 0), 0);
	ck_assert(save);
}
END_TEST

START_TEST(writes_out_of_order_are_saved_at_the_close)
{
	ck_assert_int_eq(put("1}", 5), 0);
	ck_assert_int_eq(put("{\"a\":", 0), 0);
	ck_assert(!save);
	ck_assert_int_eq(sync_now(), 0);
	ck_assert(save);
	draft_saved(&draft);
	ck_assert_int_eq(sync_now(), 0);
	ck_assert(!save);
}
END_TEST

START_TEST(a_loaded_text_that_was_not_written_to_is_no_save)
{
	load("{}");
	ck_assert_int_eq(sync_now(), 0);
	ck_assert(!save);
}
END_TEST

START_TEST(writing_then_cutting_the_tail_is_saved_at_the_close)
{
	load("{\"name\":\"long\"}");
	ck_assert_int_eq(put("{\"a\":1}", 0), 0);
	ck_assert_int_eq(draft_truncate(&draft, 7, &error), 0);
	ck_assert_int_eq(sync_now(), 0);
	ck_assert(save);
	ck_assert_str_eq(draft.text.data, "{\"a\":1}");
}
END_TEST

START_TEST(appended_objects_are_saves_of_their_own)
{
	draft.mode = DRAFT_APPEND;
	ck_assert_int_eq(put("{\"a\":", 1000), 0);
	ck_assert(!save);
	ck_assert_int_eq(put("1}\n", 1005), 0);
	ck_assert(save);
	draft_saved(&draft);
	ck_assert_int_eq(put("{\"b\":2}\n", 1008), 0);
	ck_assert(save);
	ck_assert_str_eq(draft.text.data, "{\"b\":2}\n");
}
END_TEST

START_TEST(a_text_over_the_record_limit_is_efbig_at_the_write_that_crosses_it)
{
	char *text = malloc(LIMIT_RECORD + 1);

	memset(text, ' ', LIMIT_RECORD);
	text[LIMIT_RECORD] = '\0';
	ck_assert_int_eq(put(text, 0), 0);
	ck_assert_int_eq(put("{}", LIMIT_RECORD), -EFBIG);
	ck_assert_int_eq(sync_now(), -EFBIG);
	free(text);
}
END_TEST

START_TEST(an_offset_of_a_petabyte_is_efbig_and_allocates_nothing)
{
	ck_assert_int_eq(put("{}", INT64_C(1) << 50), -EFBIG);
	ck_assert_uint_eq(draft.text.len, 0);
	ck_assert_int_eq(draft_truncate(&draft, INT64_C(1) << 50, &error), -EFBIG);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    the_write_that_completes_the_object_asks_for_the_save,
	    white_space_after_the_object_is_nothing,
	    more_than_one_object_in_one_write_is_refused_whole,
	    text_after_a_saved_object_is_refused,
	    a_text_that_can_no_longer_become_an_object_is_refused_at_once_with_its_place,
	    an_incomplete_draft_is_told_at_every_close_and_stays,
	    an_empty_draft_is_never_a_save,
	    a_refusal_is_repeated_until_the_text_starts_anew,
	    ftruncate_to_0_starts_anew,
	    a_second_text_after_a_save_is_a_second_save,
	    writes_out_of_order_are_saved_at_the_close,
	    a_loaded_text_that_was_not_written_to_is_no_save,
	    writing_then_cutting_the_tail_is_saved_at_the_close,
	    appended_objects_are_saves_of_their_own,
	    a_text_over_the_record_limit_is_efbig_at_the_write_that_crosses_it,
	    an_offset_of_a_petabyte_is_efbig_and_allocates_nothing,
	};
	Suite *suite = suite_create("draft");
	TCase *tcase = tcase_create("draft");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
