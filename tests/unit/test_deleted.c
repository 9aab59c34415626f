/*
 * test_deleted.c - what a delete keeps and what a create or a restore of its key makes of it.
 */
#include <sqlite3.h>

#include "saved.h"

static struct saved s;

#define SHOP                                                                                                           \
	"store sqlite:shop.db\ndurability off\n"                                                                       \
	"model orders { fields { id integer key; text string required max 9; qty integer default 1\n"                  \
	"  secret string write-only; inner string hidden default i; made string default user read-only\n"              \
	"  born string immutable; extra json } HOOKS }\n"                                                              \
	"model lines { fields { id integer key; order_id integer references orders on-delete cascade\n"                \
	"  secret string write-only } }\n"

static void open_shop(const char *hooks)
{
	buf_auto text = BUF_INIT;
	const char *at = strstr(SHOP, "HOOKS");
	buf_add(&text, SHOP, (size_t)(at - SHOP));
	buf_printf(&text, "\n%s\n%s", hooks, at + strlen("HOOKS"));
	saved_open(&s, buf_text(&text));
}

/* Runs SQL as another program would; the first column of the first row, in the arena. */
static const char *foreign(const char *sql)
{
	char path[128];
	sqlite3 *db;
	sqlite3_stmt *stmt;
	snprintf(path, sizeof path, "%s/shop.db", s.directory);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
	int rc = sqlite3_step(stmt);
	ck_assert_msg(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(db));
	const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
	text = arena_copy(&s.arena, text ? text : "", text ? strlen(text) : 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return text;
}

static const char *row(int64_t key)
{
	char sql[256];
	snprintf(sql, sizeof sql,
		 "SELECT text || '|' || COALESCE(secret, '') || '|' || COALESCE(inner, '') || '|' || "
		 "COALESCE(made, '') || '|' || COALESCE(born, '') FROM orders WHERE id = %lld",
		 (long long)key);
	return foreign(sql);
}

static const char *kept(void)
{
	return foreign("SELECT group_concat(key) FROM (SELECT key FROM rowfs_deleted ORDER BY serial)");
}

/* orders/7.json with a value in every field. */
static void have_order(void)
{
	saved_ok(&s, REQUEST_PUT, "orders", 7,
		 "{\"text\":\"tea\",\"secret\":\"p\",\"born\":\"b\",\"extra\":{\"a\":[1,2.5]}}");
	foreign("UPDATE orders SET inner = 'x', made = 'ann' WHERE id = 7");
}

static const char whole[] = "tea|p|x|ann|b";
static const char as_shown[] = "{\"id\":7,\"text\":\"tea\",\"qty\":1,\"made\":\"ann\",\"born\":\"b\","
			       "\"extra\":{\"a\":[1,2.5]}}";

static int restore(uid_t uid, int64_t key, int64_t to, enum expect expect)
{
	struct actor actor = {.uid = uid, .gid = uid, .pid = getpid()};
	struct request r = saved_request(&s, REQUEST_RESTORE, "orders", key, NULL);
	r.new_key = value_integer(to);
	r.expect = expect;
	err_release(&s.error);
	return save(s.saver, &actor, &r, 1, &s.outcome, &s.arena, &s.error);
}

static void set_up(void)
{
	saved_directory(&s);
}

static void tear_down(void)
{
	saved_close(&s);
}

/* ---- what is kept ---- */

START_TEST(a_delete_keeps_the_record)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	ck_assert_str_eq(kept(), "7");
	ck_assert_ptr_null(strstr(foreign("SELECT text FROM rowfs_deleted"), "secret"));
}
END_TEST

START_TEST(a_refused_delete_keeps_nothing)
{
	open_shop("on post_delete check \"false\" \"no\"");
	have_order();
	ck_assert_int_eq(saved_do(&s, REQUEST_DELETE, "orders", 7, NULL), -ECANCELED);
	ck_assert_str_eq(kept(), "");
}
END_TEST

START_TEST(a_cascade_is_kept)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_PUT, "lines", 1, "{\"order_id\":7,\"secret\":\"l\"}");
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	ck_assert_str_eq(kept(), "7,1");
	ck_assert_str_eq(foreign("SELECT secrets FROM rowfs_deleted WHERE key = 1"), "{\"secret\":\"l\"}");
}
END_TEST

START_TEST(what_a_key_change_replaces_is_kept_and_what_moves_is_not)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_PUT, "orders", 8, "{\"text\":\"milk\"}");
	struct request r = saved_request(&s, REQUEST_MOVE, "orders", 8, NULL);
	r.new_key = value_integer(7);
	ck_assert_int_eq(saved_all(&s, &r, 1, NULL), 0);
	ck_assert_str_eq(kept(), "7");
	ck_assert_ptr_nonnull(strstr(foreign("SELECT text FROM rowfs_deleted"), "tea"));
}
END_TEST

/* ---- a create of the key ---- */

START_TEST(a_create_takes_what_no_file_shows_and_accepts_what_it_shows)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	saved_ok(&s, REQUEST_PUT, "orders", 7, as_shown);
	ck_assert_int_eq(s.outcome.verb, VERB_CREATE);
	ck_assert_str_eq(row(7), whole);
	ck_assert_str_eq(kept(), "7");
}
END_TEST

START_TEST(a_create_in_the_transaction_of_the_delete_does_so_too)
{
	open_shop("");
	have_order();
	struct request r[] = {saved_request(&s, REQUEST_DELETE, "orders", 7, NULL),
			      saved_request(&s, REQUEST_PUT, "orders", 7, as_shown)};
	ck_assert_int_eq(saved_all(&s, r, 2, NULL), 0);
	ck_assert_str_eq(row(7), whole);
}
END_TEST

START_TEST(a_create_whose_program_runs_before_the_transaction_does_so_too)
{
	open_shop("on pre_save run /bin/true");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	saved_ok(&s, REQUEST_PUT, "orders", 7, as_shown);
	ck_assert_str_eq(row(7), whole);
}
END_TEST

START_TEST(an_append_that_creates_does_so_too)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	saved_ok(&s, REQUEST_MERGE, "orders", 7, as_shown);
	ck_assert_str_eq(row(7), whole);
}
END_TEST

START_TEST(a_create_whose_document_tells_the_key_does_so_too)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	saved_ok(&s, REQUEST_PUT, "orders", -1, "{\"text\":\"milk\"}");
	saved_ok(&s, REQUEST_PUT, "orders", -1, as_shown);
	ck_assert_str_eq(row(7), whole);
	ck_assert_int_eq(strncmp(row(8), "milk||i|", 8), 0);
}
END_TEST

START_TEST(a_document_that_says_otherwise_is_taken_at_its_word)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	saved_ok(&s, REQUEST_PUT, "orders", 7, "{\"text\":\"milk\",\"secret\":null,\"made\":\"bob\",\"born\":\"c\"}");
	ck_assert_ptr_null(strstr(row(7), "ann"));
	ck_assert_ptr_null(strstr(row(7), "bob"));
	foreign("UPDATE orders SET made = 'm'");
	ck_assert_str_eq(row(7), "milk||x|m|c");
}
END_TEST

START_TEST(an_absent_read_only_field_gets_its_default)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	saved_ok(&s, REQUEST_PUT, "orders", 7, "{\"text\":\"milk\"}");
	ck_assert_ptr_null(strstr(row(7), "ann"));
}
END_TEST

START_TEST(what_broke_a_rule_before_is_not_judged_again)
{
	open_shop("");
	have_order();
	foreign("UPDATE orders SET text = 'longer than nine'");
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 7, "{\"text\":\"longer than mine\"}"), -EBADMSG);
	saved_ok(&s, REQUEST_PUT, "orders", 7, "{\"text\":\"longer than nine\",\"qty\":3}");
}
END_TEST

START_TEST(the_server_itself_takes_nothing)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	struct request r = saved_request(&s, REQUEST_PUT, "orders", 7, "{\"text\":\"milk\"}");
	r.trusted = true;
	ck_assert_int_eq(saved_all(&s, &r, 1, NULL), 0);
	ck_assert_int_eq(strncmp(row(7), "milk||i|", 8), 0);
}
END_TEST

START_TEST(another_user_takes_nothing)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	struct actor actor = {.uid = 1001, .gid = 1001, .pid = getpid()};
	struct request r = saved_request(&s, REQUEST_PUT, "orders", 7, as_shown);
	ck_assert_int_eq(save(s.saver, &actor, &r, 1, NULL, &s.arena, &s.error), 0);
	ck_assert_int_eq(strncmp(row(7), "tea||i|", 7), 0);
	ck_assert_ptr_null(strstr(row(7), "ann"));
}
END_TEST

START_TEST(after_a_minute_nothing_is_taken)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	foreign("UPDATE rowfs_deleted SET time = time - 60001");
	saved_ok(&s, REQUEST_PUT, "orders", 7, as_shown);
	ck_assert_int_eq(strncmp(row(7), "tea||i|", 7), 0);
}
END_TEST

/* ---- restoring ---- */

START_TEST(a_restored_record_is_whole_and_no_longer_kept)
{
	open_shop("");
	have_order();
	const char *before = saved_show(&s, "orders", 7);
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	foreign("UPDATE rowfs_deleted SET time = time - 3600000");
	ck_assert_int_eq(restore(1000, 7, 7, EXPECT_NONE), 0);
	ck_assert_int_eq(s.outcome.verb, VERB_CREATE);
	ck_assert_str_eq(saved_show(&s, "orders", 7), before);
	ck_assert_str_eq(row(7), whole);
	ck_assert_str_eq(kept(), "");
}
END_TEST

START_TEST(a_record_may_come_back_under_another_key)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	ck_assert_int_eq(restore(1000, 7, 9, EXPECT_ANY), 0);
	ck_assert_int_eq(s.outcome.key.integer, 9);
	ck_assert_str_eq(row(9), whole);
	ck_assert_str_eq(row(7), "");
	ck_assert_str_eq(kept(), "");
}
END_TEST

START_TEST(who_deleted_it_and_root_may_restore_it)
{
	open_shop("");
	have_order();
	ck_assert_int_eq(restore(1000, 7, 7, EXPECT_ANY), -ENOENT);
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	ck_assert_int_eq(restore(1001, 7, 7, EXPECT_ANY), -ENOENT);
	ck_assert_str_eq(s.error.text, "no deleted orders/7.json is kept");
	ck_assert_int_eq(restore(0, 7, 7, EXPECT_ANY), 0);
	ck_assert_str_eq(row(7), whole);
}
END_TEST

START_TEST(a_refused_restore_changes_nothing)
{
	open_shop("on post_save check \":text <> 'tea' or :secret is null\" \"no\"");
	saved_ok(&s, REQUEST_PUT, "orders", 7, "{\"text\":\"tea\"}");
	foreign("UPDATE orders SET secret = 'p'");
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	ck_assert_int_eq(restore(1000, 7, 7, EXPECT_ANY), -ECANCELED);
	ck_assert_str_eq(kept(), "7");
	ck_assert_str_eq(row(7), "");
}
END_TEST

START_TEST(a_restore_replaces_only_where_it_may)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	saved_ok(&s, REQUEST_PUT, "orders", 7, "{\"text\":\"milk\",\"secret\":\"q\",\"born\":\"c\"}");
	ck_assert_int_eq(restore(1000, 7, 7, EXPECT_NONE), -EEXIST);
	ck_assert_str_eq(kept(), "7");
	ck_assert_int_eq(restore(1000, 7, 7, EXPECT_ANY), 0);
	ck_assert_int_eq(s.outcome.verb, VERB_REPLACE);
	ck_assert_str_eq(row(7), whole);
}
END_TEST

START_TEST(a_value_of_another_type_comes_back_as_it_was)
{
	foreign(
	    "CREATE TABLE orders (id INTEGER PRIMARY KEY, text TEXT NOT NULL, qty INTEGER, secret TEXT, inner TEXT, "
	    "made TEXT, born TEXT, extra TEXT)");
	open_shop("");
	have_order();
	foreign("UPDATE orders SET qty = 'many'");
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	ck_assert_int_eq(restore(1000, 7, 7, EXPECT_ANY), 0);
	ck_assert_str_eq(foreign("SELECT qty FROM orders"), "many");
}
END_TEST

START_TEST(what_can_not_be_read_is_EIO)
{
	open_shop("");
	have_order();
	saved_ok(&s, REQUEST_DELETE, "orders", 7, NULL);
	foreign("UPDATE rowfs_deleted SET secrets = '['");
	ck_assert_int_eq(restore(1000, 7, 7, EXPECT_ANY), -EIO);
	ck_assert_str_eq(s.error.text, "what is kept of the deleted orders/7.json can't be read");
}
END_TEST

#define add(name) tcase_add_test(tc, name)

int main(void)
{
	TCase *tc = tcase_create("deleted");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	add(a_delete_keeps_the_record);
	add(a_refused_delete_keeps_nothing);
	add(a_cascade_is_kept);
	add(what_a_key_change_replaces_is_kept_and_what_moves_is_not);
	add(a_create_takes_what_no_file_shows_and_accepts_what_it_shows);
	add(a_create_in_the_transaction_of_the_delete_does_so_too);
	add(a_create_whose_program_runs_before_the_transaction_does_so_too);
	add(an_append_that_creates_does_so_too);
	add(a_create_whose_document_tells_the_key_does_so_too);
	add(a_document_that_says_otherwise_is_taken_at_its_word);
	add(an_absent_read_only_field_gets_its_default);
	add(what_broke_a_rule_before_is_not_judged_again);
	add(the_server_itself_takes_nothing);
	add(another_user_takes_nothing);
	add(after_a_minute_nothing_is_taken);
	add(a_restored_record_is_whole_and_no_longer_kept);
	add(a_record_may_come_back_under_another_key);
	add(who_deleted_it_and_root_may_restore_it);
	add(a_refused_restore_changes_nothing);
	add(a_restore_replaces_only_where_it_may);
	add(a_value_of_another_type_comes_back_as_it_was);
	add(what_can_not_be_read_is_EIO);
	Suite *suite = suite_create("deleted");
	suite_add_tcase(suite, tc);
	return saved_main(suite);
}
