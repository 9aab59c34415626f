/*
 * test_store_pending.c - which program of after_commit is next.
 */
#include "store_fixture.h"

static const int64_t nothing_runs[LIMIT_AFTER];

static void setup(void)
{
	make_directory();
	open_store("model items { fields { id integer key } }\n");
	ck_assert_int_eq(store_pending_open(store, true, &error), 0);
}

/* Programs of one save, a model each, separated by blanks; the first id. */
static int64_t save_of(const char *models)
{
	char copy[128], *state;
	int64_t first = 0, id;
	struct txn t = begin();
	strcpy(copy, models);
	for (char *model = strtok_r(copy, " ", &state); model; model = strtok_r(NULL, " ", &state)) {
		struct pending p = {.batch = first,
				    .created_ms = 1,
				    .model = model,
				    .path = "items/1.json",
				    .hook = "[\"run\"]",
				    .event = "{}"};
		ck_assert_int_eq(txn_pending_add(&t, &p, &id, &error), 0);
		first = first ? first : id;
	}
	commit(&t);
	return first;
}

/* 0: none. */
static int64_t next(const int64_t *running, bool again, int64_t now)
{
	struct pending p;
	struct conn *c = store_read_begin(store, &error);
	int r = store_pending_next(c, again, now, running, &arena, &p, &error);
	store_read_end(c);
	ck_assert_int_ge(r, 0);
	return r ? p.id : 0;
}

static void end(int64_t id)
{
	struct txn t = begin();
	ck_assert_int_eq(txn_pending_remove(&t, id, &error), 0);
	commit(&t);
}

static void fail_until(int64_t id, int64_t due)
{
	struct txn t = begin();
	struct pending p = {.id = id, .attempts = 1, .next_ms = due, .failed_ms = 1, .message = "no"};
	ck_assert_int_eq(txn_pending_fail(&t, &p, &error), 0);
	commit(&t);
}

START_TEST(without_the_table_nothing_waits)
{
	close_store();
	foreign("DROP TABLE rowfs_after");
	open_store("model items { fields { id integer key } }\n");
	ck_assert_int_eq(store_pending_open(store, false, &error), 0);
	struct pending_total total;
	struct pending p;
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(store_pending_total(c, &total, &error), 0);
	ck_assert(!total.kept);
	ck_assert_int_eq(store_pending_following(c, 0, &arena, &p, &error), 0);
	ck_assert_int_eq(store_pending_get(c, 1, &arena, &p, &error), -ENOENT);
	store_read_end(c);
}
END_TEST

START_TEST(one_model_goes_in_the_order_of_the_commits)
{
	int64_t first = save_of("items"), second = save_of("items");
	ck_assert_int_eq(next(nothing_runs, false, 0), first);
	ck_assert_int_eq(next((int64_t[LIMIT_AFTER]){first}, false, 0), 0);
	end(first);
	ck_assert_int_eq(next(nothing_runs, false, 0), second);
}
END_TEST

START_TEST(another_model_runs_beside_it)
{
	int64_t first = save_of("items"), other = save_of("others");
	ck_assert_int_eq(next((int64_t[LIMIT_AFTER]){first}, false, 0), other);
	ck_assert_int_eq(next((int64_t[LIMIT_AFTER]){first, other}, false, 0), 0);
}
END_TEST

START_TEST(one_save_goes_in_order_whatever_the_models)
{
	int64_t first = save_of("items others words");
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(next(nothing_runs, false, 0), first + i);
		ck_assert_int_eq(next((int64_t[LIMIT_AFTER]){first + i}, false, 0), 0);
		end(first + i);
	}
}
END_TEST

START_TEST(a_failed_one_holds_up_neither_its_model_nor_its_save)
{
	int64_t first = save_of("items others"), second = save_of("items");
	fail_until(first, 1000);
	ck_assert_int_eq(next(nothing_runs, false, 0), first + 1);
	ck_assert_int_eq(next((int64_t[LIMIT_AFTER]){first + 1}, false, 0), second);
}
END_TEST

START_TEST(a_failed_one_is_next_again_when_it_is_due)
{
	int64_t due, first = save_of("items"), second = save_of("items");
	fail_until(first, 2000);
	fail_until(second, 1000);
	ck_assert_int_eq(next(nothing_runs, false, 0), 0);
	ck_assert_int_eq(next(nothing_runs, true, 999), 0);
	ck_assert_int_eq(next(nothing_runs, true, 3000), second);
	ck_assert_int_eq(next((int64_t[LIMIT_AFTER]){second}, true, 3000), first);
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(store_pending_due(c, (int64_t[LIMIT_AFTER]){second}, &due, &error), 0);
	ck_assert_int_eq(due, 2000);
	ck_assert_int_eq(store_pending_due(c, (int64_t[LIMIT_AFTER]){second, first}, &due, &error), 0);
	ck_assert_int_eq(due, -1);
	store_read_end(c);
}
END_TEST

START_TEST(held_ones_neither_run_nor_hold_up)
{
	int64_t first = save_of("items others");
	save_of("items");
	struct txn t = begin();
	ck_assert_int_eq(txn_pending_hold(&t, "items", "[\"run\"]", true, &error), 0);
	commit(&t);
	ck_assert_int_eq(next(nothing_runs, false, 0), first + 1);
	end(first + 1);
	ck_assert_int_eq(next(nothing_runs, false, 0), 0);
	ck_assert_int_eq(foreign_integer("SELECT sum(held) FROM rowfs_after"), 2);
}
END_TEST

START_TEST(a_rolled_back_save_leaves_none)
{
	struct txn t = begin();
	struct pending p = {.created_ms = 1, .model = "items", .path = "", .hook = "", .event = ""};
	int64_t id;
	ck_assert_int_eq(txn_pending_add(&t, &p, &id, &error), 0);
	txn_rollback(&t);
	ck_assert_int_eq(next(nothing_runs, false, 0), 0);
}
END_TEST

static void add(TCase *cases)
{
	tcase_add_test(cases, without_the_table_nothing_waits);
	tcase_add_test(cases, one_model_goes_in_the_order_of_the_commits);
	tcase_add_test(cases, another_model_runs_beside_it);
	tcase_add_test(cases, one_save_goes_in_order_whatever_the_models);
	tcase_add_test(cases, a_failed_one_holds_up_neither_its_model_nor_its_save);
	tcase_add_test(cases, a_failed_one_is_next_again_when_it_is_due);
	tcase_add_test(cases, held_ones_neither_run_nor_hold_up);
	tcase_add_test(cases, a_rolled_back_save_leaves_none);
}

int main(void)
{
	return run_cases("store_pending", setup, add);
}
