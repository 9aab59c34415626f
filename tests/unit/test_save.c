/*
 * test_save.c - what a save does, in which order, and that a refused one leaves nothing.
 */
#include <pthread.h>

#include "saved.h"

static struct saved s;

#define LOG               "model log { fields { id integer key; what string required } }\n"
#define NOTE(event, text) "on " event " sql \"INSERT INTO log(what) VALUES (" text ")\"\n"

/* Orders with lines that go with them, notes that stay, and bills that hold them. */
#define SHOP                                                                                                           \
	"store sqlite:shop.db\ndurability off\n" LOG                                                                   \
	"model orders { fields { id integer key; text string required max 20; qty integer default 1 min 0\n"           \
	"  secret string write-only; made datetime default now read-only } HOOKS }\n"                                  \
	"model lines { fields { id integer key; order_id integer required references orders on-delete cascade\n"       \
	"  note string } LINES }\n"                                                                                    \
	"model notes { fields { id integer key; order_id integer references orders on-delete set-null } }\n"           \
	"model bills { fields { id integer key; order_id integer required references orders } }\n"                     \
	"model drafts { fields { id integer key; text string required; qty integer; made datetime } }\n"               \
	"model views { fields { id integer key; text string } read-only }\n"                                           \
	"queue jobs { fields { order_id integer required references orders } JOBS }\n"

static void open_shop(const char *hooks, const char *lines, const char *jobs)
{
	const char *const words[] = {"HOOKS", "LINES", "JOBS"}, *const texts[] = {hooks, lines, jobs};
	saved_open_with(&s, SHOP, words, texts, 3);
}

static void set_up(void)
{
	saved_directory(&s);
}

static void tear_down(void)
{
	saved_close(&s);
}

/* ---- without hooks ---- */

START_TEST(put_creates_a_record)
{
	open_shop("", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 7, "{\"text\":\"tea\"}");
	ck_assert_int_eq(s.outcome.verb, VERB_CREATE);
	ck_assert(s.outcome.changed);
	ck_assert_int_eq(s.outcome.key.integer, 7);
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 7), "\"text\":\"tea\",\"qty\":1"));
}
END_TEST

START_TEST(put_without_a_key_takes_the_next)
{
	open_shop("", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 7, "{\"text\":\"tea\"}");
	saved_ok(&s, REQUEST_PUT, "orders", -1, "{\"text\":\"tea\"}");
	ck_assert_int_eq(s.outcome.key.integer, 8);
}
END_TEST

START_TEST(put_without_a_key_takes_the_documents)
{
	open_shop("", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", -1, "{\"id\":5,\"text\":\"tea\"}");
	ck_assert_int_eq(s.outcome.key.integer, 5);
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", -1, "{\"id\":5,\"text\":\"tea\"}"), -EEXIST);
	ck_assert_str_eq(s.error.text, "orders/5.json exists already");
}
END_TEST

START_TEST(put_replaces_and_merge_patches)
{
	open_shop("", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\",\"qty\":5}");
	saved_ok(&s, REQUEST_MERGE, "orders", 1, "{\"text\":\"milk\"}");
	ck_assert_int_eq(s.outcome.verb, VERB_PATCH);
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 1), "\"text\":\"milk\",\"qty\":5"));
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"milk\"}");
	ck_assert_int_eq(s.outcome.verb, VERB_REPLACE);
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 1), "\"text\":\"milk\",\"qty\":1"));
}
END_TEST

START_TEST(merge_without_a_record_creates)
{
	open_shop("", "", "");
	saved_ok(&s, REQUEST_MERGE, "orders", 1, "{\"text\":\"tea\"}");
	ck_assert_int_eq(s.outcome.verb, VERB_CREATE);
}
END_TEST

START_TEST(equal_content_is_no_change_and_runs_no_hook)
{
	open_shop(NOTE("pre_save,post_save,before_commit", ":verb"), "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	ck_assert(!s.outcome.changed);
	ck_assert_int_eq(s.outcome.key.integer, 1);
	ck_assert_str_eq(saved_log(&s), "create create create");
}
END_TEST

START_TEST(expectations_are_kept)
{
	open_shop("", "", "");
	struct request r = saved_request(&s, REQUEST_MERGE, "orders", 1, "{\"text\":\"tea\"}");
	r.expect = EXPECT_RECORD;
	ck_assert_int_eq(saved_all(&s, &r, 1, NULL), -ENOENT);
	ck_assert_str_eq(s.error.text, "orders/1.json does not exist");
	r.expect = EXPECT_NONE;
	ck_assert_int_eq(saved_all(&s, &r, 1, NULL), 0);
	ck_assert_int_eq(saved_all(&s, &r, 1, NULL), -EEXIST);
}
END_TEST

START_TEST(a_merge_on_a_condition_needs_the_value)
{
	open_shop("", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	struct request r = saved_request(&s, REQUEST_MERGE, "orders", 1, "{\"text\":\"milk\"}");
	r.where = model_field(r.model, "text");
	r.was = value_text("wine", 4);
	ck_assert_int_eq(saved_all(&s, &r, 1, NULL), -ENOENT);
	ck_assert_str_eq(s.error.text, "orders/1.json has another text by now");
	r.was = value_text("tea", 3);
	ck_assert_int_eq(saved_all(&s, &r, 1, NULL), 0);
	ck_assert_int_eq(saved_all(&s, &r, 1, NULL), -ENOENT);
}
END_TEST

START_TEST(delete_deletes_and_needs_a_record)
{
	open_shop("", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_DELETE, "orders", 1, NULL), -ENOENT);
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	ck_assert_int_eq(s.outcome.verb, VERB_DELETE);
	ck_assert_int_eq(s.outcome.key.integer, 1);
	ck_assert_str_eq(saved_show(&s, "orders", 1), "");
}
END_TEST

START_TEST(a_read_only_model_is_EROFS)
{
	open_shop("", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "views", 1, "{}"), -EROFS);
	ck_assert_str_eq(s.error.text, "views is read-only");
}
END_TEST

START_TEST(problems_have_line_and_column)
{
	open_shop("", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\n \"text\": \"tea\",\n \"qty\": \"x\"\n}"),
			 -EBADMSG);
	ck_assert_uint_eq(s.error.nproblems, 1);
	ck_assert_str_eq(s.error.problems[0].pointer, "/qty");
	ck_assert_int_eq(s.error.problems[0].line, 3);
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\" 1}"), -EBADMSG);
	ck_assert_int_eq(s.error.problems[0].line, 1);
}
END_TEST

START_TEST(dangling_references_are_refused)
{
	open_shop("", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "bills", 1, "{\"order_id\":9}"), -EBADMSG);
	ck_assert_str_eq(s.error.problems[0].pointer, "/order_id");
}
END_TEST

/* ---- several requests ---- */

START_TEST(requests_see_the_ones_before_them)
{
	open_shop("", "", "");
	struct request r[] = {saved_request(&s, REQUEST_PUT, "orders", -1, "{\"text\":\"tea\"}"),
			      saved_request(&s, REQUEST_PUT, "orders", -1, "{\"text\":\"milk\"}"),
			      saved_request(&s, REQUEST_PUT, "bills", 1, "{\"order_id\":2}")};
	struct outcome outcomes[3];
	ck_assert_int_eq(saved_all(&s, r, 3, outcomes), 0);
	ck_assert_int_eq(outcomes[1].key.integer, 2);
	ck_assert_int_eq(saved_count(&s, "bills"), 1);
}
END_TEST

START_TEST(one_refused_request_refuses_all)
{
	open_shop("", "", "");
	struct request r[] = {saved_request(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"),
			      saved_request(&s, REQUEST_PUT, "orders", 2, "{\n\"text\":0}")};
	ck_assert_int_eq(saved_all(&s, r, 2, NULL), -EBADMSG);
	ck_assert_int_eq(s.error.problems[0].line, 2);
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

/* ---- moves ---- */

static int move(const char *model, int64_t key, const char *new_model, int64_t new_key, enum expect expect)
{
	struct request r = saved_request(&s, REQUEST_MOVE, model, key, NULL);
	r.new_model = new_model ? saved_model(&s, new_model) : NULL;
	r.new_key = value_integer(new_key);
	r.expect = expect;
	return saved_all(&s, &r, 1, &s.outcome);
}

START_TEST(a_key_change_takes_hidden_values_and_references_along)
{
	open_shop("", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\",\"secret\":\"x\"}");
	saved_ok(&s, REQUEST_PUT, "lines", 1, "{\"order_id\":1}");
	ck_assert_int_eq(move("orders", 1, NULL, 2, EXPECT_ANY), 0);
	ck_assert_int_eq(s.outcome.key.integer, 2);
	ck_assert_int_eq(s.outcome.verb, VERB_REPLACE);
	ck_assert_str_eq(saved_show(&s, "orders", 1), "");
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 2), "tea"));
	ck_assert_str_eq(saved_show(&s, "lines", 1), "{\"id\":1,\"order_id\":2,\"note\":null}");
}
END_TEST

START_TEST(a_key_change_replaces_what_has_the_key)
{
	open_shop(NOTE("post_save,post_delete", ":verb || :key"), "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	saved_ok(&s, REQUEST_PUT, "orders", 2, "{\"text\":\"milk\"}");
	ck_assert_int_eq(move("orders", 1, NULL, 2, EXPECT_NONE), -EEXIST);
	ck_assert_int_eq(move("orders", 1, NULL, 2, EXPECT_ANY), 0);
	ck_assert_int_eq(saved_count(&s, "orders"), 1);
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 2), "tea"));
	ck_assert_str_eq(saved_log(&s), "create1 create2 replace2 delete2");
}
END_TEST

START_TEST(a_key_change_of_nothing_is_ENOENT)
{
	open_shop("", "", "");
	ck_assert_int_eq(move("orders", 1, NULL, 2, EXPECT_ANY), -ENOENT);
	ck_assert_int_eq(move("orders", 1, "drafts", 2, EXPECT_ANY), -ENOENT);
}
END_TEST

START_TEST(a_move_into_another_model_is_validated_there)
{
	open_shop("", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	ck_assert_int_eq(move("orders", 1, "lines", 5, EXPECT_ANY), -EBADMSG);
	ck_assert_int_eq(saved_count(&s, "orders"), 1);
	ck_assert_int_eq(move("orders", 1, "drafts", 5, EXPECT_ANY), 0);
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "drafts", 5), "{\"id\":5,\"text\":\"tea\",\"qty\":1"));
}
END_TEST

/* ---- references ---- */

static void make_family(void)
{
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	saved_ok(&s, REQUEST_PUT, "lines", 1, "{\"order_id\":1}");
	saved_ok(&s, REQUEST_PUT, "lines", 2, "{\"order_id\":1}");
	saved_ok(&s, REQUEST_PUT, "notes", 1, "{\"order_id\":1}");
}

START_TEST(a_delete_takes_its_cascade_along_and_sets_the_others_null)
{
	open_shop("", "", "");
	make_family();
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	ck_assert_int_eq(saved_count(&s, "lines"), 0);
	ck_assert_str_eq(saved_show(&s, "notes", 1), "{\"id\":1,\"order_id\":null}");
}
END_TEST

START_TEST(delete_hooks_of_a_cascade_run_parent_first_and_after_it_children_first)
{
	open_shop(NOTE("pre_delete", "'pre-order'") NOTE("post_delete", "'post-order'"),
		  NOTE("pre_delete", "'pre-line' || :key") NOTE("post_delete", "'post-line' || :old_id"), "");
	make_family();
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	ck_assert_str_eq(saved_log(&s), "pre-order pre-line1 pre-line2 post-line2 post-line1 post-order");
}
END_TEST

START_TEST(a_child_whose_delete_hook_refuses_keeps_its_parent)
{
	open_shop("", "on pre_delete check \"id <> 2\" \"line 2 stays\"", "");
	make_family();
	ck_assert_int_eq(saved_do(&s, REQUEST_DELETE, "orders", 1, NULL), -ECANCELED);
	ck_assert_str_eq(s.error.text, "line 2 stays");
	ck_assert_int_eq(saved_count(&s, "lines"), 2);
	ck_assert_int_eq(saved_count(&s, "orders"), 1);
}
END_TEST

START_TEST(a_child_that_a_hook_takes_away_stays)
{
	open_shop("on pre_delete sql \"UPDATE lines SET order_id = 2 WHERE id = 2\"\n", "", "");
	make_family();
	saved_ok(&s, REQUEST_PUT, "orders", 2, "{\"text\":\"milk\"}");
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	ck_assert_int_eq(saved_count(&s, "lines"), 1);
	ck_assert_str_eq(saved_show(&s, "lines", 2), "{\"id\":2,\"order_id\":2,\"note\":null}");
}
END_TEST

START_TEST(a_referred_record_is_EBUSY_and_the_sentence_says_by_whom)
{
	open_shop("", "", "");
	make_family();
	saved_ok(&s, REQUEST_PUT, "bills", 1, "{\"order_id\":1}");
	ck_assert_int_eq(saved_do(&s, REQUEST_DELETE, "orders", 1, NULL), -EBUSY);
	ck_assert_str_eq(s.error.text, "orders/1.json is referred to by bills/1.json");
	saved_ok(&s, REQUEST_PUT, "bills", 2, "{\"order_id\":1}");
	ck_assert_int_eq(saved_do(&s, REQUEST_DELETE, "orders", 1, NULL), -EBUSY);
	ck_assert_str_eq(s.error.text, "orders/1.json is referred to by 2 bills");
	ck_assert_int_eq(saved_count(&s, "lines"), 2);
}
END_TEST

START_TEST(a_long_cascade_is_one_transaction)
{
	saved_open(&s, "store sqlite:a.db\ndurability off\n"
		       "model nodes { fields { id integer key; up integer references nodes on-delete cascade } }");
	for (int i = 1; i <= 300; i++) {
		char text[64];
		snprintf(text, sizeof text, i > 1 ? "{\"up\":%d}" : "{}", i > 150 ? i - 1 : i / 2);
		saved_ok(&s, REQUEST_PUT, "nodes", i, text);
	}
	saved_ok(&s, REQUEST_DELETE, "nodes", 1, NULL);
	ck_assert_int_eq(saved_count(&s, "nodes"), 0);
}
END_TEST

/* ---- hooks in their order ---- */

#define ALL_EVENTS                                                                                                     \
	NOTE("pre_save", "'pre-' || :verb")                                                                            \
	NOTE("pre_delete", "'pre-' || :verb")                                                                          \
	NOTE("post_save", "'post-' || :verb")                                                                          \
	NOTE("post_delete", "'post-' || :verb") NOTE("before_commit", "'before-' || :verb")

START_TEST(events_happen_in_their_order)
{
	open_shop(ALL_EVENTS "on after_commit enqueue jobs order_id=:id", "",
		  NOTE("pre_save", "'job-pre'") NOTE("before_commit", "'job-before'"));
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	ck_assert_str_eq(saved_log(&s), "pre-create post-create before-create job-pre job-before");
	ck_assert_int_eq(saved_count(&s, "jobs"), 1);
}
END_TEST

START_TEST(verbs_choose_hooks)
{
	open_shop(NOTE("pre_save create", "'c'") NOTE("pre_save replace", "'r'") NOTE("pre_save patch", "'p'")
		      NOTE("pre_save update", "'u'") NOTE("before_commit delete", "'d'"),
		  "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"milk\"}");
	saved_ok(&s, REQUEST_MERGE, "orders", 1, "{\"qty\":3}");
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	ck_assert_str_eq(saved_log(&s), "c r u p u d");
}
END_TEST

START_TEST(sql_knows_old_and_new_values)
{
	open_shop(NOTE("before_commit",
		       "coalesce(:old_text,'none') || '>' || coalesce(:new_text,'none') || ':' || :text"
		       " || :key || :uid || :gid || (:now > '2020')"),
		  "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"milk\"}");
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	ck_assert_str_eq(saved_log(&s), "none>tea:tea1100010001 tea>milk:milk1100010001 milk>none:milk1100010001");
}
END_TEST

START_TEST(pre_save_sql_edits_fields)
{
	open_shop("on pre_save sql \"SELECT upper(:text) AS text, :qty * 2 AS qty, 1 AS other\"", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\",\"qty\":4}");
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 1), "\"text\":\"TEA\",\"qty\":8"));
}
END_TEST

START_TEST(an_edit_that_breaks_a_rule_is_refused)
{
	open_shop("on pre_save sql \"SELECT -1 AS qty\"", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"), -ECANCELED);
	ck_assert_ptr_nonnull(strstr(s.error.text, "an sql hook edits the record: /qty"));
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

/* Each event: the row and what the hooks before wrote are gone. */
static const struct {
	const char *event;
	enum request_kind kind;
} refusing[] = {
    {"pre_save", REQUEST_PUT},      {"post_save", REQUEST_PUT},      {"before_commit", REQUEST_PUT},
    {"pre_delete", REQUEST_DELETE}, {"post_delete", REQUEST_DELETE}, {"before_commit", REQUEST_DELETE},
};

START_TEST(an_error_column_refuses_and_leaves_nothing)
{
	char hooks[512];
	snprintf(hooks, sizeof hooks, NOTE("%s", "'x'") "on %s sql \"SELECT 'no tea' AS error WHERE :qty = 13\"",
		 refusing[_i].event, refusing[_i].event);
	open_shop(hooks, "", "");
	bool delete = refusing[_i].kind == REQUEST_DELETE;
	if (delete)
		saved_ok(&s, REQUEST_PUT, "drafts", 1, "{\"text\":\"tea\"}");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\",\"qty\":13}"),
			 delete &&strcmp(refusing[_i].event, "before_commit") != 0 ? 0 : -ECANCELED);
	if (s.error.code == 0) {
		ck_assert_int_eq(saved_do(&s, REQUEST_DELETE, "orders", 1, NULL), -ECANCELED);
		ck_assert_int_eq(saved_count(&s, "orders"), 1);
	}
	ck_assert_str_eq(s.error.text, "no tea");
	ck_assert_str_eq(saved_log(&s), "");
}
END_TEST

START_TEST(a_check_refuses_what_is_false_or_null)
{
	open_shop("on pre_save check \"qty < 10 -- few\" \"too many\"", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\",\"qty\":9}");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\",\"qty\":10}"), -ECANCELED);
	ck_assert_str_eq(s.error.text, "too many");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\",\"qty\":null}"), -ECANCELED);
}
END_TEST

START_TEST(a_check_at_a_delete_sees_the_old_row)
{
	open_shop("on pre_delete check \":qty = 0 and qty = 0\" \"not empty\"", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	ck_assert_int_eq(saved_do(&s, REQUEST_DELETE, "orders", 1, NULL), -ECANCELED);
	saved_ok(&s, REQUEST_MERGE, "orders", 1, "{\"qty\":0}");
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
}
END_TEST

START_TEST(a_hook_of_every_model_runs_first)
{
	saved_open(
	    &s, "store sqlite:a.db\ndurability off\n"
		"model log { fields { id integer key; what string required } }\n"
		"model orders { fields { id integer key }\n" NOTE("pre_save", "'own'") "}\n" NOTE("pre_save", "'all'"));
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{}");
	ck_assert_str_eq(saved_log(&s), "all own");
}
END_TEST

/* ---- enqueue ---- */

START_TEST(a_job_is_part_of_the_transaction)
{
	open_shop("on post_save create enqueue jobs order_id=:id priority=5\n"
		  "on before_commit check \"qty > 0\" \"no quantity\"",
		  "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\",\"qty\":0}"), -ECANCELED);
	ck_assert_int_eq(saved_count(&s, "jobs"), 0);
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	const char *job = saved_show(&s, "jobs", 1);
	ck_assert_ptr_nonnull(strstr(job, "\"order_id\":1,\"status\":\"queued\",\"attempts\":0"));
	ck_assert_ptr_nonnull(strstr(job, "\"priority\":5"));
}
END_TEST

START_TEST(a_refused_job_refuses_the_save)
{
	open_shop("on after_commit enqueue jobs order_id=77", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"), -EBADMSG);
	ck_assert_int_eq(strncmp(s.error.text, "jobs: /order_id", 15), 0);
	ck_assert_uint_eq(s.error.nproblems, 0);
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

START_TEST(jobs_that_enqueue_themselves_end_with_EPROTO)
{
	open_shop("on after_commit enqueue jobs order_id=:id", "", "on pre_save enqueue jobs order_id=:order_id");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"), -EPROTO);
	ck_assert_int_eq(saved_count(&s, "jobs"), 0);
}
END_TEST

START_TEST(jobs_that_enqueue_themselves_at_the_end_do_so_too)
{
	open_shop("on after_commit enqueue jobs order_id=:id", "", "on after_commit enqueue jobs order_id=:order_id");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"), -EPROTO);
}
END_TEST

/* ---- programs ---- */

START_TEST(a_program_gets_the_event)
{
	saved_script(&s, "hook", "cat > event; env | sort > environment; echo $PWD > where");
	open_shop("on before_commit update run ./hook", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\",\"secret\":\"s3cret\"}");
	saved_ok(&s, REQUEST_MERGE, "orders", 1, "{\"text\":\"milk\"}");
	char path[128], text[4096] = "";
	snprintf(path, sizeof path, "%s/event", s.directory);
	FILE *f = fopen(path, "r");
	ck_assert_ptr_nonnull(fgets(text, sizeof text, f));
	fclose(f);
	json_t *event = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(event);
	const char *name, *verb, *put_type, *model, *old, *new, *changed, *status, *comm;
	json_int_t version, key, uid;
	ck_assert_int_eq(json_unpack(event, "{sI ss ss ss ss sI s{sI ss} s{ss} s{ss} s[s] ss s{}}", "version", &version,
				     "event", &name, "verb", &verb, "put_type", &put_type, "model", &model, "key", &key,
				     "actor", "uid", &uid, "comm", &comm, "old", "text", &old, "new", "text", &new,
				     "changed", &changed, "status", &status, "details"),
			 0);
	ck_assert_str_eq(name, "before_commit");
	ck_assert_str_eq(verb, "patch");
	ck_assert_str_eq(put_type, "updated");
	ck_assert_str_eq(old, "tea");
	ck_assert_str_eq(new, "milk");
	ck_assert_str_eq(changed, "text");
	ck_assert_str_eq(status, "modified");
	ck_assert_int_eq(uid, 1000);
	json_decref(event);
	snprintf(text, sizeof text,
		 "cd %s && grep -qx new_text=milk environment && grep -qx old_text=tea environment &&"
		 " grep -qx ROWFS_KEY=1 environment && grep -qx ROWFS_CONF=$PWD/mount.conf environment &&"
		 " ! grep -q s3cret event environment && [ $(cat where) = $PWD ]",
		 s.directory);
	ck_assert_int_eq(system(text), 0);
}
END_TEST

START_TEST(a_program_that_fails_refuses_with_its_first_line)
{
	saved_script(&s, "hook", "echo 'no tea today' >&2; echo more >&2; exit 3");
	open_shop("on pre_save run ./hook", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"), -ECANCELED);
	ck_assert_str_eq(s.error.text, "no tea today");
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

START_TEST(a_program_names_its_errno)
{
	saved_script(&s, "hook", "echo 'ENOSPC the shelf is full' >&2; exit 1");
	open_shop("on post_save run ./hook", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"), -ENOSPC);
	ck_assert_str_eq(s.error.text, "the shelf is full");
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

START_TEST(a_program_that_is_not_there_refuses)
{
	open_shop("on pre_save run ./none", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"), -ECANCELED);
	ck_assert_ptr_nonnull(strstr(s.error.text, "none: No such file"));
}
END_TEST

START_TEST(a_slow_program_is_ETIMEDOUT)
{
	saved_script(&s, "hook", "sleep 60");
	open_shop("on before_commit run ./hook { timeout 100ms }", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(s.error.text, "took longer than 100 ms"));
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

START_TEST(a_program_edits_the_record)
{
	saved_script(&s, "hook", "echo '{\"new\":{\"text\":\"'$new_text'!\",\"qty\":7}}'");
	open_shop("on pre_save run ./hook\non pre_save run ./hook\n" NOTE("post_save", ":text"), "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 1), "\"text\":\"tea!!\",\"qty\":7"));
	ck_assert_str_eq(saved_log(&s), "tea!!");
}
END_TEST

static const struct {
	const char *answer, *sentence;
} answers[] = {
    {"{\"errors\":{\"qty\":\"is odd\"},\"message\":\"look again\"}", "look again"},
    {"{\"errors\":{\"qty\":\"is odd\"}}", "/qty: is odd"},
    {"{\"message\":\"look again\"}", "look again"},
    {"{\"handled\":true}", "only apply may"},
    {"{\"new\":7}", "no object"},
    {"{\"knew\":{}}", "none of new, errors, message"},
    {"{\"new\":{\"text\":7}}", "edits the record: /text"},
    {"{\"new\":", "no JSON object"},
    {"nonsense", "no JSON object"},
};

START_TEST(an_answer_that_is_not_right_refuses)
{
	char script[256];
	snprintf(script, sizeof script, "echo '%s'", answers[_i].answer);
	saved_script(&s, "hook", script);
	open_shop("on pre_save run ./hook", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"), -ECANCELED);
	ck_assert_msg(strstr(s.error.text, answers[_i].sentence) != NULL, "%s", s.error.text);
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

START_TEST(only_pre_save_may_edit)
{
	saved_script(&s, "hook", "echo '{\"new\":{\"text\":\"x\"}}'");
	open_shop("on post_save run ./hook", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"), -ECANCELED);
	ck_assert_ptr_nonnull(strstr(s.error.text, "which only pre_save may"));
}
END_TEST

/* ---- programs before the transaction ---- */

static void *save_other(void *unused)
{
	(void)unused;
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = 0};
	err_auto e = ERR_INIT;
	struct request r = saved_request(&s, REQUEST_PUT, "drafts", 1, "{\"text\":\"x\"}");
	arena_auto a = ARENA_INIT;
	return save(s.saver, &actor, &r, 1, NULL, &a, &e) == 0 ? NULL : &s;
}

static void wait_for_file(const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", s.directory, name);
	for (int i = 0; i < 5000 && access(path, F_OK) != 0; i++)
		usleep(1000);
	ck_assert_int_eq(access(path, F_OK), 0);
}

static void *put_order(void *text)
{
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = 0};
	err_auto e = ERR_INIT;
	struct request r = saved_request(&s, REQUEST_PUT, "orders", 1, text);
	arena_auto a = ARENA_INIT;
	return (void *)(intptr_t)save(s.saver, &actor, &r, 1, NULL, &a, &e);
}

START_TEST(nobody_waits_for_a_program_of_pre_save)
{
	saved_script(&s, "hook", "> started; while [ ! -e go ]; do sleep 0.01; done");
	open_shop("on pre_save run ./hook", "", "");
	pthread_t thread;
	void *result;
	pthread_create(&thread, NULL, put_order, "{\"text\":\"tea\"}");
	wait_for_file("started");
	ck_assert_ptr_null(save_other(NULL));
	saved_file(&s, "go", "", 0600);
	pthread_join(thread, &result);
	ck_assert_ptr_null(result);
}
END_TEST

START_TEST(a_program_of_pre_save_runs_again_when_the_record_changed_meanwhile)
{
	saved_script(&s, "hook",
		     "echo run >> runs; > started; while [ ! -e go ]; do sleep 0.01; done\n"
		     "echo '{\"save\":[{\"path\":\"log/.new\",\"put\":{\"what\":\"once\"}}]}'");
	open_shop("on pre_save update run ./hook", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	pthread_t thread;
	void *result;
	pthread_create(&thread, NULL, put_order, "{\"text\":\"milk\"}");
	wait_for_file("started");
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"coffee\"}");
	saved_file(&s, "go", "", 0600);
	pthread_join(thread, &result);
	ck_assert_ptr_null(result);
	char command[256];
	snprintf(command, sizeof command, "[ $(wc -l < %s/runs) = 2 ]", s.directory);
	ck_assert_int_eq(system(command), 0);
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 1), "milk"));
	ck_assert_str_eq(saved_log(&s), "once");
}
END_TEST

START_TEST(sessions_that_a_save_waits_for_are_known)
{
	saved_script(&s, "hook", "echo $$ > pid; mv pid started; while [ ! -e go ]; do sleep 0.01; done");
	open_shop("on before_commit run ./hook", "", "");
	pthread_t thread;
	char path[128];
	int pid = 0;
	ck_assert(!saver_waits_for(s.saver, getpid()));
	pthread_create(&thread, NULL, put_order, "{\"text\":\"tea\"}");
	wait_for_file("started");
	snprintf(path, sizeof path, "%s/started", s.directory);
	FILE *f = fopen(path, "r");
	ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
	fclose(f);
	ck_assert(saver_waits_for(s.saver, pid));
	ck_assert(!saver_waits_for(s.saver, getpid()));
	saved_file(&s, "go", "", 0600);
	pthread_join(thread, NULL);
	ck_assert(!saver_waits_for(s.saver, pid));
}
END_TEST

/* ---- after the commit ---- */

static int64_t waiting(void)
{
	struct pending_total total;
	err_auto e = ERR_INIT;
	struct conn *c = store_read_begin(s.store, &e);
	ck_assert_int_eq(store_pending_total(c, &total, &e), 0);
	store_read_end(c);
	return total.n;
}

/* Ten seconds at most. */
#define eventually(condition)                                                                                          \
	do {                                                                                                           \
		int eventually_left = 1000;                                                                            \
		while (!(condition) && eventually_left--)                                                              \
			usleep(10000);                                                                                 \
		ck_assert_int_gt(eventually_left, 0);                                                                  \
	} while (0)

START_TEST(after_commit_programs_run_in_commit_order)
{
	saved_script(&s, "hook", "echo $ROWFS_VERB$ROWFS_KEY >> order");
	open_shop("on after_commit run ./hook", "", "");
	for (int i = 1; i <= 5; i++)
		saved_ok(&s, REQUEST_PUT, "orders", i, "{\"text\":\"tea\"}");
	saved_ok(&s, REQUEST_DELETE, "orders", 3, NULL);
	eventually(waiting() == 0);
	char command[256];
	snprintf(command, sizeof command,
		 "[ \"$(echo $(cat %s/order))\" = 'create1 create2 create3 create4 create5 delete3' ]", s.directory);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(a_failure_after_the_commit_stands_in_the_journal)
{
	saved_script(&s, "hook", "echo 'the printer is off' >&2; exit 1");
	open_shop("on after_commit run ./hook", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}");
	buf_auto text = BUF_INIT;
	eventually(journal_last(s.journal, 1000, "orders/1.json", &text) == 0);
	ck_assert_str_eq(buf_text(&text), "after_commit run ./hook: the printer is off");
	ck_assert_int_eq(waiting(), 1);
	ck_assert_int_eq(saved_count(&s, "orders"), 1);
}
END_TEST

START_TEST(a_refused_save_runs_nothing_after_it)
{
	saved_script(&s, "hook", "> ran");
	open_shop("on after_commit run ./hook\non before_commit check \"0\" \"no\"", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"), -ECANCELED);
	ck_assert_int_eq(waiting(), 0);
	saver_free(s.saver);
	s.saver = NULL;
	char path[128];
	snprintf(path, sizeof path, "%s/ran", s.directory);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* ---- answers ---- */

#define ANSWER "on after_commit create enqueue jobs order_id=:id\nanswer create with jobs id status\n"

START_TEST(a_save_is_answered_by_the_job_that_it_made)
{
	open_shop(ANSWER, "", "");
	saved_ok(&s, REQUEST_PUT, "orders", 7, "{\"text\":\"tea\"}");
	ck_assert_ptr_nonnull(s.outcome.answer);
	ck_assert_str_eq(s.outcome.answer->model->name, "jobs");
	ck_assert_int_eq(s.outcome.answer_key.integer, 1);
	saved_ok(&s, REQUEST_PUT, "orders", 7, "{\"text\":\"milk\"}");
	ck_assert_ptr_null(s.outcome.answer);
	ck_assert_int_eq(s.outcome.answer_key.integer, 7);
}
END_TEST

START_TEST(of_several_requests_each_is_answered_by_its_own)
{
	open_shop(ANSWER, "", "");
	struct request r[] = {saved_request(&s, REQUEST_PUT, "orders", 1, "{\"text\":\"tea\"}"),
			      saved_request(&s, REQUEST_PUT, "drafts", 1, "{\"text\":\"tea\"}"),
			      saved_request(&s, REQUEST_PUT, "orders", 2, "{\"text\":\"milk\"}")};
	struct outcome outcomes[3];
	ck_assert_int_eq(saved_all(&s, r, 3, outcomes), 0);
	ck_assert_int_eq(outcomes[0].answer_key.integer, 1);
	ck_assert_ptr_null(outcomes[1].answer);
	ck_assert_int_eq(outcomes[2].answer_key.integer, 2);
}
END_TEST

/* ---- threads ---- */

enum { THREADS = 8, SAVES = 40 };

static void *count_up(void *which)
{
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = 0};
	for (int i = 0; i < SAVES; i++) {
		err_auto e = ERR_INIT;
		arena_auto a = ARENA_INIT;
		char text[64];
		snprintf(text, sizeof text, "{\"text\":\"t%d\",\"qty\":%d}", (int)(intptr_t)which, i);
		struct request r = saved_request(&s, REQUEST_PUT, "orders", i % 4 ? 1 : -1, text);
		if (save(s.saver, &actor, &r, 1, NULL, &a, &e) < 0)
			return &s;
	}
	return NULL;
}

START_TEST(eight_threads_save_at_once)
{
	open_shop(NOTE("post_save", "'x'") "on after_commit create enqueue jobs order_id=:id", "", "");
	pthread_t threads[THREADS];
	void *failed;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count_up, (void *)(intptr_t)i);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
	ck_assert_int_ge(saved_count(&s, "orders"), THREADS * SAVES / 4);
	ck_assert_int_eq(saved_count(&s, "jobs"), saved_count(&s, "orders"));
}
END_TEST

#define add(name)            tcase_add_test(tc, name)
#define add_all(name, table) tcase_add_loop_test(tc, name, 0, sizeof table / sizeof *table)

static void add_records(TCase *tc)
{
	add(put_creates_a_record);
	add(put_without_a_key_takes_the_next);
	add(put_without_a_key_takes_the_documents);
	add(put_replaces_and_merge_patches);
	add(merge_without_a_record_creates);
	add(equal_content_is_no_change_and_runs_no_hook);
	add(expectations_are_kept);
	add(a_merge_on_a_condition_needs_the_value);
	add(delete_deletes_and_needs_a_record);
	add(a_read_only_model_is_EROFS);
	add(problems_have_line_and_column);
	add(dangling_references_are_refused);
	add(requests_see_the_ones_before_them);
	add(one_refused_request_refuses_all);
	add(a_key_change_takes_hidden_values_and_references_along);
	add(a_key_change_replaces_what_has_the_key);
	add(a_key_change_of_nothing_is_ENOENT);
	add(a_move_into_another_model_is_validated_there);
	add(a_delete_takes_its_cascade_along_and_sets_the_others_null);
	add(delete_hooks_of_a_cascade_run_parent_first_and_after_it_children_first);
	add(a_child_whose_delete_hook_refuses_keeps_its_parent);
	add(a_child_that_a_hook_takes_away_stays);
	add(a_referred_record_is_EBUSY_and_the_sentence_says_by_whom);
	add(a_long_cascade_is_one_transaction);
}

static void add_hooks(TCase *tc)
{
	add(events_happen_in_their_order);
	add(verbs_choose_hooks);
	add(sql_knows_old_and_new_values);
	add(pre_save_sql_edits_fields);
	add(an_edit_that_breaks_a_rule_is_refused);
	add_all(an_error_column_refuses_and_leaves_nothing, refusing);
	add(a_check_refuses_what_is_false_or_null);
	add(a_check_at_a_delete_sees_the_old_row);
	add(a_hook_of_every_model_runs_first);
	add(a_job_is_part_of_the_transaction);
	add(a_refused_job_refuses_the_save);
	add(jobs_that_enqueue_themselves_end_with_EPROTO);
	add(jobs_that_enqueue_themselves_at_the_end_do_so_too);
}

static void add_programs(TCase *tc)
{
	add(a_program_gets_the_event);
	add(a_program_that_fails_refuses_with_its_first_line);
	add(a_program_names_its_errno);
	add(a_program_that_is_not_there_refuses);
	add(a_slow_program_is_ETIMEDOUT);
	add(a_program_edits_the_record);
	add_all(an_answer_that_is_not_right_refuses, answers);
	add(only_pre_save_may_edit);
	add(nobody_waits_for_a_program_of_pre_save);
	add(a_program_of_pre_save_runs_again_when_the_record_changed_meanwhile);
	add(sessions_that_a_save_waits_for_are_known);
	add(after_commit_programs_run_in_commit_order);
	add(a_failure_after_the_commit_stands_in_the_journal);
	add(a_save_is_answered_by_the_job_that_it_made);
	add(of_several_requests_each_is_answered_by_its_own);
	add(a_refused_save_runs_nothing_after_it);
	add(eight_threads_save_at_once);
}

int main(void)
{
	TCase *tc = tcase_create("save");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	add_records(tc);
	add_hooks(tc);
	add_programs(tc);
	Suite *suite = suite_create("save");
	suite_add_tcase(suite, tc);
	return saved_main(suite);
}
