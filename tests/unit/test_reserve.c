/*
 * test_reserve.c - reserved keys in the document of a record that is not saved yet.
 */
#include "../../hooks/reserve.h"
#include "../../store/json.h"
#include "saved.h"

static struct saved s;

static void set_up(void)
{
	saved_directory(&s);
	saved_open(&s, "store sqlite:shop.db\ndurability off\n"
		       "model activities { fields { id integer key; subject string }; embeds-one legal by activity_id\n"
		       "  embeds-many lines by activity_id; embeds-one label by activity_id\n"
		       "  embeds-one twin by id }\n"
		       "model legal { fields { id integer key; activity_id integer references activities }\n"
		       "  embeds-one court by legal_id }\n"
		       "model court { fields { id integer key; legal_id integer references legal } }\n"
		       "model lines { fields { id integer key; activity_id integer references activities } }\n"
		       "model twin { fields { id integer key references activities } }\n"
		       "model label { fields { code string key; activity_id integer references activities } }\n");
}

static void tear_down(void)
{
	saved_close(&s);
}

static const char *reserved(const char *text)
{
	buf_auto out = BUF_INIT;
	json_t *document = json_loads(text, JSON_DECODE_ANY, NULL);
	ck_assert_int_eq(reserve_keys(s.store, saved_model(&s, "activities"), document, &s.error), 0);
	json_write(&out, document, -1);
	json_decref(document);
	return arena_copy(&s.arena, buf_text(&out), out.len);
}

START_TEST(test_a_record_and_its_only_children_get_keys)
{
	ck_assert_str_eq(
	    reserved("{\"subject\":\"a\",\"legal\":{\"court\":{}},\"lines\":[{}],\"label\":{},\"twin\":{}}"),
	    "{\"subject\":\"a\",\"legal\":{\"court\":{\"id\":1},\"id\":1},\"lines\":[{}],\"label\":{},\"twin\":{},"
	    "\"id\":1}");
	ck_assert_str_eq(reserved("{\"legal\":null}"), "{\"legal\":null,\"id\":2}");
}
END_TEST

START_TEST(test_keys_that_are_there_stay)
{
	ck_assert_str_eq(reserved("{\"id\":7,\"legal\":{\"id\":null}}"), "{\"id\":7,\"legal\":{\"id\":1}}");
	ck_assert_str_eq(reserved("{\"id\":\"no key\",\"legal\":[]}"), "{\"id\":\"no key\",\"legal\":[]}");
	ck_assert_str_eq(reserved("3"), "3");
}
END_TEST

START_TEST(test_what_was_reserved_can_be_saved)
{
	const char *text = reserved("{\"legal\":{\"court\":{}}}");
	saved_ok(&s, REQUEST_PUT, "court", -1, "{}");
	saved_ok(&s, REQUEST_PUT, "activities", 1, text);
	ck_assert_str_eq(saved_show(&s, "court", 1), "{\"id\":1,\"legal_id\":1}");
	ck_assert_str_eq(saved_show(&s, "court", 2), "{\"id\":2,\"legal_id\":null}");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reserve");
	TCase *tests = tcase_create("reserve");
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, test_a_record_and_its_only_children_get_keys);
	tcase_add_test(tests, test_keys_that_are_there_stay);
	tcase_add_test(tests, test_what_was_reserved_can_be_saved);
	suite_add_tcase(suite, tests);
	return saved_main(suite);
}
