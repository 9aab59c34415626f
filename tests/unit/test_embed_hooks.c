/*
 * test_embed_hooks.c - hooks of records and of what is embedded in them: their order, what they are told, edit and
 * refuse.
 */
#include <jansson.h>
#include <pthread.h>

#include "saved.h"

static struct saved s;

#define LOG               "model log { fields { id integer key; what string required } }\n"
#define NOTE(event, text) "on " event " sql \"INSERT INTO log(what) VALUES (" text ")\"\n"

#define SHOP                                                                                                           \
	"store sqlite:shop.db\ndurability off\n" LOG                                                                   \
	"model orders { fields { id integer key; name string required; total integer read-only }\n"                    \
	"  embeds-many lines by order_id\n ORDERS }\n"                                                                 \
	"model lines { fields { id integer key; order_id integer required references orders; sku string required\n"    \
	"  qty integer default 1; secret string write-only }\n  embeds-many parts by line_id\n LINES }\n"              \
	"model parts { fields { id integer key; line_id integer references lines; name string required } }\n"          \
	"queue jobs { fields { line_id integer references lines on-delete cascade } }\n"

static void open_shop(const char *orders, const char *lines)
{
	const char *const words[] = {"ORDERS", "LINES"}, *const texts[] = {orders, lines};
	saved_open_with(&s, SHOP, words, texts, 2);
}

static void set_up(void)
{
	saved_directory(&s);
}

static void tear_down(void)
{
	saved_close(&s);
}

static void put(const char *text)
{
	saved_ok(&s, REQUEST_PUT, "orders", 1, text);
}

/* What the shell command prints in the conf's directory, at most one line. In the arena. */
static const char *shell(const char *command)
{
	char text[4096] = "";
	snprintf(text, sizeof text, "cd %s && %s", s.directory, command);
	FILE *f = popen(text, "r");
	ck_assert_ptr_nonnull(f);
	if (!fgets(text, sizeof text, f))
		text[0] = '\0';
	pclose(f);
	return arena_copy(&s.arena, text, strcspn(text, "\n"));
}

/* "KEY:SKU:QTY ..." of all lines. */
static const char *lines(void)
{
	buf_auto out = BUF_INIT;
	struct value row[LIMIT_FIELDS];
	const struct model *m = saved_model(&s, "lines");
	for (int i = 1; i < 10; i++) {
		struct value key = value_integer(i);
		err_auto e = ERR_INIT;
		struct conn *c = store_read_begin(s.store, &e);
		if (store_get(c, m, &key, &s.arena, row, NULL, &e) == 0)
			buf_printf(&out, "%s%d:%s:%d", out.len ? " " : "", i,
				   row[model_field(m, "sku")->index].text.data,
				   (int)row[model_field(m, "qty")->index].integer);
		store_read_end(c);
	}
	return arena_copy(&s.arena, buf_text(&out), out.len);
}

#define TWO "{\"name\":\"a\",\"lines\":[{\"sku\":\"x\"},{\"sku\":\"y\",\"parts\":[{\"name\":\"p\"}]}]}"
#define ALL "pre_save,post_save,pre_delete,post_delete,before_commit"

/* ---- what they are told ---- */

START_TEST(rows_that_go_come_behind_those_that_stay)
{
	open_shop(NOTE(ALL, "substr(:verb, 1, 1) || 'o' || :key"), NOTE(ALL, "substr(:verb, 1, 1) || 'l' || :key"));
	put("{\"name\":\"a\",\"lines\":[{\"sku\":\"x\"}]}");
	put("{\"name\":\"a\",\"lines\":[{\"sku\":\"y\"},{\"sku\":\"z\"}]}");
	ck_assert_str_eq(saved_log(&s), "co1 cl1 cl1 co1 co1 cl1 "
					"ro1 cl2 cl3 dl1 dl1 cl3 cl2 ro1 ro1 cl2 cl3 dl1");
}
END_TEST

START_TEST(sql_of_an_embedded_record_knows_its_parent)
{
	open_shop("", NOTE("post_save", ":new_order_id || :new_sku"));
	saved_ok(&s, REQUEST_PUT, "orders", -1, TWO);
	ck_assert_str_eq(saved_log(&s), "1y 1x");
}
END_TEST

START_TEST(the_event_of_the_parent_has_the_edited_children)
{
	saved_script(&s, "hook", "cat > event");
	open_shop("on post_save run ./hook", "on pre_save sql \"SELECT upper(:sku) AS sku\"");
	put(TWO);
	ck_assert_str_eq(shell("jq -c '[.new.lines[].sku]' event"), "[\"X\",\"Y\"]");
	put("{\"name\":\"a\",\"lines\":[{\"id\":1,\"sku\":\"z\"},{\"id\":2,\"sku\":\"Y\"}]}");
	ck_assert_str_eq(shell("jq -c '.details.lines[0] | [.old.sku, .new.sku]' event"), "[\"X\",\"Z\"]");
	ck_assert_str_eq(shell("jq -c '.details.lines[1] | [.status, .details.parts[0].status]' event"),
			 "[\"details_modified\",\"deleted\"]");
	ck_assert_str_eq(shell("jq -c '[.old.lines[1].parts, .new.lines[1].parts]' event"),
			 "[[{\"id\":1,\"name\":\"p\"}],[]]");
}
END_TEST

START_TEST(a_record_of_which_both_changed_is_modified)
{
	saved_script(&s, "hook", "cat > event");
	open_shop("on post_save run ./hook", "");
	put(TWO);
	put("{\"name\":\"b\",\"lines\":[{\"id\":1,\"sku\":\"z\"}]}");
	ck_assert_str_eq(shell("jq -c '[.status, .changed, [.details.lines[].status]]' event"),
			 "[\"modified\",[\"name\"],[\"modified\",\"deleted\"]]");
	put("{\"name\":\"c\",\"lines\":[{\"id\":1,\"sku\":\"z\"}]}");
	ck_assert_str_eq(shell("jq -c '[.status, .details]' event"), "[\"modified\",{}]");
}
END_TEST

START_TEST(secrets_of_embedded_records_are_told_nobody)
{
	saved_script(&s, "hook", "cat >> event; env >> event");
	open_shop("on " ALL " run ./hook", "on " ALL " run ./hook");
	put("{\"name\":\"a\",\"lines\":[{\"sku\":\"x\",\"secret\":\"hush\"}]}");
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	ck_assert_str_eq(shell("grep -c hush event"), "0");
}
END_TEST

START_TEST(a_key_change_tells_the_parts_as_they_are)
{
	saved_script(&s, "hook", "cat > event");
	open_shop("on post_save run ./hook", "");
	put(TWO);
	struct request r = saved_request(&s, REQUEST_MOVE, "orders", 1, NULL);
	r.new_key = value_integer(4);
	ck_assert_int_eq(saved_all(&s, &r, 1, NULL), 0);
	ck_assert_str_eq(shell("jq -c '[.status, .changed, .details, (.old.lines == .new.lines)]' event"),
			 "[\"modified\",[\"id\"],{},true]");
}
END_TEST

/* ---- edits ---- */

START_TEST(a_program_edits_what_the_record_embeds)
{
	saved_script(&s, "hook", "echo run >> runs; jq -c '{new: (.new | .total = 7 | .lines[0].qty = 5)}'");
	open_shop("on pre_save run ./hook", NOTE("pre_save", ":qty"));
	put(TWO);
	ck_assert_str_eq(lines(), "1:x:5 2:y:1");
	ck_assert_str_eq(saved_log(&s), "5 1");
	ck_assert_str_eq(saved_show(&s, "orders", 1), "{\"id\":1,\"name\":\"a\",\"total\":7}");
	ck_assert_int_eq(saved_count(&s, "parts"), 1);
	ck_assert_str_eq(shell("grep -c run runs"), "1");
}
END_TEST

START_TEST(a_program_adds_and_takes_away)
{
	saved_script(&s, "hook", "echo run >> runs; jq -c '{new: (.new | .lines |= .[1:] + [{sku: \"n\"}])}'");
	open_shop("on pre_save run ./hook", NOTE("post_save,post_delete", "substr(:verb, 1, 1) || :key"));
	put(TWO);
	ck_assert_str_eq(lines(), "2:y:1 3:n:1");
	put("{\"name\":\"b\",\"lines\":[{\"id\":2,\"sku\":\"y\"},{\"id\":3,\"sku\":\"n\"}]}");
	ck_assert_str_eq(lines(), "3:n:1 4:n:1");
	ck_assert_str_eq(saved_log(&s), "c3 c2 d2 c4");
	ck_assert_str_eq(shell("grep -c run runs"), "2");
}
END_TEST

START_TEST(a_program_brings_back_what_the_document_left_out)
{
	saved_script(&s, "hook", "jq -c '{new: (.new | .lines += [{id: 1, sku: \"x\"}])}'");
	open_shop("on pre_save replace run ./hook", NOTE("post_save,post_delete", "substr(:verb, 1, 1) || :key"));
	put(TWO);
	put("{\"name\":\"a\",\"lines\":[{\"id\":2,\"sku\":\"z\"}]}");
	ck_assert_str_eq(lines(), "1:x:1 2:z:1");
	ck_assert_str_eq(saved_log(&s), "c2 c1 r2");
}
END_TEST

START_TEST(what_an_answer_leaves_out_is_left_alone)
{
	saved_script(&s, "hook", "echo '{\"new\": {\"name\": \"b\"}}'");
	open_shop("on pre_save run ./hook", "");
	put(TWO);
	ck_assert_str_eq(lines(), "1:x:1 2:y:1");
	saved_script(&s, "hook",
		     "jq -c '{new: (.new | .lines[].parts |= empty)}' 2>/dev/null || jq -c '{new: {name: \"c\"}}'");
	put("{\"name\":\"a\",\"lines\":[{\"id\":2,\"sku\":\"z\",\"parts\":[{\"id\":1,\"name\":\"p\"}]}]}");
	ck_assert_str_eq(lines(), "2:z:1");
	ck_assert_int_eq(saved_count(&s, "parts"), 1);
}
END_TEST

START_TEST(an_answer_keeps_what_it_was_not_told)
{
	saved_script(&s, "hook", "jq -c '{new: (.new | .lines[0].qty = 2)}'");
	open_shop("on pre_save run ./hook", NOTE("post_save", ":secret"));
	put("{\"name\":\"a\",\"lines\":[{\"sku\":\"x\",\"secret\":\"hush\"}]}");
	ck_assert_str_eq(saved_log(&s), "hush");
}
END_TEST

START_TEST(an_answer_that_is_wrong_below_is_the_hooks_fault)
{
	saved_script(&s, "hook", "jq -c '{new: (.new | .lines[1].qty = \"many\")}'");
	open_shop("on pre_save run ./hook", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, TWO), -ECANCELED);
	ck_assert_str_eq(s.error.text, "./hook edits the record: /lines/1/qty: must be an integer");
	ck_assert_str_eq(lines(), "");
}
END_TEST

START_TEST(an_embedded_record_can_not_be_edited_away_from_its_parent)
{
	open_shop("", "on pre_save sql \"SELECT 2 AS order_id\"");
	saved_do(&s, REQUEST_PUT, "orders", 1, TWO);
	ck_assert_int_eq(s.error.code, ECANCELED);
	ck_assert_str_eq(s.error.text,
			 "an sql hook edits the record: /lines/0/order_id: must be 1, the key of the record "
			 "that it is part of");
}
END_TEST

static void *put_other(void *text)
{
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = 0};
	err_auto e = ERR_INIT;
	arena_auto a = ARENA_INIT;
	struct request r = saved_request(&s, REQUEST_PUT, "orders", 1, text);
	return (void *)(intptr_t)save(s.saver, &actor, &r, 1, NULL, &a, &e);
}

static void wait_for_file(const char *name)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", s.directory, name);
	while (access(path, F_OK) != 0)
		usleep(1000);
}

/* A key that somebody was told is not given to a part, though no record has it yet. */
START_TEST(a_program_runs_again_when_a_key_was_reserved_meanwhile)
{
	struct value key;
	err_auto e = ERR_INIT;
	open_shop("on pre_save run ./hook", "");
	saved_script(&s, "hook", "echo run >> runs; cp runs started; while [ ! -e go ]; do sleep 0.01; done");
	pthread_t thread;
	void *result;
	pthread_create(&thread, NULL, put_other, TWO);
	wait_for_file("started");
	for (int64_t i = 1; i <= 5; i++) {
		ck_assert_int_eq(store_reserve_key(s.store, saved_model(&s, "lines"), &key, &e), 0);
		ck_assert_int_eq(key.integer, i);
	}
	saved_file(&s, "go", "", 0600);
	pthread_join(thread, &result);
	ck_assert_ptr_null(result);
	ck_assert_str_eq(shell("grep -c run runs"), "2");
	ck_assert_str_eq(lines(), "6:x:1 7:y:1");
}
END_TEST

START_TEST(a_program_runs_again_when_a_part_changed_or_a_key_was_taken_meanwhile)
{
	open_shop("on pre_save run ./hook", "");
	saved_script(&s, "hook", "");
	put(TWO);
	saved_script(&s, "hook",
		     "echo run >> runs; cp runs started; while [ ! -e go ]; do sleep 0.01; done\n"
		     "jq -c '{new: (.new | .name = (.lines | map(.id) | @text))}'");
	pthread_t thread;
	void *result;
	pthread_create(&thread, NULL, put_other,
		       "{\"name\":\"b\",\"lines\":[{\"id\":1,\"sku\":\"n\"},{\"sku\":\"m\"}]}");
	wait_for_file("started");
	saved_ok(&s, REQUEST_PUT, "lines", 3, "{\"order_id\":1,\"sku\":\"k\"}");
	saved_file(&s, "go", "", 0600);
	pthread_join(thread, &result);
	ck_assert_ptr_null(result);
	ck_assert_str_eq(shell("grep -c run runs"), "2");
	ck_assert_str_eq(lines(), "1:n:1 4:m:1");
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 1), "[1,4]"));
}
END_TEST

/* ---- refusals, and what hooks cause ---- */

START_TEST(a_refusal_below_stands_where_the_entry_does)
{
	saved_script(&s, "hook", "echo '{\"errors\": {\"sku\": \"is sold out\"}}'");
	open_shop("", "on pre_save run ./hook");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"name\":\"a\",\n\"lines\":[\n{\"sku\":\"x\"}]}"),
			 -ECANCELED);
	ck_assert_str_eq(s.error.problems[0].pointer, "/lines/0/sku");
	ck_assert_int_eq(s.error.problems[0].line, 3);
	ck_assert_str_eq(s.error.text, "/lines/0/sku: is sold out");
}
END_TEST

START_TEST(a_late_refusal_below_leaves_nothing)
{
	open_shop("", "on before_commit check \":sku <> 'y'\" \"no y\"");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, TWO), -ECANCELED);
	ck_assert_str_eq(s.error.text, "no y");
	ck_assert_int_eq(saved_count(&s, "orders") + saved_count(&s, "lines") + saved_count(&s, "parts"), 0);
}
END_TEST

START_TEST(jobs_of_embedded_records_are_part_of_the_save)
{
	open_shop("", "on pre_save,post_save create enqueue jobs line_id=:id\non after_commit enqueue jobs");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, TWO), -EBADMSG);
	ck_assert_int_eq(saved_count(&s, "orders") + saved_count(&s, "jobs"), 0);
}
END_TEST

START_TEST(jobs_in_every_phase_are_made_once)
{
	open_shop("on pre_save,post_save,before_commit,after_commit enqueue jobs",
		  "on pre_save,before_commit,after_commit enqueue jobs\non post_save enqueue jobs line_id=:id");
	put(TWO);
	ck_assert_int_eq(saved_count(&s, "jobs"), 12);
	ck_assert_str_eq(lines(), "1:x:1 2:y:1");
}
END_TEST

START_TEST(after_commit_comes_for_each_record_that_changed)
{
	saved_script(&s, "hook", "echo $ROWFS_MODEL$ROWFS_KEY >> order");
	open_shop("on after_commit run ./hook", "on after_commit run ./hook");
	put(TWO);
	while (strcmp(shell("grep -c . order"), "3") != 0) /* models of two saves go on beside each other */
		usleep(1000);
	put("{\"name\":\"a\",\"lines\":[{\"id\":1,\"sku\":\"x\"},{\"id\":2,\"sku\":\"z\"}]}");
	while (strcmp(shell("grep -c . order"), "5") != 0)
		usleep(1000);
	ck_assert_str_eq(shell("echo $(cat order)"), "orders1 lines1 lines2 orders1 lines2");
}
END_TEST

#define add(name) tcase_add_test(tc, name)

static void add_hooks(TCase *tc)
{
	add(rows_that_go_come_behind_those_that_stay);
	add(sql_of_an_embedded_record_knows_its_parent);
	add(the_event_of_the_parent_has_the_edited_children);
	add(a_record_of_which_both_changed_is_modified);
	add(secrets_of_embedded_records_are_told_nobody);
	add(a_key_change_tells_the_parts_as_they_are);
	add(a_program_edits_what_the_record_embeds);
	add(a_program_adds_and_takes_away);
	add(a_program_brings_back_what_the_document_left_out);
	add(what_an_answer_leaves_out_is_left_alone);
	add(an_answer_keeps_what_it_was_not_told);
	add(an_answer_that_is_wrong_below_is_the_hooks_fault);
	add(an_embedded_record_can_not_be_edited_away_from_its_parent);
	add(a_program_runs_again_when_a_key_was_reserved_meanwhile);
	add(a_program_runs_again_when_a_part_changed_or_a_key_was_taken_meanwhile);
	add(a_refusal_below_stands_where_the_entry_does);
	add(a_late_refusal_below_leaves_nothing);
	add(jobs_of_embedded_records_are_part_of_the_save);
	add(jobs_in_every_phase_are_made_once);
	add(after_commit_comes_for_each_record_that_changed);
}

int main(void)
{
	TCase *tc = tcase_create("embed_hooks");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	add_hooks(tc);
	Suite *suite = suite_create("embed_hooks");
	suite_add_tcase(suite, tc);
	return saved_main(suite);
}
