/*
 * test_memory.c - with the n-th allocation failing (failing.h) what is asked for happens whole or not at all, with
 * ENOMEM; nothing leaks (make test-asan) and the next try succeeds.
 */
#include "failing.h"
#include "saved.h"

/* ---- the shop ---- */

static struct saved s;

static const char shop[] =
    "store sqlite:shop.db\ndurability off\n"
    "model log { fields { id integer key\n what string } }\n"
    "model orders { fields { id integer key\n text string required max 20\n qty integer default 1 min 0 enum 0,1,2,3\n"
    "    secret string write-only\n code string unique pattern [a-z]+\n made datetime default now read-only }\n"
    "  embeds-many lines by order_id\n has-many notes by order_id\n"
    "  on pre_save sql \"select :new_text || '' as text\"\n"
    "  on pre_save check \":new_qty < 3\" \"too many\"\n"
    "  on post_save,post_delete sql \"insert into log (what) values (:verb)\"\n"
    "  on after_commit enqueue jobs order_id=:key\n"
    "  answer create with jobs id status }\n"
    "model lines { fields { id integer key\n order_id integer required references orders\n note string } }\n"
    "model notes { fields { id integer key\n order_id integer references orders on-delete set-null } }\n"
    "queue jobs { fields { order_id integer }\n run /bin/true }\n";

static void set_up(void)
{
	wrap_libraries();
	saved_directory(&s);
}

static void tear_down(void)
{
	saved_close(&s);
}

static bool out_of_memory(int result)
{
	ck_assert_msg(result == 0 || s.error.code == ENOMEM, "%d: %s", result, s.error.text);
	return result != 0;
}

/* Everything that a save may change, as text in the arena. */
static const char *state(void)
{
	struct buf out = BUF_INIT;
	for (size_t i = 0; i < s.schema.nmodels; i++) {
		const struct model *m = &s.schema.models[i];
		buf_printf(&out, "%s\n", m->name);
		for (int64_t key = 0; key < 12; key++)
			buf_str(&out, saved_show(&s, m->name, key));
	}
	const char *copy = arena_copy(&s.arena, buf_text(&out), out.len);
	buf_release(&out);
	return copy;
}

/* ---- saves ---- */

static struct request wanted;

/* Whole, or not at all: then it succeeds when there is memory again. */
static void save_or_nothing(long n)
{
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = getpid()};
	const char *before = state();
	(void)n;
	err_release(&s.error);
	if (out_of_memory(failing(save(s.saver, &actor, &wanted, 1, &s.outcome, &s.arena, &s.error)))) {
		ck_assert_str_eq(state(), before);
		int result = saved_all(&s, &wanted, 1, &s.outcome);
		ck_assert_msg(result == 0, "%s", s.error.text);
	}
	ck_assert_str_ne(state(), before);
	arena_release(&s.arena);
}

/* The statements are compiled already: what a daemon meets. */
static void warm_up(void)
{
	saved_open(&s, shop);
	saved_ok(&s, REQUEST_PUT, "orders", 7, "{\"text\":\"tea\",\"lines\":[{\"id\":1,\"note\":\"a\"},{\"id\":2}]}");
	saved_ok(&s, REQUEST_PUT, "notes", 1, "{\"order_id\":7}");
}

static void again(long n)
{
	char text[200];
	snprintf(text, sizeof text,
		 "{\"text\":\"t%ld\",\"code\":\"a\",\"lines\":[{\"id\":1,\"note\":\"n%ld\"},{\"id\":%ld}]}", n, n,
		 n % 2 + 2);
	wanted = saved_request(&s, n % 3 ? REQUEST_PUT : REQUEST_MERGE, "orders", 7, text);
	save_or_nothing(n);
}

START_TEST(a_change_is_saved_whole_or_not_at_all)
{
	warm_up();
	for_every(step(5), again);
}
END_TEST

static void create_and_delete(long n)
{
	wanted = saved_request(&s, REQUEST_PUT, "orders", 8,
			       "{\"text\":\"b\",\"lines\":[{\"id\":8},{\"id\":9,\"note\":\"x\"}]}");
	save_or_nothing(n);
	wanted = saved_request(&s, REQUEST_DELETE, "orders", 8, NULL);
	save_or_nothing(n);
}

START_TEST(a_create_and_a_delete_happen_whole_or_not_at_all)
{
	warm_up();
	for_every(step(5), create_and_delete);
}
END_TEST

static void move(long n)
{
	static int64_t from = 7;
	wanted = saved_request(&s, REQUEST_MOVE, "orders", from, NULL);
	wanted.new_key = value_integer(15 - from);
	save_or_nothing(n);
	from = 15 - from;
}

START_TEST(a_key_changes_whole_or_not_at_all)
{
	warm_up();
	for_every(step(5), move);
}
END_TEST

/* ---- refusals ---- */

static void refused(long n)
{
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = getpid()};
	(void)n;
	wanted = saved_request(&s, REQUEST_PUT, "orders", 7,
			       "{\"text\":\"much too long for this field\",\"qty\":\"x\",\"unknown\":1,"
			       "\"lines\":[{\"id\":\"y\"}]}");
	err_release(&s.error);
	int result = failing(save(s.saver, &actor, &wanted, 1, &s.outcome, &s.arena, &s.error));
	ck_assert_msg(result == -EBADMSG || result == -ENOMEM, "%d: %s", result, s.error.text);
	ck_assert_int_ne(s.error.text[0], 0);
	failing((journal_add(s.journal, 1000, 1, "orders/7.json", &s.error), 0));
	arena_release(&s.arena);
}

START_TEST(a_refusal_is_told_as_well_as_there_is_memory)
{
	warm_up();
	for_every(1, refused);
}
END_TEST

/* ---- reading ---- */

static const char *shown;

static int show_order(struct buf *out)
{
	struct value key = value_integer(7);
	struct conn *c = store_read_begin(s.store, &s.error);
	int result = c ? store_show(c, schema_model(&s.schema, "orders"), &key, out, NULL, &s.error) : -s.error.code;
	store_read_end(c);
	return result;
}

static void show(long n)
{
	buf_auto out = BUF_INIT;
	(void)n;
	err_release(&s.error);
	if (!out_of_memory(failing(show_order(&out))))
		ck_assert_str_eq(buf_text(&out), shown);
}

START_TEST(a_record_is_shown_whole_or_not_at_all)
{
	buf_auto out = BUF_INIT;
	warm_up();
	ck_assert_int_eq(show_order(&out), 0);
	shown = buf_text(&out);
	for_every(1, show);
}
END_TEST

/* A listing that ends early says so. */
static int list_all(int *n)
{
	struct cursor *cursor = NULL;
	struct value key;
	int64_t serial;
	struct conn *c = store_read_begin(s.store, &s.error);
	int result = c ? cursor_open(&cursor, c, schema_model(&s.schema, "lines"), -1, &s.error) : -s.error.code;
	while (result == 0 && (result = cursor_next(cursor, &key, &serial, &s.error)) == 1)
		*n += result--;
	cursor_close(cursor);
	store_read_end(c);
	return result;
}

static void list(long n)
{
	int found = 0;
	(void)n;
	err_release(&s.error);
	bool failed = out_of_memory(failing(list_all(&found)));
	ck_assert(failed || found == 2);
}

START_TEST(a_listing_that_ends_early_says_so)
{
	warm_up();
	for (int always = 0; always < 2; always++) {
		long n = 1;
		do {
			/* A statement that is compiled allocates nothing to list. */
			store_close(s.store);
			err_release(&s.error);
			ck_assert_int_eq(store_open(&s.store, &s.schema, 0, &s.error), 0);
			arm(n, always);
			list(n);
			n += step(101);
		} while (reached);
		ck_assert_int_gt(n, step(101));
	}
	saver_free(s.saver);
	s.saver = NULL;
}
END_TEST

/* ---- the start ---- */

static size_t expected_models;

static int load(struct conf *conf, struct schema *schema, struct hooks *hooks)
{
	int result = conf_parse(conf, "mount.conf", shop, sizeof shop - 1, &s.error);
	if (result == 0)
		result = schema_read(schema, conf, &s.error);
	return result < 0 ? result : hooks_read(hooks, conf, schema, &s.error);
}

static void load_conf(long n)
{
	struct conf conf = CONF_INIT;
	struct schema schema = SCHEMA_INIT;
	struct hooks hooks = {0};
	(void)n;
	err_release(&s.error);
	if (!out_of_memory(failing(load(&conf, &schema, &hooks)))) {
		conf_print_mistakes(&conf, stderr);
		ck_assert_uint_eq(conf.nmistakes, 0);
		ck_assert_uint_eq(schema.nmodels, expected_models);
	}
	hooks_release(&hooks);
	schema_release(&schema);
	conf_release(&conf);
}

START_TEST(a_conf_is_read_whole_or_not_at_all)
{
	warm_up();
	expected_models = s.schema.nmodels;
	for_every(1, load_conf);
}
END_TEST

/* Where something fails there is no half of a table that a later mount could stumble over. */
static void open_database(long n)
{
	char path[128];
	struct store *store = NULL;
	if (n % 2) {
		snprintf(path, sizeof path, "%s/shop.db", s.directory);
		unlink(path);
	}
	err_release(&s.error);
	if (out_of_memory(failing(store_open(&store, &s.schema, 0, &s.error)))) {
		err_release(&s.error);
		int result = store_open(&store, &s.schema, 0, &s.error);
		ck_assert_msg(result == 0, "%s", s.error.text);
	}
	store_close(store);
}

START_TEST(a_database_is_opened_or_left_as_it_can_be_opened_later)
{
	saved_conf(&s, shop);
	for_every(step(151), open_database);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("memory");
	TCase *cases = tcase_create("memory");
	tcase_set_timeout(cases, 600);
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, a_change_is_saved_whole_or_not_at_all);
	tcase_add_test(cases, a_create_and_a_delete_happen_whole_or_not_at_all);
	tcase_add_test(cases, a_key_changes_whole_or_not_at_all);
	tcase_add_test(cases, a_refusal_is_told_as_well_as_there_is_memory);
	tcase_add_test(cases, a_record_is_shown_whole_or_not_at_all);
	tcase_add_test(cases, a_listing_that_ends_early_says_so);
	tcase_add_test(cases, a_conf_is_read_whole_or_not_at_all);
	tcase_add_test(cases, a_database_is_opened_or_left_as_it_can_be_opened_later);
	suite_add_tcase(suite, cases);
	return suite;
}

int main(void)
{
	return saved_main(suite());
}
