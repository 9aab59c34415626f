/*
 * test_store_tables.c - what the store makes in a database, what it finds there, and every difference that it names.
 */
#include "store_fixture.h"

static const char simple[] = "model orders { fields { id integer key\n qty integer } }\n";

static void setup(void)
{
	make_directory();
}

START_TEST(tables_are_strict_and_never_give_a_key_twice)
{
	open_store(simple);
	foreign("insert into orders(qty) values(1); delete from orders; insert into orders(qty) values(1)");
	ck_assert_int_eq(foreign_integer("select id from orders"), 2);
	ck_assert_int_eq(foreign_integer("select strict from pragma_table_list('orders')"), 1);
}
END_TEST

START_TEST(opening_again_changes_nothing)
{
	open_store("model a { fields { id integer key\n qty integer check 'qty > 0' } has-many b by a_id }\n"
		   "queue b { fields { a_id integer references a } }\nmodel c { fields { s string key } }\n");
	close_store();
	int64_t before = foreign_integer("pragma schema_version");
	open_store("model a { fields { id integer key\n qty integer check 'qty > 0' } has-many b by a_id }\n"
		   "queue b { fields { a_id integer references a } }\nmodel c { fields { s string key } }\n");
	ck_assert_int_eq(foreign_integer("pragma schema_version"), before);
}
END_TEST

START_TEST(an_existing_table_gets_times_for_its_rows)
{
	foreign("create table orders(id integer primary key, qty int); insert into orders values(5, 1), (9, 2)");
	open_store(simple);
	const struct model *m = schema_model(&schema, "orders");
	ck_assert(stamp_of(m, value_integer(9)).mtime_ns > 0);
	struct value key;
	ck_assert_int_eq(store_reserve_key(store, m, &key, &error), 0);
	ck_assert_int_eq(key.integer, 10);
	ck_assert_int_eq(store_reserve_key(store, m, &key, &error), 0);
	ck_assert_int_eq(key.integer, 11);
}
END_TEST

START_TEST(a_trigger_that_was_dropped_comes_back_with_the_rows_it_missed)
{
	open_store(simple);
	close_store();
	foreign("drop trigger rowfs_orders_insert; insert into orders(id, qty) values(7, 1);"
		"create trigger rowfs_orders_old after insert on orders begin select 1; end;");
	open_store(simple);
	ck_assert(stamp_of(schema_model(&schema, "orders"), value_integer(7)).mtime_ns > 0);
	ck_assert_int_eq(foreign_integer("select count(*) from sqlite_schema where name = 'rowfs_orders_old'"), 0);
}
END_TEST

START_TEST(a_record_without_its_sidecar_row_is_still_there)
{
	open_store(simple);
	foreign("insert into orders(id, qty) values(7, 1); delete from rowfs_stat_orders");
	ck_assert_str_ne(show(schema_model(&schema, "orders"), value_integer(7)), "");
	foreign("update orders set qty = 2");
	ck_assert(stamp_of(schema_model(&schema, "orders"), value_integer(7)).mtime_ns > 0);
}
END_TEST

static const struct difference {
	const char *table, *fields, *text, *cure;
} differences[] = {
    {"(id integer primary key, qty text)", "id integer key\n qty integer",
     "table orders: column qty is TEXT, mount.conf says integer",
     "ALTER TABLE \"orders\" RENAME TO \"rowfs_old_orders\";"},
    {"(id integer primary key)", "id integer key\n qty integer", "table orders: column qty is missing",
     "ALTER TABLE \"orders\" ADD COLUMN \"qty\" INTEGER;"},
    {"(id integer primary key, qty int, more int)", "id integer key\n qty integer",
     "table orders: column more is not in mount.conf", "ALTER TABLE \"orders\" DROP COLUMN \"more\";"},
    {"(id integer primary key, qty int)", "id integer key\n qty integer required",
     "table orders: column qty may be null, mount.conf says it is required", "NOT NULL"},
    {"(id integer primary key, qty int not null)", "id integer key\n qty integer",
     "table orders: column qty is NOT NULL, mount.conf does not say it is required", "RENAME"},
    {"(id integer, qty int)", "id integer key\n qty integer",
     "table orders: column id is not the primary key, mount.conf says it is", "RENAME"},
    {"(id integer primary key, qty int)", "id integer key\n qty integer unique",
     "table orders: column qty is not unique, mount.conf says it is",
     "CREATE UNIQUE INDEX \"orders_qty_unique\" ON \"orders\" (\"qty\");"},
    {"(id integer primary key, qty int unique)", "id integer key\n qty integer",
     "table orders: column qty is unique, mount.conf says it is not", "RENAME"},
    {"(id integer primary key, qty int)", "id integer key\n qty integer references orders",
     "table orders: column qty refers to no table, mount.conf says it references orders", "REFERENCES"},
    {"(id integer primary key, qty int references orders)", "id integer key\n qty integer",
     "table orders: column qty refers to orders, mount.conf does not say so", "RENAME"},
    {"(id integer primary key, qty int references orders on delete cascade)",
     "id integer key\n qty integer references orders",
     "table orders: column qty has ON DELETE CASCADE, mount.conf says on-delete restrict", "RESTRICT"},
};

static void difference_conf(const struct difference *d, char *out, size_t size)
{
	snprintf(out, size, "model orders { fields { %s } }\n", d->fields);
}

START_TEST(a_difference_is_named_and_nothing_is_changed)
{
	const struct difference *d = &differences[_i];
	char sql[256], text[256];
	snprintf(sql, sizeof(sql), "create table orders%s", d->table);
	foreign(sql);
	difference_conf(d, text, sizeof(text));
	int64_t before = foreign_integer("pragma schema_version");
	read_conf(text);
	ck_assert_int_eq(store_open(&store, &schema, 0, &error), -EBADMSG);
	ck_assert_ptr_null(store);
	ck_assert_str_eq(error.problems[0].text, d->text);
	ck_assert_uint_eq(error.nproblems, 1);
	ck_assert_int_eq(foreign_integer("pragma schema_version"), before);
}
END_TEST

START_TEST(the_statements_printed_close_the_difference)
{
	const struct difference *d = &differences[_i];
	char sql[256], text[256], *printed = NULL;
	size_t len;
	snprintf(sql, sizeof(sql), "create table orders%s", d->table);
	foreign(sql);
	difference_conf(d, text, sizeof(text));
	read_conf(text);
	FILE *to = open_memstream(&printed, &len);
	ck_assert_int_eq(store_print_differences(&schema, to, &error), 0);
	fclose(to);
	ck_assert_msg(strstr(printed, d->cure), "%s", printed);
	foreign(printed);
	free(printed);
	int r = store_open(&store, &schema, 0, &error);
	ck_assert_msg(r == 0, "%s", error.text);
}
END_TEST

START_TEST(all_differences_are_told)
{
	foreign("create table orders(id text primary key, qty int not null)");
	read_conf("model orders { fields { id integer key\n qty string\n more string } }\n");
	ck_assert_int_eq(store_open(&store, &schema, 0, &error), -EBADMSG);
	ck_assert_uint_eq(error.nproblems, 4);
}
END_TEST

START_TEST(loosely_typed_tables_fit)
{
	foreign("create table ORDERS(ID integer primary key autoincrement, Qty bigint, paid boolean, day date, name "
		"varchar(9),"
		" price decimal(9,2), twice int as (qty * 2), gone int references nowhere)");
	foreign("insert into orders(id, qty, paid, day, name, price) values(1, 2, 1, '2024-02-29', 'x', 2.5)");
	open_store("model orders { fields { id integer key\n qty integer\n paid boolean\n day date\n name string\n"
		   " price number\n gone integer } }\n");
	ck_assert_str_eq(
	    show(schema_model(&schema, "orders"), value_integer(1)),
	    "{\n  \"id\": 1,\n  \"qty\": 2,\n  \"paid\": true,\n  \"day\": \"2024-02-29\",\n  \"name\": \"x\",\n"
	    "  \"price\": 2.5,\n  \"gone\": null\n}\n");
	struct value key;
	ck_assert_int_eq(store_reserve_key(store, schema_model(&schema, "orders"), &key, &error), 0);
	foreign("insert into orders(qty) values(3)");
	ck_assert_int_eq(foreign_integer("select max(id) from orders"), 3);
}
END_TEST

START_TEST(names_of_all_kinds_are_quoted)
{
	foreign("create table \"or der\"(id integer primary key autoincrement, \"group\" int)");
	foreign("insert into \"or der\" values(1, 2)");
	open_store("model things from 'or der' { fields { id integer key\n group integer } }\n");
	const struct model *m = schema_model(&schema, "things");
	ck_assert_str_ne(show(m, value_integer(1)), "");
	struct value key;
	ck_assert_int_eq(store_reserve_key(store, m, &key, &error), 0);
	ck_assert_int_eq(key.integer, 2);
}
END_TEST

START_TEST(a_check_that_does_not_compile_is_told)
{
	read_conf("model orders { fields { id integer key\n qty integer check 'qtty > 0' } }\n");
	ck_assert_int_eq(store_open(&store, &schema, 0, &error), -EBADMSG);
	ck_assert_ptr_nonnull(
	    strstr(error.text, "model orders: the check of qty does not compile: no such column: qtty"));
}
END_TEST

START_TEST(a_read_only_store_makes_nothing_and_reads)
{
	foreign("create table orders(id integer primary key, qty int); insert into orders values(5, 1)");
	read_conf(simple);
	ck_assert_int_eq(store_open(&store, &schema, STORE_READ_ONLY, &error), 0);
	ck_assert_str_ne(show(schema_model(&schema, "orders"), value_integer(5)), "");
	ck_assert_int_eq(foreign_integer("select count(*) from sqlite_schema"), 1);
	struct txn t;
	ck_assert_int_eq(txn_begin(store, &t, &error), -EROFS);
}
END_TEST

START_TEST(text_keys_without_sidecar_are_numbered_by_row)
{
	foreign("create table notes(slug text primary key, t text); insert into notes values('b', 1), ('a', 2)");
	read_conf("model notes { fields { slug string key\n t string } }\n");
	ck_assert_int_eq(store_open(&store, &schema, STORE_READ_ONLY, &error), 0);
	const struct model *m = schema_model(&schema, "notes");
	ck_assert_int_eq(stamp_of(m, text("a")).serial, 2);
	struct conn *c = store_read_begin(store, &error);
	struct value key;
	ck_assert_int_eq(store_key_of(c, m, 1, &arena, &key, &error), 0);
	ck_assert_str_eq(key.text.data, "b");
	store_read_end(c);
}
END_TEST

START_TEST(a_model_keeps_its_number_and_no_other_gets_it)
{
	foreign("create table third(id integer primary key)");
	open_store("model first { fields { id integer key } }\nmodel second { fields { id integer key } }\n");
	ck_assert_uint_eq(store_model_number(store, schema_model(&schema, "first")), 1);
	ck_assert_uint_eq(store_model_number(store, schema_model(&schema, "second")), 2);
	close_store();
	read_conf("model third { fields { id integer key } }\nmodel first { fields { id integer key } }\n");
	ck_assert_int_eq(store_open(&store, &schema, STORE_READ_ONLY, &error), 0);
	ck_assert_uint_eq(store_model_number(store, schema_model(&schema, "first")), 1);
	ck_assert_uint_eq(store_model_number(store, schema_model(&schema, "third")), 3);
	ck_assert_ptr_null(store_numbered_model(store, 2));
	ck_assert_ptr_eq(store_numbered_model(store, 3), schema_model(&schema, "third"));
}
END_TEST

START_TEST(a_read_only_store_misses_a_missing_table)
{
	foreign("create table other(id)");
	read_conf(simple);
	ck_assert_int_eq(store_open(&store, &schema, STORE_READ_ONLY, &error), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(error.text, "table orders: does not exist"));
}
END_TEST

/* The count takes a lock of all threads at each allocation; it can't be left out once SQLite is in use. */
START_TEST(what_sqlite_allocates_is_not_counted_though_checks_were_compiled_before)
{
	read_conf("model items { fields { id integer key; n integer check \"n > 0\" } }\n");
	ck_assert_int_eq(checks_compile(&schema, &conf, &error), 0);
	ck_assert_int_eq(store_open(&store, &schema, 0, &error), 0);
	ck_assert_int_eq(sqlite3_memory_used(), 0);
}
END_TEST

START_TEST(a_database_that_is_none_is_told)
{
	FILE *f = fopen(database, "w");
	for (int i = 0; i < 200; i++)
		fputs("this is no database\n", f);
	fclose(f);
	read_conf(simple);
	ck_assert_int_eq(store_open(&store, &schema, 0, &error), -EIO);
	char told[sizeof(database) + 64];
	snprintf(told, sizeof(told), "%s: the database file is not an SQLite database", database);
	ck_assert_str_eq(error.text, told);
}
END_TEST

START_TEST(a_directory_that_is_missing_is_told)
{
	strcat(directory, "/missing");
	snprintf(database, sizeof(database), "%s/shop.db", directory);
	*strrchr(directory, '/') = 0;
	read_conf(simple);
	ck_assert_int_eq(store_open(&store, &schema, 0, &error), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error.text, "shop.db can't be opened: No such file or directory"));
}
END_TEST

START_TEST(a_view_is_read_only)
{
	foreign("create table t(id integer primary key, a int); insert into t values(1, 2); create view v as select * "
		"from t");
	read_conf("model v { fields { id integer key\n a integer } }\n");
	ck_assert_int_eq(store_open(&store, &schema, 0, &error), -EBADMSG);
	err_release(&error);
	drop_conf();
	open_store("model v { read-only\n fields { id integer key\n a integer } }\n");
	ck_assert_str_eq(show(schema_model(&schema, "v"), value_integer(1)), "{\n  \"id\": 1,\n  \"a\": 2\n}\n");
}
END_TEST

START_TEST(defaults_hold_for_other_programs_too)
{
	open_store("model a { fields { id integer key\n s string default \"it's\"\n n integer default 3\n"
		   " at datetime default now\n d date default today } }\n");
	foreign("insert into a(id) values(1)");
	const char *shown = show(schema_model(&schema, "a"), value_integer(1));
	ck_assert_ptr_nonnull(strstr(shown, "\"n\": 3"));
	ck_assert_int_eq(foreign_integer("select at like '____-__-__T__:__:__%Z' and length(d) = 10 from a"), 1);
}
END_TEST

static void add(TCase *cases)
{
	int n = sizeof(differences) / sizeof(differences[0]);
	tcase_add_test(cases, tables_are_strict_and_never_give_a_key_twice);
	tcase_add_test(cases, opening_again_changes_nothing);
	tcase_add_test(cases, an_existing_table_gets_times_for_its_rows);
	tcase_add_test(cases, a_trigger_that_was_dropped_comes_back_with_the_rows_it_missed);
	tcase_add_test(cases, a_record_without_its_sidecar_row_is_still_there);
	tcase_add_loop_test(cases, a_difference_is_named_and_nothing_is_changed, 0, n);
	tcase_add_loop_test(cases, the_statements_printed_close_the_difference, 0, n);
	tcase_add_test(cases, all_differences_are_told);
	tcase_add_test(cases, loosely_typed_tables_fit);
	tcase_add_test(cases, names_of_all_kinds_are_quoted);
	tcase_add_test(cases, a_check_that_does_not_compile_is_told);
	tcase_add_test(cases, a_read_only_store_makes_nothing_and_reads);
	tcase_add_test(cases, text_keys_without_sidecar_are_numbered_by_row);
	tcase_add_test(cases, a_model_keeps_its_number_and_no_other_gets_it);
	tcase_add_test(cases, a_read_only_store_misses_a_missing_table);
	tcase_add_test(cases, what_sqlite_allocates_is_not_counted_though_checks_were_compiled_before);
	tcase_add_test(cases, a_database_that_is_none_is_told);
	tcase_add_test(cases, a_directory_that_is_missing_is_told);
	tcase_add_test(cases, a_view_is_read_only);
	tcase_add_test(cases, defaults_hold_for_other_programs_too);
}

int main(void)
{
	return run_cases("store_tables", setup, add);
}
