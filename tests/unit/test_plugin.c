/*
 * test_plugin.c - plugins: loading, configuring, what they may do in the transaction, old and new binaries.
 */
#include <libgen.h>
#include <limits.h>

#include "saved.h"

static struct saved s;

/* %s: the hook of orders, with PLUGIN/ for the directory of plugins. */
#define SHOP                                                                                                           \
	"store sqlite:shop.db\ndurability off\n"                                                                       \
	"model log { fields { id integer key; what string required } }\n"                                              \
	"model tracks { fields { id integer key; sold integer read-only; name string } }\n"                            \
	"model orders { fields { id integer key; text string; secret string write-only\n"                              \
	"  track_id integer references tracks; quantity integer default 1 }\n%s\n}\n"

/* BUILD/plugin, beside BUILD/unit/test_plugin. */
static const char *plugins(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);
	ck_assert_int_gt(n, 0);
	path[n] = '\0';
	strcpy(dirname(dirname(path)) + strlen(path), "/plugin");
	return path;
}

static char *shop(const char *hook)
{
	static char text[8192];
	char line[6000] = "";
	for (const char *at = hook; *at; at++) {
		size_t len = strlen(line);
		if (strncmp(at, "PLUGIN", 6) == 0) {
			snprintf(line + len, sizeof line - len, "%s", plugins());
			at += 5;
		} else {
			line[len] = *at;
			line[len + 1] = '\0';
		}
	}
	snprintf(text, sizeof text, SHOP, line);
	return text;
}

static void open_shop(const char *hook)
{
	saved_open(&s, shop(hook));
}

static void open_probe(const char *event, const char *word)
{
	char hook[256];
	snprintf(hook, sizeof hook, "on %s plugin PLUGIN/probe.so do=%s", event, word);
	open_shop(hook);
}

static int put_order(const char *document)
{
	return saved_do(&s, REQUEST_PUT, "orders", 1, document);
}

static void set_up(void)
{
	saved_directory(&s);
}

static void tear_down(void)
{
	saved_close(&s);
}

/* ---- the sample ---- */

static void open_sample(void)
{
	open_shop("on pre_save,post_save,post_delete plugin PLUGIN/sample.so most=100");
	ck_assert_uint_eq(s.hooks.nplugins, 1);
	saved_ok(&s, REQUEST_PUT, "tracks", 1, "{}");
	saved_ok(&s, REQUEST_PUT, "tracks", 2, "{}");
}

static void is_sold(int64_t track, const char *sold)
{
	char expected[64];
	snprintf(expected, sizeof expected, "\"sold\":%s,", sold);
	ck_assert_msg(strstr(saved_show(&s, "tracks", track), expected) != NULL, "%s", saved_show(&s, "tracks", track));
}

START_TEST(the_sample_keeps_what_is_sold)
{
	open_sample();
	ck_assert_int_eq(put_order("{\"track_id\":1,\"quantity\":2}"), 0);
	is_sold(1, "2");
	ck_assert_int_eq(put_order("{\"track_id\":2,\"quantity\":5}"), 0);
	is_sold(1, "0");
	is_sold(2, "5");
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	is_sold(2, "0");
}
END_TEST

START_TEST(the_sample_refuses_and_edits)
{
	open_sample();
	ck_assert_int_eq(put_order("{\"track_id\":1,\"quantity\":101}"), -EDQUOT);
	ck_assert_str_eq(s.error.text, "orders 1 orders more than 100");
	is_sold(1, "null");
	ck_assert_int_eq(put_order("{\"track_id\":1,\"quantity\":-3}"), 0);
	is_sold(1, "1");
}
END_TEST

START_TEST(what_a_plugin_saved_goes_with_a_refused_save)
{
	open_shop("on post_save plugin PLUGIN/sample.so\non before_commit check \"0\" \"no\"");
	saved_ok(&s, REQUEST_PUT, "tracks", 1, "{}");
	ck_assert_int_eq(put_order("{\"track_id\":1}"), -ECANCELED);
	is_sold(1, "null");
}
END_TEST

/* ---- what it is told and may do ---- */

START_TEST(it_is_told_what_happens)
{
	open_probe("pre_save,apply,post_save,before_commit,pre_delete,post_delete", "tell");
	ck_assert_int_eq(put_order("{\"text\":\"a\",\"secret\":\"pw\"}"), 0);
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	ck_assert_str_eq(saved_log(&s), "pre_save create newly_created orders 1 1000 a - 1 "
					"apply create newly_created orders 1 1000 a - 1 "
					"post_save create newly_created orders 1 1000 a - 1 "
					"before_commit create newly_created orders 1 1000 a - 1 "
					"pre_delete delete - orders 1 1000 - - 1 "
					"apply delete - orders 1 1000 - - 1 "
					"post_delete delete - orders 1 1000 - - 1 "
					"before_commit delete - orders 1 1000 - - 1");
}
END_TEST

START_TEST(it_handles)
{
	open_probe("apply", "handle");
	ck_assert_int_eq(put_order("{}"), 0);
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

START_TEST(it_reads_what_the_transaction_has_made)
{
	open_probe("post_save", "read");
	ck_assert_int_eq(put_order("{}"), -ECANCELED);
	ck_assert_str_eq(s.error.text, "it is there already");
}
END_TEST

START_TEST(what_is_not_there_reads_as_nothing)
{
	open_probe("pre_save", "read");
	ck_assert_int_eq(put_order("{}"), 0);
}
END_TEST

static const struct {
	const char *event, *word;
	int code;
	const char *sentence;
} wrong[] = {
    {"pre_save", "handle", ECANCELED, "probe.so returns 1, which pre_save may not"},
    {"apply", "odd", ECANCELED, "probe.so returns 7, which apply may not"},
    {"post_save", "fail", ECANCELED, "probe.so refuses"},
    {"post_save", "estale", EIO, "stale"},
    {"post_save", "mute", ECANCELED, "the plugin refuses"},
    {"pre_save", "edit", ECANCELED, "probe.so edits the record: /text: must be a string"},
    {"post_save", "edit", ECANCELED, "probe.so edits the record, which only pre_save may"},
    {"pre_save", "remove", ECANCELED, "probe.so: log/99.json does not exist"},
    {"pre_save", "nonsense", ECANCELED, "probe.so: log/1.json: "},
    {"pre_save", "many", EFBIG, "probe.so: log/.new: a transaction changes at most 100000 records"},
    {"pre_save", "nowhere", ECANCELED, "probe.so: nowhere/1.json: there is no model"},
};

START_TEST(what_it_may_not_do_refuses_the_save_whatever_it_returns)
{
	open_probe(wrong[_i].event, wrong[_i].word);
	ck_assert_int_eq(put_order("{}"), -wrong[_i].code);
	ck_assert_msg(strstr(s.error.text, wrong[_i].sentence) != NULL, "%s", s.error.text);
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

/* ---- mount.conf ---- */

static const struct {
	const char *hook;
	int column; /* 0: any */
	const char *text;
} mistakes[] = {
    {"on pre_save plugin nowhere.so", 20, "nowhere.so: cannot open shared object file"},
    {"on pre_save plugin PLUGIN/nothing.so", 20, "nothing.so is no plugin: it has no rowfs_plugin_init"},
    {"on pre_save plugin PLUGIN/stranger.so", 20,
     "stranger.so was built for version 2 of plugins, rowfs speaks 1 to 1"},
    {"on pre_delete plugin PLUGIN/sample.so", 22, "sample.so has no function for pre_delete"},
    {"on pre_save plugin PLUGIN/sample.so least=3", 0, "the sample knows no word but most"},
    {"on pre_save plugin PLUGIN/sample.so most", 0, "KEY=VALUE is expected"},
    {"on post_save plugin PLUGIN/future.so most=1", 0, "future.so has nothing to be configured"},
    {"on pre_save plugin PLUGIN/probe.so put=1", 0, "probe.so asks for a record where there is no event"},
    {"on after_commit plugin PLUGIN/sample.so", 17, "plugin can't do anything at after_commit"},
    {"on pre_save plugin PLUGIN/sample.so { timeout 3s }", 0, "only a program has a timeout"},
};

START_TEST(a_mistake_is_told_at_its_word)
{
	bool found = false;
	saved_conf(&s, shop(mistakes[_i].hook));
	for (size_t i = 0; i < s.conf.nmistakes; i++) {
		const struct mistake *m = &s.conf.mistakes[i];
		found |=
		    (!mistakes[_i].column || m->column == mistakes[_i].column) && strstr(m->text, mistakes[_i].text);
	}
	conf_print_mistakes(&s.conf, stderr);
	ck_assert(found);
}
END_TEST

START_TEST(one_that_is_not_ready_keeps_the_mount_from_starting)
{
	saved_conf(&s, shop("on pre_save plugin PLUGIN/probe.so do=late"));
	ck_assert_int_eq(store_open(&s.store, &s.schema, 0, &s.error), 0);
	ck_assert_int_eq(saver_new(&s.saver, &s.schema, &s.hooks, s.store, NULL, "/nowhere", &s.error), -EAGAIN);
	ck_assert_ptr_nonnull(strstr(s.error.text, "probe.so: not ready yet"));
	s.saver = NULL;
}
END_TEST

START_TEST(the_same_words_are_one_instance)
{
	saved_conf(&s, shop("on pre_save plugin PLUGIN/sample.so most=1\non post_save plugin PLUGIN/sample.so most=1\n"
			    "on post_delete plugin PLUGIN/sample.so most=2"));
	ck_assert_uint_eq(s.conf.nmistakes, 0);
	ck_assert_uint_eq(s.hooks.nplugins, 2);
	ck_assert_ptr_eq(s.hooks.all[0].plugin, s.hooks.all[1].plugin);
	ck_assert_ptr_ne(s.hooks.all[0].plugin, s.hooks.all[2].plugin);
}
END_TEST

/* ---- old and new binaries ---- */

START_TEST(a_plugin_built_with_the_first_header_works)
{
	open_shop("on post_save plugin PLUGIN/first.so");
	ck_assert_msg(put_order("{}") == 0, "%s", s.error.text);
	ck_assert_str_eq(saved_log(&s), "first");
}
END_TEST

START_TEST(a_plugin_built_with_a_later_header_works)
{
	open_shop("on post_save plugin PLUGIN/future.so");
	ck_assert_msg(put_order("{}") == 0, "%s", s.error.text);
	ck_assert_str_eq(saved_log(&s), "future");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("plugin");
	tcase_set_timeout(tc, 60); /* of a hundred thousand changes */
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, the_sample_keeps_what_is_sold);
	tcase_add_test(tc, the_sample_refuses_and_edits);
	tcase_add_test(tc, what_a_plugin_saved_goes_with_a_refused_save);
	tcase_add_test(tc, it_is_told_what_happens);
	tcase_add_test(tc, it_handles);
	tcase_add_test(tc, it_reads_what_the_transaction_has_made);
	tcase_add_test(tc, what_is_not_there_reads_as_nothing);
	tcase_add_loop_test(tc, what_it_may_not_do_refuses_the_save_whatever_it_returns, 0,
			    sizeof wrong / sizeof *wrong);
	tcase_add_loop_test(tc, a_mistake_is_told_at_its_word, 0, sizeof mistakes / sizeof *mistakes);
	tcase_add_test(tc, one_that_is_not_ready_keeps_the_mount_from_starting);
	tcase_add_test(tc, the_same_words_are_one_instance);
	tcase_add_test(tc, a_plugin_built_with_the_first_header_works);
	tcase_add_test(tc, a_plugin_built_with_a_later_header_works);
	Suite *suite = suite_create("plugin");
	suite_add_tcase(suite, tc);
	return saved_main(suite);
}
