/*
 * test_fs_closing.c - what the kernel forgets is forgotten as the request says, without libfuse.
 */
#include <linux/fuse.h>
#include <string.h>

#include "../../fs/by.h"
#include "../../fs/closing.h"
#include "../../fs/node.h"
#include "saved.h"

static struct saved s;
static struct mount m;

static void setup(void)
{
	saved_directory(&s);
	saved_open(&s, "store sqlite:shop.db\nmodel orders { fields { id integer key; status integer } }\n");
	m = (struct mount){.schema = &s.schema, .store = s.store};
	pthread_mutex_init(&m.lock, NULL);
}

static void teardown(void)
{
	by_release_all(&m);
	pthread_mutex_destroy(&m.lock);
	saved_close(&s);
}

/* The kernel is told of the value's directory once more. */
static uint64_t hold(int64_t value)
{
	const struct model *model = saved_model(&s, "orders");
	const struct field *field = &model->fields[1];
	struct entry entry = {.kind = ENTRY_BY, .model = model, .field = field, .value = value_integer(value)};
	struct by_node node = {NODE_BY_VALUE, model, field, entry.value, value_null()};
	entry.st.st_ino = by_number(&m, &node);
	ck_assert_int_eq(by_hold(&m, &entry), 0);
	return entry.st.st_ino;
}

static bool held(uint64_t ino)
{
	struct node node = node_decode(ino);
	struct by_node out;
	arena_auto a = ARENA_INIT;
	return by_get(&m, &node, &a, &out);
}

struct message {
	struct fuse_in_header header;
	union {
		struct fuse_forget_in forget;
		struct {
			struct fuse_batch_forget_in head;
			struct fuse_forget_one of[3];
		} many;
	};
};

static void forget(uint64_t ino, uint64_t lookups)
{
	struct message r = {.header = {.opcode = FUSE_FORGET, .nodeid = ino}, .forget = {.nlookup = lookups}};
	closing_take(&m, &r, sizeof r.header + sizeof r.forget);
}

START_TEST(a_number_goes_with_the_last_time_that_it_was_told)
{
	uint64_t ino = hold(1);
	hold(1);
	forget(ino, 1);
	ck_assert(held(ino));
	forget(ino, 1);
	ck_assert(!held(ino));
}
END_TEST

START_TEST(many_numbers_go_with_one_request)
{
	struct message r = {.header = {.opcode = FUSE_BATCH_FORGET}, .many = {.head = {.count = 3}}};
	for (int i = 0; i < 3; i++)
		r.many.of[i] = (struct fuse_forget_one){hold(i), 1};
	closing_take(&m, &r, sizeof r.header + sizeof r.many);
	for (int i = 0; i < 3; i++)
		ck_assert(!held(r.many.of[i].nodeid));
}
END_TEST

START_TEST(what_is_cut_off_or_another_request_forgets_nothing)
{
	uint64_t ino = hold(1);
	struct message r = {.header = {.opcode = FUSE_FORGET, .nodeid = ino}, .forget = {.nlookup = 1}};
	closing_take(&m, &r, sizeof r.header);
	closing_take(&m, &r, 3);
	r.header.opcode = FUSE_LOOKUP;
	closing_take(&m, &r, sizeof r);
	r = (struct message){.header = {.opcode = FUSE_BATCH_FORGET}, .many = {.head = {.count = 3}}};
	r.many.of[2] = (struct fuse_forget_one){ino, 1};
	closing_take(&m, &r, sizeof r.header + sizeof r.many.head + 2 * sizeof r.many.of[0]);
	ck_assert(held(ino));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("closing");
	TCase *cases = tcase_create("closing");
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, a_number_goes_with_the_last_time_that_it_was_told);
	tcase_add_test(cases, many_numbers_go_with_one_request);
	tcase_add_test(cases, what_is_cut_off_or_another_request_forgets_nothing);
	suite_add_tcase(suite, cases);
	return saved_main(suite);
}
