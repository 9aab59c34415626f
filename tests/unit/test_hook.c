/*
 * test_hook.c - `on` directives: what is read, in which order it runs, and which mistakes are told where.
 */
#include "saved.h"

static struct saved s;

#define CONF(hook)                                                                                                     \
	"store sqlite:a.db\n"                                                                                          \
	"model users { fields { id integer key; name string; secret string write-only } }\n"                           \
	"model orders { fields { id integer key; owner_id integer references users; text string }\n" hook "\n}\n"      \
	"queue jobs { fields { order_id integer required; note string } }\n"
#define HOOK_LINE 4

static void set_up(void)
{
	saved_directory(&s);
}

static void tear_down(void)
{
	saved_close(&s);
}

static const struct hook *next(enum event event, enum verb verb, const char *model, size_t *at)
{
	return hooks_next(&s.hooks, event, verb, saved_model(&s, model), at);
}

START_TEST(each_event_of_a_directive_becomes_a_hook)
{
	saved_conf(&s, CONF("on pre_save,post_save create check \"1\" \"no\""));
	ck_assert_uint_eq(s.conf.nmistakes, 0);
	ck_assert_uint_eq(s.hooks.n, 2);
	size_t at = 0;
	ck_assert_ptr_nonnull(next(EVENT_POST_SAVE, VERB_CREATE, "orders", &at));
	ck_assert_ptr_null(next(EVENT_POST_SAVE, VERB_CREATE, "orders", &at));
	at = 0;
	ck_assert_ptr_null(next(EVENT_POST_SAVE, VERB_PATCH, "orders", &at));
	at = 0;
	ck_assert_ptr_null(next(EVENT_POST_SAVE, VERB_CREATE, "users", &at));
}
END_TEST

START_TEST(without_verbs_it_is_for_all_that_fit)
{
	saved_conf(&s, CONF("on pre_save,pre_delete,before_commit run ls"));
	ck_assert_uint_eq(s.hooks.all[0].verbs, 1 << VERB_CREATE | 1 << VERB_REPLACE | 1 << VERB_PATCH);
	ck_assert_uint_eq(s.hooks.all[1].verbs, 1 << VERB_DELETE);
	ck_assert_uint_eq(s.hooks.all[2].verbs, (1 << VERB_COUNT) - 1);
}
END_TEST

START_TEST(update_is_replace_and_patch)
{
	saved_conf(&s, CONF("on post_save update run ls"));
	ck_assert_uint_eq(s.hooks.all[0].verbs, 1 << VERB_REPLACE | 1 << VERB_PATCH);
}
END_TEST

START_TEST(programs_with_a_slash_lie_beside_the_conf)
{
	char path[128];
	saved_conf(&s, CONF("on pre_save run hooks/price -v { timeout 10s }\non after_commit run mail"));
	snprintf(path, sizeof path, "%s/hooks/price", s.directory);
	ck_assert_str_eq(s.hooks.all[0].argv[0], path);
	ck_assert_str_eq(s.hooks.all[0].argv[1], "-v");
	ck_assert_ptr_null(s.hooks.all[0].argv[2]);
	ck_assert_int_eq(s.hooks.all[0].timeout_ms, 10000);
	ck_assert_str_eq(s.hooks.all[1].argv[0], "mail");
	ck_assert_int_eq(s.hooks.all[1].timeout_ms, TIMEOUT_AFTER_MS);
}
END_TEST

START_TEST(enqueue_takes_literals_and_parameters)
{
	saved_conf(&s, CONF("on after_commit enqueue jobs order_id=:id note=hello"));
	ck_assert_uint_eq(s.conf.nmistakes, 0);
	const struct hook *h = &s.hooks.all[0];
	ck_assert_uint_eq(h->nassignments, 2);
	ck_assert_str_eq(h->assignments[0].parameter, "id");
	ck_assert_ptr_null(h->assignments[1].parameter);
	ck_assert_str_eq(h->assignments[1].literal.text.data, "hello");
}
END_TEST

START_TEST(the_list_is_printed_in_the_order_it_runs)
{
	char *text = NULL;
	size_t size = 0;
	saved_conf(&s, "on before_commit run audit\n" CONF("on after_commit create enqueue jobs order_id=:id\n"
							   "on pre_save create check \"text <> ''\" \"empty\""));
	ck_assert_uint_eq(s.conf.nmistakes, 0);
	FILE *f = open_memstream(&text, &size);
	hooks_print(&s.hooks, &s.schema, f);
	fclose(f);
	ck_assert_str_eq(text, "users: before_commit create replace patch delete run audit\n"
			       "orders: pre_save create check \"text <> ''\" empty\n"
			       "orders: before_commit create replace patch delete run audit\n"
			       "orders: after_commit create enqueue jobs order_id=:id\n"
			       "jobs: before_commit create replace patch delete run audit\n");
	free(text);
}
END_TEST

static const struct {
	const char *hook;
	int column;
	const char *text;
} mistakes[] = {
    {"on", 1, "on is followed by"},
    {"on pre_sve run ls", 4, "unknown event 'pre_sve'; did you mean 'pre_save'?"},
    {"on pre_save,pots_save run ls", 13, "did you mean 'post_save'?"},
    {"on pre_save pipe", 13, "usage: pipe"},
    {"on pre_save pipe\n on pre_save pipe ls", 13, "usage: pipe"},
    {"on pre_save pipe \"\"", 18, "the name of the program is empty"},
    {"on pre_save run \"\" x", 17, "the name of the program is empty"},
    {"on pre_save plugin \"\"", 20, "the name of the plugin is empty"},
    {"on after_commit pipe ls", 17, "pipe can't do anything at after_commit"},
    {"on pre_save plugin", 13, "usage: plugin"},
    {"on pre_save plugin nowhere.so", 20, "nowhere.so: cannot open shared object file"},
    {"on after_commit plugin nowhere.so", 24, "nowhere.so: cannot open"},
    {"on pre_save run ls { as nobody2 }", 25, "there is no user 'nobody2'"},
    {"on pre_save run ls { as }", 22, "as is followed by the name of a user"},
    {"on pre_save sql \"SELECT 1\" { as root }", 30, "only a program runs as a user"},
    {"on pre_save run ls { timout 3s }", 22, "did you mean 'timeout'?"},
    {"on pre_save run ls { timeout soon }", 22, "timeout is followed by a time"},
    {"on pre_save sql \"SELECT 1\" { timeout 3s }", 30, "only a program has a timeout"},
    {"on pre_save crate run ls", 13, "did you mean 'create'?"},
    {"on pre_save delete run ls", 13, "no delete happens at pre_save"},
    {"on pre_delete,pre_save delete run ls", 4, "pre_save happens for none of these verbs"},
    {"on pre_save", 1, "is followed by sql, check, run, pipe, plugin or enqueue"},
    {"on pre_save check \"1\"", 13, "usage: check"},
    {"on pre_save run", 13, "usage: run"},
    {"on after_commit sql \"SELECT 1\"", 17, "sql can't do anything at after_commit"},
    {"on after_commit check \"1\" \"no\"", 17, "check can't do anything at after_commit"},
    {"on after_commit enqueue job order_id=1", 25, "did you mean 'jobs'?"},
    {"on after_commit enqueue users", 25, "'users' is a model, not a queue"},
    {"on after_commit enqueue jobs", 25, "jobs needs a value for order_id"},
    {"on after_commit enqueue jobs order_id", 30, "FIELD=VALUE is expected"},
    {"on after_commit enqueue jobs order_id=1 orde=1", 41, "unknown field 'orde'"},
    {"on after_commit enqueue jobs order_id=1 order_id=1", 41, "order_id is given twice"},
    {"on after_commit enqueue jobs order_id=one", 30, "order_id is integer, 'one' is none"},
    {"on after_commit enqueue jobs order_id=:di", 30, "orders has no field for ':di'"},
    {"on after_commit enqueue jobs order_id=:text", 30, "':text' is string, order_id is integer"},
};

START_TEST(a_mistake_is_told_at_its_word)
{
	char conf[1024];
	snprintf(conf, sizeof conf, CONF("%s"), mistakes[_i].hook);
	saved_conf(&s, conf);
	bool found = false;
	for (size_t i = 0; i < s.conf.nmistakes; i++) {
		const struct mistake *m = &s.conf.mistakes[i];
		found |= m->line == HOOK_LINE && m->column == mistakes[_i].column && strstr(m->text, mistakes[_i].text);
	}
	if (!found)
		conf_print_mistakes(&s.conf, stderr);
	ck_assert(found);
}
END_TEST

START_TEST(a_write_only_field_may_not_be_shown_in_a_job)
{
	saved_conf(&s, "store sqlite:a.db\n"
		       "model users { fields { id integer key; secret string write-only }\n"
		       "on after_commit enqueue jobs note=:secret }\nqueue jobs { fields { note string } }\n");
	ck_assert_uint_eq(s.conf.nmistakes, 1);
	ck_assert_str_eq(s.conf.mistakes[0].text, "users.secret is write-only and would be shown in the job");
}
END_TEST

static void prepare(const char *conf)
{
	saved_conf(&s, conf);
	ck_assert_uint_eq(s.conf.nmistakes, 0);
	ck_assert_msg(store_open_memory(&s.store, &s.schema, &s.error) == 0, "%s", s.error.text);
	ck_assert_int_eq(hooks_prepare(&s.hooks, &s.conf, s.store, &s.schema, &s.error), 0);
}

START_TEST(sql_that_is_right_compiles)
{
	prepare(CONF("on pre_save sql \"SELECT :key, :verb, :uid, :gid, :now, :new_text, :old_text, :text\"\n"
		     "on pre_save check \"text <> :text\" \"no\""));
	ck_assert_uint_eq(s.conf.nmistakes, 0);
	ck_assert_ptr_nonnull(s.hooks.all[0].prepared);
	ck_assert_ptr_nonnull(s.hooks.all[1].prepared);
}
END_TEST

static const struct {
	const char *hook;
	int column;
	const char *text;
} sql_mistakes[] = {
    {"on pre_save sql \"SELEC 1\"", 17, "syntax error"},
    {"on pre_save sql \"SELECT :txt\"", 17, "unknown parameter :txt"},
    {"on pre_save sql \"COMMIT\"", 17, "not allowed"},
    {"on pre_save check \"txt = 1\" \"no\"", 19, "no such column: txt"},
};

START_TEST(sql_that_is_wrong_is_a_mistake_at_its_text)
{
	char conf[1024];
	snprintf(conf, sizeof conf, CONF("%s"), sql_mistakes[_i].hook);
	prepare(conf);
	ck_assert_uint_eq(s.conf.nmistakes, 1);
	ck_assert_int_eq(s.conf.mistakes[0].line, HOOK_LINE);
	ck_assert_int_eq(s.conf.mistakes[0].column, sql_mistakes[_i].column);
	ck_assert_msg(strstr(s.conf.mistakes[0].text, sql_mistakes[_i].text) != NULL, "%s", s.conf.mistakes[0].text);
}
END_TEST

START_TEST(sql_for_every_model_is_compiled_for_each)
{
	prepare("on pre_save sql \"SELECT :text\"\n" CONF(""));
	ck_assert_uint_eq(s.conf.nmistakes, 2);
	ck_assert_str_eq(s.conf.mistakes[0].text, "users: unknown parameter :text");
	ck_assert_ptr_nonnull(s.hooks.all[0].prepared_for[saved_model(&s, "orders")->index]);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("hook");
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, each_event_of_a_directive_becomes_a_hook);
	tcase_add_test(tc, without_verbs_it_is_for_all_that_fit);
	tcase_add_test(tc, update_is_replace_and_patch);
	tcase_add_test(tc, programs_with_a_slash_lie_beside_the_conf);
	tcase_add_test(tc, enqueue_takes_literals_and_parameters);
	tcase_add_test(tc, the_list_is_printed_in_the_order_it_runs);
	tcase_add_loop_test(tc, a_mistake_is_told_at_its_word, 0, sizeof mistakes / sizeof *mistakes);
	tcase_add_test(tc, a_write_only_field_may_not_be_shown_in_a_job);
	tcase_add_test(tc, sql_that_is_right_compiles);
	tcase_add_loop_test(tc, sql_that_is_wrong_is_a_mistake_at_its_text, 0,
			    sizeof sql_mistakes / sizeof *sql_mistakes);
	tcase_add_test(tc, sql_for_every_model_is_compiled_for_each);
	Suite *suite = suite_create("hook");
	suite_add_tcase(suite, tc);
	return saved_main(suite);
}
