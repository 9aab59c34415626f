/*
 * store_fixture.h - a store on a fresh database, made from the text of a mount.conf. For the tests of store/sqlite*.c.
 */
#ifndef ROWFS_STORE_FIXTURE_H
#define ROWFS_STORE_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../store/limits.h"
#include "../../store/store.h"
#include "temporary.h"

static char directory[64];
static char database[96];
static struct conf conf;
static struct schema schema;
static struct store *store;
static struct arena arena;
static struct err error;

static inline void make_directory(void)
{
	temporary_directory(directory, sizeof(directory));
	snprintf(database, sizeof(database), "%s/shop.db", directory);
}

static inline void remove_directory(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

/* Runs SQL as another program would. */
static inline void foreign(const char *sql)
{
	sqlite3 *db;
	ck_assert_int_eq(sqlite3_open(database, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	char *why = NULL;
	sqlite3_exec(db, sql, NULL, NULL, &why);
	ck_assert_msg(!why, "%s: %s", sql, why);
	sqlite3_close(db);
}

static inline int64_t foreign_integer(const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	ck_assert_int_eq(sqlite3_open(database, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	int64_t out = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return out;
}

static inline void read_conf(const char *text)
{
	char head[160];
	snprintf(head, sizeof(head), "store sqlite:%s\n", database);
	char *whole = malloc(strlen(head) + strlen(text) + 1);
	strcpy(whole, head);
	strcat(whole, text);
	ck_assert_int_eq(conf_parse(&conf, "mount.conf", whole, strlen(whole), &error), 0);
	free(whole);
	ck_assert_int_eq(schema_read(&schema, &conf, &error), 0);
	if (conf.nmistakes)
		conf_print_mistakes(&conf, stderr);
	ck_assert_uint_eq(conf.nmistakes, 0);
}

static inline void drop_conf(void)
{
	schema_release(&schema);
	conf_release(&conf);
	schema = (struct schema)SCHEMA_INIT;
	conf = (struct conf)CONF_INIT;
}

static inline void open_store(const char *text)
{
	read_conf(text);
	int r = store_open(&store, &schema, 0, &error);
	ck_assert_msg(r == 0, "store_open: %d %s", r, error.text);
}

static inline void close_store(void)
{
	store_close(store);
	store = NULL;
	drop_conf();
	arena_release(&arena);
	err_release(&error);
}

static inline void teardown(void)
{
	close_store();
	remove_directory();
}

static inline struct txn begin(void)
{
	struct txn t;
	int r = txn_begin(store, &t, &error);
	ck_assert_msg(r == 0, "txn_begin: %d %s", r, error.text);
	return t;
}

static inline void commit(struct txn *t)
{
	int r = txn_commit(t, &error);
	ck_assert_msg(r == 0, "txn_commit: %d %s", r, error.text);
}

static inline struct value text(const char *s)
{
	return value_text(s, strlen(s));
}

/* The record as its file shows it; "" where there is none. */
static inline const char *show(const struct model *m, struct value key)
{
	struct buf out = BUF_INIT;
	struct conn *c = store_read_begin(store, &error);
	ck_assert_ptr_nonnull(c);
	err_auto e = ERR_INIT;
	int r = store_show(c, m, &key, &out, NULL, &e);
	ck_assert_msg(r == 0 || r == -ENOENT, "%s", e.text);
	store_read_end(c);
	char *copy = arena_copy(&arena, buf_text(&out), r ? 0 : out.len);
	buf_release(&out);
	return copy;
}

static inline struct stamp stamp_of(const struct model *m, struct value key)
{
	struct stamp stamp = {0};
	struct conn *c = store_read_begin(store, &error);
	ck_assert_int_eq(store_get(c, m, &key, NULL, NULL, &stamp, &error), 0);
	store_read_end(c);
	return stamp;
}

static inline int run_cases(const char *name, void (*setup)(void), void (*add)(TCase *))
{
	Suite *suite = suite_create(name);
	TCase *cases = tcase_create(name);
	tcase_set_timeout(cases, 60);
	tcase_add_checked_fixture(cases, setup, teardown);
	add(cases);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

#endif
