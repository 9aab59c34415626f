/*
 * test_base.c - errors, buffers and arenas: what everything else stands on.
 */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../store/arena.h"
#include "../../store/buf.h"
#include "../../store/err.h"
#include "../../store/limits.h"

/* ---- err ---- */

START_TEST(the_first_error_stays)
{
	err_auto e = ERR_INIT;

	ck_assert_int_eq(err_set(&e, EPERM, "first %d", 1), -EPERM);
	ck_assert_int_eq(err_set(&e, EIO, "second"), -EPERM);
	ck_assert_int_eq(err_problem(&e, EBADMSG, "/a", "third"), -EPERM);
	ck_assert_int_eq(err_nomem(&e), -EPERM);
	ck_assert_int_eq(e.code, EPERM);
	ck_assert_str_eq(e.text, "first 1");
	ck_assert_uint_eq(e.nproblems, 0);
}
END_TEST

START_TEST(problems_are_counted_in_the_sentence)
{
	err_auto e = ERR_INIT;

	ck_assert_int_eq(err_problem(&e, EBADMSG, "/units", "is required"), -EBADMSG);
	ck_assert_str_eq(e.text, "/units: is required");
	err_problem(&e, EBADMSG, "/a (and b)", "must be (and stay) an %s", "integer");
	ck_assert_str_eq(e.text, "/units: is required (and 1 more)");
	err_problem(&e, EBADMSG, "", "is too much");
	ck_assert_str_eq(e.text, "/units: is required (and 2 more)");
	ck_assert_uint_eq(e.nproblems, 3);
	ck_assert_str_eq(e.problems[1].pointer, "/a (and b)");
	ck_assert_str_eq(e.problems[1].text, "must be (and stay) an integer");
}
END_TEST

START_TEST(a_problem_of_the_whole_document_has_no_pointer_in_the_sentence)
{
	err_auto e = ERR_INIT;

	err_problem(&e, EBADMSG, "", "the document must be an object");
	ck_assert_str_eq(e.text, "the document must be an object");
}
END_TEST

START_TEST(a_malformed_document_wins_over_other_codes)
{
	err_auto e = ERR_INIT;

	ck_assert_int_eq(err_problem(&e, EPERM, "/a", "is read-only"), -EPERM);
	ck_assert_int_eq(err_problem(&e, EEXIST, "/b", "is taken"), -EPERM);
	ck_assert_int_eq(err_problem(&e, EBADMSG, "/c", "is unknown"), -EBADMSG);
	ck_assert_int_eq(err_problem(&e, EPERM, "/d", "is read-only"), -EBADMSG);
	ck_assert_str_eq(e.text, "/a: is read-only (and 3 more)");
}
END_TEST

START_TEST(problems_over_the_limit_are_counted_but_not_kept)
{
	err_auto e = ERR_INIT;

	for (int i = 0; i < LIMIT_PROBLEMS + 50; i++)
		err_problem(&e, EBADMSG, "/a", "is wrong");
	ck_assert_uint_eq(e.nproblems, LIMIT_PROBLEMS);
	ck_assert_str_eq(e.text, "/a: is wrong (and 149 more)");
}
END_TEST

START_TEST(a_long_sentence_is_cut_between_characters)
{
	char text[1001] = "";

	for (size_t shift = 0; shift < 3; shift++) {
		err_auto set = ERR_INIT, told = ERR_INIT;
		memset(text, 'x', shift);
		for (size_t i = shift; i + 3 < sizeof text; i += 3)
			memcpy(text + i, "\xE2\x82\xAC", 4);
		err_set(&set, EIO, "%s", text);
		ck_assert_uint_ge(strlen(set.text), sizeof set.text - 4);
		ck_assert_uint_eq((strlen(set.text) - shift) % 3, 0);
		err_problem(&told, EBADMSG, text, "is unknown");
		err_problem(&told, EBADMSG, "/b", "is unknown");
		char *more = strstr(told.text, " (and 1 more)");
		ck_assert_ptr_nonnull(more);
		ck_assert_uint_eq(((size_t)(more - told.text) - shift) % 3, 0);
	}
}
END_TEST

START_TEST(take_moves_the_problems)
{
	err_auto from = ERR_INIT;
	err_auto to = ERR_INIT;

	err_problem(&to, EPERM, "/old", "is old");
	err_problem(&from, EBADMSG, "/a", "is new");
	err_take(&to, &from);
	ck_assert_int_eq(from.code, 0);
	ck_assert_uint_eq(from.nproblems, 0);
	ck_assert_str_eq(to.text, "/a: is new");
	ck_assert_str_eq(to.problems[0].pointer, "/a");
}
END_TEST

START_TEST(problems_of_a_part_get_their_place_in_the_whole)
{
	struct err whole = ERR_INIT, part = ERR_INIT;

	err_problem(&whole, EPERM, "/a", "is read-only");
	err_problem(&part, EBADMSG, "/x", "is 100%% wrong");
	err_problem(&part, EBADMSG, "", "is too long");
	ck_assert_int_eq(err_graft(&whole, &part, "/lines/1"), -EBADMSG);
	ck_assert_uint_eq(whole.nproblems, 3);
	ck_assert_str_eq(whole.problems[1].pointer, "/lines/1/x");
	ck_assert_str_eq(whole.problems[1].text, "is 100% wrong");
	ck_assert_str_eq(whole.problems[2].pointer, "/lines/1");
	ck_assert_str_eq(whole.text, "/a: is read-only (and 2 more)");
	ck_assert_int_eq(part.code, 0);
	err_release(&whole);
	err_set(&part, EIO, "the disk is off");
	ck_assert_int_eq(err_graft(&whole, &part, "/lines/1"), -EIO);
	ck_assert_str_eq(whole.text, "the disk is off");
	err_release(&whole);
}
END_TEST

START_TEST(an_err_can_be_used_again_after_release)
{
	err_auto e = ERR_INIT;

	err_problem(&e, EBADMSG, "/a", "is wrong");
	err_release(&e);
	err_release(&e);
	ck_assert_int_eq(e.code, 0);
	ck_assert_int_eq(err_set(&e, EIO, "again"), -EIO);
	ck_assert_str_eq(e.text, "again");
}
END_TEST

START_TEST(numbers_from_outside_become_known_errnos)
{
	static const int refused[] = {0,   -1,  -EIO, EINTR, ESTALE, EXDEV, EINVAL,   ENOSYS,
				      134, 400, 511,  512,   524,    70000, INT32_MIN};

	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		ck_assert_int_eq(err_clamp(refused[i]), EIO);
	ck_assert_int_eq(err_clamp(ENOSPC), ENOSPC);
	ck_assert_int_eq(err_clamp(ECANCELED), ECANCELED);
	for (int code = 1; code < 600; code++)
		ck_assert_int_le(err_clamp(code), 511);
}
END_TEST

START_TEST(names_of_errnos_are_known_whole)
{
	ck_assert_int_eq(err_by_name("ENOSPC", 6), ENOSPC);
	ck_assert_int_eq(err_by_name("ENOSPC: full", 6), ENOSPC);
	ck_assert_int_eq(err_by_name("ENOSP", 5), 0);
	ck_assert_int_eq(err_by_name("EINTR", 5), 0);
	ck_assert_int_eq(err_by_name("ESTALE", 6), 0);
	ck_assert_int_eq(err_by_name("", 0), 0);
	ck_assert_str_eq(err_name(EBADMSG), "EBADMSG");
	ck_assert_ptr_null(err_name(EINTR));
	ck_assert_ptr_null(err_name(0));
}
END_TEST

/* ---- buf ---- */

START_TEST(an_empty_buffer_is_an_empty_string)
{
	buf_auto b = BUF_INIT;

	ck_assert_str_eq(buf_text(&b), "");
	buf_add(&b, NULL, 0);
	buf_str(&b, "");
	buf_printf(&b, "%s", "");
	buf_resize(&b, 0);
	ck_assert_ptr_null(b.data);
	ck_assert(!buf_failed(&b));
}
END_TEST

START_TEST(content_is_followed_by_a_nul_byte)
{
	buf_auto b = BUF_INIT;

	for (size_t i = 0; i < 1000; i++) {
		buf_char(&b, 'a');
		ck_assert_uint_eq(strlen(b.data), i + 1);
	}
	buf_printf(&b, "%d-%s", 7, "x");
	ck_assert_str_eq(b.data + 1000, "7-x");
	buf_fill(&b, 'z', 2);
	ck_assert_str_eq(b.data + 1000, "7-xzz");
	buf_resize(&b, 3);
	ck_assert_str_eq(b.data, "aaa");
	buf_resize(&b, 5);
	ck_assert_mem_eq(b.data, "aaa\0\0\0", 6);
}
END_TEST

START_TEST(crossing_the_limit_keeps_the_content_and_stays)
{
	buf_auto b = {.limit = 5};

	buf_str(&b, "abc");
	buf_str(&b, "def");
	ck_assert(buf_failed(&b));
	buf_str(&b, "d");
	buf_printf(&b, "d");
	buf_resize(&b, 1);
	ck_assert(!buf_reserve(&b, 1));
	ck_assert_str_eq(buf_text(&b), "abc");
	buf_reset(&b);
	buf_str(&b, "12345");
	ck_assert(!buf_failed(&b));
	ck_assert_str_eq(buf_text(&b), "12345");
	buf_release(&b);
	ck_assert_uint_eq(b.limit, 5);
	buf_str(&b, "123456");
	ck_assert(buf_failed(&b));
}
END_TEST

START_TEST(a_size_that_no_memory_has_fails)
{
	buf_auto b = BUF_INIT;

	buf_char(&b, 'a');
	ck_assert(!buf_reserve(&b, SIZE_MAX));
	buf_reset(&b);
	buf_resize(&b, SIZE_MAX);
	ck_assert(buf_failed(&b));
	ck_assert_str_eq(buf_text(&b), "");
}
END_TEST

/* ---- arena ---- */

START_TEST(arena_memory_is_zeroed_aligned_and_apart)
{
	arena_auto a = ARENA_INIT;
	char *before = NULL;

	for (size_t size = 0; size < 3000; size += 7) {
		char *p = arena_alloc(&a, size);
		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
		ck_assert_ptr_ne(p, before);
		bool zeroed = true;
		for (size_t i = 0; i < size; i++)
			zeroed &= p[i] == 0;
		ck_assert(zeroed);
		memset(p, 0xFF, size);
		before = p;
	}
}
END_TEST

START_TEST(a_large_piece_leaves_the_newest_block_in_use)
{
	arena_auto a = ARENA_INIT;
	char *small = arena_alloc(&a, 16);
	char *large = arena_alloc(&a, 1 << 20);

	memset(large, 1, 1 << 20);
	ck_assert_ptr_eq(arena_alloc(&a, 16), small + 16);
}
END_TEST

START_TEST(arena_texts_end_with_a_nul_byte)
{
	arena_auto a = ARENA_INIT;

	ck_assert_str_eq(arena_copy(&a, "abcdef", 3), "abc");
	ck_assert_str_eq(arena_copy(&a, NULL, 0), "");
	ck_assert_str_eq(arena_printf(&a, "%s/%d", "a", 5), "a/5");
}
END_TEST

START_TEST(an_arena_refuses_what_no_memory_has)
{
	arena_auto a = ARENA_INIT;

	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
	ck_assert_ptr_null(arena_copy(&a, "", SIZE_MAX));
	ck_assert_ptr_nonnull(arena_alloc(&a, 1));
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX - 20));
	ck_assert_ptr_nonnull(arena_alloc(&a, 1));
	arena_release(&a);
	ck_assert_ptr_nonnull(arena_alloc(&a, 1));
}
END_TEST

static TCase *errors(void)
{
	TCase *t = tcase_create("err");

	tcase_add_test(t, the_first_error_stays);
	tcase_add_test(t, problems_are_counted_in_the_sentence);
	tcase_add_test(t, a_problem_of_the_whole_document_has_no_pointer_in_the_sentence);
	tcase_add_test(t, a_malformed_document_wins_over_other_codes);
	tcase_add_test(t, problems_over_the_limit_are_counted_but_not_kept);
	tcase_add_test(t, a_long_sentence_is_cut_between_characters);
	tcase_add_test(t, take_moves_the_problems);
	tcase_add_test(t, problems_of_a_part_get_their_place_in_the_whole);
	tcase_add_test(t, an_err_can_be_used_again_after_release);
	tcase_add_test(t, numbers_from_outside_become_known_errnos);
	tcase_add_test(t, names_of_errnos_are_known_whole);
	return t;
}

static TCase *memory(void)
{
	TCase *t = tcase_create("buf and arena");

	tcase_add_test(t, an_empty_buffer_is_an_empty_string);
	tcase_add_test(t, content_is_followed_by_a_nul_byte);
	tcase_add_test(t, crossing_the_limit_keeps_the_content_and_stays);
	tcase_add_test(t, a_size_that_no_memory_has_fails);
	tcase_add_test(t, arena_memory_is_zeroed_aligned_and_apart);
	tcase_add_test(t, a_large_piece_leaves_the_newest_block_in_use);
	tcase_add_test(t, arena_texts_end_with_a_nul_byte);
	tcase_add_test(t, an_arena_refuses_what_no_memory_has);
	return t;
}

int main(void)
{
	Suite *s = suite_create("base");
	suite_add_tcase(s, errors());
	suite_add_tcase(s, memory());
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
