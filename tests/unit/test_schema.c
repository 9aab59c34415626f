/*
 * test_schema.c - what mount.conf means, and every mistake it can have.
 *
 * tests/conf/NAME.conf is read as NAME.conf and its mistakes must be NAME.expected to the byte; a new mistake is tested
 * by adding two files.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../store/buf.h"
#include "../../store/limits.h"
#include "../../store/model.h"
#include "source.h"

/* One conf, read. */
struct reading {
	struct conf c;
	struct schema s;
	struct err e;
	int rc;
};

static void reading_begin(struct reading *r, const char *path, const char *text, size_t len)
{
	*r = (struct reading){0};
	r->rc = conf_parse(&r->c, path, text, len, &r->e);
	if (r->rc == 0)
		r->rc = schema_read(&r->s, &r->c, &r->e);
}

static void reading_end(struct reading *r)
{
	schema_release(&r->s);
	conf_release(&r->c);
	err_release(&r->e);
}

static char *mistakes_of(struct conf *c)
{
	char *got = NULL;
	size_t len;
	FILE *to = open_memstream(&got, &len);

	conf_print_mistakes(c, to);
	fclose(to);
	return got;
}

/* Reads a text without a mistake. */
static void read_right(struct reading *r, const char *text)
{
	reading_begin(r, "a.conf", text, strlen(text));
	char *got = mistakes_of(&r->c);
	ck_assert_str_eq(got, "");
	ck_assert_int_eq(r->rc, 0);
	free(got);
}

#define USERS "store sqlite:a.db\nmodel users { fields { id integer key } }\n"

/* ---- what is right ---- */

START_TEST(the_conf_of_the_repository_has_no_mistake)
{
	buf_auto text = BUF_INIT;
	struct reading r;

	read_file(&text, "mount.conf");
	read_right(&r, buf_text(&text));
	ck_assert_uint_eq(r.s.nmodels, 3);
	const struct model *orders = schema_model(&r.s, "orders"), *jobs = schema_model(&r.s, "jobs");
	ck_assert_ptr_eq(model_field(orders, "owner_id")->references, schema_model(&r.s, "users"));
	ck_assert_uint_eq(orders->nrelations, 1);
	ck_assert_ptr_eq(orders->relations[0].child, jobs);
	ck_assert_ptr_eq(orders->relations[0].by, model_field(jobs, "order_id"));
	ck_assert_int_eq(orders->relations[0].limit, LIMIT_HAS_MANY);
	ck_assert(model_field(orders, "ordered_at")->read_only);
	ck_assert_int_eq(model_field(orders, "ordered_at")->default_kind, DEFAULT_NOW);
	ck_assert(model_field(schema_model(&r.s, "users"), "password")->write_only);
	ck_assert_int_eq(jobs->queue->workers, 2);
	ck_assert_int_eq(jobs->queue->timeout_ms, 600000);
	ck_assert_int_eq(jobs->queue->attempts, 3);
	ck_assert_str_eq(jobs->conf->words[1].text, "jobs");
	reading_end(&r);
}
END_TEST

START_TEST(a_store_lies_beside_the_conf)
{
	struct reading r;

	reading_begin(&r, "/a.conf", USERS, strlen(USERS));
	ck_assert_str_eq(r.s.database, "/a.db");
	ck_assert_int_eq(r.s.durability, DURABILITY_FULL);
	reading_end(&r);
	read_right(&r, "store sqlite:/var/x.db; durability off; model m { fields { id integer key } }");
	ck_assert_str_eq(r.s.database, "/var/x.db");
	ck_assert_int_eq(r.s.durability, DURABILITY_OFF);
	reading_end(&r);
}
END_TEST

START_TEST(a_model_has_its_options)
{
	struct reading r;

	read_right(&r, "store sqlite:a\nmodel order-lines from \"Order Details\" { fields { id integer key }\n"
		       "read-only; hidden; mode 0640; dir-mode 750 }\nmodel plain { fields { a string; b uuid key } }");
	const struct model *m = &r.s.models[0], *plain = &r.s.models[1];
	ck_assert_str_eq(m->name, "order-lines");
	ck_assert_str_eq(m->table, "Order Details");
	ck_assert(m->read_only && m->hidden && !m->queue);
	ck_assert_int_eq(m->mode, 0640);
	ck_assert_int_eq(m->dir_mode, 0750);
	ck_assert(!plain->read_only && !plain->hidden && plain->mode == 0644 && plain->dir_mode == 0755);
	ck_assert_uint_eq(plain->index, 1);
	ck_assert_str_eq(plain->table, "plain");
	ck_assert_str_eq(plain->key->name, "b");
	ck_assert_ptr_eq(plain->key, &plain->fields[1]);
	ck_assert_uint_eq(plain->key->index, 1);
	reading_end(&r);
}
END_TEST

START_TEST(a_field_has_its_options)
{
	struct reading r;

	read_right(&r, USERS
		   "model m { fields { id uuid key default uuid\n"
		   "a integer required unique min -3 max 5 default 4 immutable\n"
		   "b string min 1 max 3 hidden enum x,yy,zzz default yy check \"b <> 'x'\"\n"
		   "c number min 0.5 default 1e3\n d string format ipv6 write-only\n"
		   "u integer references users on-delete cascade\n v integer references users on-delete set-null } }");
	const struct model *m = &r.s.models[1];
	const struct field *a = &m->fields[1], *b = &m->fields[2], *c = &m->fields[3], *d = &m->fields[4];
	ck_assert_int_eq(m->key->default_kind, DEFAULT_UUID);
	ck_assert(a->required && a->unique && a->immutable && !a->hidden && a->has_min && a->has_max);
	ck_assert(a->min == -3 && a->max == 5 && a->default_kind == DEFAULT_LITERAL);
	ck_assert(a->default_value.kind == VALUE_INTEGER && a->default_value.integer == 4);
	ck_assert(b->hidden && b->nwords == 3);
	ck_assert_str_eq(b->words[2], "zzz");
	ck_assert_str_eq(b->default_value.text.data, "yy");
	ck_assert_str_eq(b->check, "b <> 'x'");
	ck_assert(c->has_min && !c->has_max && c->min == 0.5 && c->default_value.real == 1000);
	ck_assert(d->format == FORMAT_IPV6 && d->write_only);
	ck_assert_int_eq(m->fields[5].on_delete, DELETE_CASCADE);
	ck_assert_int_eq(m->fields[6].on_delete, DELETE_SET_NULL);
	ck_assert_int_eq(a->where->line, 4);
	reading_end(&r);
}
END_TEST

START_TEST(defaults_that_are_quoted_or_in_the_enum_are_text)
{
	struct reading r;

	read_right(&r,
		   "store sqlite:a\nmodel m { fields { id integer key; a string default 'now'; b string default user\n"
		   "c string default user enum user,admin; d date default today; e integer default uid\n"
		   "f datetime default now; g boolean default true; h json default '{\"a\": [1]}' } }");
	static const enum default_kind kinds[] = {DEFAULT_NONE,    DEFAULT_LITERAL, DEFAULT_USER,
						  DEFAULT_LITERAL, DEFAULT_TODAY,   DEFAULT_UID,
						  DEFAULT_NOW,     DEFAULT_LITERAL, DEFAULT_LITERAL};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		ck_assert_int_eq(r.s.models[0].fields[i].default_kind, kinds[i]);
	ck_assert_str_eq(r.s.models[0].fields[1].default_value.text.data, "now");
	ck_assert_int_eq(r.s.models[0].fields[7].default_value.integer, 1);
	reading_end(&r);
}
END_TEST

START_TEST(a_pattern_is_for_the_whole_text)
{
	struct reading r;

	read_right(
	    &r,
	    "store sqlite:a\nmodel m { fields { id integer key; a string pattern a|bc; b string pattern [a-z]{3} } }");
	const regex_t *a = r.s.models[0].fields[1].regex, *b = r.s.models[0].fields[2].regex;
	ck_assert_int_eq(regexec(a, "a", 0, NULL, 0), 0);
	ck_assert_int_eq(regexec(a, "bc", 0, NULL, 0), 0);
	ck_assert_int_ne(regexec(a, "ac", 0, NULL, 0), 0);
	ck_assert_int_ne(regexec(a, "bc\n", 0, NULL, 0), 0);
	ck_assert_int_eq(regexec(b, "xyz", 0, NULL, 0), 0);
	ck_assert_int_ne(regexec(b, "wxyz", 0, NULL, 0), 0);
	ck_assert_str_eq(r.s.models[0].fields[1].pattern, "a|bc");
	reading_end(&r);
}
END_TEST

static const struct {
	const char *pattern, *matching, *others; /* words with blanks between */
} of_characters[] = {
    {"[a-z]+é?", "abc abcé", "abcéé é ab\xc3"},
    {".", "a é 日 😀", "ab éa éé"},
    {".{3}", "abc äöü 日本語 a😀é", "ab äö äöüé"},
    {"..?", "a é éé", "ééé"},
    {"..+", "ab éé 日本語", "a é"},
    {"[^,][^,]+", "ab éé", "é ,é"},
    {".*é.+", "éa ééé 日é日", "é aé"},
    {"(ä|ö){2}x", "äöx ööx", "äx äöüx"},
    {"é{2}", "éé", "é ééé"},
    {"[äöü]+", "ä üöä", "a äa ß"},
    {"[a-zà-ÿ]{2}", "aé ÿz", "Aé é aéz À\xc3"},
    {"[^,]{2}", "ab éé 日x", "a, é ééé"},
    {"[^,]+", "ab éé", "é,é"},
    {"[^é]", "a è 日 😀 ,", "é ab"},
    {"[^a-cé-ü日]", "d è 本 😀 ý", "a c é ë ü 日"},
    {"[]é^-]+", "] é ^ -]^é", "a [ è"},
    {"[^]é-]+", "a è ^[", "] é -"},
    {"[^]é-]", "a è ^", "] é - ab"},
    {"[^-]", "a é", "- aa"},
    {"[^^]", "a é", "^ aa"},
    {"[é^]+", "^ é ^é", "a"},
    {"[[:digit:]é-]+", "1é -", "a è"},
    {"[^[:digit:]]", "a é", "1 ab"},
    {"[!-é]+", "a~é ¡", "ê"},
    {"[\u00a0-\U0010ffff]", "é 日 😀 \U0010ffff \u0800 \uffff \U00010000 \u07ff", "a ~"},
    {"[߿-ࠀ]", "߿ ࠀ", "߾ ࠁ"},
    {"\\.é", ".é", "aé"},
    {"é|日本?", "é 日 日本", "本 日本本"},
};

static void match_all(const regex_t *regex, const char *words, bool wanted, const char *pattern)
{
	char text[200], *rest = text;
	snprintf(text, sizeof text, "%s", words);
	for (char *word; (word = strsep(&rest, " "));)
		ck_assert_msg((regexec(regex, word, 0, NULL, 0) == 0) == wanted, "%s and %s", pattern, word);
}

START_TEST(a_pattern_matches_characters)
{
	char text[300];
	struct reading r;
	snprintf(text, sizeof text, "store sqlite:a\nmodel m { fields { id integer key; a string pattern '%s' } }",
		 of_characters[_i].pattern);
	read_right(&r, text);
	const regex_t *regex = r.s.models[0].fields[1].regex;
	match_all(regex, of_characters[_i].matching, true, of_characters[_i].pattern);
	match_all(regex, of_characters[_i].others, false, of_characters[_i].pattern);
	reading_end(&r);
}
END_TEST

START_TEST(a_queue_has_the_fields_of_a_job_behind_its_own)
{
	static const char *const names[] = {"id",       "units",       "status",     "attempts",   "max_attempts",
					    "priority", "run_at",      "created_at", "started_at", "finished_at",
					    "worker",   "lease_until", "result",     "errors"};
	struct reading r;

	read_right(&r, "store sqlite:a\nqueue q { fields { units integer }; attempts 7 }");
	const struct model *q = &r.s.models[0];
	ck_assert_uint_eq(q->nfields, sizeof names / sizeof *names);
	for (size_t i = 0; i < q->nfields; i++) {
		ck_assert_str_eq(q->fields[i].name, names[i]);
		ck_assert_uint_eq(q->fields[i].index, i);
	}
	for (size_t i = 0; i < QUEUE_FIELDS; i++)
		ck_assert_ptr_eq(q->queue->fields[i], &q->fields[2 + i]);
	ck_assert_ptr_eq(q->key, &q->fields[0]);
	ck_assert_int_eq(q->key->type, TYPE_INTEGER);
	ck_assert_str_eq(q->queue->fields[QUEUE_STATUS]->default_value.text.data, "queued");
	ck_assert_uint_eq(q->queue->fields[QUEUE_STATUS]->nwords, 5);
	ck_assert_int_eq(q->queue->fields[QUEUE_MAX_ATTEMPTS]->default_value.integer, 7);
	ck_assert(q->queue->fields[QUEUE_ATTEMPTS]->read_only && !q->queue->fields[QUEUE_STATUS]->read_only);
	reading_end(&r);
}
END_TEST

START_TEST(a_queue_has_its_own_key_and_settings)
{
	struct reading r;

	read_right(&r, "store sqlite:a\nqueue q { fields { token uuid key; id integer }; run bin/x a 'b c'; timeout "
		       "5s; backoff 0s }\n"
		       "queue plain { run true }\nqueue bare { }");
	const struct queue *q = r.s.models[0].queue, *plain = r.s.models[1].queue;
	ck_assert_str_eq(r.s.models[0].key->name, "token");
	ck_assert_uint_eq(r.s.models[0].nfields, 2 + QUEUE_FIELDS);
	ck_assert_int_eq(q->argv[0][0], '/');
	ck_assert_str_eq(q->argv[2], "b c");
	ck_assert_ptr_null(q->argv[3]);
	ck_assert(q->timeout_ms == 5000 && q->backoff_ms == 0);
	ck_assert_str_eq(plain->argv[0], "true");
	ck_assert(plain->workers == 1 && plain->attempts == 1 && plain->timeout_ms == TIMEOUT_JOB_MS);
	ck_assert_int_eq(plain->backoff_ms, 30000);
	ck_assert_ptr_null(r.s.models[2].queue->argv);
	ck_assert_uint_eq(r.s.models[2].nfields, 1 + QUEUE_FIELDS);
	reading_end(&r);
}
END_TEST

START_TEST(models_may_refer_to_models_further_down_and_to_themselves)
{
	struct reading r;

	read_right(
	    &r,
	    "store sqlite:a\nmodel a { fields { id integer key; first string references b; up integer references a }\n"
	    "has-many a by up limit 3; has-one b by a }\n"
	    "model b { fields { name string key; a integer references a; again integer references a } }");
	struct reference_iter at = {0, 0};
	const struct model *child, *a = &r.s.models[0], *b = &r.s.models[1];
	ck_assert_str_eq(schema_next_reference(&r.s, a, &at, &child)->name, "up");
	ck_assert_ptr_eq(child, a);
	ck_assert_str_eq(schema_next_reference(&r.s, a, &at, &child)->name, "a");
	ck_assert_ptr_eq(child, b);
	ck_assert_str_eq(schema_next_reference(&r.s, a, &at, &child)->name, "again");
	ck_assert_ptr_null(schema_next_reference(&r.s, a, &at, &child));
	ck_assert_ptr_null(schema_next_reference(&r.s, a, &at, &child));
	ck_assert(a->relations[0].kind == HAS_MANY && a->relations[0].limit == 3);
	ck_assert(a->relations[1].kind == HAS_ONE && a->relations[1].child == b);
	ck_assert_ptr_null(schema_model(&r.s, "c"));
	ck_assert_ptr_null(model_field(a, "c"));
	reading_end(&r);
}
END_TEST

START_TEST(embedded_models_keep_the_order_of_the_relations_and_an_only_child_is_unique)
{
	struct reading r;

	read_right(&r, "store sqlite:a\nmodel a { fields { id integer key }\n"
		       "embeds-one c by a; has-many d by a; embeds-many b by a }\n"
		       "model b { fields { id integer key; a integer references a } }\n"
		       "model c { fields { id integer key; a integer references a }; embeds-many d by c }\n"
		       "model d { fields { id integer key; a integer references a; c integer references c } }");
	const struct model *a = &r.s.models[0], *b = &r.s.models[1], *c = &r.s.models[2], *d = &r.s.models[3];
	ck_assert(a->relations[0].kind == EMBEDS_ONE && a->relations[0].child == c);
	ck_assert(a->relations[1].kind == HAS_MANY && a->relations[1].child == d);
	ck_assert(a->relations[2].kind == EMBEDS_MANY && a->relations[2].child == b);
	ck_assert(a->embeds && !b->embeds && c->embeds && !d->embeds);
	ck_assert(!a->embedded && b->embedded && c->embedded && d->embedded);
	ck_assert(model_field(c, "a")->unique && !model_field(b, "a")->unique && !model_field(d, "c")->unique);
	reading_end(&r);
}
END_TEST

START_TEST(records_can_be_embedded_only_so_deep)
{
	for (int levels = LIMIT_EMBEDS; levels <= LIMIT_EMBEDS + 1; levels++) {
		buf_auto text = BUF_INIT;
		struct reading r;
		buf_str(&text, "store sqlite:a\nmodel m0 { fields { id integer key }; embeds-many m1 by up }\n");
		for (int i = 1; i <= levels; i++) {
			buf_printf(&text, "model m%d { fields { id integer key; up integer references m%d }", i, i - 1);
			if (i < levels)
				buf_printf(&text, "; embeds-one m%d by up", i + 1);
			buf_str(&text, " }\n");
		}
		reading_begin(&r, "mount.conf", buf_text(&text), text.len);
		ck_assert_uint_eq(r.c.nmistakes, levels > LIMIT_EMBEDS);
		reading_end(&r);
	}
}
END_TEST

START_TEST(hooks_are_left_alone)
{
	struct reading r;

	read_right(&r, "on anything { at all { } }\n" USERS "queue q { on; on x { } }");
	reading_end(&r);
}
END_TEST

/* ---- mistakes ---- */

static void check_file(const char *name)
{
	buf_auto text = BUF_INIT;
	buf_auto expected = BUF_INIT;
	struct reading r;
	char path[300];

	snprintf(path, sizeof path, "tests/conf/%s.conf", name);
	read_file(&text, path);
	snprintf(path, sizeof path, "tests/conf/%s.expected", name);
	read_file(&expected, path);
	snprintf(path, sizeof path, "%s.conf", name);
	reading_begin(&r, path, buf_text(&text), text.len);
	char *got = mistakes_of(&r.c);
	ck_assert_str_eq(got, buf_text(&expected));
	ck_assert_uint_gt(r.c.nmistakes, 0);
	free(got);
	reading_end(&r);
}

START_TEST(every_mistake_is_told_at_its_word)
{
	char *path = source_path("tests/conf");
	DIR *dir = opendir(path);
	int n = 0;

	ck_assert_msg(dir != NULL, "%s can't be opened", path);
	for (struct dirent *entry; (entry = readdir(dir));) {
		char *dot = strrchr(entry->d_name, '.');
		if (!dot || strcmp(dot, ".conf") != 0)
			continue;
		*dot = '\0';
		check_file(entry->d_name);
		n++;
	}
	closedir(dir);
	free(path);
	ck_assert_int_ge(n, 20);
}
END_TEST

/* head, a text n times with its number in place of %d, tail. */
static void read_repeated(struct reading *r, const char *head, const char *text, int n, const char *tail)
{
	buf_auto b = BUF_INIT;
	const char *number = strstr(text, "%d");

	buf_str(&b, head);
	for (int i = 0; i < n; i++)
		buf_printf(&b, "%.*s%d%s", (int)(number - text), text, i, number + 2);
	buf_str(&b, tail);
	reading_begin(r, "a.conf", buf_text(&b), b.len);
	ck_assert_int_eq(r->rc, 0);
}

START_TEST(models_are_limited)
{
	struct reading r;

	read_repeated(&r, "store sqlite:a\n", "model m%d { fields { id integer key } }\n", LIMIT_MODELS, "");
	ck_assert_uint_eq(r.c.nmistakes, 0);
	ck_assert_str_eq(schema_model(&r.s, "m999")->name, "m999");
	reading_end(&r);
	read_repeated(&r, "store sqlite:a\n", "model m%d { fields { id integer key } }\n", LIMIT_MODELS + 1, "");
	ck_assert_uint_eq(r.c.nmistakes, 1);
	ck_assert_str_eq(r.c.mistakes[0].text, "there can't be more than 1000 models");
	reading_end(&r);
}
END_TEST

START_TEST(a_queue_with_all_its_fields_is_within_the_limit)
{
	struct reading r;
	const int own = LIMIT_FIELDS - QUEUE_FIELDS - 1;

	read_repeated(&r, "store sqlite:a\nqueue q { fields {\n", "f%d string\n", own, "} }");
	ck_assert_uint_eq(r.c.nmistakes, 0);
	ck_assert_uint_eq(r.s.models[0].nfields, LIMIT_FIELDS);
	reading_end(&r);
	read_repeated(&r, "store sqlite:a\nqueue q { fields {\n", "f%d string\n", own + 1, "} }");
	ck_assert_uint_eq(r.c.nmistakes, 1);
	reading_end(&r);
	read_repeated(&r, "store sqlite:a\nmodel q { fields {\n", "f%d string\n", LIMIT_FIELDS, "} }");
	ck_assert_uint_eq(r.c.nmistakes, 1);
	ck_assert_uint_eq(r.s.models[0].nfields, LIMIT_FIELDS);
	reading_end(&r);
}
END_TEST

START_TEST(patterns_are_limited_all_together)
{
	struct reading r;

	read_repeated(&r, "store sqlite:a\nmodel m { fields { id integer key\n", "f%d string pattern [a-z]{500}\n", 79,
		      "} }");
	ck_assert_uint_eq(r.c.nmistakes, 0);
	reading_end(&r);
	read_repeated(&r, "store sqlite:a\nmodel m { fields { id integer key\n", "f%d string pattern [a-z]{500}\n", 81,
		      "} }");
	ck_assert_str_eq(r.c.mistakes[0].text, "the patterns are too large, all together");
	reading_end(&r);
}
END_TEST

static TCase *meaning(void)
{
	TCase *t = tcase_create("meaning");

	tcase_add_test(t, the_conf_of_the_repository_has_no_mistake);
	tcase_add_test(t, a_store_lies_beside_the_conf);
	tcase_add_test(t, a_model_has_its_options);
	tcase_add_test(t, a_field_has_its_options);
	tcase_add_test(t, defaults_that_are_quoted_or_in_the_enum_are_text);
	tcase_add_test(t, a_pattern_is_for_the_whole_text);
	tcase_add_loop_test(t, a_pattern_matches_characters, 0, sizeof of_characters / sizeof *of_characters);
	tcase_add_test(t, a_queue_has_the_fields_of_a_job_behind_its_own);
	tcase_add_test(t, a_queue_has_its_own_key_and_settings);
	tcase_add_test(t, models_may_refer_to_models_further_down_and_to_themselves);
	tcase_add_test(t, embedded_models_keep_the_order_of_the_relations_and_an_only_child_is_unique);
	tcase_add_test(t, records_can_be_embedded_only_so_deep);
	tcase_add_test(t, hooks_are_left_alone);
	return t;
}

static TCase *mistakes(void)
{
	TCase *t = tcase_create("mistakes");

	tcase_add_test(t, every_mistake_is_told_at_its_word);
	tcase_add_test(t, models_are_limited);
	tcase_add_test(t, a_queue_with_all_its_fields_is_within_the_limit);
	tcase_add_test(t, patterns_are_limited_all_together);
	return t;
}

int main(void)
{
	Suite *s = suite_create("schema");
	suite_add_tcase(s, meaning());
	suite_add_tcase(s, mistakes());
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
