/*
 * saved.h - what the tests of hooks share: a mount.conf in a directory of its own, its store and a saver, without FUSE.
 */
#ifndef ROWFS_TEST_SAVED_H
#define ROWFS_TEST_SAVED_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../hooks/hook.h"
#include "../../hooks/journal.h"
#include "../../hooks/program.h"
#include "../../hooks/save.h"
#include "../../store/limits.h"
#include "temporary.h"

struct saved {
	char directory[64];
	struct conf conf;
	struct schema schema;
	struct hooks hooks;
	struct store *store;
	struct journal *journal;
	struct saver *saver;
	struct arena arena;
	struct err error;
	struct outcome outcome;
};

static inline void saved_file(struct saved *s, const char *name, const char *text, mode_t mode)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", s->directory, name);
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0700);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	fchmod(fd, mode);
	close(fd);
}

/* A script of /bin/sh in the conf's directory. */
static inline void saved_script(struct saved *s, const char *name, const char *text)
{
	char script[4096];
	snprintf(script, sizeof script, "#!/bin/sh\n%s\n", text);
	saved_file(s, name, script, 0700);
}

static inline void saved_directory(struct saved *s)
{
	memset(s, 0, sizeof *s);
	temporary_directory(s->directory, sizeof s->directory);
	program_init();
}

/* Reads the conf; mistakes are printed and fail the test unless they are expected. */
static inline void saved_conf(struct saved *s, const char *text)
{
	char path[128];
	saved_file(s, "mount.conf", text, 0600);
	snprintf(path, sizeof path, "%s/mount.conf", s->directory);
	ck_assert_int_eq(conf_read(&s->conf, path, &s->error), 0);
	ck_assert_int_eq(schema_read(&s->schema, &s->conf, &s->error), 0);
	ck_assert_int_eq(hooks_read(&s->hooks, &s->conf, &s->schema, &s->error), 0);
}

static inline void saved_open(struct saved *s, const char *text)
{
	saved_conf(s, text);
	int result = s->conf.nmistakes ? 0 : store_open(&s->store, &s->schema, 0, &s->error);
	ck_assert_msg(result == 0, "%s", s->error.text);
	if (s->store)
		ck_assert_int_eq(hooks_prepare(&s->hooks, &s->conf, s->store, &s->schema, &s->error), 0);
	conf_print_mistakes(&s->conf, stderr);
	ck_assert_uint_eq(s->conf.nmistakes, 0);
	ck_assert_int_eq(journal_new(&s->journal), 0);
	result = saver_new(&s->saver, &s->schema, &s->hooks, s->store, s->journal, "/nowhere", &s->error);
	ck_assert_int_eq(result, 0);
}

/* The conf with texts in the places of words, in their order. */
static inline void saved_open_with(struct saved *s, const char *conf, const char *const words[],
				   const char *const texts[], int n)
{
	buf_auto text = BUF_INIT;
	for (int i = 0; i < n; i++) {
		const char *word = strstr(conf, words[i]);
		buf_add(&text, conf, (size_t)(word - conf));
		buf_printf(&text, "\n%s\n", texts[i]);
		conf = word + strlen(words[i]);
	}
	buf_str(&text, conf);
	saved_open(s, buf_text(&text));
}

static inline int saved_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* All but the directory, which another one may use too. */
static inline void saved_end(struct saved *s)
{
	saver_free(s->saver);
	journal_free(s->journal);
	store_close(s->store);
	hooks_release(&s->hooks);
	schema_release(&s->schema);
	conf_release(&s->conf);
	arena_release(&s->arena);
	err_release(&s->error);
}

static inline void saved_close(struct saved *s)
{
	saved_end(s);
	nftw(s->directory, saved_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const struct model *saved_model(struct saved *s, const char *name)
{
	const struct model *m = schema_model(&s->schema, name);
	ck_assert_ptr_nonnull(m);
	return m;
}

static inline struct request saved_request(struct saved *s, enum request_kind kind, const char *model, int64_t key,
					   const char *text)
{
	return (struct request){
	    .kind = kind,
	    .model = saved_model(s, model),
	    .key = key < 0 ? value_null() : value_integer(key),
	    .text = text,
	    .len = text ? strlen(text) : 0,
	};
}

static inline int saved_all(struct saved *s, const struct request *requests, size_t n, struct outcome *outcomes)
{
	struct actor actor = {.uid = 1000, .gid = 1000, .pid = getpid()};
	err_release(&s->error);
	int result = save(s->saver, &actor, requests, n, outcomes, &s->arena, &s->error);
	ck_assert_int_eq(result, -s->error.code);
	return result;
}

/* A negative key is none: the next one. */
static inline int saved_do(struct saved *s, enum request_kind kind, const char *model, int64_t key, const char *text)
{
	struct request r = saved_request(s, kind, model, key, text);
	return saved_all(s, &r, 1, &s->outcome);
}

#define saved_ok(...)                                                                                                  \
	do {                                                                                                           \
		int saved_result = saved_do(__VA_ARGS__);                                                              \
		ck_assert_msg(saved_result == 0, "%s", s.error.text);                                                  \
	} while (0)

/* The record as its file shows it, on one line without blanks between members; "" without one. In the arena. */
static inline const char *saved_show(struct saved *s, const char *model, int64_t key)
{
	struct value row[LIMIT_FIELDS], k = value_integer(key);
	buf_auto out = BUF_INIT;
	const struct model *m = saved_model(s, model);
	err_auto e = ERR_INIT;
	struct conn *c = store_read_begin(s->store, &e);
	ck_assert_ptr_nonnull(c);
	if (store_get(c, m, &k, &s->arena, row, NULL, &e) == 0) {
		size_t members = record_open(&out, m, row, SHOW_FILE, -1, NULL);
		record_close(&out, members, -1);
	}
	store_read_end(c);
	return arena_copy(&s->arena, buf_text(&out), out.len);
}

static inline int64_t saved_count(struct saved *s, const char *model)
{
	int64_t n = -1;
	err_auto e = ERR_INIT;
	struct conn *c = store_read_begin(s->store, &e);
	ck_assert_int_eq(store_count(c, saved_model(s, model), &n, &e), 0);
	store_read_end(c);
	return n;
}

/* The field `what` of all records of the model `log`, in order, with a blank between. In the arena. */
static inline const char *saved_log(struct saved *s)
{
	const struct model *m = saved_model(s, "log");
	struct value row[LIMIT_FIELDS], key;
	struct cursor *cursor;
	int64_t serial;
	buf_auto out = BUF_INIT;
	err_auto e = ERR_INIT;
	struct conn *c = store_read_begin(s->store, &e);
	ck_assert_int_eq(cursor_open(&cursor, c, m, -1, &e), 0);
	while (cursor_next(cursor, &key, &serial, &e) == 1) {
		ck_assert_int_eq(store_get(c, m, &key, &s->arena, row, NULL, &e), 0);
		buf_printf(&out, "%s%s", out.len ? " " : "", row[model_field(m, "what")->index].text.data);
	}
	cursor_close(cursor);
	store_read_end(c);
	return arena_copy(&s->arena, buf_text(&out), out.len);
}

static inline int saved_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

#endif
