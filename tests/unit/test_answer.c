/*
 * test_answer.c - what hooks answer besides a refusal: "handled" at apply, and further saves and deletes.
 */
#include "saved.h"

static struct saved s;

#define NOTE(event, text) "on " event " sql \"INSERT INTO log(what) VALUES (" text ")\"\n"
#define SHOP                                                                                                           \
	"store sqlite:shop.db\ndurability off\n%s\n"                                                                   \
	"model log { fields { id integer key; what string required } }\n"                                              \
	"model orders { fields { id integer key; text string; rate integer default 5 }\n%s\n}\n"                       \
	"model tracks { fields { id integer key; name string required; sold integer read-only }\n%s\n}\n"              \
	"model plays { fields { id integer key; track_id integer required references tracks on-delete cascade } \n"    \
	"  " NOTE("pre_delete", "'play ' || :id") "}\n"

static void open_shop(const char *everywhere, const char *orders, const char *tracks)
{
	char text[8192];
	snprintf(text, sizeof text, SHOP, everywhere, orders, tracks);
	saved_open(&s, text);
}

static int put_order(int64_t key)
{
	return saved_do(&s, REQUEST_PUT, "orders", key, "{\"text\":\"tea\"}");
}

static void set_up(void)
{
	saved_directory(&s);
}

static void tear_down(void)
{
	saved_close(&s);
}

/* ---- apply ---- */

#define ALL_OTHERS NOTE("pre_save,post_save,before_commit", "'x'")

START_TEST(apply_comes_between_pre_save_and_post_save)
{
	open_shop("", NOTE("post_save", "'post'") NOTE("apply", "'apply'") NOTE("pre_save", "'pre'"), "");
	ck_assert_int_eq(put_order(1), 0);
	ck_assert_str_eq(saved_log(&s), "pre apply post");
	ck_assert_int_eq(saved_count(&s, "orders"), 1);
}
END_TEST

START_TEST(apply_of_every_model_comes_before_the_models_own)
{
	open_shop(NOTE("apply", "'all'"), NOTE("apply", "'own'"), "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{}"), 0);
	ck_assert_str_eq(saved_log(&s), "all own");
}
END_TEST

START_TEST(what_sql_handles_changes_no_row_and_post_hooks_run)
{
	open_shop("", "on apply sql \"SELECT 1 AS handled\"\n" ALL_OTHERS, "");
	ck_assert_int_eq(put_order(1), 0);
	ck_assert(s.outcome.changed);
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
	ck_assert_str_eq(saved_log(&s), "x x x");
}
END_TEST

START_TEST(handled_that_is_false_or_null_lets_the_save_go_on)
{
	open_shop("", "on apply sql \"SELECT 0 AS handled\"\non apply sql \"SELECT NULL AS handled\"\n", "");
	ck_assert_int_eq(put_order(1), 0);
	ck_assert_int_eq(saved_count(&s, "orders"), 1);
}
END_TEST

START_TEST(after_a_hook_that_handles_no_other_is_asked)
{
	open_shop("on apply sql \"SELECT :id = 1 AS handled\"", NOTE("apply", "'own'"), "");
	ck_assert_int_eq(put_order(1), 0);
	ck_assert_int_eq(put_order(2), 0);
	ck_assert_str_eq(saved_log(&s), "own");
	ck_assert_str_eq(saved_show(&s, "orders", 1), "");
	ck_assert_str_ne(saved_show(&s, "orders", 2), "");
}
END_TEST

START_TEST(apply_may_write_the_row_itself)
{
	open_shop("",
		  "on apply create sql \"INSERT INTO orders VALUES (:id, :text, 9); SELECT 1 AS handled\"\n"
		  "on post_save check \"(SELECT rate FROM orders WHERE id = :id) = 9\" \"not there\"",
		  "");
	ck_assert_int_eq(put_order(3), 0);
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 3), "\"text\":\"tea\",\"rate\":9"));
}
END_TEST

START_TEST(a_program_handles)
{
	saved_script(&s, "hook", "echo '{\"handled\":'$([ $new_rate = 6 ] && echo true || echo false)'}'");
	open_shop("", "on apply run ./hook", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"rate\":6}"), 0);
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"rate\":7}"), 0);
	ck_assert_int_eq(saved_count(&s, "orders"), 1);
}
END_TEST

START_TEST(a_handled_delete_leaves_the_row)
{
	open_shop("", "on apply delete sql \"SELECT 1 AS handled\"\n" NOTE("post_delete", "'gone'"), "");
	ck_assert_int_eq(put_order(1), 0);
	ck_assert_int_eq(saved_do(&s, REQUEST_DELETE, "orders", 1, NULL), 0);
	ck_assert_int_eq(saved_count(&s, "orders"), 1);
	ck_assert_str_eq(saved_log(&s), "gone");
}
END_TEST

static const char *const refusing[] = {
    "on apply check \":rate < 9\" \"no\"",
    "on apply sql \"INSERT INTO orders VALUES (:id, :text, 9); SELECT 1 AS handled, 'no' AS error\"",
    "on apply sql \"INSERT INTO orders VALUES (:id, :text, 9); SELECT 1 AS handled\"\non post_save check \"0\" \"no\"",
};

START_TEST(apply_refuses_before_and_after_its_own_change)
{
	open_shop("", refusing[_i], "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"rate\":9}"), -ECANCELED);
	ck_assert_str_eq(s.error.text, "no");
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

/* ---- further saves ---- */

/* A hook that answers with the text, and a track to work on. */
static void open_answering(const char *event, const char *answer)
{
	char script[1024], hooks[256];
	snprintf(script, sizeof script, "cat <<'END'\n%s\nEND", answer);
	saved_script(&s, "hook", script);
	snprintf(hooks, sizeof hooks, "on %s run ./hook", event);
	open_shop("", hooks,
		  NOTE("pre_save", "'pre ' || :name") NOTE("post_save", "'post ' || :name")
		      NOTE("before_commit", "'before ' || coalesce(:name, :old_name)")
			  NOTE("pre_delete", "'away ' || :old_name"));
	saved_ok(&s, REQUEST_PUT, "tracks", 3, "{\"name\":\"blues\"}");
	saved_ok(&s, REQUEST_PUT, "plays", 1, "{\"track_id\":3}");
	saved_ok(&s, REQUEST_PUT, "plays", 2, "{\"track_id\":3}");
}

/* What the log has more than open_answering made. */
static const char *new_log(void)
{
	return saved_log(&s) + strlen("pre blues post blues before blues") + 1;
}

static const char *const early_and_late[] = {"pre_save", "apply", "post_save", "before_commit"};

START_TEST(a_further_save_is_part_of_the_transaction_with_its_hooks)
{
	open_answering(early_and_late[_i], "{\"save\":[{\"path\":\"tracks/3.json\",\"merge\":{\"sold\":5}},"
					   "{\"path\":\"tracks/.new\",\"put\":{\"name\":\"jazz\"}}]}");
	ck_assert_int_eq(put_order(1), 0);
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "tracks", 3), "\"name\":\"blues\",\"sold\":5"));
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "tracks", 4), "\"name\":\"jazz\""));
	ck_assert_str_eq(new_log(), "pre blues post blues pre jazz post jazz before blues before jazz");
}
END_TEST

START_TEST(a_further_delete_takes_its_cascade_along)
{
	open_answering("pre_save", "{\"delete\":[\"tracks/3.json\"]}");
	ck_assert_int_eq(put_order(1), 0);
	ck_assert_int_eq(saved_count(&s, "tracks") + saved_count(&s, "plays"), 0);
	ck_assert_str_eq(new_log(), "away blues play 1 play 2 before blues");
}
END_TEST

START_TEST(a_delete_in_the_middle_of_a_cascade_disturbs_it_not)
{
	saved_script(&s, "hook", "[ $ROWFS_MODEL$ROWFS_KEY != plays1 ] || echo '{\"delete\":[\"tracks/4.json\"]}'");
	open_shop("on pre_delete run ./hook", "", "");
	saved_ok(&s, REQUEST_PUT, "tracks", 3, "{\"name\":\"blues\"}");
	saved_ok(&s, REQUEST_PUT, "tracks", 4, "{\"name\":\"jazz\"}");
	for (int i = 1; i <= 5; i++)
		saved_ok(&s, REQUEST_PUT, "plays", i, i < 4 ? "{\"track_id\":3}" : "{\"track_id\":4}");
	saved_ok(&s, REQUEST_DELETE, "tracks", 3, NULL);
	ck_assert_int_eq(saved_count(&s, "tracks") + saved_count(&s, "plays"), 0);
	ck_assert_str_eq(saved_log(&s), "play 4 play 5 play 1 play 2 play 3");
}
END_TEST

START_TEST(saves_of_a_refused_save_leave_nothing)
{
	saved_script(&s, "hook", "echo '{\"save\":[{\"path\":\"tracks/.new\",\"put\":{\"name\":\"jazz\"}}]}'");
	open_shop("", "on pre_save run ./hook\non post_save check \"0\" \"no\"", NOTE("post_save", "'x'"));
	ck_assert_int_eq(put_order(1), -ECANCELED);
	ck_assert_str_eq(saved_log(&s), "");
	ck_assert_int_eq(saved_count(&s, "tracks"), 0);
}
END_TEST

static const struct {
	const char *answer;
	int code;
	const char *sentence;
} wrong[] = {
    {"{\"save\":{}}", ECANCELED, "hook answers \"save\" that is no array"},
    {"{\"save\":[7]}", ECANCELED, "hook answers \"save\" whose entries are not"},
    {"{\"save\":[{\"path\":\"tracks/3.json\"}]}", ECANCELED, "whose entries are not"},
    {"{\"save\":[{\"path\":\"tracks/3.json\",\"put\":{},\"merge\":{}}]}", ECANCELED, "whose entries are not"},
    {"{\"delete\":[7]}", ECANCELED, "hook answers \"delete\" whose entries are not paths"},
    {"{\"delete\":[\"trucks/3.json\"]}", ECANCELED, "hook: trucks/3.json: there is no model"},
    {"{\"delete\":[\"tracks/03.json\"]}", ECANCELED, "hook: tracks/03.json: is not the path of a record"},
    {"{\"delete\":[\"tracks\"]}", ECANCELED, "hook: tracks: is not the path of a record"},
    {"{\"delete\":[\"tracks/.new\"]}", ECANCELED, "hook: tracks/.new: only \"put\" makes"},
    {"{\"delete\":[\"tracks/9.json\"]}", ECANCELED, "hook: tracks/9.json does not exist"},
    {"{\"save\":[{\"path\":\"tracks/3.json\",\"put\":{}}]}", EBADMSG, "hook: tracks/3.json: /name: is required"},
    {"{\"save\":[{\"path\":\"orders/1.json\",\"put\":{}}]}", ECANCELED, "hook: orders/1.json: this record is being"},
};

START_TEST(an_answer_that_can_not_be_carried_out_names_hook_and_path)
{
	open_answering("pre_save", wrong[_i].answer);
	ck_assert_int_eq(put_order(1), -wrong[_i].code);
	ck_assert_msg(strstr(s.error.text, wrong[_i].sentence) != NULL, "%s", s.error.text);
	ck_assert_uint_eq(s.error.nproblems, 0);
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

START_TEST(a_hook_may_save_its_own_record_after_the_row_has_changed)
{
	open_answering("post_save", "{\"save\":[{\"path\":\"orders/1.json\",\"merge\":{\"rate\":8}}]}");
	ck_assert_int_eq(put_order(1), 0);
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 1), "\"text\":\"tea\",\"rate\":8"));
}
END_TEST

START_TEST(hooks_that_cause_each_other_end_with_EPROTO)
{
	saved_script(&s, "hook",
		     "echo '{\"save\":[{\"path\":\"tracks/'$((ROWFS_KEY+1))'.json\",\"put\":{\"name\":\"x\"}}]}'");
	open_shop("", "", "on post_save run ./hook");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "tracks", 1, "{\"name\":\"x\"}"), -EPROTO);
	ck_assert_ptr_nonnull(strstr(s.error.text, "more than 16 deep"));
	ck_assert_int_eq(saved_count(&s, "tracks"), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("answer");
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, apply_comes_between_pre_save_and_post_save);
	tcase_add_test(tc, apply_of_every_model_comes_before_the_models_own);
	tcase_add_test(tc, what_sql_handles_changes_no_row_and_post_hooks_run);
	tcase_add_test(tc, handled_that_is_false_or_null_lets_the_save_go_on);
	tcase_add_test(tc, after_a_hook_that_handles_no_other_is_asked);
	tcase_add_test(tc, apply_may_write_the_row_itself);
	tcase_add_test(tc, a_program_handles);
	tcase_add_test(tc, a_handled_delete_leaves_the_row);
	tcase_add_loop_test(tc, apply_refuses_before_and_after_its_own_change, 0, sizeof refusing / sizeof *refusing);
	tcase_add_loop_test(tc, a_further_save_is_part_of_the_transaction_with_its_hooks, 0,
			    sizeof early_and_late / sizeof *early_and_late);
	tcase_add_test(tc, a_further_delete_takes_its_cascade_along);
	tcase_add_test(tc, a_delete_in_the_middle_of_a_cascade_disturbs_it_not);
	tcase_add_test(tc, saves_of_a_refused_save_leave_nothing);
	tcase_add_loop_test(tc, an_answer_that_can_not_be_carried_out_names_hook_and_path, 0,
			    sizeof wrong / sizeof *wrong);
	tcase_add_test(tc, a_hook_may_save_its_own_record_after_the_row_has_changed);
	tcase_add_test(tc, hooks_that_cause_each_other_end_with_EPROTO);
	Suite *suite = suite_create("answer");
	suite_add_tcase(suite, tc);
	return saved_main(suite);
}
