/*
 * test_record.c - from a row to its text, between keys and file names, and the JSON Schema of a model.
 */
#include "record_fixture.h"

/* ---- printing ---- */

START_TEST(a_file_shows_the_key_first_and_neither_hidden_nor_write_only_fields)
{
	struct bind b = bind_of(f->users, VERB_CREATE);
	buf_auto text = BUF_INIT;
	ck_bound(&b, "{\"email\":null,\"password\":\"123\",\"name\":\"ann\"}");
	size_t members = record_open(&text, f->users, f->row, SHOW_FILE, 0, NULL);
	ck_assert_uint_eq(members, 2);
	record_member(&text, "lines", members, 0);
	buf_str(&text, "[]");
	record_close(&text, members + 1, 0);
	ck_assert_str_eq(text.data, "{\n  \"name\": \"ann\",\n  \"email\": null,\n  \"lines\": []\n}");
}
END_TEST

START_TEST(a_child_is_shown_without_its_reference_and_indented)
{
	const struct model *lines = schema_model(&f->schema, "lines");
	struct value row[] = {value_integer(1), value_integer(7)};
	buf_auto text = BUF_INIT;
	record_close(&text, record_open(&text, lines, row, SHOW_FILE, 2, model_field(lines, "order_id")), 2);
	ck_assert_str_eq(text.data, "{\n      \"id\": 1\n    }");
}
END_TEST

START_TEST(a_record_without_members_is_an_empty_object)
{
	const struct model *lines = schema_model(&f->schema, "lines");
	struct model bare = *lines;
	struct field key = *lines->key;
	struct value row[] = {value_integer(1)};
	buf_auto text = BUF_INIT;
	key.write_only = true;
	bare.key = bare.fields = &key;
	bare.nfields = 1;
	record_close(&text, record_open(&text, &bare, row, SHOW_FILE, 0, NULL), 0);
	ck_assert_str_eq(text.data, "{}");
}
END_TEST

/* ---- file names ---- */

static const struct {
	const char *model, *name;
	bool is_key;
} names[] = {
    {"orders", "0.json", true},
    {"orders", "281474976710655.json", true},
    {"orders", "281474976710656.json", false},
    {"orders", "007.json", false},
    {"orders", "+7.json", false},
    {"orders", "-1.json", false},
    {"orders", "7 .json", false},
    {"orders", "%37.json", false},
    {"orders", "7.JSON", false},
    {"orders", ".json", false},
    {"orders", ".7.json", false},
    {"orders", "7", false},
    {"users", "ann.json", true},
    {"users", "a b\xc3\xa9.json", true},
    {"users", "a%2Fb.json", true},
    {"users", "%2E..json", true},
    {"users", "%25.json", true},
    {"users", "a%0A%7F.json", true},
    {"users", "a.json.json", true},
    {"users", "%2fx.json", false},
    {"users", "%41.json", false},
    {"users", "a%2E.json", false},
    {"users", "%.json", false},
    {"users", "%2.json", false},
    {"users", "%G0.json", false},
    {"users", "%00.json", false},
    {"users", "%FF.json", false},
    {"users", "a\x01.json", false},
    {"users", "\xff.json", false},
    {"users", "\xc3.json", false},
    {"days", "2024-02-29.json", true},
    {"days", "2023-02-29.json", false},
    {"tokens", "01890a5d-ac96-774b-bcce-b302099a8057.json", true},
    {"tokens", "01890A5D-ac96-774b-bcce-b302099a8057.json", false},
};

START_TEST(each_key_has_exactly_one_name)
{
	const struct model *m = schema_model(&f->schema, names[_i].model);
	struct value key;
	buf_auto again = BUF_INIT;
	int rc = record_key(m, names[_i].name, &f->arena, &key);
	ck_assert_msg(rc == (names[_i].is_key ? 0 : -ENOENT), "%s", names[_i].name);
	if (rc)
		return;
	ck_assert_int_eq(record_name(m, &key, &again), 0);
	ck_assert_str_eq(again.data, names[_i].name);
}
END_TEST

START_TEST(a_name_has_at_most_255_bytes)
{
	char name[300], text[300];
	struct value key;
	buf_auto out = BUF_INIT;
	memset(name, 'x', sizeof name);
	strcpy(name + 250, ".json");
	ck_assert_int_eq(record_key(f->users, name, &f->arena, &key), 0);
	strcpy(name + 251, ".json");
	ck_assert_int_eq(record_key(f->users, name, &f->arena, &key), -ENAMETOOLONG);
	memset(text, '/', sizeof text);
	key = value_text(text, 84);
	ck_assert_int_eq(record_name(f->users, &key, &out), -ENAMETOOLONG);
	ck_assert_uint_eq(out.len, 0);
	key = value_text(text, 83);
	ck_assert_int_eq(record_name(f->users, &key, &out), 0);
}
END_TEST

START_TEST(a_stored_key_that_no_file_can_have_has_no_name)
{
	struct value keys[] = {value_null(), value_integer(-1), value_text("", 0), value_text("a\0b", 3),
			       value_text("7", 1)};
	const struct model *models[] = {f->orders, f->orders, f->users, f->users, f->orders};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		buf_auto out = BUF_INIT;
		ck_assert_int_eq(record_name(models[i], &keys[i], &out), -ENOENT);
	}
}
END_TEST

/* ---- JSON Schema ---- */

static void ck_jq(const struct buf *text, const char *filter)
{
	char command[600];
	snprintf(command, sizeof command, "jq -e '%s' >/dev/null", filter);
	FILE *jq = popen(command, "w");
	ck_assert_ptr_nonnull(jq);
	ck_assert_uint_eq(fwrite(text->data, 1, text->len, jq), text->len);
	ck_assert_msg(pclose(jq) == 0, "%s", filter);
}

START_TEST(the_schema_of_a_model_says_what_its_documents_may_be)
{
	buf_auto b = BUF_INIT;
	schema_json(&b, &f->schema, f->orders);
	ck_jq(&b, "(.[\"$schema\"] | test(\"2020-12\")) and .title == \"orders\" and .type == \"object\" and "
		  "(.properties | keys_unsorted[0]) == \"id\" and .required == [\"description\"] and "
		  ".additionalProperties == false");
	ck_jq(&b, ".properties.description == {type:\"string\",minLength:2,maxLength:8} and "
		  ".properties.status == "
		  "{type:[\"string\",\"null\"],enum:[\"new\",\"running\",\"done\",null],default:\"new\"}");
	ck_jq(&b, ".properties | .made.readOnly and .token.writeOnly and .lines.readOnly and .notes.type[0] == "
		  "\"object\" and "
		  "(has(\"secret\") | not) and .id.maximum == 281474976710655 and .priority.enum == [1,2,null]");
}
END_TEST

START_TEST(the_schema_of_all_models_has_each_by_its_name)
{
	buf_auto b = BUF_INIT;
	schema_json(&b, &f->schema, NULL);
	ck_jq(&b, ".[\"$defs\"] | keys_unsorted == [\"users\",\"orders\",\"lines\",\"notes\",\"days\",\"tokens\"]");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record");
	TCase *c = tcase_create("record");
	suite_add_tcase(suite, c);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 30);
	tcase_add_test(c, a_file_shows_the_key_first_and_neither_hidden_nor_write_only_fields);
	tcase_add_test(c, a_child_is_shown_without_its_reference_and_indented);
	tcase_add_test(c, a_record_without_members_is_an_empty_object);
	tcase_add_test(c, a_name_has_at_most_255_bytes);
	tcase_add_test(c, a_stored_key_that_no_file_can_have_has_no_name);
	tcase_add_test(c, the_schema_of_a_model_says_what_its_documents_may_be);
	tcase_add_test(c, the_schema_of_all_models_has_each_by_its_name);
	tcase_add_loop_test(c, each_key_has_exactly_one_name, 0, sizeof names / sizeof *names);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
