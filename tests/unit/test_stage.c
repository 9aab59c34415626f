/*
 * test_stage.c - transactions that are prepared: what is seen inside, what outside, and their one save.
 */
#include "../../hooks/stage.h"

#include "saved.h"

static struct saved s;
static struct stage *g;

#define SHOP                                                                                                           \
	"store sqlite:shop.db\ndurability off\n"                                                                       \
	"model log { fields { id integer key; what string required } }\n"                                              \
	"model users { fields { id integer key; name string required; email string unique; secret string write-only\n" \
	"  boss_id integer references users; data json; made datetime default now read-only }\n"                       \
	"  has-many orders by user_id }\n"                                                                             \
	"model orders { fields { id integer key; user_id integer required references users; qty integer default 1 }\n" \
	"  embeds-many lines by order_id\n embeds-one bills by order_id\n HOOKS }\n"                                   \
	"model lines { fields { id integer key; order_id integer required references orders; text string required } }" \
	"\nmodel bills { fields { id integer key; order_id integer required references orders; sum integer } }\n"      \
	"model tags { fields { name string key; user_id integer references users on-delete cascade } }\n"

static void open_shop(const char *hooks)
{
	char text[4096];
	const char *at = strstr(SHOP, "HOOKS");
	snprintf(text, sizeof text, "%.*s%s%s", (int)(at - SHOP), SHOP, hooks, at + strlen("HOOKS"));
	saved_open(&s, text);
	ck_assert_int_eq(stage_new(&g, s.saver, false, &s.error), 0);
}

static void set_up(void)
{
	saved_directory(&s);
}

static void tear_down(void)
{
	stage_free(g);
	g = NULL;
	saved_close(&s);
}

static int stage(enum request_kind kind, const char *model, int64_t key, const char *text)
{
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = getpid()};
	struct request r = saved_request(&s, kind, model, key, text);
	err_release(&s.error);
	return stage_save(g, &actor, &r, &s.outcome, &s.arena, &s.error);
}

#define staged(...)                                                                                                    \
	do {                                                                                                           \
		int staged_result = stage(__VA_ARGS__);                                                                \
		ck_assert_msg(staged_result == 0, "%s", s.error.text);                                                 \
	} while (0)

static const char *answer_text;

static int commit(void)
{
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = getpid()};
	buf_auto answer = BUF_INIT;
	err_release(&s.error);
	int result = stage_commit(g, &actor, LIMIT_STAGED_BYTES, &answer, &s.error);
	answer_text = arena_copy(&s.arena, buf_text(&answer), answer.len);
	json_t *json = json_loads(answer_text, 0, NULL);
	ck_assert_msg(json != NULL, "%s", answer_text);
	json_decref(json);
	return result;
}

#define committed()                                                                                                    \
	do {                                                                                                           \
		int commit_result = commit();                                                                          \
		ck_assert_msg(commit_result == 0, "%s", s.error.text);                                                 \
	} while (0)

/* The file's text with its blanks and line breaks taken out; "" without one. */
static const char *show_on(struct conn *c, const char *model, struct value key)
{
	buf_auto out = BUF_INIT, text = BUF_INIT;
	err_auto e = ERR_INIT;
	if (store_show(c, saved_model(&s, model), &key, &text, NULL, &e) == 0)
		for (size_t i = 0; i < text.len; i++)
			if (!strchr(" \n", text.data[i]))
				buf_char(&out, text.data[i]);
	return arena_copy(&s.arena, buf_text(&out), out.len);
}

static const char *inside(const char *model, int64_t key)
{
	err_auto e = ERR_INIT;
	struct conn *c = stage_read_begin(g, VIEW_ALL, &e);
	ck_assert_ptr_nonnull(c);
	const char *text = show_on(c, model, value_integer(key));
	store_read_end(c);
	return text;
}

static const char *outside(const char *model, int64_t key)
{
	err_auto e = ERR_INIT;
	struct conn *c = store_read_begin(s.store, &e);
	const char *text = show_on(c, model, value_integer(key));
	store_read_end(c);
	return text;
}

static const char *list(const char *model)
{
	buf_auto out = BUF_INIT;
	err_auto e = ERR_INIT;
	struct cursor *cursor;
	struct value key;
	int64_t serial;
	struct conn *c = stage_read_begin(g, VIEW_ALL, &e);
	const struct model *m = saved_model(&s, model);
	ck_assert_int_eq(cursor_open(&cursor, c, m, -1, &e), 0);
	while (cursor_next(cursor, &key, &serial, &e) == 1) {
		buf_str(&out, out.len ? " " : "");
		value_plain(&out, m->key->type, &key);
	}
	cursor_close(cursor);
	store_read_end(c);
	return arena_copy(&s.arena, buf_text(&out), out.len);
}

#define assert_has(text, part) ck_assert_msg(strstr(text, part) != NULL, "%s", text)

/* ---- what is seen ---- */

START_TEST(what_is_staged_is_seen_inside_only)
{
	open_shop("");
	staged(REQUEST_PUT, "users", 7, "{\"name\":\"Ann\"}");
	assert_has(inside("users", 7), "\"name\":\"Ann\"");
	ck_assert_str_eq(outside("users", 7), "");
	committed();
	assert_has(outside("users", 7), "\"name\":\"Ann\"");
}
END_TEST

START_TEST(a_listing_has_stored_and_staged_records_once_each_in_order)
{
	open_shop("");
	for (int64_t key = 1; key <= 5; key += 2)
		saved_ok(&s, REQUEST_PUT, "users", key, "{\"name\":\"old\"}");
	staged(REQUEST_PUT, "users", 2, "{\"name\":\"new\"}");
	staged(REQUEST_PUT, "users", 3, "{\"name\":\"new\"}");
	staged(REQUEST_DELETE, "users", 5, NULL);
	staged(REQUEST_PUT, "users", 9, "{\"name\":\"new\"}");
	ck_assert_str_eq(list("users"), "1 2 3 9");
	saved_ok(&s, REQUEST_PUT, "users", 4, "{\"name\":\"meanwhile\"}");
	ck_assert_str_eq(list("users"), "1 2 3 4 9");
}
END_TEST

START_TEST(records_with_text_keys_are_listed_too)
{
	open_shop("");
	saved_ok(&s, REQUEST_PUT, "tags", -1, "{\"name\":\"b\"}");
	staged(REQUEST_PUT, "tags", -1, "{\"name\":\"a\"}");
	ck_assert_str_eq(list("tags"), "b a");
	committed();
	ck_assert_int_eq(saved_count(&s, "tags"), 2);
}
END_TEST

START_TEST(a_staged_child_stands_in_its_parents_file)
{
	open_shop("");
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	staged(REQUEST_PUT, "orders", 5, "{\"user_id\":1}");
	assert_has(inside("users", 1), "\"orders\":[{\"id\":5");
	assert_has(outside("users", 1), "\"orders\":[]");
}
END_TEST

START_TEST(a_staged_delete_takes_what_goes_with_it)
{
	open_shop("");
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	saved_ok(&s, REQUEST_PUT, "tags", -1, "{\"name\":\"a\",\"user_id\":1}");
	staged(REQUEST_DELETE, "users", 1, NULL);
	ck_assert_str_eq(list("tags"), "");
	ck_assert_int_eq(saved_count(&s, "tags"), 1);
	committed();
	ck_assert_int_eq(saved_count(&s, "tags"), 0);
	ck_assert_int_eq(saved_count(&s, "users"), 0);
}
END_TEST

START_TEST(a_delete_is_refused_at_once_where_records_refer_to_it)
{
	open_shop("");
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	staged(REQUEST_PUT, "orders", 5, "{\"user_id\":1}");
	ck_assert_int_eq(stage(REQUEST_DELETE, "users", 1, NULL), -EBUSY);
	ck_assert_str_eq(s.error.text, "users/1.json is referred to by orders/5.json");
	staged(REQUEST_DELETE, "orders", 5, NULL);
	staged(REQUEST_DELETE, "users", 1, NULL);
	committed();
	ck_assert_int_eq(saved_count(&s, "users"), 0);
}
END_TEST

START_TEST(problems_are_told_at_once_and_stage_nothing)
{
	open_shop("");
	ck_assert_int_eq(stage(REQUEST_PUT, "orders", 1, "{\"user_id\":\"x\",\"qty\":\"y\"}"), -EBADMSG);
	ck_assert_uint_eq(s.error.nproblems, 2);
	ck_assert_str_eq(list("orders"), "");
	ck_assert_uint_eq(stage_size(g), 0);
}
END_TEST

START_TEST(a_unique_value_is_taken_by_a_staged_record)
{
	open_shop("");
	staged(REQUEST_PUT, "users", 1, "{\"name\":\"Ann\",\"email\":\"a\"}");
	ck_assert_int_eq(stage(REQUEST_PUT, "users", 2, "{\"name\":\"Bob\",\"email\":\"a\"}"), -EEXIST);
}
END_TEST

START_TEST(a_key_changes_and_references_follow)
{
	open_shop("");
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	saved_ok(&s, REQUEST_PUT, "orders", 5, "{\"user_id\":1}");
	struct request r = saved_request(&s, REQUEST_MOVE, "users", 1, NULL);
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = getpid()};
	r.new_key = value_integer(8);
	ck_assert_int_eq(stage_save(g, &actor, &r, &s.outcome, &s.arena, &s.error), 0);
	ck_assert_str_eq(list("users"), "8");
	assert_has(inside("orders", 5), "\"user_id\":8");
	assert_has(outside("orders", 5), "\"user_id\":1");
	committed();
	assert_has(outside("orders", 5), "\"user_id\":8");
}
END_TEST

/* ---- references and keys ---- */

START_TEST(references_may_come_before_what_they_refer_to)
{
	open_shop("");
	staged(REQUEST_PUT, "orders", 5, "{\"user_id\":7}");
	staged(REQUEST_PUT, "users", 6, "{\"name\":\"Ann\",\"boss_id\":7}");
	staged(REQUEST_PUT, "users", 7, "{\"name\":\"Bob\",\"boss_id\":6}");
	committed();
	assert_has(outside("users", 6), "\"boss_id\":7");
	assert_has(outside("orders", 5), "\"user_id\":7");
}
END_TEST

START_TEST(a_reference_to_nothing_refuses_the_commit_at_its_pointer)
{
	open_shop("");
	staged(REQUEST_PUT, "users", 6, "{\"name\":\"Ann\"}");
	staged(REQUEST_PUT, "orders", 5, "{\"user_id\":99}");
	staged(REQUEST_PUT, "users", 7, "{\"name\":\"Bob\"}");
	ck_assert_int_eq(commit(), -EBADMSG);
	ck_assert_str_eq(s.error.text, "orders/5.json: /user_id: users has no record 99");
	ck_assert_int_eq(saved_count(&s, "users"), 0);
	assert_has(answer_text,
		   "\"users/6.json\",\"method\":\"put\",\"status\":\"not committed\",\"key\":6,\"answer\":");
	assert_has(answer_text, "\"status\":\"failed\",\"key\":5,");
	assert_has(answer_text, "\"users/7.json\",\"method\":\"put\",\"status\":\"skipped\",\"key\":7}");
	staged(REQUEST_PUT, "orders", 5, "{\"user_id\":6}");
	committed();
	assert_has(outside("orders", 5), "\"user_id\":6");
}
END_TEST

START_TEST(other_saves_are_held_by_their_references_after_one)
{
	open_shop("");
	staged(REQUEST_PUT, "orders", 5, "{\"user_id\":7}");
	staged(REQUEST_PUT, "users", 7, "{\"name\":\"Bob\"}");
	committed();
	ck_assert_int_eq(saved_do(&s, REQUEST_DELETE, "users", 7, NULL), -EBUSY);
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 9, "{\"user_id\":70}"), -EBADMSG);
}
END_TEST

START_TEST(a_reserved_key_is_nobody_elses)
{
	open_shop("");
	struct value key;
	ck_assert_int_eq(stage_reserve_key(g, saved_model(&s, "users"), &key, &s.error), 0);
	saved_ok(&s, REQUEST_PUT, "users", -1, "{\"name\":\"other\"}");
	ck_assert_int_ne(s.outcome.key.integer, key.integer);
	staged(REQUEST_PUT, "users", -1, "{\"name\":\"third\"}");
	ck_assert_int_gt(s.outcome.key.integer, key.integer);
	committed();
}
END_TEST

START_TEST(an_only_child_has_its_key_with_its_parent_and_a_list_later)
{
	open_shop("");
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	staged(REQUEST_PUT, "orders", 5, "{\"user_id\":1,\"lines\":[{\"text\":\"a\"},{\"text\":\"b\"}],\"bills\":{}}");
	assert_has(inside("orders", 5), "\"lines\":[{\"id\":null,\"text\":\"a\"},{\"id\":null,\"text\":\"b\"}]");
	assert_has(inside("orders", 5), "\"bills\":{\"id\":1,");
	saved_ok(&s, REQUEST_PUT, "orders", 6, "{\"user_id\":1,\"bills\":{}}");
	staged(REQUEST_MERGE, "orders", 5, "{\"qty\":3}");
	committed();
	assert_has(outside("orders", 5), "\"qty\":3,\"lines\":[{\"id\":1,\"text\":\"a\"},{\"id\":2,\"text\":\"b\"}]");
	assert_has(outside("orders", 5), "\"bills\":{\"id\":1,");
}
END_TEST

/* ---- several documents for one record ---- */

START_TEST(two_documents_for_a_record_are_one_save)
{
	open_shop("");
	staged(REQUEST_PUT, "users", 7, "{\"name\":\"Ann\",\"email\":\"a\",\"data\":{\"x\":1,\"y\":2}}");
	staged(REQUEST_MERGE, "users", 7, "{\"email\":null,\"data\":{\"x\":null}}");
	ck_assert_uint_eq(stage_size(g), 1);
	assert_has(inside("users", 7), "\"email\":null,\"boss_id\":null,\"data\":{\"y\":2}");
	committed();
	assert_has(outside("users", 7), "\"email\":null,\"boss_id\":null,\"data\":{\"y\":2}");
}
END_TEST

START_TEST(patches_stay_a_patch)
{
	open_shop("on post_save patch sql \"INSERT INTO log(what) VALUES ('patch')\"\n");
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	saved_ok(&s, REQUEST_PUT, "orders", 5, "{\"user_id\":1}");
	staged(REQUEST_MERGE, "orders", 5, "{\"qty\":2}");
	staged(REQUEST_MERGE, "orders", 5, "{\"qty\":3}");
	committed();
	ck_assert_str_eq(saved_log(&s), "patch");
	assert_has(outside("orders", 5), "\"qty\":3");
}
END_TEST

START_TEST(what_no_file_shows_is_kept)
{
	open_shop("");
	staged(REQUEST_PUT, "users", 7, "{\"name\":\"Ann\",\"secret\":\"s\"}");
	staged(REQUEST_PUT, "users", 7, "{\"name\":\"Bob\"}");
	staged(REQUEST_PUT, "users", 8, "{\"name\":\"Cid\",\"secret\":\"t\"}");
	committed();
	struct value row[LIMIT_FIELDS], key = value_integer(7);
	const struct model *m = saved_model(&s, "users");
	struct conn *c = store_read_begin(s.store, &s.error);
	ck_assert_int_eq(store_get(c, m, &key, &s.arena, row, NULL, &s.error), 0);
	ck_assert_str_eq(row[model_field(m, "secret")->index].text.data, "s");
	store_read_end(c);
}
END_TEST

START_TEST(made_and_removed_again_is_nothing)
{
	open_shop("");
	staged(REQUEST_PUT, "tags", -1, "{\"name\":\"a\"}");
	struct request r = {.kind = REQUEST_DELETE, .model = saved_model(&s, "tags"), .key = value_text("a", 1)};
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = getpid()};
	ck_assert_int_eq(stage_save(g, &actor, &r, &s.outcome, &s.arena, &s.error), 0);
	committed();
	ck_assert_str_eq(answer_text, "[]\n");
}
END_TEST

START_TEST(removed_and_made_again_is_both)
{
	open_shop("");
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Ann\",\"secret\":\"s\"}");
	staged(REQUEST_DELETE, "users", 1, NULL);
	staged(REQUEST_PUT, "users", 1, "{\"name\":\"Bob\"}");
	committed();
	assert_has(outside("users", 1), "\"name\":\"Bob\"");
}
END_TEST

/* ---- the commit ---- */

START_TEST(a_record_that_has_changed_meanwhile_refuses_the_commit)
{
	open_shop("");
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	saved_ok(&s, REQUEST_PUT, "users", 2, "{\"name\":\"Bob\"}");
	staged(REQUEST_MERGE, "users", 2, "{\"email\":\"b\"}");
	staged(REQUEST_MERGE, "users", 1, "{\"email\":\"a\"}");
	saved_ok(&s, REQUEST_MERGE, "users", 1, "{\"name\":\"Eve\"}");
	ck_assert_int_eq(commit(), -EBUSY);
	assert_has(s.error.text, "users/1.json");
	assert_has(outside("users", 2), "\"email\":null");
	ck_assert_int_eq(commit(), -EBUSY);
	staged(REQUEST_MERGE, "users", 1, "{\"email\":\"c\"}");
	committed();
	assert_has(outside("users", 1), "\"name\":\"Eve\",\"email\":\"c\"");
}
END_TEST

START_TEST(a_record_that_came_meanwhile_refuses_the_commit)
{
	open_shop("");
	staged(REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Eve\"}");
	ck_assert_int_eq(commit(), -EEXIST);
}
END_TEST

START_TEST(a_hook_that_refuses_one_refuses_all)
{
	open_shop("on pre_save check \"qty < 10\" \"too many\"\n");
	staged(REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	staged(REQUEST_PUT, "orders", 5, "{\"user_id\":1,\"qty\":10}");
	ck_assert_int_eq(commit(), -ECANCELED);
	ck_assert_str_eq(s.error.text, "orders/5.json: too many");
	ck_assert_int_eq(saved_count(&s, "users"), 0);
	staged(REQUEST_MERGE, "orders", 5, "{\"qty\":9}");
	committed();
	ck_assert_int_eq(saved_count(&s, "orders"), 1);
}
END_TEST

START_TEST(before_hooks_of_all_come_before_after_hooks)
{
	open_shop("on pre_save sql \"INSERT INTO log(what) VALUES ('pre' || :key)\"\n"
		  "on post_save sql \"INSERT INTO log(what) VALUES ('post' || :key)\"\n");
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	staged(REQUEST_PUT, "orders", 5, "{\"user_id\":1}");
	staged(REQUEST_PUT, "orders", 6, "{\"user_id\":1}");
	committed();
	ck_assert_str_eq(saved_log(&s), "pre5 pre6 post6 post5");
}
END_TEST

START_TEST(a_late_refusal_is_told_with_its_record)
{
	open_shop("on post_save check \"qty < 10\" \"too many\"\n");
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	staged(REQUEST_PUT, "orders", 5, "{\"user_id\":1,\"qty\":10}");
	staged(REQUEST_PUT, "orders", 6, "{\"user_id\":1}");
	ck_assert_int_eq(commit(), -ECANCELED);
	ck_assert_str_eq(s.error.text, "orders/5.json: too many");
	assert_has(answer_text, "\"status\":\"failed\",\"key\":5,");
}
END_TEST

START_TEST(after_the_commit_nothing_more_is_taken)
{
	open_shop("");
	staged(REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	committed();
	ck_assert(stage_committed(g));
	ck_assert_int_eq(stage(REQUEST_PUT, "users", 2, "{\"name\":\"Bob\"}"), -EROFS);
	assert_has(inside("users", 1), "Ann");
	stage_abort(g);
	ck_assert_int_eq(stage(REQUEST_PUT, "users", 2, "{\"name\":\"Bob\"}"), -ENOENT);
	ck_assert_ptr_null(stage_read_begin(g, VIEW_ALL, &s.error));
}
END_TEST

START_TEST(ten_thousand_records_are_one_commit)
{
	open_shop("");
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
	for (int i = 0; i < 10000; i++)
		staged(REQUEST_PUT, "orders", 100 + i, "{\"user_id\":1,\"qty\":2}");
	committed();
	ck_assert_int_eq(saved_count(&s, "orders"), 10000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stage");
	TCase *c = tcase_create("stage");
	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, what_is_staged_is_seen_inside_only);
	tcase_add_test(c, a_listing_has_stored_and_staged_records_once_each_in_order);
	tcase_add_test(c, records_with_text_keys_are_listed_too);
	tcase_add_test(c, a_staged_child_stands_in_its_parents_file);
	tcase_add_test(c, a_staged_delete_takes_what_goes_with_it);
	tcase_add_test(c, a_delete_is_refused_at_once_where_records_refer_to_it);
	tcase_add_test(c, problems_are_told_at_once_and_stage_nothing);
	tcase_add_test(c, a_unique_value_is_taken_by_a_staged_record);
	tcase_add_test(c, a_key_changes_and_references_follow);
	tcase_add_test(c, references_may_come_before_what_they_refer_to);
	tcase_add_test(c, a_reference_to_nothing_refuses_the_commit_at_its_pointer);
	tcase_add_test(c, other_saves_are_held_by_their_references_after_one);
	tcase_add_test(c, a_reserved_key_is_nobody_elses);
	tcase_add_test(c, an_only_child_has_its_key_with_its_parent_and_a_list_later);
	tcase_add_test(c, two_documents_for_a_record_are_one_save);
	tcase_add_test(c, patches_stay_a_patch);
	tcase_add_test(c, what_no_file_shows_is_kept);
	tcase_add_test(c, made_and_removed_again_is_nothing);
	tcase_add_test(c, removed_and_made_again_is_both);
	tcase_add_test(c, a_record_that_has_changed_meanwhile_refuses_the_commit);
	tcase_add_test(c, a_record_that_came_meanwhile_refuses_the_commit);
	tcase_add_test(c, a_hook_that_refuses_one_refuses_all);
	tcase_add_test(c, before_hooks_of_all_come_before_after_hooks);
	tcase_add_test(c, a_late_refusal_is_told_with_its_record);
	tcase_add_test(c, after_the_commit_nothing_more_is_taken);
	tcase_add_test(c, ten_thousand_records_are_one_commit);
	suite_add_tcase(suite, c);
	return saved_main(suite);
}
