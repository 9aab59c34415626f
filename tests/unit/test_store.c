/*
 * test_store.c - rows through store.h: reading, writing, printing with relations, cursors, checks, keys and jobs.
 */
#include "../../store/queue.h"
#include "../../store/queue.h"
#include "store_fixture.h"

static const struct model *users, *orders, *notes, *jobs;

static const char shop[] =
    "model users { fields { id integer key\n name string required\n email string unique\n }\n"
    "  has-many orders by owner_id limit 2\n has-one notes by user_id }\n"
    "model orders { fields { id integer key\n owner_id integer required references users\n"
    "  qty integer check 'qty > 0'\n price number } }\n"
    "model notes { fields { slug string key\n text string\n"
    "  user_id integer references users on-delete cascade } }\n"
    "queue jobs { fields { order_id integer references orders on-delete set-null }\n run /bin/true }\n";

static void setup(void)
{
	make_directory();
	open_store(shop);
	users = schema_model(&schema, "users");
	orders = schema_model(&schema, "orders");
	notes = schema_model(&schema, "notes");
	jobs = schema_model(&schema, "jobs");
}

static int insert(const struct model *m, const struct value *row)
{
	struct txn t = begin();
	int r = store_check(t.conn, m, NULL, row, &error);
	if (!r)
		r = txn_insert(&t, m, row, &error);
	if (r)
		txn_rollback(&t);
	else
		commit(&t);
	return r;
}

static void add_user(int64_t id, const char *name)
{
	struct value row[] = {value_integer(id), text(name), value_null()};
	ck_assert_int_eq(insert(users, row), 0);
}

static void add_order(int64_t id, int64_t owner)
{
	struct value row[] = {value_integer(id), value_integer(owner), value_integer(2), value_real(1.5)};
	ck_assert_int_eq(insert(orders, row), 0);
}

static void add_note(const char *slug, struct value user)
{
	struct value row[] = {text(slug), text("hello"), user};
	ck_assert_int_eq(insert(notes, row), 0);
}

static int update(const struct model *m, struct value key, const struct value *row)
{
	struct txn t = begin();
	int r = txn_update(&t, m, &key, row, &error);
	if (r)
		txn_rollback(&t);
	else
		commit(&t);
	return r;
}

static int delete (const struct model *m, struct value key)
{
	struct txn t = begin();
	int r = txn_delete(&t, m, &key, &error);
	if (r)
		txn_rollback(&t);
	else
		commit(&t);
	return r;
}

START_TEST(a_record_is_printed_as_jq_does)
{
	add_user(7, "Ann");
	add_order(1, 7);
	ck_assert_str_eq(show(orders, value_integer(1)),
			 "{\n  \"id\": 1,\n  \"owner_id\": 7,\n  \"qty\": 2,\n  \"price\": 1.5\n}\n");
}
END_TEST

START_TEST(children_are_shown_without_their_reference)
{
	add_user(7, "Ann");
	add_order(1, 7);
	add_note("n", value_integer(7));
	ck_assert_str_eq(
	    show(users, value_integer(7)),
	    "{\n  \"id\": 7,\n  \"name\": \"Ann\",\n  \"email\": null,\n  \"orders\": [\n    {\n      \"id\": 1,\n"
	    "      \"qty\": 2,\n      \"price\": 1.5\n    }\n  ],\n  \"notes\": {\n    \"slug\": \"n\",\n"
	    "    \"text\": \"hello\"\n  }\n}\n");
}
END_TEST

START_TEST(no_children_are_an_empty_list_and_null)
{
	add_user(7, "Ann");
	ck_assert_ptr_nonnull(strstr(show(users, value_integer(7)), "  \"orders\": [],\n  \"notes\": null\n}\n"));
}
END_TEST

START_TEST(of_many_children_the_newest_are_shown_with_their_total)
{
	add_user(7, "Ann");
	for (int i = 1; i <= 5; i++)
		add_order(i, 7);
	const char *text = show(users, value_integer(7));
	const char *four = strstr(text, "\"id\": 4"), *five = strstr(text, "\"id\": 5");
	ck_assert(four && five && four < five && !strstr(text, "\"id\": 3"));
	ck_assert_ptr_nonnull(strstr(text, "  ],\n  \"orders_total\": 5,\n"));
}
END_TEST

START_TEST(a_reader_keeps_its_snapshot)
{
	add_user(1, "Ann");
	struct conn *c = store_read_begin(store, &error);
	struct value key = value_integer(1), row[3] = {value_integer(1), text("Bob"), value_null()};
	ck_assert_int_eq(store_get(c, users, &key, &arena, NULL, NULL, &error), 0);
	ck_assert_int_eq(update(users, key, row), 0);
	ck_assert_int_eq(store_get(c, users, &key, &arena, row, NULL, &error), 0);
	ck_assert_str_eq(row[1].text.data, "Ann");
	store_read_end(c);
	c = store_read_begin(store, &error);
	ck_assert_int_eq(store_get(c, users, &key, &arena, row, NULL, &error), 0);
	ck_assert_str_eq(row[1].text.data, "Bob");
	store_read_end(c);
}
END_TEST

START_TEST(a_missing_record_is_enoent_everywhere)
{
	struct value key = value_integer(9), row[3] = {key, text("x"), value_null()};
	ck_assert_str_eq(show(users, key), "");
	ck_assert_int_eq(update(users, key, row), -ENOENT);
	err_release(&error);
	ck_assert_int_eq(delete (users, key), -ENOENT);
	ck_assert_str_eq(error.text, "users has no record 9");
}
END_TEST

START_TEST(times_strictly_increase)
{
	add_user(1, "Ann");
	struct stamp last = stamp_of(users, value_integer(1));
	ck_assert(last.serial == 1 && last.mtime_ns > INT64_C(1600000000) * 1000000000);
	for (int i = 0; i < 20; i++) {
		struct value row[] = {value_integer(1), text(i % 2 ? "a" : "b"), value_null()};
		ck_assert_int_eq(update(users, value_integer(1), row), 0);
		struct stamp now = stamp_of(users, value_integer(1));
		ck_assert(now.mtime_ns > last.mtime_ns && now.ctime_ns > last.ctime_ns && now.ctime_ns >= now.mtime_ns);
		last = now;
	}
}
END_TEST

START_TEST(a_child_moves_its_parents_ctime_only)
{
	add_user(1, "Ann");
	add_user(2, "Bob");
	struct stamp before = stamp_of(users, value_integer(1));
	add_order(1, 1);
	struct stamp after = stamp_of(users, value_integer(1));
	ck_assert(after.mtime_ns == before.mtime_ns && after.ctime_ns > before.ctime_ns);
	struct stamp bob = stamp_of(users, value_integer(2));
	struct value row[] = {value_integer(1), value_integer(2), value_integer(2), value_null()};
	ck_assert_int_eq(update(orders, value_integer(1), row), 0);
	ck_assert(stamp_of(users, value_integer(1)).ctime_ns > after.ctime_ns);
	ck_assert(stamp_of(users, value_integer(2)).ctime_ns > bob.ctime_ns);
	bob = stamp_of(users, value_integer(2));
	ck_assert_int_eq(delete (orders, value_integer(1)), 0);
	ck_assert(stamp_of(users, value_integer(2)).ctime_ns > bob.ctime_ns);
}
END_TEST

START_TEST(another_programs_changes_move_times)
{
	add_user(1, "Ann");
	struct stamp before = stamp_of(users, value_integer(1));
	foreign("update users set name = 'Bob' where id = 1");
	struct stamp middle = stamp_of(users, value_integer(1));
	ck_assert(middle.mtime_ns > before.mtime_ns);
	foreign("insert or replace into users(id, name) values(1, 'Cid')");
	ck_assert(stamp_of(users, value_integer(1)).mtime_ns > middle.mtime_ns);
}
END_TEST

START_TEST(text_keys_have_serials_that_are_never_used_again)
{
	add_note("a", value_null());
	add_note("b", value_null());
	struct stamp a = stamp_of(notes, text("a")), b = stamp_of(notes, text("b"));
	ck_assert(a.serial > 0 && b.serial > a.serial);
	ck_assert_int_eq(delete (notes, text("b")), 0);
	add_note("b", value_null());
	ck_assert(stamp_of(notes, text("b")).serial > b.serial);
	struct value row[] = {text("a"), text("new"), value_null()};
	ck_assert_int_eq(update(notes, text("a"), row), 0);
	ck_assert_int_eq(stamp_of(notes, text("a")).serial, a.serial);
	struct value key;
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(store_key_of(c, notes, a.serial, &arena, &key, &error), 0);
	ck_assert_str_eq(key.text.data, "a");
	ck_assert_int_eq(store_key_of(c, notes, b.serial, &arena, &key, &error), -ENOENT);
	store_read_end(c);
}
END_TEST

START_TEST(a_changed_key_takes_its_references_along)
{
	add_user(1, "Ann");
	add_order(5, 1);
	struct value row[] = {value_integer(8), text("Ann"), value_null()};
	ck_assert_int_eq(update(users, value_integer(1), row), 0);
	ck_assert_str_eq(show(users, value_integer(1)), "");
	ck_assert_ptr_nonnull(strstr(show(orders, value_integer(5)), "\"owner_id\": 8"));
	ck_assert(stamp_of(users, value_integer(8)).mtime_ns > 0);
	ck_assert_int_eq(foreign_integer("select count(*) from rowfs_stat_users"), 1);
}
END_TEST

START_TEST(a_changed_text_key_is_another_serial)
{
	add_note("a", value_null());
	int64_t before = stamp_of(notes, text("a")).serial;
	struct value row[] = {text("z"), text("hello"), value_null()};
	ck_assert_int_eq(update(notes, text("a"), row), 0);
	ck_assert_int_gt(stamp_of(notes, text("z")).serial, before);
	ck_assert_int_eq(foreign_integer("select count(*) from rowfs_stat_notes"), 1);
}
END_TEST

START_TEST(a_delete_that_references_forbid_is_ebusy)
{
	add_user(1, "Ann");
	add_order(1, 1);
	add_order(2, 1);
	ck_assert_int_eq(delete (users, value_integer(1)), -EBUSY);
	ck_assert_str_eq(error.text, "users 1 can't be deleted: 2 of orders refer to it by owner_id");
	ck_assert_str_ne(show(users, value_integer(1)), "");
}
END_TEST

START_TEST(a_delete_cascades_or_clears_as_declared)
{
	add_user(1, "Ann");
	add_note("n", value_integer(1));
	ck_assert_int_eq(delete (users, value_integer(1)), 0);
	ck_assert_str_eq(show(notes, text("n")), "");
	ck_assert_int_eq(foreign_integer("select count(*) from rowfs_stat_notes"), 0);
}
END_TEST

START_TEST(all_problems_of_a_row_are_told)
{
	add_user(1, "Ann");
	struct value row[] = {value_integer(1), value_integer(99), value_integer(0), value_null()};
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(store_check(c, orders, NULL, row, &error), -EBADMSG);
	store_read_end(c);
	ck_assert_uint_eq(error.nproblems, 2);
	ck_assert_str_eq(error.problems[0].pointer, "/owner_id");
	ck_assert_str_eq(error.problems[0].text, "users has no record 99");
	ck_assert_str_eq(error.problems[1].pointer, "/qty");
}
END_TEST

START_TEST(a_unique_value_that_is_taken_is_eexist)
{
	struct value ann[] = {value_integer(1), text("Ann"), text("a@b")};
	struct value bob[] = {value_integer(2), text("Bob"), text("a@b")};
	ck_assert_int_eq(insert(users, ann), 0);
	ck_assert_int_eq(insert(users, bob), -EEXIST);
	ck_assert_str_eq(error.problems[0].pointer, "/email");
	err_release(&error);
	struct txn t = begin();
	ck_assert_int_eq(txn_insert(&t, users, bob, &error), -EEXIST);
	ck_assert_str_eq(error.problems[0].pointer, "/email");
	txn_rollback(&t);
	err_release(&error);
	ck_assert_int_eq(update(users, value_integer(1), ann), 0);
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(store_check(c, users, ann, ann, &error), 0);
	store_read_end(c);
}
END_TEST

START_TEST(what_the_table_refuses_names_the_field)
{
	static const struct {
		struct value row[4];
		int code;
		const char *pointer;
	} cases[] = {
	    {{{VALUE_INTEGER, {1}}, {VALUE_NULL, {0}}, {VALUE_NULL, {0}}, {VALUE_NULL, {0}}}, EBADMSG, "/owner_id"},
	    {{{VALUE_INTEGER, {2}}, {VALUE_INTEGER, {1}}, {VALUE_INTEGER, {-1}}, {VALUE_NULL, {0}}}, EBADMSG, "/qty"},
	    {{{VALUE_INTEGER, {3}}, {VALUE_INTEGER, {9}}, {VALUE_NULL, {0}}, {VALUE_NULL, {0}}}, EBADMSG, ""},
	    {{{VALUE_INTEGER, {4}}, {VALUE_INTEGER, {1}}, {VALUE_NULL, {0}}, {VALUE_NULL, {0}}}, EEXIST, "/id"},
	    {{{VALUE_INTEGER, {-4}}, {VALUE_INTEGER, {1}}, {VALUE_NULL, {0}}, {VALUE_NULL, {0}}}, EBADMSG, "/id"},
	};
	add_user(1, "Ann");
	add_order(4, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct txn t = begin();
		ck_assert_int_eq(txn_insert(&t, orders, cases[i].row, &error), -cases[i].code);
		ck_assert_str_eq(error.problems[0].pointer, cases[i].pointer);
		txn_rollback(&t);
		err_release(&error);
	}
}
END_TEST

START_TEST(a_cursor_walks_in_order_from_a_key)
{
	for (int i = 1; i <= 10; i++)
		add_user(i * 3, "x");
	struct conn *c = store_read_begin(store, &error);
	struct cursor *cur;
	struct value key;
	int64_t serial, expected = 12;
	ck_assert_int_eq(cursor_open(&cur, c, users, 9, &error), 0);
	while (cursor_next(cur, &key, &serial, &error) == 1) {
		ck_assert(key.integer == expected && serial == expected);
		expected += 3;
	}
	ck_assert_int_eq(expected, 33);
	cursor_close(cur);
	store_read_end(c);
}
END_TEST

START_TEST(a_cursor_over_text_keys_goes_by_serial)
{
	static const char *const names[] = {"z", "m", "a"};
	for (int i = 0; i < 3; i++)
		add_note(names[i], value_null());
	struct conn *c = store_read_begin(store, &error);
	struct cursor *first, *second;
	struct value key;
	int64_t serial, after = 0;
	ck_assert_int_eq(cursor_open(&first, c, notes, -1, &error), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(cursor_next(first, &key, &serial, &error), 1);
		ck_assert_str_eq(key.text.data, names[i]);
		after = i == 0 ? serial : after;
	}
	ck_assert_int_eq(cursor_next(first, &key, &serial, &error), 0);
	ck_assert_int_eq(cursor_open(&second, c, notes, after, &error), 0);
	ck_assert_int_eq(cursor_next(second, &key, &serial, &error), 1);
	ck_assert_str_eq(key.text.data, "m");
	cursor_close(first);
	cursor_close(second);
	store_read_end(c);
}
END_TEST

START_TEST(children_are_listed_and_records_counted)
{
	struct value *keys, key = value_integer(1);
	size_t n;
	int64_t count;
	add_user(1, "Ann");
	add_order(4, 1);
	add_order(2, 1);
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(store_children(c, orders, &orders->fields[1], &key, &arena, &keys, &n, &error), 0);
	ck_assert(n == 2 && keys[0].integer == 2 && keys[1].integer == 4);
	ck_assert_int_eq(store_count(c, orders, &count, &error), 0);
	ck_assert_int_eq(count, 2);
	store_read_end(c);
}
END_TEST

START_TEST(keys_are_never_given_again)
{
	struct value key, row[] = {value_integer(41), text("x"), value_null()};
	ck_assert_int_eq(store_reserve_key(store, users, &key, &error), 0);
	ck_assert_int_eq(key.integer, 1);
	ck_assert_int_eq(store_reserve_key(store, users, &key, &error), 0);
	ck_assert_int_eq(key.integer, 2);
	ck_assert_int_eq(insert(users, row), 0);
	ck_assert_int_eq(delete (users, value_integer(41)), 0);
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(store_next_key(c, users, &key, &error), 0);
	ck_assert_int_eq(key.integer, 42);
	ck_assert_int_eq(store_next_key(c, notes, &key, &error), -EBADMSG);
	store_read_end(c);
	foreign("insert into users(name) values('y')");
	ck_assert_int_eq(foreign_integer("select max(id) from users"), 42);
}
END_TEST

START_TEST(the_last_key_is_the_last)
{
	struct value key, row[] = {value_integer(KEY_MAX), text("x"), value_null()};
	ck_assert_int_eq(insert(users, row), 0);
	ck_assert_int_eq(store_reserve_key(store, users, &key, &error), -ENOSPC);
}
END_TEST

static void add_job(int64_t id, const char *status, int64_t priority, const char *run_at)
{
	struct value row[jobs->nfields];
	for (size_t i = 0; i < jobs->nfields; i++)
		row[i] = jobs->fields[i].default_kind == DEFAULT_LITERAL ? jobs->fields[i].default_value : value_null();
	row[jobs->key->index] = value_integer(id);
	row[jobs->queue->fields[QUEUE_STATUS]->index] = text(status);
	row[jobs->queue->fields[QUEUE_PRIORITY]->index] = value_integer(priority);
	row[jobs->queue->fields[QUEUE_RUN_AT]->index] = run_at ? text(run_at) : value_null();
	row[jobs->queue->fields[QUEUE_CREATED_AT]->index] = text("2020-01-01T00:00:00Z");
	int r = insert(jobs, row);
	ck_assert_msg(r == 0, "%s", error.text);
}

static int64_t due_job(int64_t *next_ms)
{
	struct keys keys;
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(queue_jobs(c, jobs, JOBS_DUE, 1, &arena, &keys, &error), 0);
	ck_assert_int_eq(queue_next(c, jobs, JOBS_DUE, next_ms, &error), 0);
	store_read_end(c);
	return keys.n ? keys.of[0].integer : -1;
}

START_TEST(the_due_job_is_the_one_of_highest_priority_that_waits_longest)
{
	int64_t next_ms = 0;
	ck_assert_int_eq(due_job(&next_ms), -1);
	ck_assert(next_ms == QUEUE_NEVER);
	add_job(1, "queued", 0, "2020-01-01T00:00:00Z");
	add_job(2, "queued", 5, "2020-01-01T00:00:00.5Z");
	add_job(3, "queued", 5, "2020-01-01T00:00:00Z");
	add_job(4, "queued", 9, "2999-01-01T00:00:00Z");
	add_job(5, "running", 9, "2020-01-01T00:00:00Z");
	ck_assert_int_eq(due_job(&next_ms), 3);
	ck_assert_int_eq(delete (jobs, value_integer(3)), 0);
	ck_assert_int_eq(due_job(&next_ms), 2);
	ck_assert_int_eq(delete (jobs, value_integer(2)), 0);
	ck_assert_int_eq(delete (jobs, value_integer(1)), 0);
	ck_assert_int_eq(due_job(&next_ms), -1);
	ck_assert_int_gt(next_ms, 1000000);
}
END_TEST

/* As text. */
static const char *found(enum job_group group, size_t most)
{
	buf_auto text = BUF_INIT;
	struct keys keys;
	struct conn *c = store_read_begin(store, &error);
	ck_assert_msg(queue_jobs(c, jobs, group, most, &arena, &keys, &error) == 0, "%s", error.text);
	store_read_end(c);
	for (size_t i = 0; i < keys.n; i++)
		buf_printf(&text, "%s%lld", i ? " " : "", (long long)keys.of[i].integer);
	return arena_copy(&arena, buf_text(&text), text.len);
}

START_TEST(due_jobs_are_found_by_priority_then_time_then_key)
{
	add_job(1, "queued", -3, "2020-01-01T00:00:00Z");
	add_job(2, "queued", 5, "2020-01-01T00:00:00.5Z");
	add_job(3, "queued", 5, "2020-01-01T00:00:00Z");
	add_job(4, "queued", 5, "2020-01-01T00:00:00Z");
	add_job(5, "queued", 7, "2999-01-01T00:00:00Z");
	add_job(6, "done", 5, "2020-01-01T00:00:00Z");
	add_job(7, "queued", 0, "2020-01-01T00:00:00Z");
	ck_assert_str_eq(found(JOBS_DUE, 10), "3 4 2 7 1");
	ck_assert_str_eq(found(JOBS_DUE, 2), "3 4");
}
END_TEST

START_TEST(jobs_are_found_by_what_became_of_them)
{
	add_job(1, "running", 0, "2020-01-01T00:00:00Z");
	add_job(2, "running", 0, "2020-01-01T00:00:00Z");
	add_job(3, "running", 0, "2020-01-01T00:00:00Z");
	foreign("update jobs set lease_until = '2020-01-01T00:00:00Z', worker = '5' where id = 2");
	foreign("update jobs set lease_until = '2999-01-01T00:00:00Z', worker = 'rowfs' where id = 3");
	ck_assert_str_eq(found(JOBS_EXPIRED, 10), "2");
	ck_assert_str_eq(found(JOBS_LEFT, 10), "3");
}
END_TEST

START_TEST(a_log_keeps_its_end)
{
	static char part[LIMIT_JOB_LOG / 3];
	struct value key = value_integer(1);
	struct log_range range;
	int64_t end = 0;
	buf_auto text = BUF_INIT;
	add_job(1, "running", 0, "2020-01-01T00:00:00Z");
	for (int i = 0; i < 5; i++) {
		memset(part, 'a' + i, sizeof part);
		ck_assert_int_eq(queue_log_add(store, jobs, &key, part, sizeof part, &end, &error), 0);
	}
	ck_assert_int_eq(end, 5 * (int64_t)sizeof part);
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(queue_log_range(c, jobs, &key, &range, &error), 0);
	ck_assert_int_eq(range.end, end);
	ck_assert_int_le(range.end - range.start, LIMIT_JOB_LOG);
	ck_assert_int_eq(queue_log_read(c, jobs, &key, end - (int64_t)sizeof part - 2, 4, &text, &error), 0);
	ck_assert_str_eq(buf_text(&text), "ddee");
	store_read_end(c);
}
END_TEST

START_TEST(a_log_goes_with_its_job_and_follows_its_key)
{
	struct value key = value_integer(1);
	int64_t end;
	add_job(1, "done", 0, "2020-01-01T00:00:00Z");
	ck_assert_int_eq(queue_log_add(store, jobs, &key, "x", 1, &end, &error), 0);
	foreign("update jobs set id = 9");
	ck_assert_int_eq(foreign_integer("select key from rowfs_log_jobs"), 9);
	ck_assert_int_eq(queue_log_add(store, jobs, &key, "x", 1, &end, &error), -ENOENT);
	foreign("delete from jobs");
	ck_assert_int_eq(foreign_integer("select count(*) from rowfs_log_jobs"), 0);
}
END_TEST

START_TEST(a_record_is_never_too_long_because_of_its_children)
{
	char *long_text = malloc(300001);
	memset(long_text, 'x', 300000);
	long_text[300000] = 0;
	close_store();
	open_store("model p { fields { id integer key }\n has-many c by p_id }\n"
		   "model c { fields { id integer key\n p_id integer references p\n t string } }\n");
	const struct model *p = schema_model(&schema, "p"), *c = schema_model(&schema, "c");
	struct value row[] = {value_integer(1)};
	ck_assert_int_eq(insert(p, row), 0);
	for (int i = 1; i <= 8; i++) {
		struct value child[] = {value_integer(i), value_integer(1), text(long_text)};
		ck_assert_int_eq(insert(c, child), 0);
	}
	free(long_text);
	const char *shown = show(p, value_integer(1));
	ck_assert_uint_le(strlen(shown), LIMIT_RECORD);
	ck_assert_ptr_nonnull(strstr(shown, "\"c_total\": 8"));
	ck_assert_ptr_nonnull(strstr(shown, "\"id\": 8"));
}
END_TEST

static void add(TCase *cases)
{
	tcase_add_test(cases, a_record_is_printed_as_jq_does);
	tcase_add_test(cases, children_are_shown_without_their_reference);
	tcase_add_test(cases, no_children_are_an_empty_list_and_null);
	tcase_add_test(cases, of_many_children_the_newest_are_shown_with_their_total);
	tcase_add_test(cases, a_reader_keeps_its_snapshot);
	tcase_add_test(cases, a_missing_record_is_enoent_everywhere);
	tcase_add_test(cases, times_strictly_increase);
	tcase_add_test(cases, a_child_moves_its_parents_ctime_only);
	tcase_add_test(cases, another_programs_changes_move_times);
	tcase_add_test(cases, text_keys_have_serials_that_are_never_used_again);
	tcase_add_test(cases, a_changed_key_takes_its_references_along);
	tcase_add_test(cases, a_changed_text_key_is_another_serial);
	tcase_add_test(cases, a_delete_that_references_forbid_is_ebusy);
	tcase_add_test(cases, a_delete_cascades_or_clears_as_declared);
	tcase_add_test(cases, all_problems_of_a_row_are_told);
	tcase_add_test(cases, a_unique_value_that_is_taken_is_eexist);
	tcase_add_test(cases, what_the_table_refuses_names_the_field);
	tcase_add_test(cases, a_cursor_walks_in_order_from_a_key);
	tcase_add_test(cases, a_cursor_over_text_keys_goes_by_serial);
	tcase_add_test(cases, children_are_listed_and_records_counted);
	tcase_add_test(cases, keys_are_never_given_again);
	tcase_add_test(cases, the_last_key_is_the_last);
	tcase_add_test(cases, the_due_job_is_the_one_of_highest_priority_that_waits_longest);
	tcase_add_test(cases, due_jobs_are_found_by_priority_then_time_then_key);
	tcase_add_test(cases, jobs_are_found_by_what_became_of_them);
	tcase_add_test(cases, a_log_keeps_its_end);
	tcase_add_test(cases, a_log_goes_with_its_job_and_follows_its_key);
	tcase_add_test(cases, a_record_is_never_too_long_because_of_its_children);
}

int main(void)
{
	return run_cases("store", setup, add);
}
