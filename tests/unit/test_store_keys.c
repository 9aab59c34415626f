/*
 * test_store_keys.c - keys that are reserved by the block, next to creates, refusals, other programs and crashes.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "store_fixture.h"

#define SHOP                                                                                                           \
	"model orders { fields { id integer key; note string } }\n"                                                    \
	"model lines { fields { id integer key; order_id integer references orders } }\n"

static const struct model *orders;

static void open_shop(void)
{
	open_store(SHOP);
	orders = schema_model(&schema, "orders");
}

static void set_up(void)
{
	make_directory();
	open_shop();
}

static int64_t reserve(void)
{
	struct value key;
	int r = store_reserve_key(store, orders, &key, &error);
	ck_assert_msg(r == 0, "%s", error.text);
	return key.integer;
}

static void insert_key(struct txn *t, int64_t key)
{
	struct value row[] = {value_integer(key), value_null()};
	ck_assert_int_eq(txn_insert(t, orders, row, &error), 0);
}

/* A create without a key, committed or not. */
static int64_t create(bool refused)
{
	struct value key;
	struct txn t = begin();
	ck_assert_int_eq(store_next_key(t.conn, orders, &key, &error), 0);
	insert_key(&t, key.integer);
	if (refused)
		txn_rollback(&t);
	else
		commit(&t);
	return key.integer;
}

static void create_with(int64_t key)
{
	struct txn t = begin();
	insert_key(&t, key);
	commit(&t);
}

/* So that a block has keys left: 1, 2 to 3, 4 to 7 are used up, 8 to 15 is begun. Returns 8. */
static int64_t begin_block(void)
{
	int64_t key = 0;
	for (int i = 0; i < 8; i++)
		key = reserve();
	ck_assert_int_eq(foreign_integer("select seq from sqlite_sequence where name = 'orders'"), 15);
	return key;
}

START_TEST(one_reservation_leaves_no_gap)
{
	ck_assert_int_eq(reserve(), 1);
	foreign("insert into orders(note) values('x')");
	ck_assert_int_eq(foreign_integer("select max(id) from orders"), 2);
	ck_assert_int_eq(reserve(), 3);
	ck_assert_int_eq(create(false), 4);
	ck_assert_int_eq(reserve(), 5);
}
END_TEST

START_TEST(many_reservations_need_few_commits)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	int64_t version = -1, commits = 0;
	ck_assert_int_eq(sqlite3_open(database, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, "pragma data_version", -1, &stmt, NULL), SQLITE_OK);
	for (int i = 1; i <= 1000; i++) {
		ck_assert_int_eq(reserve(), i);
		ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
		commits += sqlite3_column_int64(stmt, 0) != version;
		version = sqlite3_column_int64(stmt, 0);
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	ck_assert_int_le(commits, 1000 / LIMIT_KEY_BLOCK + 8);
}
END_TEST

START_TEST(a_create_takes_the_key_that_a_reservation_would)
{
	int64_t key = begin_block();
	ck_assert_int_eq(create(false), key + 1);
	ck_assert_int_eq(reserve(), key + 2);
	ck_assert_int_eq(create(false), key + 3);
	ck_assert_int_eq(create(false), key + 4);
}
END_TEST

START_TEST(a_refused_create_uses_up_no_key_of_a_block)
{
	int64_t key = begin_block();
	ck_assert_int_eq(create(true), key + 1);
	ck_assert_int_eq(create(true), key + 1);
	ck_assert_int_eq(reserve(), key + 1);
	ck_assert_int_eq(create(false), key + 2);
}
END_TEST

START_TEST(two_creates_of_one_transaction_get_two_keys_of_a_block)
{
	struct value one, other;
	int64_t key = begin_block();
	struct txn t = begin();
	ck_assert_int_eq(store_next_key(t.conn, orders, &one, &error), 0);
	insert_key(&t, one.integer);
	ck_assert_int_eq(store_next_key(t.conn, orders, &other, &error), 0);
	insert_key(&t, other.integer);
	commit(&t);
	ck_assert(one.integer == key + 1 && other.integer == key + 2);
	ck_assert_int_eq(reserve(), key + 3);
}
END_TEST

START_TEST(the_key_of_a_deleted_record_is_not_given_again)
{
	int64_t key = begin_block();
	struct value mine = value_integer(create(false));
	struct txn t = begin();
	ck_assert_int_eq(txn_delete(&t, orders, &mine, &error), 0);
	commit(&t);
	ck_assert_int_eq(reserve(), key + 2);
}
END_TEST

START_TEST(keys_given_by_users_are_skipped)
{
	int64_t key = begin_block();
	create_with(key); /* what it was reserved for */
	ck_assert_int_eq(reserve(), key + 1);
	create_with(key + 3);
	ck_assert_int_eq(reserve(), key + 4);
	create_with(100);
	ck_assert_int_eq(reserve(), 101);
	ck_assert_int_eq(create(false), 102);
}
END_TEST

START_TEST(a_changed_key_is_skipped)
{
	int64_t key = begin_block();
	struct value old = value_integer(create(false)), row[] = {value_integer(key + 4), value_null()};
	struct txn t = begin();
	ck_assert_int_eq(txn_update(&t, orders, &old, row, &error), 0);
	commit(&t);
	ck_assert_int_eq(reserve(), key + 5);
}
END_TEST

START_TEST(keys_given_by_other_programs_are_skipped)
{
	int64_t key = begin_block();
	foreign("insert into orders(id) values(11)");
	ck_assert_int_eq(key, 8);
	ck_assert_int_eq(reserve(), 12);
	foreign("insert into orders(note) values('x')");
	ck_assert_int_eq(foreign_integer("select max(id) from orders"), 16);
	ck_assert_int_eq(reserve(), 17);
	ck_assert_int_eq(create(false), 18);
}
END_TEST

START_TEST(what_is_left_comes_back_at_a_proper_end)
{
	int64_t key = begin_block();
	close_store();
	ck_assert_int_eq(foreign_integer("select seq from sqlite_sequence where name = 'orders'"), key);
	open_shop();
	for (int64_t i = 1; i < 6; i++)
		ck_assert_int_eq(reserve(), key + i);
	create_with(1000);
	close_store();
	open_shop();
	ck_assert_int_eq(reserve(), 1001);
}
END_TEST

START_TEST(a_crash_gives_no_key_twice)
{
	int64_t last = 0, key;
	int ends[2];
	close_store();
	for (int round = 0; round < 5; round++) {
		ck_assert_int_eq(pipe(ends), 0);
		pid_t pid = fork();
		if (pid == 0) {
			open_shop();
			for (int i = 0; i < 3 + 7 * round; i++) {
				key = i % 5 == 4 ? create(false) : reserve();
				if (write(ends[1], &key, sizeof key) < 0)
					break;
			}
			_exit(0);
		}
		close(ends[1]);
		while (read(ends[0], &key, sizeof key) == sizeof key) {
			ck_assert_int_gt(key, last);
			last = key;
		}
		close(ends[0]);
		waitpid(pid, NULL, 0);
	}
	open_shop();
	ck_assert_int_gt(reserve(), last);
	ck_assert_int_gt(last, 70);
}
END_TEST

START_TEST(who_may_not_wait_gets_no_key_while_a_transaction_is_open)
{
	struct value key;
	struct err why = ERR_INIT;
	struct txn t = begin();
	ck_assert_int_eq(store_try_reserve_key(store, orders, &key, &why), -EDEADLK);
	err_release(&why);
	txn_rollback(&t);
	ck_assert_int_eq(store_try_reserve_key(store, orders, &key, &error), 0);
	ck_assert_int_eq(key.integer, 1);
	ck_assert_int_eq(store_try_reserve_key(store, orders, &key, &error), 0);
	ck_assert_int_eq(key.integer, 2);
	ck_assert_int_eq(create(false), 3);
}
END_TEST

START_TEST(a_snapshot_sees_the_next_key_of_a_block)
{
	struct value key;
	int64_t last = begin_block();
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(store_next_key(c, orders, &key, &error), 0);
	store_read_end(c);
	ck_assert_int_eq(key.integer, last + 1);
}
END_TEST

START_TEST(blocks_end_with_the_last_key)
{
	struct value key;
	create_with(KEY_MAX - 4);
	for (int i = 3; i >= 0; i--)
		ck_assert_int_eq(reserve(), KEY_MAX - i);
	ck_assert_int_eq(store_reserve_key(store, orders, &key, &error), -ENOSPC);
}
END_TEST

enum { THREADS = 4, ROUNDS = 150 };

static void *take_keys(void *data)
{
	int64_t *keys = data;
	for (int i = 0; i < ROUNDS; i++) {
		struct value key, row[2];
		struct txn t;
		err_auto e = ERR_INIT;
		int r = i % 3 ? store_reserve_key(store, orders, &key, &e) : txn_begin(store, &t, &e);
		if (i % 3 == 0 && r == 0) {
			r = store_next_key(t.conn, orders, &key, &e);
			row[0] = key;
			row[1] = value_null();
			r = r ? r : txn_insert(&t, orders, row, &e);
			r = r ? r : txn_commit(&t, &e);
		}
		keys[i] = r ? -1 : key.integer;
	}
	return NULL;
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

START_TEST(threads_never_get_the_same_key)
{
	static int64_t keys[THREADS * ROUNDS];
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, take_keys, keys + i * ROUNDS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	qsort(keys, THREADS * ROUNDS, sizeof *keys, by_number);
	ck_assert_int_gt(keys[0], 0);
	for (int i = 1; i < THREADS * ROUNDS; i++)
		ck_assert_int_lt(keys[i - 1], keys[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_keys");
	TCase *tests = tcase_create("keys");
	tcase_add_checked_fixture(tests, set_up, teardown);
	tcase_set_timeout(tests, 50);
	tcase_add_test(tests, one_reservation_leaves_no_gap);
	tcase_add_test(tests, many_reservations_need_few_commits);
	tcase_add_test(tests, a_create_takes_the_key_that_a_reservation_would);
	tcase_add_test(tests, a_refused_create_uses_up_no_key_of_a_block);
	tcase_add_test(tests, two_creates_of_one_transaction_get_two_keys_of_a_block);
	tcase_add_test(tests, the_key_of_a_deleted_record_is_not_given_again);
	tcase_add_test(tests, keys_given_by_users_are_skipped);
	tcase_add_test(tests, a_changed_key_is_skipped);
	tcase_add_test(tests, keys_given_by_other_programs_are_skipped);
	tcase_add_test(tests, what_is_left_comes_back_at_a_proper_end);
	tcase_add_test(tests, a_crash_gives_no_key_twice);
	tcase_add_test(tests, who_may_not_wait_gets_no_key_while_a_transaction_is_open);
	tcase_add_test(tests, a_snapshot_sees_the_next_key_of_a_block);
	tcase_add_test(tests, blocks_end_with_the_last_key);
	tcase_add_test(tests, threads_never_get_the_same_key);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
