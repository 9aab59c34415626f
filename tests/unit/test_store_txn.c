/*
 * test_store_txn.c - transactions: what is kept, what is taken back, what threads share, and what others see.
 */
#include "../../store/sqlite.h"
#include "store_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static const struct model *users, *orders, *logs;
static const char text_of_conf[] =
    "model users { fields { id integer key\n name string unique } has-many orders by user_id }\n"
    "model orders { fields { id integer key\n user_id integer references users } }\n"
    "model logs { fields { id integer key } }\n";

static void setup(void)
{
	make_directory();
	open_store(text_of_conf);
	users = schema_model(&schema, "users");
	orders = schema_model(&schema, "orders");
	logs = schema_model(&schema, "logs");
}

static int insert(struct txn *t, int64_t id, const char *name, struct err *e)
{
	struct value row[] = {value_integer(id), name ? text(name) : value_null()};
	return txn_insert(t, users, row, e);
}

static int64_t count(void)
{
	int64_t n = -1;
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(store_count(c, users, &n, &error), 0);
	store_read_end(c);
	return n;
}

START_TEST(a_rollback_leaves_nothing)
{
	struct txn t = begin();
	ck_assert_int_eq(insert(&t, 1, NULL, &error), 0);
	txn_rollback(&t);
	txn_rollback(&t);
	ck_assert_int_eq(count(), 0);
	t = begin();
	commit(&t);
}
END_TEST

START_TEST(a_transaction_sees_itself_and_nobody_else_does)
{
	struct txn t = begin();
	ck_assert_int_eq(insert(&t, 1, "Ann", &error), 0);
	int64_t n;
	ck_assert_int_eq(store_count(t.conn, users, &n, &error), 0);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(count(), 0);
	commit(&t);
	ck_assert_int_eq(count(), 1);
}
END_TEST

static int look_up(int64_t id, struct conn **out)
{
	struct value key = value_integer(id);
	struct err ignored = ERR_INIT;
	*out = store_read_once(store, logs, VIEW_ALL, &error);
	return store_get(*out, logs, &key, &arena, NULL, NULL, &ignored);
}

START_TEST(one_record_is_looked_up_where_the_pages_are_and_beside_a_transaction_elsewhere)
{
	struct conn *c;
	struct value row[] = {value_integer(1)};
	ck_assert_int_eq(look_up(1, &c), -ENOENT);
	ck_assert_ptr_eq(c, &store->writer);
	struct conn *second = store_read_once(store, logs, VIEW_ALL, &error);
	ck_assert_ptr_ne(second, &store->writer);
	store_read_end(second);
	store_read_end(c);
	struct txn t = begin();
	ck_assert_int_eq(txn_insert(&t, logs, row, &error), 0);
	ck_assert_int_eq(look_up(1, &c), -ENOENT);
	ck_assert_ptr_ne(c, &store->writer);
	store_read_end(c);
	commit(&t);
	ck_assert_int_eq(look_up(1, &c), 0);
	store_read_end(c);
	foreign("delete from logs");
	ck_assert_int_eq(look_up(1, &c), -ENOENT);
	store_read_end(c);
}
END_TEST

START_TEST(a_statement_that_is_refused_leaves_the_rest_of_the_transaction)
{
	struct txn t = begin();
	ck_assert_int_eq(insert(&t, 1, "Ann", &error), 0);
	ck_assert_int_eq(insert(&t, 2, "Ann", &error), -EEXIST);
	err_release(&error);
	commit(&t);
	ck_assert_int_eq(count(), 1);
}
END_TEST

START_TEST(a_store_that_was_closed_has_what_was_committed)
{
	struct txn t = begin();
	ck_assert_int_eq(insert(&t, 1, "Ann", &error), 0);
	commit(&t);
	close_store();
	ck_assert_int_eq(foreign_integer("select count(*) from users"), 1);
	open_store(text_of_conf);
	users = schema_model(&schema, "users");
	ck_assert_int_eq(count(), 1);
}
END_TEST

/* ---- who is told ---- */

struct heard {
	int calls;
	bool models[3];
};

static void hear(void *data, const bool *models)
{
	struct heard *heard = data;
	heard->calls++;
	memcpy(heard->models, models, sizeof(heard->models));
}

START_TEST(a_commit_tells_which_models_it_touched)
{
	struct heard heard = {0};
	store_on_commit(store, hear, &heard);
	struct txn t = begin();
	ck_assert_int_eq(insert(&t, 1, "Ann", &error), 0);
	commit(&t);
	ck_assert(heard.calls == 1 && heard.models[0] && !heard.models[1] && !heard.models[2]);
	t = begin();
	struct value row[] = {value_integer(1), value_integer(1)};
	ck_assert_int_eq(txn_insert(&t, orders, row, &error), 0);
	commit(&t);
	ck_assert(heard.calls == 2 && heard.models[0] && heard.models[1] && !heard.models[2]);
	t = begin();
	ck_assert_int_eq(insert(&t, 2, "Bob", &error), 0);
	txn_rollback(&t);
	t = begin();
	commit(&t);
	ck_assert_int_eq(heard.calls, 2);
}
END_TEST

START_TEST(changes_of_another_program_are_noticed_and_ones_own_are_not)
{
	ck_assert(!store_changed_elsewhere(store));
	struct txn t = begin();
	ck_assert_int_eq(insert(&t, 1, "Ann", &error), 0);
	commit(&t);
	ck_assert(!store_changed_elsewhere(store));
	foreign("insert into users(name) values('x')");
	ck_assert(store_changed_elsewhere(store));
	ck_assert(!store_changed_elsewhere(store));
	foreign("insert into users(name) values('y')");
	t = begin();
	ck_assert_int_eq(insert(&t, 9, "Bob", &error), 0);
	commit(&t);
	ck_assert(store_changed_elsewhere(store));
}
END_TEST

START_TEST(a_database_locked_by_another_program_is_etimedout)
{
	sqlite3 *db;
	struct txn t;
	ck_assert_int_eq(sqlite3_open(database, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(txn_begin(store, &t, &error), -ETIMEDOUT);
	ck_assert_str_eq(error.text, "the database is locked by another program");
	sqlite3_close(db);
	err_release(&error);
	t = begin();
	commit(&t);
}
END_TEST

/* ---- threads ---- */

enum { THREADS = 8, ROUNDS = 60 };

struct worker {
	pthread_t thread;
	int number, committed, failed;
	bool as_tasks;
};

struct attempt {
	struct txn txn;
	int64_t id;
	const char *name;
	bool roll_back;
	struct sql *sql; /* run after the row was written */
};

static int write_row(void *data, struct err *e)
{
	struct attempt *a = data;
	int r = insert(&a->txn, a->id, a->name, e);
	if (!r && a->sql)
		r = sql_run(&a->txn, a->sql, NULL, NULL, NULL, e);
	return !r && a->roll_back ? -ECANCELED : r;
}

/* In a transaction of the thread's own, or as a task, which another may carry out. */
static int attempt(struct attempt *a, bool as_task, struct err *e)
{
	if (as_task)
		return txn_run(store, &a->txn, write_row, a, e);
	int r = txn_begin(store, &a->txn, e);
	if (r)
		return r;
	r = write_row(a, e);
	if (r)
		txn_rollback(&a->txn);
	return r ? r : txn_commit(&a->txn, e);
}

/* Every third transaction is rolled back, every fifth tries a name that is taken. */
static void *work(void *data)
{
	struct worker *w = data;
	for (int i = 0; i < ROUNDS; i++) {
		err_auto e = ERR_INIT;
		char name[32];
		snprintf(name, sizeof(name), "%d-%d", w->number, i % 5 == 4 ? i - 1 : i);
		struct attempt a = {.id = w->number * 1000 + i + 1, .name = name, .roll_back = i % 3 == 0};
		int r = attempt(&a, w->as_tasks, &e);
		w->committed += r == 0;
		w->failed += r && r != -EEXIST && r != -ECANCELED;
	}
	return NULL;
}

START_TEST(eight_threads_share_commits_and_lose_nothing)
{
	struct worker workers[THREADS];
	int committed = 0;
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.number = i, .as_tasks = _i == 1 || (_i == 2 && i % 2)};
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		committed += workers[i].committed;
		ck_assert_int_eq(workers[i].failed, 0);
	}
	ck_assert_int_eq(count(), committed);
	ck_assert_int_eq(foreign_integer("select count(*) from users where id % 1000 % 3 = 1"), 0);
	ck_assert_int_eq(foreign_integer("pragma quick_check"), 0);
}
END_TEST

/*
 * Holds the turn while others queue behind it, so that their groups are known: the first commits as soon as somebody
 * waits, becomes a member, and the last one's end decides.
 */
struct queued {
	pthread_t thread;
	struct attempt attempt;
	bool as_task;
	int result;
	struct err e;
};

static void *save_one(void *data)
{
	struct queued *q = data;
	q->result = attempt(&q->attempt, q->as_task, &q->e);
	return NULL;
}

static int line_length(void)
{
	int n = 0;
	pthread_mutex_lock(&store->turn_lock);
	for (const struct waiter *w = store->line; w; w = w->next)
		n++;
	pthread_mutex_unlock(&store->turn_lock);
	return n;
}

/* The threads stand in line, in this order, behind the open transaction, whose group they may join however slow this
 * is. */
static void enqueue(struct queued *all, int n, bool as_tasks)
{
	for (int i = 0; i < n; i++) {
		all[i].as_task = as_tasks;
		ck_assert_int_eq(pthread_create(&all[i].thread, NULL, save_one, &all[i]), 0);
		while (line_length() <= i)
			sched_yield();
	}
	store->opened_ns = INT64_MAX / 2;
}

START_TEST(a_member_that_rolls_back_leaves_the_others_their_commit)
{
	struct queued all[] = {
	    {.attempt = {.id = 2, .name = "b"}},
	    {.attempt = {.id = 3, .name = "c"}},
	    {.attempt = {.id = 4, .name = "d", .roll_back = true}},
	};
	struct txn t = begin();
	ck_assert_int_eq(insert(&t, 1, "a", &error), 0);
	enqueue(all, 3, _i);
	commit(&t);
	for (int i = 0; i < 3; i++)
		pthread_join(all[i].thread, NULL);
	ck_assert(all[0].result == 0 && all[1].result == 0);
	ck_assert_int_eq(count(), 3);
	ck_assert_int_eq(foreign_integer("select count(*) from users where id = 4"), 0);
}
END_TEST

START_TEST(tasks_that_wait_are_carried_out_by_who_has_the_turn)
{
	struct queued all[] = {{.attempt = {.id = 2, .name = "b"}}, {.attempt = {.id = 3, .name = "c"}}};
	struct txn t = begin();
	ck_assert_int_eq(insert(&t, 1, "a", &error), 0);
	enqueue(all, 2, true);
	uint64_t group = store->group;
	commit(&t);
	ck_assert_int_eq(count(), 3); /* before either thread need have woken */
	for (int i = 0; i < 2; i++)
		pthread_join(all[i].thread, NULL);
	ck_assert(all[0].result == 0 && all[1].result == 0);
	ck_assert_uint_eq(store->group, group);
}
END_TEST

START_TEST(a_member_whose_row_is_refused_fails_alone)
{
	struct queued all[] = {{.attempt = {.id = 2, .name = "a"}}, {.attempt = {.id = 3, .name = "c"}}};
	struct txn t = begin();
	ck_assert_int_eq(insert(&t, 1, "a", &error), 0);
	enqueue(all, 2, _i);
	commit(&t);
	for (int i = 0; i < 2; i++)
		pthread_join(all[i].thread, NULL);
	ck_assert(all[0].result == -EEXIST && all[1].result == 0);
	err_release(&all[0].e);
	ck_assert_int_eq(count(), 2);
}
END_TEST

START_TEST(an_error_that_rolls_everything_back_fails_the_transaction)
{
	struct sql *sql;
	ck_assert_int_eq(sql_prepare(store, "INSERT OR ROLLBACK INTO users VALUES(5, 'a')", NULL, NULL, &sql, &error),
			 0);
	struct txn t = begin();
	ck_assert_int_eq(insert(&t, 1, "a", &error), 0);
	ck_assert_int_eq(sql_run(&t, sql, NULL, NULL, NULL, &error), -EBADMSG);
	err_release(&error);
	ck_assert_int_eq(insert(&t, 2, "b", &error), -EIO);
	err_release(&error);
	ck_assert_int_eq(txn_commit(&t, &error), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(error.text, "UNIQUE"));
	ck_assert_int_eq(count(), 0);
	t = begin();
	commit(&t);
}
END_TEST

START_TEST(members_that_wait_hear_of_it_too)
{
	struct sql *sql;
	ck_assert_int_eq(sql_prepare(store, "INSERT OR ROLLBACK INTO users VALUES(5, 'a')", NULL, NULL, &sql, &error),
			 0);
	struct queued all[] = {{.attempt = {.id = 2, .name = "b", .sql = sql}}};
	struct txn t = begin();
	ck_assert_int_eq(insert(&t, 1, "a", &error), 0);
	enqueue(all, 1, _i);
	int r = txn_commit(&t, &error);
	pthread_join(all[0].thread, NULL);
	ck_assert_int_eq(all[0].result, -EBADMSG);
	err_release(&all[0].e);
	ck_assert_int_eq(r, -EBADMSG);
	ck_assert_int_eq(count(), 0);
}
END_TEST

static void add(TCase *cases)
{
	tcase_add_test(cases, a_rollback_leaves_nothing);
	tcase_add_test(cases, a_transaction_sees_itself_and_nobody_else_does);
	tcase_add_test(cases, one_record_is_looked_up_where_the_pages_are_and_beside_a_transaction_elsewhere);
	tcase_add_test(cases, a_statement_that_is_refused_leaves_the_rest_of_the_transaction);
	tcase_add_test(cases, a_store_that_was_closed_has_what_was_committed);
	tcase_add_test(cases, a_commit_tells_which_models_it_touched);
	tcase_add_test(cases, changes_of_another_program_are_noticed_and_ones_own_are_not);
	tcase_add_test(cases, a_database_locked_by_another_program_is_etimedout);
	tcase_add_loop_test(cases, eight_threads_share_commits_and_lose_nothing, 0, 3);
	tcase_add_loop_test(cases, a_member_that_rolls_back_leaves_the_others_their_commit, 0, 2);
	tcase_add_test(cases, tasks_that_wait_are_carried_out_by_who_has_the_turn);
	tcase_add_loop_test(cases, a_member_whose_row_is_refused_fails_alone, 0, 2);
	tcase_add_test(cases, an_error_that_rolls_everything_back_fails_the_transaction);
	tcase_add_loop_test(cases, members_that_wait_hear_of_it_too, 0, 2);
}

int main(void)
{
	return run_cases("store_txn", setup, add);
}
