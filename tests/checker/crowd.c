/*
 * crowd.c - many at once on the same records.
 *
 * Nobody can say then what a call must give, but much that it must never give: an error that stands for nothing, a text
 * that is no whole record. And when all have gone, files and tables must say the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checker.h"

static bool is_sensible(const struct call *c, int result)
{
	static const int errors[] = {ENOENT, EEXIST,  EBADMSG,    ECANCELED, EPERM, EACCES, ENAMETOOLONG, EBUSY,
				     EBADF,  ENODATA, EOPNOTSUPP, ENODEV,    EFBIG, ELOOP,  EROFS};

	if (result >= 0)
		return true;
	if (result == -ENOSPC)
		return c->kind == CALL_RESERVE; /* of keys */
	if (result == -EINVAL)
		return c->kind != CALL_RENAME && c->kind != CALL_OPEN && c->kind != CALL_CLOSE && c->kind != CALL_WRITE;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (result == -errors[i])
			return true;
	return false;
}

/* A record, or the nothing of a name that was never saved. */
static bool is_whole(const struct call *c, const struct got *got)
{
	if (c->kind != CALL_CAT || name_of(c->model, c->name)->kind != NAME_RECORD || got->len == 0)
		return true;
	return text_scan(got->data, got->len) == SCAN_COMPLETE && got->data[got->len - 1] == '\n';
}

bool crowd_call(struct crew *crew, const struct call *c, struct text *why)
{
	const struct got *got = crew_call(crew, c);

	if (got && is_sensible(c, got->result) && is_whole(c, got))
		return true;
	if (!got)
		text_str(why, "no answer within a minute");
	else if (got->result < 0)
		text_printf(why, "got %s", strerrorname_np(-got->result));
	else
		text_quote(why, got->data, got->len, 600);
	text_str(why, " from ");
	call_print(c, why);
	return false;
}

/* ---- the world as the tables have it ---- */

static void load_row(struct record *r, const struct model *m, sqlite3_stmt *stmt)
{
	for (int i = 0; i < (int)m->nfields; i++) {
		struct datum d = {.kind = NOTHING};
		if (sqlite3_column_type(stmt, i + 1) == SQLITE_INTEGER)
			d = (struct datum){INTEGER, sqlite3_column_int64(stmt, i + 1), NULL};
		else if (sqlite3_column_type(stmt, i + 1) == SQLITE_TEXT)
			d = (struct datum){STRING, 0, (char *)sqlite3_column_text(stmt, i + 1)};
		datum_set(&r->row.values[i], &d);
	}
	r->there = true;
}

static bool is_key(sqlite3_stmt *stmt, const struct datum *key)
{
	if (key->kind == INTEGER)
		return sqlite3_column_int64(stmt, 0) == key->integer;
	return strcmp((const char *)sqlite3_column_text(stmt, 0), key->string) == 0;
}

static void load_model(struct world *w, sqlite3 *db, int model)
{
	struct text sql = {0};
	sqlite3_stmt *stmt = NULL;

	text_printf(&sql, "SELECT * FROM %s", models[model].name);
	if (sqlite3_prepare_v2(db, sql.data, -1, &stmt, NULL) == SQLITE_OK)
		while (sqlite3_step(stmt) == SQLITE_ROW)
			for (int k = 0; k < KEYS; k++) {
				struct datum key = key_of(model, k);
				if (is_key(stmt, &key))
					load_row(&w->records[model][k], &models[model], stmt);
			}
	sqlite3_finalize(stmt);
	text_release(&sql);
}

static void unlink_scratch(struct crew *crew, int model)
{
	for (int n = 0; n < NAMES; n++) {
		struct call unlink = {.kind = CALL_UNLINK, .model = model, .name = n};
		if (name_of(model, n)->kind == NAME_SCRATCH)
			crew_call(crew, &unlink);
	}
}

void crowd_load(struct world *w, sqlite3 *db, struct crew *crew)
{
	for (int m = 0; m < MODELS; m++) {
		unlink_scratch(crew, m);
		load_model(w, db, m);
	}
}
