/*
 * test_memory_stage.c - with the n-th allocation failing (failing.h) a transaction that is being prepared gets a
 * request whole or not at all: what it shows is what its commit makes of the records.
 */
#include "failing.h"

#include "../../hooks/stage.h"
#include "saved.h"

static struct saved s;
static struct stage *g;

static const char shop[] =
    "store sqlite:shop.db\ndurability off\n"
    "model users { fields { id integer key\n name string required unique } }\n"
    "model orders { fields { id integer key\n text string required\n user_id integer references users }\n"
    "  embeds-many lines by order_id }\n"
    "model lines { fields { id integer key\n order_id integer required references orders\n note string } }\n";

static void set_up(void)
{
	wrap_libraries();
	saved_directory(&s);
	saved_open(&s, shop);
	saved_ok(&s, REQUEST_PUT, "users", 1, "{\"name\":\"Ann\"}");
}

static void tear_down(void)
{
	stage_free(g);
	g = NULL;
	saved_close(&s);
}

/* ---- what is there ---- */

enum { KEYS = 6 };

/* All records, in the arena. */
static const char *state(struct conn *c)
{
	buf_auto out = BUF_INIT;
	ck_assert_msg(c != NULL, "%s", s.error.text);
	for (size_t i = 0; i < s.schema.nmodels; i++)
		for (int64_t at = 0; at < KEYS; at++) {
			struct value key = value_integer(at);
			err_release(&s.error);
			int result = store_show(c, &s.schema.models[i], &key, &out, NULL, &s.error);
			ck_assert_msg(result == 0 || result == -ENOENT, "%s", s.error.text);
		}
	store_read_end(c);
	err_release(&s.error);
	return arena_copy(&s.arena, buf_text(&out), out.len);
}

static const char *inside(void)
{
	return state(stage_read_begin(g, VIEW_ALL, &s.error));
}

static const char *outside(void)
{
	return state(store_read_begin(s.store, &s.error));
}

/* ---- requests ---- */

static struct actor actor = {.uid = 1000, .gid = 1000};

/* Without an assertion: those allocate. */
static struct request request(enum request_kind kind, const char *model, int64_t key, const char *text)
{
	return (struct request){.kind = kind,
				.model = schema_model(&s.schema, model),
				.key = key < 0 ? value_null() : value_integer(key),
				.text = text,
				.len = text ? strlen(text) : 0};
}

static int stage(enum request_kind kind, const char *model, int64_t key, int64_t to, const char *text)
{
	struct request r = request(kind, model, key, text);
	if (kind == REQUEST_MOVE)
		r.new_key = value_integer(to);
	return stage_save(g, &actor, &r, &s.outcome, &s.arena, &s.error);
}

static int put(int64_t key, const char *text)
{
	return stage(REQUEST_PUT, "orders", key, 0, text);
}

static int first(void)
{
	return put(1, "{\"text\":\"a\",\"user_id\":1,\"lines\":[{\"id\":1,\"note\":\"x\"},{\"id\":2}]}");
}

static int second(void)
{
	return stage(REQUEST_PUT, "users", 2, 0, "{\"name\":\"Bob\"}");
}

static int again(void)
{
	return stage(REQUEST_MERGE, "orders", 1, 0, "{\"text\":\"b\",\"lines\":[{\"id\":1,\"note\":\"y\"}]}");
}

static int move(void)
{
	return stage(REQUEST_MOVE, "orders", 1, 3, NULL);
}

static int take(void)
{
	return stage(REQUEST_DELETE, "orders", 1, 0, NULL);
}

static int next(void *data, struct request *out, struct err *e)
{
	static const char *const lines[] = {"{\"id\":1,\"text\":\"c\"}",
					    "{\"id\":4,\"text\":\"d\",\"lines\":[{\"id\":4}]}", "{\"text\":\"e\"}"};
	size_t *at = data;
	(void)e;
	if (*at == sizeof lines / sizeof *lines)
		return 0;
	*out = request(REQUEST_PUT, "orders", -1, lines[(*at)++]);
	return 1;
}

static int many(void)
{
	size_t at = 0;
	bool blamed;
	return stage_save_stream(g, &actor, next, &at, &blamed, &s.error);
}

static void done(int result)
{
	ck_assert_msg(result == 0, "%s", s.error.text);
	err_release(&s.error);
}

/* ---- whole or not at all ---- */

static int (*before)(void), (*wanted)(void);
static bool stored; /* what comes before it is committed */

static void new_stage(bool trusted)
{
	stage_free(g);
	g = NULL;
	done(stage_new(&g, s.saver, trusted, &s.error));
}

static void commit(void)
{
	buf_auto answer = BUF_INIT;
	done(stage_commit(g, &actor, LIMIT_STAGED_BYTES, &answer, &s.error));
}

static void prepare(bool trusted)
{
	new_stage(false);
	if (before && stored) {
		done(before());
		commit();
		new_stage(trusted);
	}
	if (trusted)
		new_stage(true);
	if (before && !stored)
		done(before());
}

/* As it was at first. */
static void clear(void)
{
	for (int64_t key = 0; key < KEYS; key++) {
		saved_do(&s, REQUEST_DELETE, "orders", key, NULL);
		if (key != 1)
			saved_do(&s, REQUEST_DELETE, "users", key, NULL);
	}
	err_release(&s.error);
	arena_release(&s.arena);
}

static void whole_or_nothing(long n)
{
	(void)n;
	prepare(false);
	const char *was = inside();
	if (failing(wanted()) < 0) {
		ck_assert_msg(s.error.code == ENOMEM, "%s", s.error.text);
		ck_assert_str_eq(inside(), was);
		done(wanted());
	}
	const char *is = inside();
	ck_assert_str_ne(is, was);
	commit();
	ck_assert_str_eq(outside(), is);
	clear();
}

static void each(int (*first_one)(void), bool is_stored, int (*then)(void), long by)
{
	before = first_one;
	stored = is_stored;
	wanted = then;
	for_every(step(by), whole_or_nothing);
}

START_TEST(a_first_request_is_staged_whole_or_not_at_all)
{
	each(NULL, false, first, 41);
}
END_TEST

START_TEST(a_request_for_another_model_is_staged_whole_or_not_at_all)
{
	each(first, false, second, 11);
}
END_TEST

START_TEST(a_further_request_for_a_record_is_staged_whole_or_not_at_all)
{
	each(first, false, again, 11);
	each(first, true, again, 41);
}
END_TEST

START_TEST(a_move_is_staged_whole_or_not_at_all)
{
	each(first, false, move, 11);
	each(first, true, move, 41);
}
END_TEST

START_TEST(a_delete_is_staged_whole_or_not_at_all)
{
	each(first, true, take, 41);
}
END_TEST

START_TEST(many_requests_are_staged_all_or_none)
{
	each(NULL, false, many, 41);
	each(first, false, many, 23);
	each(second, false, many, 23);
}
END_TEST

/* ---- reading ---- */

static int look(void)
{
	struct conn *c = stage_read_begin(g, VIEW_ALL, &s.error);
	struct value key = value_integer(1);
	buf_auto out = BUF_INIT;
	if (c)
		store_show(c, schema_model(&s.schema, "orders"), &key, &out, NULL, &s.error);
	store_read_end(c);
	return -s.error.code;
}

static void read_inside(long n)
{
	(void)n;
	prepare(false);
	const char *was = inside();
	new_stage(false);
	done(before());
	if (failing(look()) < 0)
		ck_assert_msg(s.error.code == ENOMEM, "%s", s.error.text);
	ck_assert_str_eq(inside(), was);
	done(again());
	clear();
}

START_TEST(a_read_that_fails_loses_nothing_that_is_staged)
{
	before = first;
	stored = false;
	for_every(step(7), read_inside);
}
END_TEST

/* A hook's program holds one state: where SQLite had to drop it, that is said from then on. */
static void staged_by_a_program(long n)
{
	(void)n;
	prepare(true);
	const char *was = inside();
	if (failing(again()) < 0) {
		ck_assert_msg(s.error.code == ENOMEM, "%s", s.error.text);
		err_release(&s.error);
		struct conn *c = stage_read_begin(g, VIEW_ALL, &s.error);
		if (c)
			ck_assert_str_eq(state(c), was);
		else
			ck_assert_int_eq(s.error.code, ENOMEM);
	} else {
		ck_assert_str_ne(inside(), was);
	}
	clear();
}

START_TEST(what_a_program_has_staged_is_there_or_said_to_be_lost)
{
	before = first;
	stored = false;
	for_every(step(11), staged_by_a_program);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("memory_stage");
	TCase *cases = tcase_create("memory_stage");
	tcase_set_timeout(cases, 1200);
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, a_first_request_is_staged_whole_or_not_at_all);
	tcase_add_test(cases, a_request_for_another_model_is_staged_whole_or_not_at_all);
	tcase_add_test(cases, a_further_request_for_a_record_is_staged_whole_or_not_at_all);
	tcase_add_test(cases, a_move_is_staged_whole_or_not_at_all);
	tcase_add_test(cases, a_delete_is_staged_whole_or_not_at_all);
	tcase_add_test(cases, many_requests_are_staged_all_or_none);
	tcase_add_test(cases, a_read_that_fails_loses_nothing_that_is_staged);
	tcase_add_test(cases, what_a_program_has_staged_is_there_or_said_to_be_lost);
	suite_add_tcase(suite, cases);
	return suite;
}

int main(void)
{
	return saved_main(suite());
}
