/*
 * record_fixture.h - the models, rows and short ways to bind a document that test_bind.c and test_record.c share.
 *
 * The models come from the conf text below, read as a mount would.
 */
#ifndef RECORD_FIXTURE_H
#define RECORD_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../store/json.h"
#include "../../store/limits.h"
#include "../../store/record.h"

static const char conf_text[] = "store sqlite:test.db\n"
				"model users {\n"
				"  fields {\n"
				"    name string key max 300\n"
				"    password string required write-only min 3 max 80\n"
				"    email string format email\n"
				"  }\n"
				"}\n"
				"model orders {\n"
				"  fields {\n"
				"    description string required max 8 min 2\n"
				"    id integer key\n"
				"    status string default new enum new,running,done\n"
				"    priority integer default 2\n"
				"    total number min 0 max 99.5\n"
				"    made datetime default now read-only\n"
				"    by_user string immutable\n"
				"    secret string hidden default s3\n"
				"    token string write-only required default t0\n"
				"    paid boolean\n"
				"    extra json\n"
				"    code string pattern [A-Z]{2}[0-9]+\n"
				"    day date default today\n"
				"    site string format uri\n"
				"    host string format hostname\n"
				"    v4 string format ipv4\n"
				"    v6 string format ipv6\n"
				"    uid integer default uid\n"
				"  }\n"
				"  has-many lines by order_id\n"
				"  has-one notes by order_id\n"
				"}\n"
				"model lines { fields { id integer key\n order_id integer references orders } }\n"
				"model notes { fields { id integer key\n order_id integer references orders } }\n"
				"model days { fields { day date key\n note string } }\n"
				"model tokens { fields { id uuid key default uuid\n note string } }\n";

enum { FIELDS = 32 };

struct fixture {
	struct conf conf;
	struct schema schema;
	struct arena arena;
	struct err e;
	const struct model *orders, *users, *days, *tokens;
	struct value row[FIELDS], old[FIELDS];
	json_t *document; /* of the newest bind */
	json_t *first;    /* of the row that set_old made */
};

static const char *one_or_two[] = {"1", "2"};

static struct fixture *f; /* Check runs every test in a process of its own */

static inline void setup(void)
{
	f = calloc(1, sizeof *f);
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(conf_parse(&f->conf, "mount.conf", conf_text, strlen(conf_text), &f->e), 0);
	ck_assert_int_eq(schema_read(&f->schema, &f->conf, &f->e), 0);
	if (f->conf.nmistakes)
		conf_print_mistakes(&f->conf, stderr);
	ck_assert_uint_eq(f->conf.nmistakes, 0);
	f->orders = schema_model(&f->schema, "orders");
	f->users = schema_model(&f->schema, "users");
	f->days = schema_model(&f->schema, "days");
	f->tokens = schema_model(&f->schema, "tokens");
	struct field *priority = &f->orders->fields[model_field(f->orders, "priority")->index];
	priority->words = one_or_two;
	priority->nwords = 2;
}

static inline void teardown(void)
{
	json_decref(f->document);
	json_decref(f->first);
	err_release(&f->e);
	arena_release(&f->arena);
	schema_release(&f->schema);
	conf_release(&f->conf);
	free(f);
}

static inline struct bind bind_of(const struct model *m, enum verb verb)
{
	return (struct bind){.model = m, .verb = verb, .now = {1709209800, 120000000}, .uid = 4242};
}

static inline int bind_text(const struct bind *b, const char *text)
{
	json_error_t error;
	json_decref(f->document);
	f->document = json_loads(text, 0, &error);
	ck_assert_msg(f->document != NULL, "%s: %s", text, error.text);
	err_release(&f->e);
	return record_bind(b, f->document, f->row, &f->arena, &f->e);
}

/* The row, as one line of what hooks see, and the write-only token behind it. */
static inline const char *shown(const struct model *m, const struct value *row)
{
	buf_auto b = BUF_INIT;
	record_close(&b, record_open(&b, m, row, SHOW_EVENT, -1, NULL), -1);
	const char *copy = arena_copy(&f->arena, buf_text(&b), b.len);
	ck_assert_ptr_nonnull(copy);
	return copy;
}

static inline void ck_has(const char *member)
{
	const char *all = shown(f->orders, f->row);
	ck_assert_msg(strstr(all, member), "%s is not in %s", member, all);
}

static inline void ck_problem(size_t i, const char *pointer, const char *text)
{
	ck_assert_uint_gt(f->e.nproblems, i);
	ck_assert_str_eq(f->e.problems[i].pointer, pointer);
	ck_assert_str_eq(f->e.problems[i].text, text);
}

/* The document is refused for this problem alone. */
static inline void ck_refused(const struct bind *b, const char *document, int code, const char *pointer,
			      const char *text)
{
	ck_assert_int_eq(bind_text(b, document), -code);
	ck_assert_int_eq(f->e.code, code);
	ck_problem(0, pointer, text);
	ck_assert_uint_eq(f->e.nproblems, 1);
}

static inline void ck_bound(const struct bind *b, const char *document)
{
	int rc = bind_text(b, document);
	ck_assert_msg(rc == 0, "%s: %s", document, f->e.text);
	ck_assert_int_eq(f->e.code, 0);
}

static const char stored[] =
    "{\"id\":7,\"description\":\"shoes\",\"status\":\"done\",\"total\":1.5,\"by_user\":\"ann\",\"token\":\"t1\","
    "\"paid\":true,\"extra\":{\"a\":1,\"b\":[1]},\"day\":\"2020-01-01\"}";

/* A stored row, and a bind that changes it. */
static inline struct bind change_of(enum verb verb)
{
	struct bind create = bind_of(f->orders, VERB_CREATE), change = bind_of(f->orders, verb);
	static const struct value key = {.kind = VALUE_INTEGER, .integer = 7};
	ck_bound(&create, stored);
	f->first = f->document;
	f->document = NULL;
	memcpy(f->old, f->row, sizeof f->old);
	change.old = f->old;
	change.key = &key;
	return change;
}

#endif
