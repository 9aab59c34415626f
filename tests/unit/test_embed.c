/*
 * test_embed.c - records inside the file of another: what a document does to them, in which order, and what is refused.
 */
#include <jansson.h>

#include "saved.h"

static struct saved s;

#define LOG               "model log { fields { id integer key; what string required } }\n"
#define NOTE(event, text) "on " event " sql \"INSERT INTO log(what) VALUES (" text ")\"\n"

/* Orders embed lines, which embed parts, and one address with a key of its own; notes and holds refer to lines. */
#define SHOP                                                                                                           \
	"store sqlite:shop.db\ndurability off\n" LOG "model users { fields { id integer key } }\n"                     \
	"model orders { fields { id integer key; name string required max 20; total integer\n"                         \
	"  user_id integer references users on-delete cascade }\n"                                                     \
	"  embeds-many lines by order_id; has-many notes by order_id; embeds-one address by order_id\n ORDERS }\n"     \
	"model lines { fields { id integer key; order_id integer required references orders\n"                         \
	"  sku string required max 5 unique; qty integer default 1 min 1; secret string write-only\n"                  \
	"  made datetime default now read-only; place string default here hidden }\n"                                  \
	"  embeds-many parts by line_id\n LINES }\n"                                                                   \
	"model parts { fields { id integer key; line_id integer references lines; name string required } PARTS }\n"    \
	"model address { fields { code string key max 5; order_id integer references orders; city string required } "  \
	"}\n"                                                                                                          \
	"model notes { fields { id integer key; order_id integer references orders on-delete cascade\n"                \
	"  line_id integer references lines on-delete set-null } }\n"                                                  \
	"model holds { fields { id integer key; line_id integer references lines } }\n"                                \
	"model bills { fields { id integer key; name string; total integer; user_id integer }\n"                       \
	"  embeds-many rows by bill_id }\n"                                                                            \
	"model rows { fields { id integer key; bill_id integer references bills; x string } read-only }\n"

static void open_shop(const char *orders, const char *lines, const char *parts)
{
	const char *const words[] = {"ORDERS", "LINES", "PARTS"}, *const texts[] = {orders, lines, parts};
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

/* The file of a record on one line, `made` left out; what is wrong where it can't be shown. In the arena. */
static const char *show_key(const char *model, struct value key)
{
	buf_auto out = BUF_INIT;
	err_auto e = ERR_INIT;
	struct conn *c = store_read_begin(s.store, &e);
	int result = store_show(c, saved_model(&s, model), &key, &out, NULL, &e);
	store_read_end(c);
	if (result < 0)
		return result == -ENOENT ? "" : arena_copy(&s.arena, e.text, strlen(e.text));
	json_t *json = json_loads(buf_text(&out), 0, NULL), *line;
	size_t i;
	json_array_foreach(json_object_get(json, "lines"), i, line) json_object_del(line, "made");
	json_object_del(json, "made");
	char *text = json_dumps(json, JSON_COMPACT);
	const char *copy = arena_copy(&s.arena, text, strlen(text));
	free(text);
	json_decref(json);
	return copy;
}

static const char *show(const char *model, int64_t key)
{
	return show_key(model, value_integer(key));
}

static int64_t mtime(const char *model, int64_t key)
{
	struct value k = value_integer(key);
	struct stamp stamp = {0};
	err_auto e = ERR_INIT;
	struct conn *c = store_read_begin(s.store, &e);
	ck_assert_int_eq(store_get(c, saved_model(&s, model), &k, &s.arena, NULL, &stamp, &e), 0);
	store_read_end(c);
	return stamp.mtime_ns;
}

static void put(const char *text)
{
	saved_ok(&s, REQUEST_PUT, "orders", 1, text);
}

static void merge(const char *text)
{
	saved_ok(&s, REQUEST_MERGE, "orders", 1, text);
}

/* "POINTER text; POINTER text". */
static const char *problems(void)
{
	buf_auto out = BUF_INIT;
	for (size_t i = 0; i < s.error.nproblems; i++)
		buf_printf(&out, "%s%s %s", i ? "; " : "", s.error.problems[i].pointer, s.error.problems[i].text);
	return arena_copy(&s.arena, buf_text(&out), out.len);
}

#define ck_refused(code, text, expected)                                                                               \
	do {                                                                                                           \
		ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, text), -(code));                               \
		ck_assert_str_eq(problems(), expected);                                                                \
	} while (0)

#define TWO "{\"name\":\"a\",\"lines\":[{\"sku\":\"x\"},{\"sku\":\"y\",\"parts\":[{\"name\":\"p\"}]}]}"
#define TWO_SHOWN                                                                                                      \
	"{\"id\":1,\"name\":\"a\",\"total\":null,\"user_id\":null,\"lines\":[{\"id\":1,\"sku\":\"x\",\"qty\":1,"       \
	"\"parts\":[]},"                                                                                               \
	"{\"id\":2,\"sku\":\"y\",\"qty\":1,\"parts\":[{\"id\":1,\"name\":\"p\"}]}],\"notes\":[],\"address\":null}"

/* ---- creating ---- */

START_TEST(a_document_creates_all_it_embeds)
{
	open_shop("", "", "");
	put(TWO);
	ck_assert_str_eq(show("orders", 1), TWO_SHOWN);
	ck_assert_str_eq(show("lines", 2),
			 "{\"id\":2,\"order_id\":1,\"sku\":\"y\",\"qty\":1,\"parts\":[{\"id\":1,\"name\":\"p\"}]}");
	ck_assert_str_eq(saved_show(&s, "parts", 1), "{\"id\":1,\"line_id\":2,\"name\":\"p\"}");
}
END_TEST

START_TEST(keys_come_in_the_order_of_the_document)
{
	open_shop("", "", "");
	saved_ok(&s, REQUEST_PUT, "orders", -1,
		 "{\"name\":\"a\",\"lines\":[{\"sku\":\"x\",\"parts\":[{\"name\":\"p\"},{\"name\":\"q\"}]},"
		 "{\"sku\":\"y\",\"parts\":[{\"name\":\"r\"}]},{\"sku\":\"z\"}]}");
	ck_assert_int_eq(s.outcome.key.integer, 1);
	for (int i = 1; i <= 3; i++) {
		ck_assert_ptr_nonnull(strchr(saved_show(&s, "lines", i), "wxyz"[i]));
		ck_assert_ptr_nonnull(strchr(saved_show(&s, "parts", i), "opqr"[i]));
	}
}
END_TEST

START_TEST(keys_that_the_document_names_are_taken_and_the_others_come_above)
{
	open_shop("", "", "");
	put("{\"name\":\"a\",\"lines\":[{\"sku\":\"x\"},{\"id\":7,\"sku\":\"y\"},{\"id\":null,\"sku\":\"z\"}]}");
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "lines", 7), "\"y\""));
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "lines", 8), "\"x\""));
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "lines", 9), "\"z\""));
}
END_TEST

START_TEST(a_merge_of_nothing_creates_too)
{
	open_shop("", "", "");
	merge(TWO);
	ck_assert_int_eq(s.outcome.verb, VERB_CREATE);
	ck_assert_str_eq(show("orders", 1), TWO_SHOWN);
}
END_TEST

START_TEST(an_only_child_may_have_a_key_of_text)
{
	open_shop("", "", "");
	ck_refused(EBADMSG, "{\"name\":\"a\",\"address\":{\"city\":\"Rome\"}}", "/address/code is required");
	put("{\"name\":\"a\",\"address\":{\"code\":\"home\",\"city\":\"Rome\"}}");
	put("{\"name\":\"a\",\"address\":{\"city\":\"Bern\"}}");
	ck_assert_ptr_nonnull(strstr(show("orders", 1), "\"address\":{\"code\":\"home\",\"city\":\"Bern\"}"));
	put("{\"name\":\"a\",\"address\":{\"code\":\"work\",\"city\":\"Bern\"}}");
	ck_assert_ptr_nonnull(strstr(show("orders", 1), "\"address\":{\"code\":\"work\",\"city\":\"Bern\"}"));
	ck_assert_int_eq(saved_count(&s, "address"), 1);
}
END_TEST

/* ---- the delta ---- */

#define WATCH                                                                                                          \
	NOTE("pre_save,post_save,pre_delete,post_delete",                                                              \
	     "CASE WHEN :verb = 'delete' THEN '-' ELSE substr(:verb, 1, 1) END || :key")

START_TEST(the_delta_is_taken_by_key)
{
	open_shop("", WATCH, "");
	put("{\"name\":\"a\",\"lines\":[{\"sku\":\"x\"},{\"sku\":\"y\"},{\"sku\":\"z\"}]}");
	int64_t before = mtime("lines", 2);
	put("{\"name\":\"a\",\"lines\":[{\"sku\":\"n\"},{\"id\":3,\"sku\":\"z\",\"qty\":2},{\"id\":2,\"sku\":\"y\"}]}");
	ck_assert_str_eq(saved_log(&s), "c1 c2 c3 c3 c2 c1 c4 r3 -1 -1 r3 c4");
	ck_assert_int_eq(mtime("lines", 2), before);
	ck_assert_ptr_nonnull(strstr(show("orders", 1), "\"lines\":[{\"id\":2,\"sku\":\"y\",\"qty\":1,\"parts\":[]},"
							"{\"id\":3,\"sku\":\"z\",\"qty\":2,\"parts\":[]},"
							"{\"id\":4,\"sku\":\"n\",\"qty\":1,\"parts\":[]}]"));
}
END_TEST

START_TEST(equal_content_does_nothing)
{
	open_shop(WATCH, WATCH, WATCH);
	put(TWO);
	int64_t before = mtime("orders", 1);
	const char *log = saved_log(&s);
	put("{\"name\":\"a\",\"lines\":[{\"id\":2,\"sku\":\"y\",\"parts\":[{\"id\":1,\"name\":\"p\"}]},{\"id\":1,"
	    "\"sku\":\"x\"}]}");
	ck_assert(!s.outcome.changed);
	ck_assert_str_eq(saved_log(&s), log);
	ck_assert_int_eq(mtime("orders", 1), before);
}
END_TEST

START_TEST(a_put_that_leaves_a_member_out_deletes_what_it_has)
{
	open_shop("", "", "");
	put("{\"name\":\"a\",\"lines\":[{\"sku\":\"x\",\"parts\":[{\"name\":\"p\"}]}],\"address\":{\"code\":\"c\","
	    "\"city\":\"d\"}}");
	put("{\"name\":\"a\"}");
	ck_assert(s.outcome.changed);
	ck_assert_int_eq(saved_count(&s, "lines") + saved_count(&s, "parts") + saved_count(&s, "address"), 0);
}
END_TEST

START_TEST(a_merge_that_leaves_a_member_out_leaves_it_alone)
{
	open_shop("", WATCH, "");
	put(TWO);
	merge("{\"name\":\"b\"}");
	ck_assert_ptr_nonnull(strstr(show("orders", 1), "\"name\":\"b\""));
	ck_assert_ptr_nonnull(strstr(show("orders", 1), strstr(TWO_SHOWN, "\"lines\"")));
	ck_assert_str_eq(saved_log(&s), "c1 c2 c2 c1");
}
END_TEST

START_TEST(a_list_in_a_merge_replaces)
{
	open_shop("", WATCH, "");
	put(TWO);
	merge("{\"lines\":[{\"id\":2,\"sku\":\"y\"}]}");
	ck_assert_str_eq(saved_log(&s), "c1 c2 c2 c1 r2 -1 -1 r2");
	ck_assert_int_eq(saved_count(&s, "parts"), 0);
}
END_TEST

START_TEST(an_object_in_a_merge_is_merged_and_null_deletes_it)
{
	open_shop("", "", "");
	put("{\"name\":\"a\",\"address\":{\"code\":\"c\",\"city\":\"d\"}}");
	merge("{\"address\":{\"city\":\"e\"}}");
	ck_assert_ptr_nonnull(strstr(show("orders", 1), "{\"code\":\"c\",\"city\":\"e\"}"));
	merge("{\"address\":{}}");
	ck_assert(!s.outcome.changed);
	merge("{\"address\":null}");
	ck_assert_int_eq(saved_count(&s, "address"), 0);
}
END_TEST

START_TEST(what_a_file_does_not_show_is_kept)
{
	open_shop("", "", "");
	put("{\"name\":\"a\",\"lines\":[{\"sku\":\"x\",\"secret\":\"s\"}]}");
	put("{\"name\":\"a\",\"lines\":[{\"id\":1,\"sku\":\"x\",\"qty\":3}]}");
	struct value row[LIMIT_FIELDS], key = value_integer(1);
	const struct model *lines = saved_model(&s, "lines");
	err_auto e = ERR_INIT;
	struct conn *c = store_read_begin(s.store, &e);
	ck_assert_int_eq(store_get(c, lines, &key, &s.arena, row, NULL, &e), 0);
	store_read_end(c);
	ck_assert_str_eq(row[model_field(lines, "secret")->index].text.data, "s");
	ck_assert_str_eq(row[model_field(lines, "place")->index].text.data, "here");
	ck_assert_int_eq(row[model_field(lines, "qty")->index].integer, 3);
}
END_TEST

START_TEST(a_unique_value_goes_from_a_deleted_entry_to_a_new_one)
{
	open_shop("", "", "");
	put(TWO);
	put("{\"name\":\"a\",\"lines\":[{\"sku\":\"x\"},{\"id\":2,\"sku\":\"z\"}]}");
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "lines", 3), "\"x\""));
}
END_TEST

START_TEST(a_unique_value_that_another_keeps_is_EEXIST_at_its_place)
{
	open_shop("", "", "");
	put(TWO);
	ck_refused(EEXIST, "{\"name\":\"a\",\"lines\":[{\"id\":1,\"sku\":\"x\"},{\"id\":2,\"sku\":\"x\"}]}",
		   "/lines/1/sku is already the value of lines 1");
	ck_assert_int_eq(
	    saved_do(&s, REQUEST_PUT, "orders", 2, "{\"name\":\"b\",\"lines\":[{\"sku\":\"new\"},{\"sku\":\"new\"}]}"),
	    -EEXIST);
	ck_assert_str_eq(s.error.problems[0].pointer, "/lines/1/sku");
	ck_assert_str_eq(show("orders", 1), TWO_SHOWN);
	ck_assert_str_eq(show("orders", 2), "");
}
END_TEST

START_TEST(entries_that_go_take_references_along_or_are_held)
{
	open_shop("", "", "");
	put(TWO);
	saved_ok(&s, REQUEST_PUT, "notes", 1, "{\"order_id\":1,\"line_id\":1}");
	saved_ok(&s, REQUEST_PUT, "holds", 1, "{\"line_id\":2}");
	merge("{\"lines\":[{\"id\":2,\"sku\":\"y\"}]}");
	ck_assert_str_eq(saved_show(&s, "notes", 1), "{\"id\":1,\"order_id\":1,\"line_id\":null}");
	ck_assert_int_eq(saved_do(&s, REQUEST_MERGE, "orders", 1, "{\"lines\":[]}"), -EBUSY);
	ck_assert_str_eq(s.error.text, "lines/2.json is referred to by holds/1.json");
	ck_assert_int_eq(saved_count(&s, "lines"), 1);
}
END_TEST

START_TEST(many_entries_are_one_save)
{
	enum { MANY = 3000 };
	buf_auto text = BUF_INIT;
	open_shop("", "", "");
	buf_str(&text, "{\"name\":\"a\",\"lines\":[");
	for (int i = 0; i < MANY; i++)
		buf_printf(&text, "%s{\"sku\":\"%d\"}", i ? "," : "", i);
	buf_str(&text, "]}");
	put(buf_text(&text));
	ck_assert_int_eq(saved_count(&s, "lines"), MANY);
	buf_reset(&text);
	buf_str(&text, "{\"name\":\"a\",\"lines\":[");
	for (int i = MANY; i > 0; i--)
		buf_printf(&text, "%s{\"id\":%d,\"sku\":\"%d\"}", i < MANY ? "," : "", i, i - 1);
	buf_str(&text, "]}");
	put(buf_text(&text));
	ck_assert(!s.outcome.changed);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(all_problems_of_all_levels_are_told)
{
	open_shop("", "", "");
	ck_refused(
	    EBADMSG,
	    "{\"lines\":[{\"qty\":0,\"x\":1},1,{\"sku\":\"y\",\"parts\":[{\"name\":2}]},{\"sku\":\"z\",\"parts\":{}}],"
	    "\"address\":[]}",
	    "/lines/1 must be an object; /address must be an object; /name is required; "
	    "/lines/0/qty must be at least 1, it is 0; /lines/0/x is no field of lines; /lines/0/sku is required; "
	    "/lines/2/parts/0/name must be a string; /lines/3/parts must be a list");
	ck_assert_int_eq(saved_count(&s, "orders") + saved_count(&s, "lines"), 0);
}
END_TEST

START_TEST(a_list_is_never_null)
{
	open_shop("", "", "");
	ck_refused(EBADMSG, "{\"name\":\"a\",\"lines\":null}", "/lines must be a list");
	put(TWO);
	ck_assert_int_eq(saved_do(&s, REQUEST_MERGE, "orders", 1, "{\"lines\":null}"), -EBADMSG);
}
END_TEST

START_TEST(a_key_that_is_not_this_records_is_refused)
{
	open_shop("", "", "");
	put(TWO);
	ck_assert_int_eq(
	    saved_do(&s, REQUEST_PUT, "orders", 2, "{\"name\":\"b\",\"lines\":[{\"id\":1,\"sku\":\"x\"}]}"), -EBADMSG);
	ck_assert_str_eq(problems(), "/lines/0/id is the key of a record that is not part of this one");
	ck_refused(EBADMSG, "{\"name\":\"a\",\"lines\":[{\"id\":1,\"sku\":\"x\"},{\"id\":1,\"sku\":\"z\"}]}",
		   "/lines/1/id is the key of an entry before this one");
	ck_refused(EBADMSG, "{\"name\":\"a\",\"lines\":[{\"id\":9,\"sku\":\"x\"},{\"id\":9,\"sku\":\"z\"}]}",
		   "/lines/1/id is the key of an entry before this one");
	ck_refused(EBADMSG, "{\"name\":\"a\",\"lines\":[{\"id\":\"x\",\"sku\":\"x\"}]}",
		   "/lines/0/id must be an integer");
}
END_TEST

START_TEST(the_reference_to_the_parent_may_be_given_if_it_is_right)
{
	open_shop("", "", "");
	put("{\"name\":\"a\",\"lines\":[{\"order_id\":1,\"sku\":\"x\"}]}");
	ck_refused(EBADMSG, "{\"name\":\"a\",\"lines\":[{\"id\":1,\"order_id\":2,\"sku\":\"x\"}]}",
		   "/lines/0/order_id must be 1, the key of the record that it is part of");
	ck_refused(EBADMSG, "{\"name\":\"a\",\"lines\":[{\"sku\":\"y\",\"parts\":[{\"line_id\":2,\"name\":\"p\"}]}]}",
		   "/lines/0/parts/0/line_id must be left out: what it refers to has no key yet");
}
END_TEST

START_TEST(a_read_only_model_can_not_be_written_inside_another_file)
{
	open_shop("", "", "");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "bills", 1, "{\"rows\":[{\"x\":\"y\"}]}"), -EROFS);
	ck_assert_str_eq(problems(), "/rows/0 is of rows, which is read-only");
	saved_ok(&s, REQUEST_PUT, "bills", 1, "{\"name\":\"a\"}");
}
END_TEST

START_TEST(a_text_that_would_be_too_long_is_EFBIG)
{
	buf_auto text = BUF_INIT;
	open_shop("", "", "");
	put(TWO);
	buf_str(&text, "{\"lines\":[{\"id\":1,\"sku\":\"x\"},{\"id\":2,\"sku\":\"y\",\"parts\":[");
	for (int i = 0; i < 25000; i++)
		buf_printf(&text, "%s{\"name\":\"part\"}", i ? "," : "");
	buf_str(&text, "]}]}");
	ck_assert_int_eq(saved_do(&s, REQUEST_MERGE, "orders", 1, buf_text(&text)), -EFBIG);
	ck_assert_int_eq(saved_count(&s, "parts"), 1);
}
END_TEST

/* ---- deleting, renaming, moving ---- */

START_TEST(a_delete_takes_all_parts_along_whatever_on_delete_says)
{
	open_shop(WATCH, WATCH, WATCH);
	put(TWO);
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	ck_assert_str_eq(strchr(saved_log(&s), '-'), "-1 -1 -2 -1 -1 -2 -1 -1");
	ck_assert_int_eq(saved_count(&s, "orders") + saved_count(&s, "lines") + saved_count(&s, "parts"), 0);
}
END_TEST

START_TEST(a_cascade_takes_parts_along_too)
{
	open_shop("", "", NOTE("pre_delete", "'part' || :key"));
	saved_ok(&s, REQUEST_PUT, "users", 1, "{}");
	put("{\"name\":\"a\",\"user_id\":1,\"lines\":[{\"sku\":\"x\",\"parts\":[{\"name\":\"p\"}]}]}");
	saved_ok(&s, REQUEST_DELETE, "users", 1, NULL);
	ck_assert_str_eq(saved_log(&s), "part1");
	ck_assert_int_eq(saved_count(&s, "orders") + saved_count(&s, "lines") + saved_count(&s, "parts"), 0);
}
END_TEST

START_TEST(a_part_that_refuses_to_go_keeps_all)
{
	open_shop("", "", "on pre_delete check \"0\" \"no\"");
	put(TWO);
	ck_assert_int_eq(saved_do(&s, REQUEST_DELETE, "orders", 1, NULL), -ECANCELED);
	ck_assert_int_eq(saved_do(&s, REQUEST_MERGE, "orders", 1, "{\"lines\":[]}"), -ECANCELED);
	ck_assert_str_eq(show("orders", 1), TWO_SHOWN);
}
END_TEST

static int move(const char *to, int64_t key)
{
	struct request r = saved_request(&s, REQUEST_MOVE, "orders", 1, NULL);
	r.new_model = to ? saved_model(&s, to) : NULL;
	r.new_key = value_integer(key);
	return saved_all(&s, &r, 1, &s.outcome);
}

START_TEST(a_key_change_takes_parts_along)
{
	open_shop("", "", "");
	put(TWO);
	ck_assert_int_eq(move(NULL, 5), 0);
	ck_assert_str_eq(strchr(show("orders", 5), ','), strchr(TWO_SHOWN, ','));
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "lines", 1), "\"order_id\":5"));
}
END_TEST

START_TEST(a_key_change_onto_a_record_deletes_what_that_one_had)
{
	open_shop("", "", NOTE("post_delete", "'part' || :key"));
	put(TWO);
	saved_ok(&s, REQUEST_PUT, "orders", 2,
		 "{\"name\":\"b\",\"lines\":[{\"sku\":\"z\",\"parts\":[{\"name\":\"q\"}]}]}");
	ck_assert_int_eq(move(NULL, 2), 0);
	ck_assert_str_eq(strchr(show("orders", 2), ','), strchr(TWO_SHOWN, ','));
	ck_assert_str_eq(show("orders", 1), "");
	ck_assert_int_eq(saved_count(&s, "lines"), 2);
	ck_assert_str_eq(saved_log(&s), "part2");
}
END_TEST

START_TEST(a_model_without_the_parts_does_not_take_a_record_that_has_some)
{
	open_shop("", "", "");
	put(TWO);
	ck_assert_int_eq(move("bills", 5), -EBADMSG);
	ck_assert_str_eq(problems(), "/lines is no field of bills");
	put("{\"name\":\"a\"}");
	ck_assert_int_eq(move("bills", 5), 0);
	ck_assert_str_eq(show("bills", 5), "{\"id\":5,\"name\":\"a\",\"total\":null,\"user_id\":null,\"rows\":[]}");
}
END_TEST

START_TEST(parts_move_to_a_model_that_embeds_them_too_and_get_new_keys)
{
	saved_open(&s, "store sqlite:shop.db\ndurability off\n"
		       "model orders { fields { id integer key; name string } embeds-many lines by order_id }\n"
		       "model baskets { fields { id integer key; name string } embeds-many lines by basket_id }\n"
		       "model lines { fields { id integer key; order_id integer references orders\n"
		       "basket_id integer references baskets; sku string unique } }\n");
	put("{\"name\":\"a\",\"lines\":[{\"sku\":null},{\"sku\":null}]}");
	ck_assert_int_eq(move("baskets", 5), 0);
	ck_assert_str_eq(show("baskets", 5),
			 "{\"id\":5,\"name\":\"a\",\"lines\":[{\"id\":3,\"order_id\":null,\"sku\":null},"
			 "{\"id\":4,\"order_id\":null,\"sku\":null}]}");
	ck_assert_int_eq(saved_count(&s, "lines"), 2);
}
END_TEST

START_TEST(the_key_of_an_only_child_may_be_its_reference)
{
	saved_open(&s, "store sqlite:shop.db\ndurability off\n"
		       "model orders { fields { id integer key; name string } embeds-one infos by order_id }\n"
		       "model infos { fields { order_id integer key references orders; what string required } }\n");
	put("{\"name\":\"a\",\"infos\":{\"what\":\"x\"}}");
	put("{\"name\":\"a\",\"infos\":{\"what\":\"y\",\"order_id\":1}}");
	ck_assert_str_eq(show("orders", 1), "{\"id\":1,\"name\":\"a\",\"infos\":{\"what\":\"y\"}}");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"infos\":{\"what\":\"y\",\"order_id\":2}}"),
			 -EBADMSG);
	ck_assert_str_eq(problems(), "/infos/order_id must be 1, the key of the record that it is part of");
	saved_ok(&s, REQUEST_PUT, "orders", -1, "{\"infos\":{\"what\":\"z\"}}");
	ck_assert_str_eq(show("infos", 2), "{\"order_id\":2,\"what\":\"z\"}");
	put("{\"name\":\"a\"}");
	ck_assert_int_eq(saved_count(&s, "infos"), 1);
}
END_TEST

/* ---- files of their own ---- */

START_TEST(a_part_saved_by_its_own_file_moves_the_times_above_it_and_runs_its_own_hooks)
{
	open_shop(WATCH, "", NOTE("post_save", "'part'"));
	put(TWO);
	int64_t order = mtime("orders", 1), second = mtime("lines", 2), first = mtime("lines", 1);
	saved_ok(&s, REQUEST_PUT, "parts", 1, "{\"line_id\":2,\"name\":\"q\"}");
	ck_assert_str_eq(saved_log(&s), "c1 part c1 part");
	ck_assert_int_gt(mtime("orders", 1), order);
	ck_assert_int_gt(mtime("lines", 2), second);
	ck_assert_int_eq(mtime("lines", 1), first);
	ck_assert_ptr_nonnull(strstr(show("orders", 1), "\"q\""));
}
END_TEST

START_TEST(what_has_grown_too_long_elsewhere_says_so)
{
	open_shop("", "", "");
	put(TWO);
	struct txn t;
	struct sql *sql;
	ck_assert_int_eq(sql_prepare(s.store,
				     "INSERT INTO parts (line_id, name) SELECT 2, 'part' FROM (WITH RECURSIVE n(i) AS "
				     "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) SELECT i FROM n)",
				     NULL, NULL, &sql, &s.error),
			 0);
	ck_assert_int_eq(txn_begin(s.store, &t, &s.error), 0);
	ck_assert_int_eq(sql_run(&t, sql, NULL, NULL, NULL, &s.error), 0);
	ck_assert_int_eq(txn_commit(&t, &s.error), 0);
	ck_assert_str_eq(show("orders", 1), "orders 1 and what it embeds have a text of more than 1048576 bytes");
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	ck_assert_int_eq(saved_count(&s, "parts"), 0);
}
END_TEST

START_TEST(a_part_that_makes_the_file_above_it_too_long_is_refused)
{
	enum { MANY = 9, NAME = 120000 };
	buf_auto text = BUF_INIT;
	open_shop("", "", "");
	put(TWO);
	buf_str(&text, "{\"line_id\":2,\"name\":\"");
	buf_fill(&text, 'x', NAME);
	buf_str(&text, "\"}");
	for (int i = 2; i < MANY; i++)
		saved_ok(&s, REQUEST_PUT, "parts", i, buf_text(&text));
	saved_ok(&s, REQUEST_PUT, "parts", MANY + 1, "{\"line_id\":2,\"name\":\"small\"}");
	for (int i = 0; i < 2; i++)
		saved_do(&s, REQUEST_PUT, "parts", MANY + 2 + i, buf_text(&text));
	ck_assert_int_eq(s.error.code, EFBIG);
	ck_assert_str_eq(s.error.text, "lines 2 and what it embeds have a text of more than 1048576 bytes");
	ck_assert_ptr_nonnull(strstr(show("orders", 1), "small"));
}
END_TEST

/* ---- at random ---- */

static json_t *shown_order(void)
{
	json_t *order = json_loads(show("orders", 1), 0, NULL);
	ck_assert_ptr_nonnull(order);
	json_object_del(order, "notes");
	return order;
}

/* Takes away, changes, moves and adds entries; the names of new ones are `fresh` and a number. */
static void shake(json_t *list, const char *name, int *fresh)
{
	for (size_t i = json_array_size(list); i-- > 0;) {
		json_t *entry = json_array_get(list, i), *parts = json_object_get(entry, "parts");
		char text[16];
		snprintf(text, sizeof text, "f%d", ++*fresh % 1000);
		switch (rand() % 6) {
		case 0:
			json_array_remove(list, i);
			continue;
		case 1:
			json_object_set_new(entry, name, json_string(text));
			break;
		case 2:
			json_array_append(list, entry);
			json_array_remove(list, i);
			continue;
		}
		if (parts)
			shake(parts, "name", fresh);
	}
	for (int i = rand() % 3; i > 0; i--) {
		char text[16];
		snprintf(text, sizeof text, "f%d", ++*fresh % 1000);
		bool line = strcmp(name, "sku") == 0;
		json_array_append_new(list, line ? json_pack("{ss s[]}", name, text, "parts")
						 : json_pack("{ss}", name, text));
		if (line)
			shake(json_object_get(json_array_get(list, json_array_size(list) - 1), "parts"), "name", fresh);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "sku(name name) sku()", sorted: entries without their keys. */
static const char *summary(const json_t *list)
{
	enum { MOST = 400 };
	const char *texts[MOST];
	buf_auto out = BUF_INIT;
	size_t i, n = 0;
	json_t *entry;
	json_array_foreach((json_t *)list, i, entry)
	{
		const json_t *sku = json_object_get(entry, "sku"), *parts = json_object_get(entry, "parts");
		const char *name = json_string_value(sku ? sku : json_object_get(entry, "name"));
		ck_assert_uint_lt(n, MOST);
		texts[n++] = arena_printf(&s.arena, "%s(%s)", name, parts ? summary(parts) : "");
	}
	qsort(texts, n, sizeof *texts, by_text);
	for (i = 0; i < n; i++)
		buf_printf(&out, "%s ", texts[i]);
	return arena_copy(&s.arena, buf_text(&out), out.len);
}

/* A unique value may stand twice for a moment, and such a save is refused: then all is as it was. */
static void save_shaken(json_t *order)
{
	char *text = json_dumps(order, JSON_COMPACT);
	const char *before = show("orders", 1);
	if (saved_do(&s, REQUEST_PUT, "orders", 1, text) < 0) {
		ck_assert_int_eq(s.error.code, EEXIST);
		ck_assert_str_eq(show("orders", 1), before);
	} else {
		json_t *stored = shown_order();
		ck_assert_str_eq(summary(json_object_get(stored, "lines")), summary(json_object_get(order, "lines")));
		json_decref(stored);
	}
	free(text);
}

START_TEST(what_is_shown_is_what_was_saved_whatever_changed)
{
	int fresh = 0;
	open_shop("", "", "");
	put(TWO);
	srand((unsigned)_i);
	for (int round = 0; round < 60; round++) {
		json_t *order = shown_order();
		shake(json_object_get(order, "lines"), "sku", &fresh);
		save_shaken(order);
		json_decref(order);
		order = shown_order();
		char *same = json_dumps(order, JSON_COMPACT);
		put(same);
		ck_assert(!s.outcome.changed);
		free(same);
		json_decref(order);
	}
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	ck_assert_int_eq(saved_count(&s, "lines") + saved_count(&s, "parts"), 0);
}
END_TEST

#define add(name) tcase_add_test(tc, name)

static void add_documents(TCase *tc)
{
	add(a_document_creates_all_it_embeds);
	add(keys_come_in_the_order_of_the_document);
	add(keys_that_the_document_names_are_taken_and_the_others_come_above);
	add(a_merge_of_nothing_creates_too);
	add(an_only_child_may_have_a_key_of_text);
	add(the_delta_is_taken_by_key);
	add(equal_content_does_nothing);
	add(a_put_that_leaves_a_member_out_deletes_what_it_has);
	add(a_merge_that_leaves_a_member_out_leaves_it_alone);
	add(a_list_in_a_merge_replaces);
	add(an_object_in_a_merge_is_merged_and_null_deletes_it);
	add(what_a_file_does_not_show_is_kept);
	add(a_unique_value_goes_from_a_deleted_entry_to_a_new_one);
	add(a_unique_value_that_another_keeps_is_EEXIST_at_its_place);
	add(entries_that_go_take_references_along_or_are_held);
	add(many_entries_are_one_save);
}

static void add_others(TCase *tc)
{
	add(all_problems_of_all_levels_are_told);
	add(a_list_is_never_null);
	add(a_key_that_is_not_this_records_is_refused);
	add(the_reference_to_the_parent_may_be_given_if_it_is_right);
	add(a_read_only_model_can_not_be_written_inside_another_file);
	add(a_text_that_would_be_too_long_is_EFBIG);
	add(a_delete_takes_all_parts_along_whatever_on_delete_says);
	add(a_cascade_takes_parts_along_too);
	add(a_part_that_refuses_to_go_keeps_all);
	add(a_key_change_takes_parts_along);
	add(a_key_change_onto_a_record_deletes_what_that_one_had);
	add(a_model_without_the_parts_does_not_take_a_record_that_has_some);
	add(parts_move_to_a_model_that_embeds_them_too_and_get_new_keys);
	add(the_key_of_an_only_child_may_be_its_reference);
	add(a_part_saved_by_its_own_file_moves_the_times_above_it_and_runs_its_own_hooks);
	tcase_add_loop_test(tc, what_is_shown_is_what_was_saved_whatever_changed, 0, 8);
	add(what_has_grown_too_long_elsewhere_says_so);
	add(a_part_that_makes_the_file_above_it_too_long_is_refused);
}

int main(void)
{
	TCase *tc = tcase_create("embed");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	add_documents(tc);
	add_others(tc);
	Suite *suite = suite_create("embed");
	suite_add_tcase(suite, tc);
	return saved_main(suite);
}
