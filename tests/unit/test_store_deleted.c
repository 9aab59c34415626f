/*
 * test_store_deleted.c - the table of deleted records: what is kept, for whom, and for how long.
 */
#include "store_fixture.h"

static const struct model *users, *notes;
static const char shop[] = "model users { fields { id integer key\n name string\n pin string write-only\n"
			   "  inner string hidden }\n has-many notes by user_id }\n"
			   "model notes { fields { slug string key\n user_id integer references users } }\n";

static void setup(void)
{
	make_directory();
	open_store(shop);
	users = schema_model(&schema, "users");
	notes = schema_model(&schema, "notes");
}

static void reopen(void)
{
	close_store();
	open_store(shop);
	users = schema_model(&schema, "users");
	notes = schema_model(&schema, "notes");
}

static void add_user(int64_t id, const char *name)
{
	struct value row[] = {value_integer(id), text(name), text("p1"), text("i1")};
	struct txn t = begin();
	ck_assert_int_eq(txn_insert(&t, users, row, &error), 0);
	commit(&t);
}

static void add_note(const char *slug, struct value user)
{
	struct value row[] = {text(slug), user};
	struct txn t = begin();
	ck_assert_int_eq(txn_insert(&t, notes, row, &error), 0);
	commit(&t);
}

static void delete (const struct model *m, struct value key, uid_t uid)
{
	struct txn t = begin();
	ck_assert_int_eq(txn_keep_deleted(&t, m, &key, uid, &error), 0);
	ck_assert_int_eq(txn_delete(&t, m, &key, &error), 0);
	commit(&t);
}

static int get(const struct model *m, const struct value *key, int64_t serial, struct deleted *out)
{
	struct conn *c = store_read_begin(store, &error);
	int r = store_get_deleted(c, m, key, serial, &arena, out, &error);
	store_read_end(c);
	return r;
}

static bool is_kept(const struct model *m, struct value key)
{
	struct deleted d;
	int r = get(m, &key, 0, &d);
	ck_assert_int_ge(r, 0);
	return r == 1;
}

static size_t list(const struct model *m, int64_t after, uid_t uid, struct deleted **out)
{
	size_t n;
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(store_list_deleted(c, m, after, uid, &arena, out, &n, &error), 0);
	store_read_end(c);
	return n;
}

START_TEST(the_text_and_what_no_file_shows_are_kept_apart)
{
	struct deleted d;
	struct value key = value_integer(1);
	add_user(1, "Ann");
	add_note("a", key);
	const char *before = show(users, key);
	struct txn t = begin();
	ck_assert_int_eq(txn_keep_deleted(&t, users, &key, 1000, &error), 0);
	commit(&t);
	ck_assert_int_eq(get(users, &key, 0, &d), 1);
	ck_assert_str_eq(d.text.text.data, before);
	ck_assert_uint_eq(d.size, strlen(before));
	ck_assert_str_eq(d.secrets.text.data, "{\"pin\":\"p1\",\"inner\":\"i1\"}");
	ck_assert_uint_eq(d.uid, 1000);
	ck_assert_int_gt(d.time_ms, INT64_C(1600000000000));
}
END_TEST

START_TEST(a_rollback_keeps_nothing)
{
	struct value key = value_integer(1);
	add_user(1, "Ann");
	struct txn t = begin();
	ck_assert_int_eq(txn_keep_deleted(&t, users, &key, 1000, &error), 0);
	txn_rollback(&t);
	ck_assert(!is_kept(users, key));
}
END_TEST

START_TEST(a_record_that_is_not_there_is_ENOENT)
{
	struct value key = value_integer(1);
	struct txn t = begin();
	ck_assert_int_eq(txn_keep_deleted(&t, users, &key, 1000, &error), -ENOENT);
	txn_rollback(&t);
}
END_TEST

START_TEST(one_version_a_key_is_kept_under_a_new_serial)
{
	struct deleted first, second;
	struct value key = value_integer(1);
	add_user(1, "Ann");
	delete (users, key, 1000);
	ck_assert_int_eq(get(users, &key, 0, &first), 1);
	add_user(1, "Bob");
	delete (users, key, 1001);
	ck_assert_int_eq(get(users, &key, 0, &second), 1);
	ck_assert_int_gt(second.serial, first.serial);
	ck_assert_ptr_nonnull(strstr(second.text.text.data, "Bob"));
	ck_assert_uint_eq(second.uid, 1001);
	ck_assert_int_eq(get(users, NULL, first.serial, &first), 0);
	ck_assert_int_eq(get(users, NULL, second.serial, &first), 1);
	ck_assert_int_eq(foreign_integer("SELECT count(*) FROM rowfs_deleted"), 1);
}
END_TEST

START_TEST(models_do_not_mix)
{
	struct deleted d;
	add_user(1, "Ann");
	add_note("1", value_null());
	delete (users, value_integer(1), 1000);
	ck_assert(!is_kept(notes, text("1")));
	ck_assert(!is_kept(notes, value_integer(1)));
	delete (notes, text("1"), 1000);
	struct value key = text("1");
	ck_assert_int_eq(get(notes, &key, 0, &d), 1);
	ck_assert_str_eq(d.key.text.data, "1");
	ck_assert_int_eq(get(users, NULL, d.serial, &d), 0);
}
END_TEST

START_TEST(a_list_has_the_users_own_and_roots_has_all)
{
	struct deleted *found;
	for (int i = 1; i <= 4; i++) {
		add_user(i, "Ann");
		delete (users, value_integer(i), i % 2 ? 1000 : 1001);
	}
	ck_assert_uint_eq(list(users, 0, 1000, &found), 2);
	ck_assert_int_eq(found[0].key.integer, 1);
	ck_assert_int_eq(found[1].key.integer, 3);
	ck_assert_int_eq(found[0].text.kind, VALUE_NULL);
	ck_assert_uint_gt(found[0].size, 10);
	ck_assert_uint_eq(list(users, found[0].serial, 1000, &found), 1);
	ck_assert_uint_eq(list(users, 0, 0, &found), 4);
	ck_assert_uint_eq(list(notes, 0, 0, &found), 0);
}
END_TEST

START_TEST(a_list_goes_on_where_it_ended)
{
	struct deleted *found;
	int64_t after = 0;
	size_t n, all = 0;
	for (int i = 1; i <= 250; i++)
		add_user(i, "Ann");
	struct txn t = begin();
	for (int i = 1; i <= 250; i++) {
		struct value key = value_integer(i);
		ck_assert_int_eq(txn_keep_deleted(&t, users, &key, 1000, &error), 0);
	}
	commit(&t);
	for (; (n = list(users, after, 1000, &found)); all += n)
		after = found[n - 1].serial;
	ck_assert_uint_eq(all, 250);
}
END_TEST

START_TEST(what_is_forgotten_is_gone_and_its_serial_too)
{
	struct deleted d;
	struct value key = value_integer(1);
	add_user(1, "Ann");
	delete (users, key, 1000);
	ck_assert_int_eq(get(users, &key, 0, &d), 1);
	ck_assert_int_eq(store_forget_deleted(store, users, d.serial, &error), 0);
	ck_assert(!is_kept(users, key));
	int64_t serial = d.serial;
	add_user(1, "Ann");
	delete (users, key, 1000);
	ck_assert_int_eq(get(users, &key, 0, &d), 1);
	ck_assert_int_gt(d.serial, serial);
}
END_TEST

static void delete_many(int n)
{
	for (int i = 1; i <= n; i++) {
		add_user(i, "Ann");
		delete (users, value_integer(i), 1000);
	}
}

START_TEST(after_a_day_it_is_not_found)
{
	struct deleted *found;
	delete_many(1);
	foreign("UPDATE rowfs_deleted SET time = time - 86401000");
	ck_assert(!is_kept(users, value_integer(1)));
	ck_assert_uint_eq(list(users, 0, 0, &found), 0);
}
END_TEST

START_TEST(each_delete_prunes_a_few_old_ones)
{
	delete_many(20);
	foreign("UPDATE rowfs_deleted SET time = time - 86401000 WHERE key <= 19");
	add_user(21, "Ann");
	delete (users, value_integer(21), 1000);
	ck_assert_int_eq(foreign_integer("SELECT count(*) FROM rowfs_deleted"), 13);
	for (int i = 22; i <= 23; i++) {
		add_user(i, "Ann");
		delete (users, value_integer(i), 1000);
	}
	ck_assert_int_eq(foreign_integer("SELECT count(*) FROM rowfs_deleted WHERE key <= 19"), 0);
	ck_assert_int_eq(foreign_integer("SELECT count(*) FROM rowfs_deleted"), 4);
}
END_TEST

START_TEST(opening_prunes_all_old_ones)
{
	delete_many(20);
	foreign("UPDATE rowfs_deleted SET time = time - 86401000 WHERE key <= 19");
	reopen();
	ck_assert_int_eq(foreign_integer("SELECT count(*) FROM rowfs_deleted"), 1);
	foreign("UPDATE rowfs_deleted SET time = time - 86401000");
	reopen();
	ck_assert_int_eq(foreign_integer("SELECT count(*) FROM rowfs_deleted"), 0);
}
END_TEST

START_TEST(a_read_only_store_finds_what_is_kept)
{
	delete_many(1);
	close_store();
	read_conf(shop);
	users = schema_model(&schema, "users");
	ck_assert_int_eq(store_open(&store, &schema, STORE_READ_ONLY, &error), 0);
	ck_assert(is_kept(users, value_integer(1)));
}
END_TEST

START_TEST(a_read_only_store_without_the_table_has_none)
{
	struct deleted *found;
	close_store();
	foreign("DROP TABLE rowfs_deleted");
	read_conf(shop);
	users = schema_model(&schema, "users");
	ck_assert_int_eq(store_open(&store, &schema, STORE_READ_ONLY, &error), 0);
	ck_assert(!is_kept(users, value_integer(1)));
	ck_assert_uint_eq(list(users, 0, 0, &found), 0);
	ck_assert_int_eq(foreign_integer("SELECT count(*) FROM sqlite_schema WHERE name = 'rowfs_deleted'"), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, the_text_and_what_no_file_shows_are_kept_apart);
	tcase_add_test(tc, a_rollback_keeps_nothing);
	tcase_add_test(tc, a_record_that_is_not_there_is_ENOENT);
	tcase_add_test(tc, one_version_a_key_is_kept_under_a_new_serial);
	tcase_add_test(tc, models_do_not_mix);
	tcase_add_test(tc, a_list_has_the_users_own_and_roots_has_all);
	tcase_add_test(tc, a_list_goes_on_where_it_ended);
	tcase_add_test(tc, what_is_forgotten_is_gone_and_its_serial_too);
	tcase_add_test(tc, after_a_day_it_is_not_found);
	tcase_add_test(tc, each_delete_prunes_a_few_old_ones);
	tcase_add_test(tc, opening_prunes_all_old_ones);
	tcase_add_test(tc, a_read_only_store_finds_what_is_kept);
	tcase_add_test(tc, a_read_only_store_without_the_table_has_none);
}

int main(void)
{
	return run_cases("store_deleted", setup, add);
}
