/*
 * test_store_owner.c - what a viewer sees of models that are visible to owners alone, and whose a row is.
 */
#include "store_fixture.h"

static const struct model *users, *orders, *lines, *parts, *notes;

static const char text_of_conf[] = ""
				   "model users { fields { id integer key; uid integer unique }\n"
				   "has-many orders by owner_id limit 2 }\n"
				   "model orders { fields { id integer key; owner_id integer references users }\n"
				   "owner owner_id uid; visible owner; embeds-many lines by order_id }\n"
				   "model lines { fields { id integer key; order_id integer references orders }\n"
				   "embeds-many parts by line_id }\n"
				   "model parts { fields { name string key; line_id integer references lines } }\n"
				   "model notes { fields { id integer key; uid integer }\nowner uid; visible owner }\n";

static void fill(void)
{
	foreign("INSERT INTO users VALUES (1, 1001), (2, 1002);"
		"INSERT INTO orders VALUES (1, 1), (2, 2), (3, 1), (4, 1), (5, NULL);"
		"INSERT INTO lines VALUES (1, 1), (2, 2), (3, NULL);"
		"INSERT INTO parts VALUES ('a', 1), ('b', 2), ('c', 3);"
		"INSERT INTO notes VALUES (1, 1001), (2, 1002), (3, NULL), (4, -1), (5, 4294967295)");
}

static void setup(void)
{
	make_directory();
	open_store(text_of_conf);
	users = schema_model(&schema, "users");
	orders = schema_model(&schema, "orders");
	lines = schema_model(&schema, "lines");
	parts = schema_model(&schema, "parts");
	notes = schema_model(&schema, "notes");
	fill();
}

static int64_t count_for(uid_t viewer, const struct model *m)
{
	int64_t n = -1;
	struct conn *c = store_read_as(store, viewer, &error);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(store_count(c, m, &n, &error), 0);
	store_read_end(c);
	return n;
}

/* The keys, which are integers, as the digits of a number. */
static int64_t list_for(uid_t viewer, const struct model *m)
{
	struct cursor *cursor;
	struct value key;
	int64_t serial, list = 0;
	struct conn *c = store_read_as(store, viewer, &error);
	ck_assert_int_eq(cursor_open(&cursor, c, m, -1, &error), 0);
	while (cursor_next(cursor, &key, &serial, &error) > 0)
		list = list * 10 + key.integer;
	cursor_close(cursor);
	store_read_end(c);
	return list;
}

static int get_for(uid_t viewer, const struct model *m, struct value key, struct stamp *stamp)
{
	err_auto ignored = ERR_INIT;
	struct conn *c = store_read_as(store, viewer, &error);
	int r = store_get(c, m, &key, &arena, NULL, stamp, &ignored);
	store_read_end(c);
	return r;
}

START_TEST(a_viewer_sees_the_rows_that_are_his)
{
	ck_assert_int_eq(list_for(1001, orders), 134);
	ck_assert_int_eq(list_for(1002, orders), 2);
	ck_assert_int_eq(list_for(1003, orders), 0);
	ck_assert_int_eq(count_for(1001, orders), 3);
	ck_assert_int_eq(count_for(1003, orders), 0);
	ck_assert_int_eq(list_for(1001, notes), 1);
	ck_assert_int_eq(get_for(1001, orders, value_integer(1), NULL), 0);
	ck_assert_int_eq(get_for(1002, orders, value_integer(1), NULL), -ENOENT);
	ck_assert_int_eq(get_for(1002, notes, value_integer(1), NULL), -ENOENT);
}
END_TEST

START_TEST(root_and_nobody_in_particular_see_all)
{
	ck_assert_int_eq(list_for(VIEW_ALL, orders), 12345);
	ck_assert_int_eq(count_for(0, notes), 5);
	struct conn *c = store_read_begin(store, &error);
	int64_t n;
	ck_assert_int_eq(store_count(c, orders, &n, &error), 0);
	ck_assert_int_eq(n, 5);
	store_read_end(c);
}
END_TEST

START_TEST(a_connection_that_goes_back_is_nobodys)
{
	ck_assert_int_eq(count_for(1003, orders), 0);
	ck_assert_int_eq(count_for(VIEW_ALL, orders), 5);
	ck_assert_int_eq(count_for(1002, orders), 1);
}
END_TEST

START_TEST(what_is_embedded_is_seen_with_its_parent_at_any_depth)
{
	ck_assert_int_eq(list_for(1001, lines), 1);
	ck_assert_int_eq(get_for(1002, parts, text("b"), NULL), 0);
	ck_assert_int_eq(get_for(1002, parts, text("a"), NULL), -ENOENT);
	ck_assert_int_eq(get_for(1002, parts, text("c"), NULL), -ENOENT);
	ck_assert_int_eq(count_for(1001, parts), 1);
}
END_TEST

START_TEST(shown_children_and_their_total_are_the_viewers)
{
	struct value key = value_integer(1);
	for (int i = 0; i < 2; i++) {
		buf_auto out = BUF_INIT;
		struct conn *c = store_read_as(store, i ? 1002 : 1001, &error);
		ck_assert_int_eq(store_show(c, users, &key, &out, NULL, &error), 0);
		ck_assert_int_eq(strstr(buf_text(&out), "\"orders_total\": 3") != NULL, !i);
		ck_assert_int_eq(strstr(buf_text(&out), "\"orders\": []") != NULL, i);
		store_read_end(c);
	}
}
END_TEST

START_TEST(the_stamp_tells_the_owner)
{
	struct stamp stamp;
	ck_assert_int_eq(get_for(1002, orders, value_integer(2), &stamp), 0);
	ck_assert_uint_eq(stamp.owner, 1002);
	ck_assert_int_eq(get_for(0, parts, text("a"), &stamp), 0);
	ck_assert_uint_eq(stamp.owner, 1001);
	for (int key = 3; key <= 5; key++) {
		ck_assert_int_eq(get_for(0, notes, value_integer(key), &stamp), 0);
		ck_assert_uint_eq(stamp.owner, geteuid());
	}
}
END_TEST

START_TEST(a_row_that_is_not_stored_has_an_owner)
{
	const struct value line[] = {value_integer(99), value_integer(2)},
			   order[] = {value_integer(99), value_integer(7)};
	uid_t owner;
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(store_owner(c, lines, line, &owner, &error), 0);
	ck_assert_uint_eq(owner, 1002);
	ck_assert_int_eq(store_owner(c, orders, order, &owner, &error), 0);
	ck_assert_uint_eq(owner, NO_OWNER);
	ck_assert_int_eq(store_owner(c, users, line, &owner, &error), 0);
	ck_assert_uint_eq(owner, NO_OWNER);
	store_read_end(c);
}
END_TEST

START_TEST(who_opened_the_store_sees_all)
{
	if (geteuid() != 0)
		return;
	teardown();
	ck_assert_int_eq(seteuid(1005), 0);
	setup();
	ck_assert_int_eq(list_for(1005, orders), 12345);
	ck_assert_int_eq(list_for(1001, orders), 134);
	struct stamp stamp;
	ck_assert_int_eq(get_for(1005, orders, value_integer(5), &stamp), 0);
	ck_assert_uint_eq(stamp.owner, 1005);
	ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(the_field_of_the_owner_is_indexed_where_it_is_asked_for)
{
	ck_assert_int_eq(foreign_integer("SELECT count(*) FROM sqlite_schema WHERE name = 'rowfs_notes_uid'"), 1);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, a_viewer_sees_the_rows_that_are_his);
	tcase_add_test(tc, root_and_nobody_in_particular_see_all);
	tcase_add_test(tc, a_connection_that_goes_back_is_nobodys);
	tcase_add_test(tc, what_is_embedded_is_seen_with_its_parent_at_any_depth);
	tcase_add_test(tc, shown_children_and_their_total_are_the_viewers);
	tcase_add_test(tc, the_stamp_tells_the_owner);
	tcase_add_test(tc, a_row_that_is_not_stored_has_an_owner);
	tcase_add_test(tc, who_opened_the_store_sees_all);
	tcase_add_test(tc, the_field_of_the_owner_is_indexed_where_it_is_asked_for);
}

int main(void)
{
	return run_cases("store_owner", setup, add);
}
