/*
 * test_store_sql.c - the SQL of hooks: what is refused when it is compiled, how it runs, and what its errors become.
 */
#include "store_fixture.h"

static const struct model *orders;
static struct sql *sql;

static void setup(void)
{
	make_directory();
	open_store("model orders { fields { id integer key\n qty integer check 'qty > 0'\n note string unique } }\n"
		   "model log { fields { id integer key\n text string } }\n");
	orders = schema_model(&schema, "orders");
}

static bool known(void *data, const char *name)
{
	(void)data;
	return !strcmp(name, "id") || !strcmp(name, "note");
}

static void lookup(void *data, const char *name, struct value *out)
{
	(void)data;
	*out = strcmp(name, "id") ? text("hello") : value_integer(7);
}

struct seen {
	char text[256];
	int stop;
};

static int column(void *data, const char *name, const struct value *value, struct err *e)
{
	struct seen *seen = data;
	char one[64];
	if (value->kind == VALUE_TEXT)
		snprintf(one, sizeof(one), "%s=%s;", name, value->text.data);
	else
		snprintf(one, sizeof(one), "%s=%lld;", name, (long long)value->integer);
	strcat(seen->text, one);
	return seen->stop ? err_set(e, ECANCELED, "stop") : 0;
}

static const struct {
	const char *text, *why;
} refused[] = {
    {"BEGIN", "transaction control is not allowed in a hook"},
    {"COMMIT", "transaction control is not allowed in a hook"},
    {"ROLLBACK", "transaction control is not allowed in a hook"},
    {"SAVEPOINT x", "SAVEPOINT is not allowed in a hook"},
    {"ATTACH 'x' AS y", "ATTACH is not allowed in a hook"},
    {"DETACH y", "DETACH is not allowed in a hook"},
    {"PRAGMA foreign_keys = OFF", "PRAGMA is not allowed in a hook"},
    {"CREATE TABLE x(a)", "CREATE TABLE is not allowed in a hook"},
    {"CREATE TEMP TABLE x(a)", "CREATE TABLE is not allowed in a hook"},
    {"CREATE INDEX x ON orders(qty)", "CREATE INDEX is not allowed in a hook"},
    {"CREATE VIEW x AS SELECT 1", "CREATE VIEW is not allowed in a hook"},
    {"CREATE TRIGGER x AFTER INSERT ON orders BEGIN SELECT 1; END", "CREATE TRIGGER is not allowed in a hook"},
    {"DROP TABLE orders", "DROP TABLE is not allowed in a hook"},
    {"DROP TRIGGER rowfs_orders_insert", "DROP TRIGGER is not allowed in a hook"},
    {"ALTER TABLE orders ADD COLUMN x", "ALTER TABLE is not allowed in a hook"},
    {"  VACUUM", "VACUUM is not allowed in a hook"},
    {"-- tidy\n/* up */ VACUUM", "VACUUM is not allowed in a hook"},
    {"REINDEX", "REINDEX is not allowed in a hook"},
    {"ANALYZE", "CREATE TABLE is not allowed in a hook"},
    {"DELETE FROM rowfs_stat_orders", "writing to the table rowfs_stat_orders is not allowed in a hook"},
    {"UPDATE sqlite_sequence SET seq = 1", "writing to the table sqlite_sequence is not allowed in a hook"},
    {"SELECT 1; PRAGMA foreign_keys = OFF", "PRAGMA is not allowed in a hook"},
    {"SELECT ?", "a parameter is written :NAME, not ?"},
    {"SELECT $id", "a parameter is written :NAME, not $id"},
    {"SELECT :idd", "unknown parameter :idd"},
    {"SELEC 1", "near \"SELEC\": syntax error"},
    {"SELECT * FROM nowhere", "no such table: nowhere"},
    {"  -- nothing\n", "there is no SQL statement"},
};

START_TEST(what_a_hook_may_not_do_is_refused_when_it_is_read)
{
	ck_assert_int_eq(sql_prepare(store, refused[_i].text, known, NULL, &sql, &error), -EBADMSG);
	ck_assert_str_eq(error.text, refused[_i].why);
	struct txn t = begin();
	commit(&t);
}
END_TEST

static int run(const char *text, struct seen *seen)
{
	int r = sql_prepare(store, text, known, NULL, &sql, &error);
	ck_assert_msg(r == 0, "%s", error.text);
	struct txn t = begin();
	r = sql_run(&t, sql, lookup, seen ? column : NULL, seen, &error);
	if (r)
		txn_rollback(&t);
	else
		commit(&t);
	return r;
}

START_TEST(several_statements_run_in_order_with_parameters)
{
	struct seen seen = {"", 0};
	ck_assert_int_eq(run("INSERT INTO orders VALUES(:id, 3, :note); -- then\n"
			     "UPDATE orders SET qty = qty + 1 WHERE id = :id; SELECT qty, note FROM orders;",
			     &seen),
			 0);
	ck_assert_str_eq(seen.text, "qty=4;note=hello;");
	ck_assert_str_ne(show(orders, value_integer(7)), "");
}
END_TEST

START_TEST(triggers_still_keep_times)
{
	ck_assert_int_eq(run("INSERT INTO orders(id, qty) VALUES(:id, 1)", NULL), 0);
	struct stamp before = stamp_of(orders, value_integer(7));
	ck_assert_int_eq(run("REPLACE INTO orders(id, qty) VALUES(:id, 2)", NULL), 0);
	ck_assert(stamp_of(orders, value_integer(7)).mtime_ns > 0 && before.mtime_ns > 0);
}
END_TEST

static const struct {
	const char *text, *why;
} failing[] = {
    {"INSERT INTO orders(id, qty) VALUES(:id, -1)", "CHECK constraint failed: qty"},
    {"INSERT INTO orders VALUES(1, 1, 'x'), (2, 1, 'x')", "UNIQUE constraint failed: orders.note"},
    {"SELECT json('{')", "malformed JSON"},
};

START_TEST(what_the_database_refuses_is_ebadmsg_and_leaves_nothing)
{
	ck_assert_int_eq(run("INSERT INTO log(text) VALUES('before')", NULL), 0);
	char text[256];
	snprintf(text, sizeof(text), "INSERT INTO log(text) VALUES('lost'); %s", failing[_i].text);
	ck_assert_int_eq(run(text, NULL), -EBADMSG);
	ck_assert_str_eq(error.text, failing[_i].why);
	ck_assert_int_eq(foreign_integer("select count(*) from log"), 1);
}
END_TEST

START_TEST(a_column_that_refuses_ends_the_run)
{
	struct seen seen = {"", 1};
	ck_assert_int_eq(run("SELECT 1 AS a, 2 AS b UNION ALL SELECT 3, 4", &seen), -ECANCELED);
	ck_assert_str_eq(seen.text, "a=1;");
	seen = (struct seen){"", 0};
	struct txn t = begin();
	ck_assert_int_eq(sql_run(&t, sql, lookup, column, &seen, &(struct err)ERR_INIT), 0);
	ck_assert_str_eq(seen.text, "a=1;b=2;a=3;b=4;");
	txn_rollback(&t);
}
END_TEST

START_TEST(a_rollback_inside_a_hook_fails_the_save)
{
	ck_assert_int_eq(run("INSERT INTO orders VALUES(1, 1, 'x')", NULL), 0);
	ck_assert_int_eq(run("INSERT OR ROLLBACK INTO orders VALUES(2, 1, 'x')", NULL), -EBADMSG);
	err_release(&error);
	ck_assert_int_eq(run("INSERT INTO orders VALUES(3, 1, 'y')", NULL), 0);
}
END_TEST

START_TEST(a_store_in_memory_compiles_and_runs)
{
	struct store *memory;
	struct seen seen = {"", 0};
	ck_assert_int_eq(store_open_memory(&memory, &schema, &error), 0);
	ck_assert_int_eq(sql_prepare(memory, "SELECT count(*) AS n FROM orders", known, NULL, &sql, &error), 0);
	struct txn t;
	ck_assert_int_eq(txn_begin(memory, &t, &error), 0);
	ck_assert_int_eq(sql_run(&t, sql, lookup, column, &seen, &error), 0);
	ck_assert_str_eq(seen.text, "n=0;");
	txn_rollback(&t);
	ck_assert_ptr_null(store_read_begin(memory, &error));
	store_close(memory);
}
END_TEST

#define COUNT_TO(n) "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < " n ") "

/* Far more of them than SQLite keeps in the first piece of a statement's journal. */
START_TEST(a_statement_that_fails_after_many_pages_takes_them_all_back)
{
	ck_assert_int_eq(
	    run(COUNT_TO("2000") "INSERT INTO orders SELECT n, 3000 - n, printf('%0100d', n) FROM i", NULL), 0);
	int64_t sum = foreign_integer("select sum(qty) from orders");
	ck_assert_int_eq(sql_prepare(store, "UPDATE orders SET qty = qty - 1000", known, NULL, &sql, &error), 0);
	struct txn t = begin();
	ck_assert_int_eq(sql_run(&t, sql, lookup, NULL, NULL, &error), -EBADMSG);
	ck_assert_int_eq(txn_insert(&t, orders, (struct value[]){value_integer(9000), value_integer(1), value_null()},
				    &(struct err)ERR_INIT),
			 0);
	commit(&t);
	ck_assert_int_eq(foreign_integer("select sum(qty) from orders"), sum + 1);
	ck_assert_int_eq(foreign_integer("select count(*) from rowfs_stat_orders"), 2001);
	ck_assert_int_eq(foreign_integer("select count(*) from pragma_integrity_check where integrity_check != 'ok'"),
			 0);
}
END_TEST

START_TEST(what_is_sorted_beyond_the_cache_comes_in_order)
{
	ck_assert_int_eq(run(COUNT_TO("60000") "INSERT INTO log(text) SELECT printf('%06d%060d', n * 7919 % 60013, n) "
					       "FROM i ORDER BY 1",
			     NULL),
			 0);
	ck_assert_int_eq(foreign_integer("select count(*) from log"), 60000);
	ck_assert_int_eq(foreign_integer("select count(*) from log a join log b on b.id = a.id + 1 "
					 "where a.text > b.text"),
			 0);
}
END_TEST

static void add(TCase *cases)
{
	tcase_add_loop_test(cases, what_a_hook_may_not_do_is_refused_when_it_is_read, 0,
			    sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(cases, several_statements_run_in_order_with_parameters);
	tcase_add_test(cases, triggers_still_keep_times);
	tcase_add_loop_test(cases, what_the_database_refuses_is_ebadmsg_and_leaves_nothing, 0,
			    sizeof(failing) / sizeof(failing[0]));
	tcase_add_test(cases, a_column_that_refuses_ends_the_run);
	tcase_add_test(cases, a_rollback_inside_a_hook_fails_the_save);
	tcase_add_test(cases, a_store_in_memory_compiles_and_runs);
	tcase_add_test(cases, a_statement_that_fails_after_many_pages_takes_them_all_back);
	tcase_add_test(cases, what_is_sorted_beyond_the_cache_comes_in_order);
}

int main(void)
{
	return run_cases("store_sql", setup, add);
}
