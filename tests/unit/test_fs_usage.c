/*
 * test_fs_usage.c - what users hold in memory: each up to his limit, all up to theirs.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../fs/usage.h"
#include "../../store/limits.h"

static struct usages *usages;
static struct err error;

static void setup(void)
{
	ck_assert_int_eq(usages_new(&usages), 0);
}

static void teardown(void)
{
	err_release(&error);
	usages_free(usages);
}

START_TEST(a_user_holds_so_much_and_no_more)
{
	size_t a = 0, b = 0, c = 0;
	ck_assert_int_eq(usage_hold(usages, 1000, &a, LIMIT_HELD_BYTES - 10, &error), 0);
	ck_assert_int_eq(usage_hold(usages, 1000, &b, 11, &error), -ENOSPC);
	ck_assert_uint_eq(b, 0);
	err_release(&error);
	ck_assert_int_eq(usage_hold(usages, 1000, &b, 10, &error), 0);
	ck_assert_int_eq(usage_hold(usages, 1001, &c, 10, &error), 0);
}
END_TEST

START_TEST(all_users_hold_so_much_and_no_more)
{
	enum { USERS = LIMIT_HELD_TOTAL / LIMIT_HELD_BYTES };
	size_t held[USERS + 1] = {0};
	for (int i = 0; i < USERS; i++)
		ck_assert_int_eq(usage_hold(usages, (uid_t)i, &held[i], LIMIT_HELD_BYTES, &error), 0);
	ck_assert_int_eq(usage_hold(usages, USERS, &held[USERS], 1, &error), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(error.text, "all users"));
	err_release(&error);
	usage_settle(usages, 0, &held[0], 0);
	ck_assert_int_eq(usage_hold(usages, USERS, &held[USERS], 1, &error), 0);
}
END_TEST

START_TEST(less_always_works_and_what_is_there_counts)
{
	size_t a = 0, b = 0;
	usage_settle(usages, 1000, &a, 2 * (size_t)LIMIT_HELD_BYTES);
	ck_assert_int_eq(usage_hold(usages, 1000, &b, 1, &error), -ENOSPC);
	err_release(&error);
	ck_assert_int_eq(usage_hold(usages, 1000, &a, LIMIT_HELD_BYTES + 5, &error), 0);
	ck_assert_int_eq(usage_hold(usages, 1000, &a, 0, &error), 0);
	ck_assert_int_eq(usage_hold(usages, 1000, &b, LIMIT_HELD_BYTES, &error), 0);
}
END_TEST

START_TEST(room_is_what_is_left)
{
	size_t a = 0, b = 0;
	ck_assert_uint_eq(usage_room(usages, 1000, &a, 10, 1 << 20), 1 << 20);
	ck_assert_uint_eq(a, 10 + (1 << 20));
	usage_settle(usages, 1000, &a, LIMIT_HELD_BYTES - (1 << 19));
	ck_assert_uint_eq(usage_room(usages, 1000, &b, 10, 1 << 20), 1 << 18);
	usage_settle(usages, 1000, &b, 0);
	usage_settle(usages, 1000, &a, LIMIT_HELD_BYTES);
	ck_assert_uint_eq(usage_room(usages, 1000, &b, 10, 1 << 20), 0);
	ck_assert_uint_eq(b, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("usage");
	TCase *tests = tcase_create("usage");
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_user_holds_so_much_and_no_more);
	tcase_add_test(tests, all_users_hold_so_much_and_no_more);
	tcase_add_test(tests, less_always_works_and_what_is_there_counts);
	tcase_add_test(tests, room_is_what_is_left);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
