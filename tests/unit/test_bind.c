/*
 * test_bind.c - from a document to a row: every rule of record_bind, one test each.
 *
 * Failing allocations are jansson's; the other allocators have tests of their own.
 */
#include "record_fixture.h"

/* ---- creating ---- */

START_TEST(a_create_fills_in_the_defaults)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_bound(&b, "{\"description\":\"shoes\"}");
	ck_assert_str_eq(shown(f->orders, f->row),
			 "{\"id\":null,\"description\":\"shoes\",\"status\":\"new\",\"priority\":2,\"total\":null,"
			 "\"made\":\"2024-02-29T12:30:00.12Z\",\"by_user\":null,\"secret\":\"s3\",\"paid\":null,"
			 "\"extra\":null,\"code\":null,\"day\":\"2024-02-29\",\"site\":null,\"host\":null,"
			 "\"v4\":null,\"v6\":null,\"uid\":4242}");
}
END_TEST

START_TEST(null_is_null_and_not_the_default)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_bound(&b, "{\"description\":\"shoes\",\"status\":null}");
	ck_has("\"status\":null");
}
END_TEST

START_TEST(a_read_only_member_of_a_create_is_ignored)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_bound(&b, "{\"description\":\"shoes\",\"made\":\"1999-01-01T00:00:00Z\"}");
	ck_has("\"made\":\"2024-02-29T12:30:00.12Z\"");
}
END_TEST

START_TEST(the_server_may_set_what_is_read_only_or_hidden)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	b.trusted = true;
	ck_bound(&b, "{\"description\":\"shoes\",\"made\":\"1999-01-01T00:00:00Z\",\"secret\":\"x\"}");
	ck_has("\"made\":\"1999-01-01T00:00:00Z\"");
	ck_has("\"secret\":\"x\"");
}
END_TEST

START_TEST(a_hidden_field_is_unknown_to_users)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_refused(&b, "{\"description\":\"shoes\",\"secret\":\"x\"}", EBADMSG, "/secret", "is no field of orders");
}
END_TEST

START_TEST(an_unknown_member_near_a_field_is_asked_about)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_refused(&b, "{\"description\":\"shoes\",\"totla\":1}", EBADMSG, "/totla",
		   "is no field of orders; did you mean 'total'?");
}
END_TEST

START_TEST(a_pointer_escapes_tilde_and_slash)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_refused(&b, "{\"description\":\"shoes\",\"a/b~c/d/e\":1}", EBADMSG, "/a~1b~0c~1d~1e",
		   "is no field of orders");
}
END_TEST

START_TEST(a_required_member_must_be_there)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_refused(&b, "{}", EBADMSG, "/description", "is required");
	ck_refused(&b, "{\"description\":null}", EBADMSG, "/description", "is required");
}
END_TEST

START_TEST(all_problems_come_in_the_documents_order_and_then_what_is_missing)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_assert_int_eq(bind_text(&b, "{\"total\":\"x\",\"status\":\"old\",\"nonsense\":1,\"paid\":0}"), -EBADMSG);
	ck_assert_uint_eq(f->e.nproblems, 5);
	ck_problem(0, "/total", "must be a number");
	ck_problem(1, "/status", "must be one of new, running, done");
	ck_problem(2, "/nonsense", "is no field of orders");
	ck_problem(3, "/paid", "must be true or false");
	ck_problem(4, "/description", "is required");
}
END_TEST

START_TEST(a_document_must_be_an_object)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_refused(&b, "[]", EBADMSG, "", "must be an object");
}
END_TEST

/* ---- what fields demand ---- */

static const struct {
	const char *member, *pointer, *text; /* NULL: fine */
} demands[] = {
    {"\"description\":\"a\"", "/description", "must be at least 2 characters long, it has 1"},
    {"\"description\":\"123456789\"", "/description", "must be at most 8 characters long, it has 9"},
    {"\"description\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"", NULL, NULL},
    {"\"total\":-0.5", "/total", "must be at least 0, it is -0.5"},
    {"\"total\":100", "/total", "must be at most 99.5, it is 100"},
    {"\"total\":99.5", NULL, NULL},
    {"\"priority\":3", "/priority", "must be one of 1, 2"},
    {"\"priority\":1", NULL, NULL},
    {"\"code\":\"AB1\"", NULL, NULL},
    {"\"code\":\"xAB1\"", "/code", "must match the pattern [A-Z]{2}[0-9]+"},
    {"\"code\":\"AB1\\n\"", "/code", "must match the pattern [A-Z]{2}[0-9]+"},
    {"\"site\":\"https://example.org/a?b=%20\"", NULL, NULL},
    {"\"site\":\"example.org\"", "/site", "must be a URI such as https://example.org/"},
    {"\"site\":\"http://a b\"", "/site", "must be a URI such as https://example.org/"},
    {"\"host\":\"www.example.org\"", NULL, NULL},
    {"\"host\":\"-x.org\"", "/host", "must be a host name such as www.example.org"},
    {"\"host\":\"\"", "/host", "must be a host name such as www.example.org"},
    {"\"v4\":\"192.0.2.1\"", NULL, NULL},
    {"\"v4\":\"192.0.2.256\"", "/v4", "must be an IPv4 address such as 192.0.2.1"},
    {"\"v6\":\"::1\"", NULL, NULL},
    {"\"v6\":\"1.2.3.4\"", "/v6", "must be an IPv6 address such as 2001:db8::1"},
};

START_TEST(each_demand_of_a_field_is_told_with_its_bound)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	char document[200];
	bool own = strncmp(demands[_i].member, "\"description\"", 13) == 0;
	snprintf(document, sizeof document, "{%s%s}", own ? "" : "\"description\":\"shoes\",", demands[_i].member);
	if (demands[_i].pointer)
		ck_refused(&b, document, EBADMSG, demands[_i].pointer, demands[_i].text);
	else
		ck_bound(&b, document);
}
END_TEST

static const struct {
	const char *address;
	bool valid;
} addresses[] = {
    {"ann@example.org", true}, {"a.b+c@x-y.example", true},
    {"ann@localhost", true},   {"ann", false},
    {"@example.org", false},   {"ann@", false},
    {"a b@c.d", false},        {"a@b@c.d", false},
    {"a..b@c.d", false},       {".a@c.d", false},
    {"a@c..d", false},         {"a@-c.d", false},
};

START_TEST(mail_addresses_are_checked)
{
	struct bind b = bind_of(f->users, VERB_CREATE);
	char document[200];
	snprintf(document, sizeof document, "{\"name\":\"ann\",\"password\":\"123\",\"email\":\"%s\"}",
		 addresses[_i].address);
	ck_assert_int_eq(bind_text(&b, document), addresses[_i].valid ? 0 : -EBADMSG);
}
END_TEST

/* ---- the key ---- */

START_TEST(the_key_of_the_body_must_be_that_of_the_name)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	struct value key = value_integer(2);
	b.key = &key;
	ck_refused(&b, "{\"id\":1,\"description\":\"shoes\"}", EBADMSG, "/id", "is 1 but the file is 2.json");
	ck_refused(&b, "{\"id\":null,\"description\":\"shoes\"}", EBADMSG, "/id", "is null but the file is 2.json");
	ck_refused(&b, "{\"id\":\"2\",\"description\":\"shoes\"}", EBADMSG, "/id", "must be an integer");
	ck_bound(&b, "{\"id\":2,\"description\":\"shoes\"}");
	ck_bound(&b, "{\"description\":\"shoes\"}");
	ck_has("{\"id\":2,");
}
END_TEST

START_TEST(an_integer_key_has_a_range)
{
	static const char text[] = "must be between 0 and 281474976710655";
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_refused(&b, "{\"id\":-1,\"description\":\"shoes\"}", EBADMSG, "/id", text);
	ck_refused(&b, "{\"id\":281474976710656,\"description\":\"shoes\"}", EBADMSG, "/id", text);
	ck_bound(&b, "{\"id\":281474976710655,\"description\":\"shoes\"}");
	ck_bound(&b, "{\"id\":0,\"description\":\"shoes\"}");
}
END_TEST

START_TEST(a_text_key_must_be_given_and_fit_a_name)
{
	struct bind b = bind_of(f->users, VERB_CREATE);
	char document[400];
	ck_refused(&b, "{\"password\":\"123\"}", EBADMSG, "/name", "is required");
	ck_refused(&b, "{\"name\":\"\",\"password\":\"123\"}", EBADMSG, "/name", "must not be empty");
	memset(document, 'x', sizeof document);
	memcpy(document, "{\"password\":\"123\",\"name\":\"", 26);
	strcpy(document + 26 + 251, "\"}");
	ck_refused(&b, document, ENAMETOOLONG, "/name", "is too long for a file name of at most 255 bytes");
	strcpy(document + 26 + 250, "\"}");
	ck_bound(&b, document);
}
END_TEST

START_TEST(a_uuid_key_is_made_by_its_default)
{
	struct bind b = bind_of(f->tokens, VERB_CREATE);
	ck_bound(&b, "{}");
	ck_assert_int_eq(f->row[0].kind, VALUE_TEXT);
	ck_assert_uint_eq(f->row[0].text.len, 36);
}
END_TEST

START_TEST(a_key_can_not_be_changed_from_within)
{
	struct bind b = change_of(VERB_PATCH);
	b.key = NULL;
	ck_refused(&b, "{\"id\":8}", EPERM, "/id", "can't be changed: rename the file to change the key");
}
END_TEST

START_TEST(a_new_key_from_the_name_is_taken)
{
	struct bind b = change_of(VERB_REPLACE);
	struct value key = value_integer(8);
	b.key = &key;
	ck_bound(&b, "{\"id\":8,\"description\":\"shoes\",\"by_user\":\"ann\"}");
	ck_has("{\"id\":8,");
}
END_TEST

/* ---- replacing ---- */

START_TEST(a_replace_gives_absent_members_their_default_or_null)
{
	struct bind b = change_of(VERB_REPLACE);
	ck_bound(&b, "{\"description\":\"boots\",\"by_user\":\"ann\"}");
	ck_has("\"status\":\"new\"");
	ck_has("\"total\":null");
	ck_has("\"day\":\"2024-02-29\"");
}
END_TEST

START_TEST(a_replace_keeps_what_the_file_does_not_show_and_what_is_read_only)
{
	struct bind b = change_of(VERB_REPLACE);
	b.now.tv_sec += 60;
	ck_bound(&b, "{\"description\":\"boots\",\"by_user\":\"ann\"}");
	ck_has("\"made\":\"2024-02-29T12:30:00.12Z\"");
	ck_has("\"secret\":\"s3\"");
	ck_assert_str_eq(f->row[model_field(f->orders, "token")->index].text.data, "t1");
}
END_TEST

START_TEST(a_write_only_field_is_set_when_given_and_refuses_null_when_required)
{
	struct bind b = change_of(VERB_REPLACE);
	ck_bound(&b, "{\"description\":\"boots\",\"by_user\":\"ann\",\"token\":\"t2\"}");
	ck_assert_str_eq(f->row[model_field(f->orders, "token")->index].text.data, "t2");
	ck_refused(&b, "{\"description\":\"boots\",\"by_user\":\"ann\",\"token\":null}", EBADMSG, "/token",
		   "is required");
}
END_TEST

START_TEST(a_read_only_field_may_be_carried_back_but_not_changed)
{
	struct bind b = change_of(VERB_PATCH);
	ck_bound(&b, "{\"made\":\"2024-02-29T12:30:00.12Z\"}");
	ck_bound(&b, "{\"made\":\"2024-02-29T14:30:00.120+02:00\"}");
	ck_has("\"made\":\"2024-02-29T12:30:00.12Z\"");
	ck_refused(&b, "{\"made\":\"2024-02-29T12:30:01Z\"}", EPERM, "/made", "is read-only");
	ck_refused(&b, "{\"made\":null}", EPERM, "/made", "is read-only");
}
END_TEST

START_TEST(an_immutable_field_is_set_once)
{
	struct bind b = change_of(VERB_REPLACE);
	static const char text[] = "can't be changed once the record exists";
	ck_refused(&b, "{\"description\":\"boots\",\"by_user\":\"bob\"}", EPERM, "/by_user", text);
	ck_refused(&b, "{\"description\":\"boots\"}", EPERM, "/by_user", text);
	b.trusted = true;
	ck_bound(&b, "{\"description\":\"boots\",\"by_user\":\"bob\"}");
}
END_TEST

START_TEST(a_bad_value_wins_over_a_forbidden_one)
{
	struct bind b = change_of(VERB_PATCH);
	ck_assert_int_eq(bind_text(&b, "{\"by_user\":\"bob\",\"total\":\"x\"}"), -EBADMSG);
	ck_assert_uint_eq(f->e.nproblems, 2);
}
END_TEST

START_TEST(what_the_file_shows_binds_to_the_same_row)
{
	struct bind b = change_of(VERB_REPLACE);
	buf_auto text = BUF_INIT;
	record_close(&text, record_open(&text, f->orders, f->old, SHOW_FILE, 0, NULL), 0);
	ck_bound(&b, text.data);
	for (size_t i = 0; i < f->orders->nfields; i++)
		ck_assert_msg(value_equal(&f->row[i], &f->old[i]), "%s", f->orders->fields[i].name);
}
END_TEST

START_TEST(what_another_program_stored_against_the_rules_may_stay)
{
	struct bind b = change_of(VERB_REPLACE);
	const struct model *m = f->orders;
	f->old[model_field(m, "status")->index] = value_text("odd", 3);
	f->old[model_field(m, "total")->index] = value_text("much", 4);
	f->old[model_field(m, "paid")->index] = value_integer(7);
	f->old[model_field(m, "code")->index] = value_text("\xff", 1);
	f->old[model_field(m, "extra")->index] = value_text("{ \"a\": 1.0 }", 12);
	f->old[model_field(m, "day")->index] = value_text("{x", 2);
	buf_auto text = BUF_INIT;
	record_close(&text, record_open(&text, m, f->old, SHOW_FILE, 0, NULL), 0);
	ck_bound(&b, text.data);
	for (size_t i = 0; i < m->nfields; i++)
		ck_assert_msg(value_equal(&f->row[i], &f->old[i]), "%s", m->fields[i].name);
}
END_TEST

/* ---- patching ---- */

START_TEST(a_patch_changes_what_it_names)
{
	struct bind b = change_of(VERB_PATCH);
	ck_bound(&b, "{\"total\":2,\"paid\":null}");
	ck_has("\"total\":2,");
	ck_has("\"paid\":null");
	ck_has("\"description\":\"shoes\"");
	ck_has("\"by_user\":\"ann\"");
	ck_has("\"status\":\"done\"");
}
END_TEST

START_TEST(a_patch_merges_into_a_json_field)
{
	struct bind b = change_of(VERB_PATCH);
	ck_bound(&b, "{\"extra\":{\"b\":null,\"c\":{\"d\":null,\"e\":[null]}}}");
	ck_has("\"extra\":{\"a\":1,\"c\":{\"e\":[null]}}");
	ck_bound(&b, "{\"extra\":[1]}");
	ck_has("\"extra\":[1]");
	ck_bound(&b, "{\"extra\":{}}");
	ck_has("\"extra\":{\"a\":1,\"b\":[1]}");
	ck_bound(&b, "{\"extra\":null}");
	ck_has("\"extra\":null");
}
END_TEST

START_TEST(a_patch_can_not_empty_a_required_field)
{
	struct bind b = change_of(VERB_PATCH);
	ck_refused(&b, "{\"description\":null}", EBADMSG, "/description", "is required");
}
END_TEST

START_TEST(a_record_that_would_grow_too_large_is_refused)
{
	struct bind b = change_of(VERB_PATCH);
	buf_auto text = BUF_INIT;
	buf_str(&text, "{\"extra\":[1");
	for (int i = 0; i < 200000; i++)
		buf_str(&text, ",1");
	buf_str(&text, "]}");
	ck_assert_int_eq(bind_text(&b, text.data), -EFBIG);
}
END_TEST

/* ---- relations ---- */

START_TEST(children_in_the_document_are_ignored)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_bound(&b, "{\"description\":\"shoes\",\"lines\":[{\"id\":1,\"x\":2}],\"lines_total\":9,\"notes\":null}");
	ck_bound(&b, "{\"description\":\"shoes\",\"lines\":[],\"notes\":{\"id\":3}}");
}
END_TEST

START_TEST(a_child_without_a_key_can_not_be_written_here)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_refused(&b, "{\"description\":\"shoes\",\"lines\":[{\"id\":1},{\"x\":2}]}", EPERM, "/lines/1",
		   "can't be written here: create it in lines");
	ck_refused(&b, "{\"description\":\"shoes\",\"notes\":{\"id\":null}}", EPERM, "/notes",
		   "can't be written here: create it in notes");
}
END_TEST

START_TEST(children_must_be_a_list_or_an_object)
{
	struct bind b = bind_of(f->orders, VERB_CREATE);
	ck_refused(&b, "{\"description\":\"shoes\",\"lines\":{}}", EBADMSG, "/lines", "must be a list");
	ck_refused(&b, "{\"description\":\"shoes\",\"lines\":[1]}", EBADMSG, "/lines/0", "must be an object");
	ck_refused(&b, "{\"description\":\"shoes\",\"notes\":[]}", EBADMSG, "/notes", "must be an object");
}
END_TEST

START_TEST(an_embedded_document_has_the_key_of_its_parent_and_pointers_of_the_whole)
{
	const struct model *lines = schema_model(&f->schema, "lines");
	struct bind b = bind_of(lines, VERB_CREATE);
	b.pointer = "/lines/3";
	b.by = model_field(lines, "order_id");
	b.parent = value_integer(7);
	ck_bound(&b, "{\"id\":1}");
	ck_assert_str_eq(shown(lines, f->row), "{\"id\":1,\"order_id\":7}");
	ck_bound(&b, "{\"id\":1,\"order_id\":7}");
	ck_bound(&b, "{\"id\":1,\"order_id\":null}");
	ck_assert_str_eq(shown(lines, f->row), "{\"id\":1,\"order_id\":7}");
	ck_refused(&b, "{\"id\":\"x\"}", EBADMSG, "/lines/3/id", "must be an integer");
	ck_refused(&b, "{\"order_id\":8}", EBADMSG, "/lines/3/order_id",
		   "must be 7, the key of the record that it is part of");
	ck_refused(&b, "{\"order_id\":\"7\"}", EBADMSG, "/lines/3/order_id", "must be an integer");
	b.parent = value_null();
	ck_refused(&b, "{\"order_id\":7}", EBADMSG, "/lines/3/order_id",
		   "must be left out: what it refers to has no key yet");
	ck_bound(&b, "{\"id\":1}");
}
END_TEST

/* ---- without memory ---- */

static long allocations_left;

static void *scarce(size_t size)
{
	return allocations_left-- > 0 ? malloc(size) : NULL;
}

START_TEST(a_merge_without_memory_is_refused_and_leaks_nothing)
{
	struct bind b = change_of(VERB_PATCH);
	int rc = -1;
	ck_bound(&b, "{\"extra\":{\"c\":{\"d\":[1,\"x\"]}}}");
	json_set_alloc_funcs(scarce, free);
	for (long n = 0; rc; n++) {
		allocations_left = n;
		err_release(&f->e);
		rc = record_bind(&b, f->document, f->row, &f->arena, &f->e);
		ck_assert_msg(rc == 0 || rc == -ENOMEM, "%ld: %d", n, rc);
	}
	json_set_alloc_funcs(malloc, free);
	ck_has("\"extra\":{\"a\":1,\"b\":[1],\"c\":{\"d\":[1,\"x\"]}}");
}
END_TEST

START_TEST(reading_without_memory_says_so)
{
	json_t *json = NULL;
	int rc = -1;
	json_set_alloc_funcs(scarce, free);
	for (long n = 0; rc; n++) {
		err_auto e = ERR_INIT;
		allocations_left = n;
		rc = json_read(stored, strlen(stored), &json, &e);
		ck_assert_msg(rc == 0 || rc == -ENOMEM, "%ld: %d %s", n, rc, e.text);
	}
	json_decref(json);
	json_set_alloc_funcs(malloc, free);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bind");
	TCase *c = tcase_create("bind");
	suite_add_tcase(suite, c);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 30);
	tcase_add_test(c, a_create_fills_in_the_defaults);
	tcase_add_test(c, null_is_null_and_not_the_default);
	tcase_add_test(c, a_read_only_member_of_a_create_is_ignored);
	tcase_add_test(c, the_server_may_set_what_is_read_only_or_hidden);
	tcase_add_test(c, a_hidden_field_is_unknown_to_users);
	tcase_add_test(c, an_unknown_member_near_a_field_is_asked_about);
	tcase_add_test(c, a_pointer_escapes_tilde_and_slash);
	tcase_add_test(c, a_required_member_must_be_there);
	tcase_add_test(c, all_problems_come_in_the_documents_order_and_then_what_is_missing);
	tcase_add_test(c, a_document_must_be_an_object);
	tcase_add_test(c, the_key_of_the_body_must_be_that_of_the_name);
	tcase_add_test(c, an_integer_key_has_a_range);
	tcase_add_test(c, a_text_key_must_be_given_and_fit_a_name);
	tcase_add_test(c, a_uuid_key_is_made_by_its_default);
	tcase_add_test(c, a_key_can_not_be_changed_from_within);
	tcase_add_test(c, a_new_key_from_the_name_is_taken);
	tcase_add_test(c, a_replace_gives_absent_members_their_default_or_null);
	tcase_add_test(c, a_replace_keeps_what_the_file_does_not_show_and_what_is_read_only);
	tcase_add_test(c, a_write_only_field_is_set_when_given_and_refuses_null_when_required);
	tcase_add_test(c, a_read_only_field_may_be_carried_back_but_not_changed);
	tcase_add_test(c, an_immutable_field_is_set_once);
	tcase_add_test(c, a_bad_value_wins_over_a_forbidden_one);
	tcase_add_test(c, what_the_file_shows_binds_to_the_same_row);
	tcase_add_test(c, what_another_program_stored_against_the_rules_may_stay);
	tcase_add_test(c, a_patch_changes_what_it_names);
	tcase_add_test(c, a_patch_merges_into_a_json_field);
	tcase_add_test(c, a_patch_can_not_empty_a_required_field);
	tcase_add_test(c, a_record_that_would_grow_too_large_is_refused);
	tcase_add_test(c, children_in_the_document_are_ignored);
	tcase_add_test(c, a_child_without_a_key_can_not_be_written_here);
	tcase_add_test(c, children_must_be_a_list_or_an_object);
	tcase_add_test(c, an_embedded_document_has_the_key_of_its_parent_and_pointers_of_the_whole);
	tcase_add_test(c, a_merge_without_memory_is_refused_and_leaks_nothing);
	tcase_add_test(c, reading_without_memory_says_so);
	tcase_add_loop_test(c, each_demand_of_a_field_is_told_with_its_bound, 0, sizeof demands / sizeof *demands);
	tcase_add_loop_test(c, mail_addresses_are_checked, 0, sizeof addresses / sizeof *addresses);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
