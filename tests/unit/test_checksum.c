/*
 * test_checksum.c - checksums of records, and saves that are meant for one version of a record.
 */
#include "../../store/sha256.h"
#include "saved.h"

static struct saved s;

#define SHOP                                                                                                           \
	"store sqlite:shop.db\ndurability off\n"                                                                       \
	"model orders { fields { id integer key; name string; qty integer default 1; secret string write-only\n"       \
	"  inner string hidden default i; odd json; made string; } show id name qty odd\n"                             \
	"  embeds-many lines by order_id; embeds-one address by order_id; has-many notes by order_id\n"                \
	"  has-one bill by order_id\n CHECKSUM\n HOOKS\n }\n"                                                          \
	"model lines { fields { id integer key; order_id integer references orders; sku string; seen string "          \
	"write-only }\n"                                                                                               \
	"  embeds-many parts by line_id }\n"                                                                           \
	"model parts { fields { id integer key; line_id integer references lines; name string } }\n"                   \
	"model address { fields { id integer key; order_id integer references orders; city string } }\n"               \
	"model notes { fields { id integer key; order_id integer references orders; body string } }\n"                 \
	"model bill { fields { id integer key; order_id integer references orders; total number } }\n"                 \
	"model sheets { fields { id integer key; name string } checksum in-file }\n"                                   \
	"model copies { fields { id integer key; name string; qty integer; odd json } }\n"

static void open_shop(const char *checksum, const char *hooks)
{
	buf_auto text = BUF_INIT;
	const char *at = strstr(SHOP, "CHECKSUM"), *then = strstr(SHOP, "HOOKS");
	buf_add(&text, SHOP, (size_t)(at - SHOP));
	buf_printf(&text, "%s\n%s%s", checksum, hooks, then + strlen("HOOKS"));
	saved_open(&s, buf_text(&text));
}

static void set_up(void)
{
	saved_directory(&s);
}

static void tear_down(void)
{
	saved_close(&s);
}

/* In the arena; "" without a record. */
static const char *sum_of(const char *model, int64_t key)
{
	char sum[CHECKSUM_SIZE] = "";
	struct value k = value_integer(key);
	err_auto e = ERR_INIT;
	struct conn *c = store_read_begin(s.store, &e);
	int result = store_checksum(c, saved_model(&s, model), &k, sum, &e);
	ck_assert_msg(result == 0 || result == -ENOENT, "%s", e.text);
	store_read_end(c);
	return arena_copy(&s.arena, sum, strlen(sum));
}

static const char *file_of(const char *model, int64_t key)
{
	buf_auto out = BUF_INIT;
	struct value k = value_integer(key);
	err_auto e = ERR_INIT;
	struct conn *c = store_read_begin(s.store, &e);
	ck_assert_int_eq(store_show(c, saved_model(&s, model), &k, &out, NULL, &e), 0);
	store_read_end(c);
	return arena_copy(&s.arena, buf_text(&out), out.len);
}

static int save_with(enum request_kind kind, int64_t key, const char *text, const char *checksum)
{
	struct request r = saved_request(&s, kind, "orders", key, text);
	r.checksum = checksum;
	return saved_all(&s, &r, 1, &s.outcome);
}

static const char *with_member(const char *checksum, const char *members)
{
	return arena_printf(&s.arena, "{\"_checksum\":\"%s\"%s}", checksum, members);
}

static void is_changed_error(const char *supplied, const char *current)
{
	ck_assert_int_eq(s.error.code, EBUSY);
	ck_assert_str_eq(s.error.supplied, supplied);
	ck_assert_str_eq(s.error.current, current);
	ck_assert_ptr_nonnull(strstr(s.error.text, "orders/1.json has changed"));
}

/* ---- the sum ---- */

START_TEST(test_sha256_is_that_of_the_standard)
{
	static const struct {
		const char *text, *sum;
	} known[] = {
	    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstn"
	     "opqrstu",
	     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
	};
	char sum[SHA256_HEX];
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		sha256_hex(known[i].text, strlen(known[i].text), sum);
		ck_assert_str_eq(sum, known[i].sum);
	}
}
END_TEST

/* Every length around the ends of blocks, against sha256sum. */
START_TEST(test_sha256_agrees_with_sha256sum_at_every_length)
{
	char text[200], sum[SHA256_HEX], theirs[SHA256_HEX], command[128];
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)('a' + i % 26);
	for (size_t len = 50; len<140; len += len % 64> 48 || len % 64 < 3 ? 1 : 15) {
		snprintf(command, sizeof command, "sha256sum >%s/sum", s.directory);
		FILE *to = popen(command, "w");
		fwrite(text, 1, len, to);
		ck_assert_int_eq(pclose(to), 0);
		snprintf(command, sizeof command, "%s/sum", s.directory);
		FILE *from = fopen(command, "r");
		ck_assert_int_eq(fscanf(from, "%64s", theirs), 1);
		fclose(from);
		sha256_hex(text, len, sum);
		ck_assert_str_eq(sum, theirs);
	}
}
END_TEST

START_TEST(test_the_checksum_is_of_the_shown_fields_on_one_line)
{
	static const char line[] = "{\"id\":1,\"name\":\"a \\\"b\\\" é\",\"qty\":2,\"odd\":{\"x\":[1,2.5,null]}}\n";
	char sum[CHECKSUM_SIZE];
	open_shop("", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"odd\":{\"x\":[1,2.5,null]},\"qty\":2,\"name\":\"a \\\"b\\\" é\"}");
	sha256_hex(line, strlen(line), sum);
	ck_assert_str_eq(sum_of("orders", 1), sum);
	ck_assert_str_eq(sum_of("orders", 2), "");
}
END_TEST

START_TEST(test_what_no_file_shows_does_not_count)
{
	open_shop("", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"name\":\"a\",\"secret\":\"x\",\"made\":\"m\"}");
	const char *before = sum_of("orders", 1);
	saved_ok(&s, REQUEST_MERGE, "orders", 1, "{\"secret\":\"y\",\"made\":\"n\"}");
	ck_assert_str_eq(sum_of("orders", 1), before);
	saved_ok(&s, REQUEST_MERGE, "orders", 1, "{\"name\":\"b\"}");
	ck_assert_str_ne(sum_of("orders", 1), before);
	saved_ok(&s, REQUEST_MERGE, "orders", 1, "{\"name\":\"a\"}");
	ck_assert_str_eq(sum_of("orders", 1), before);
}
END_TEST

START_TEST(test_children_count_only_where_checksum_with_names_them)
{
	open_shop("checksum with address bill", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1,
		 "{\"name\":\"a\",\"address\":{\"city\":\"x\"},\"lines\":[{\"sku\":\"l\"}]}");
	const char *at_first = sum_of("orders", 1);
	saved_ok(&s, REQUEST_PUT, "notes", 1, "{\"order_id\":1}");
	saved_ok(&s, REQUEST_MERGE, "lines", 1, "{\"sku\":\"other\"}");
	ck_assert_str_eq(sum_of("orders", 1), at_first);
	saved_ok(&s, REQUEST_MERGE, "address", 1, "{\"city\":\"y\"}");
	const char *moved = sum_of("orders", 1);
	ck_assert_str_ne(moved, at_first);
	saved_ok(&s, REQUEST_PUT, "bill", 1, "{\"order_id\":1,\"total\":0.1}");
	ck_assert_str_ne(sum_of("orders", 1), moved);
}
END_TEST

START_TEST(test_children_stand_in_the_line_as_the_file_shows_them)
{
	static const char line[] =
	    "{\"id\":1,\"name\":\"a\",\"qty\":1,\"odd\":null,\"lines\":[{\"id\":1,\"sku\":\"l\",\"parts\":[{\"id\":1,"
	    "\"name\":\"p\"}]},{\"id\":2,\"sku\":null,\"parts\":[]}],\"address\":null,\"bill\":{\"id\":1,"
	    "\"total\":0.1}}\n";
	char sum[CHECKSUM_SIZE];
	open_shop("checksum with bill lines address", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1,
		 "{\"name\":\"a\",\"lines\":[{\"sku\":\"l\",\"seen\":\"x\",\"parts\":[{\"name\":\"p\"}]},{}]}");
	saved_ok(&s, REQUEST_PUT, "bill", 1, "{\"order_id\":1,\"total\":0.1}");
	sha256_hex(line, strlen(line), sum);
	ck_assert_str_eq(sum_of("orders", 1), sum);
}
END_TEST

START_TEST(test_in_file_the_checksum_is_the_last_member)
{
	open_shop("checksum in-file", "");
	saved_ok(&s, REQUEST_PUT, "copies", 1, "{}");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{}");
	const char *end =
	    arena_printf(&s.arena, "  \"bill\": null,\n  \"_checksum\": \"%s\"\n}\n", sum_of("orders", 1));
	const char *file = file_of("orders", 1);
	ck_assert_str_eq(file + strlen(file) - strlen(end), end);
	ck_assert_ptr_null(strstr(file_of("copies", 1), "_checksum"));
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, file), 0);
	ck_assert(!s.outcome.changed);
}
END_TEST

/* What a save may be as long as must be readable afterwards, and savable. */
START_TEST(test_the_longest_text_has_room_for_its_checksum)
{
	open_shop("", "");
	saved_ok(&s, REQUEST_PUT, "sheets", 1, "{\"name\":\"\"}");
	size_t room = LIMIT_RECORD - strlen(file_of("sheets", 1));
	char *text = malloc(LIMIT_RECORD + 100);
	for (int more = 1; more >= 0; more--) {
		memset(text, 'x', LIMIT_RECORD + 100);
		memcpy(text, "{\"name\":\"", 9);
		strcpy(text + 9 + room + more, "\"}");
		ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "sheets", 1, text), more ? -EFBIG : 0);
	}
	const char *file = file_of("sheets", 1);
	ck_assert_uint_eq(strlen(file), LIMIT_RECORD);
	saved_ok(&s, REQUEST_PUT, "sheets", 1, file);
	free(text);
}
END_TEST

/* ---- saves for one version ---- */

START_TEST(test_a_save_for_the_stored_version_goes_through)
{
	open_shop("", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"qty\":2}");
	ck_assert_int_eq(save_with(REQUEST_PUT, 1, "{\"qty\":3}", sum_of("orders", 1)), 0);
	ck_assert_str_eq(s.outcome.checksum, sum_of("orders", 1));
	ck_assert_int_eq(save_with(REQUEST_MERGE, 1, "{\"qty\":4}", sum_of("orders", 1)), 0);
	saved_ok(&s, REQUEST_PUT, "orders", 1, with_member(sum_of("orders", 1), ",\"qty\":5"));
	saved_ok(&s, REQUEST_MERGE, "orders", 1, with_member(sum_of("orders", 1), ",\"qty\":6"));
	ck_assert_int_eq(save_with(REQUEST_DELETE, 1, NULL, sum_of("orders", 1)), 0);
	ck_assert_str_eq(s.outcome.checksum, "");
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

START_TEST(test_a_save_for_another_version_is_refused)
{
	open_shop("", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"qty\":1}");
	const char *stale = sum_of("orders", 1);
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"qty\":2}");
	const char *current = sum_of("orders", 1), *record = saved_show(&s, "orders", 1);
	const struct {
		enum request_kind kind;
		const char *text, *checksum;
	} tries[] = {
	    {REQUEST_PUT, "{\"qty\":3}", stale},
	    {REQUEST_MERGE, "{\"qty\":3}", stale},
	    {REQUEST_DELETE, NULL, stale},
	    {REQUEST_PUT, with_member(stale, ",\"qty\":3"), NULL},
	    {REQUEST_MERGE, with_member(stale, ""), NULL},
	    {REQUEST_PUT, with_member(stale, ",\"qty\":3"), current},
	    {REQUEST_PUT, with_member(current, ",\"qty\":3"), stale},
	    {REQUEST_PUT, "{\"qty\":2}", stale},
	};
	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		ck_assert_int_eq(save_with(tries[i].kind, 1, tries[i].text, tries[i].checksum), -EBUSY);
		is_changed_error(stale, current);
		ck_assert_str_eq(saved_show(&s, "orders", 1), record);
	}
}
END_TEST

START_TEST(test_a_move_is_for_the_version_of_the_record_that_moves)
{
	open_shop("", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"qty\":1}");
	const char *stale = sum_of("orders", 1);
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"qty\":2}");
	struct request r = saved_request(&s, REQUEST_MOVE, "orders", 1, NULL);
	r.new_key = value_integer(9);
	r.checksum = stale;
	ck_assert_int_eq(saved_all(&s, &r, 1, &s.outcome), -EBUSY);
	r.new_model = saved_model(&s, "copies");
	ck_assert_int_eq(saved_all(&s, &r, 1, &s.outcome), -EBUSY);
	ck_assert_int_eq(saved_count(&s, "copies"), 0);
	r.checksum = sum_of("orders", 1);
	ck_assert_int_eq(saved_all(&s, &r, 1, &s.outcome), 0);
	ck_assert_str_eq(s.outcome.checksum, sum_of("copies", 9));
	ck_assert_int_eq(saved_count(&s, "orders"), 0);
}
END_TEST

START_TEST(test_a_create_has_no_version)
{
	open_shop("", "");
	ck_assert_int_eq(save_with(REQUEST_PUT, 1, "{\"qty\":1}", "nothing"), 0);
	ck_assert_str_eq(s.outcome.checksum, sum_of("orders", 1));
	saved_ok(&s, REQUEST_PUT, "orders", 2, with_member("nothing", ""));
	saved_ok(&s, REQUEST_PUT, "orders", 3, "{\"_checksum\":null,\"lines\":[{\"_checksum\":1}]}");
}
END_TEST

START_TEST(test_a_checksum_in_a_text_is_a_string_at_its_top)
{
	open_shop("", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"lines\":[{\"sku\":\"a\"}]}");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"_checksum\":null}"), -EBADMSG);
	ck_assert_str_eq(s.error.problems[0].pointer, "/_checksum");
	ck_assert_int_eq(saved_do(&s, REQUEST_PUT, "orders", 1, "{\"lines\":[{\"id\":1,\"_checksum\":\"x\"}]}"),
			 -EBADMSG);
	ck_assert_str_eq(s.error.problems[0].pointer, "/lines/0/_checksum");
}
END_TEST

/* What hooks have made of the record is the version that the next save is for. */
START_TEST(test_the_outcome_has_the_checksum_behind_all_hooks)
{
	open_shop("", "on post_save sql \"UPDATE orders SET name = 'by hook' WHERE id = :key\"\n");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"qty\":1}");
	ck_assert_int_eq(save_with(REQUEST_MERGE, 1, "{\"qty\":2}", sum_of("orders", 1)), 0);
	ck_assert_str_eq(s.outcome.checksum, sum_of("orders", 1));
}
END_TEST

/* An early run of its programs and the transaction look at the same version. */
START_TEST(test_a_stale_save_runs_no_program)
{
	open_shop("", "on pre_save replace run ./note\n");
	saved_script(&s, "note", "echo ran >>ran");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"qty\":1}");
	ck_assert_int_eq(save_with(REQUEST_PUT, 1, "{\"qty\":2}", "stale"), -EBUSY);
	char path[128];
	snprintf(path, sizeof path, "%s/ran", s.directory);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(save_with(REQUEST_PUT, 1, "{\"qty\":1}", sum_of("orders", 1)), 0);
	ck_assert(!s.outcome.changed);
	ck_assert_str_eq(s.outcome.checksum, sum_of("orders", 1));
	ck_assert_int_eq(save_with(REQUEST_PUT, 1, "{\"qty\":2}", sum_of("orders", 1)), 0);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(test_a_restored_record_replaces_another_version_than_its_own)
{
	open_shop("checksum in-file", "");
	saved_ok(&s, REQUEST_PUT, "orders", 1, "{\"qty\":1}");
	saved_ok(&s, REQUEST_DELETE, "orders", 1, NULL);
	saved_ok(&s, REQUEST_PUT, "orders", 2, "{\"qty\":2}");
	struct request r = saved_request(&s, REQUEST_RESTORE, "orders", 1, NULL);
	r.new_key = value_integer(2);
	r.checksum = "stale";
	ck_assert_int_eq(saved_all(&s, &r, 1, &s.outcome), -EBUSY);
	r.checksum = sum_of("orders", 2);
	ck_assert_int_eq(saved_all(&s, &r, 1, &s.outcome), 0);
	ck_assert_ptr_nonnull(strstr(saved_show(&s, "orders", 2), "\"qty\":1"));
}
END_TEST

START_TEST(test_the_journal_has_both_checksums)
{
	buf_auto out = BUF_INIT;
	err_auto e = ERR_INIT;
	open_shop("", "");
	err_checksum(&e, "orders/1.json", "a\"b", "cd");
	journal_add(s.journal, 0, 0, "orders/1.json", &e);
	journal_print(s.journal, 0, &out);
	ck_assert_ptr_nonnull(
	    strstr(buf_text(&out), "\"problems\":[],\"checksum\":{\"current\":\"cd\",\"supplied\":\"a\\\"b\"}}\n"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("checksum");
	TCase *tests = tcase_create("checksum");
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, test_sha256_is_that_of_the_standard);
	tcase_add_test(tests, test_sha256_agrees_with_sha256sum_at_every_length);
	tcase_add_test(tests, test_the_checksum_is_of_the_shown_fields_on_one_line);
	tcase_add_test(tests, test_what_no_file_shows_does_not_count);
	tcase_add_test(tests, test_children_count_only_where_checksum_with_names_them);
	tcase_add_test(tests, test_children_stand_in_the_line_as_the_file_shows_them);
	tcase_add_test(tests, test_in_file_the_checksum_is_the_last_member);
	tcase_add_test(tests, test_the_longest_text_has_room_for_its_checksum);
	tcase_add_test(tests, test_a_save_for_the_stored_version_goes_through);
	tcase_add_test(tests, test_a_save_for_another_version_is_refused);
	tcase_add_test(tests, test_a_move_is_for_the_version_of_the_record_that_moves);
	tcase_add_test(tests, test_a_create_has_no_version);
	tcase_add_test(tests, test_a_checksum_in_a_text_is_a_string_at_its_top);
	tcase_add_test(tests, test_the_outcome_has_the_checksum_behind_all_hooks);
	tcase_add_test(tests, test_a_stale_save_runs_no_program);
	tcase_add_test(tests, test_a_restored_record_replaces_another_version_than_its_own);
	tcase_add_test(tests, test_the_journal_has_both_checksums);
	suite_add_tcase(suite, tests);
	return saved_main(suite);
}
