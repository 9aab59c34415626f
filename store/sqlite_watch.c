/*
 * sqlite_watch.c - what a commit has touched: which models, and for those who ask which rows.
 *
 * SQLite tells every row that is about to change, whoever changes it in this connection. Rows stand in one list for the
 * group; a transaction that is rolled back takes its own off the end.
 */
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LOOK_BACK = 64 }; /* for an earlier change of the same row */

/* ---- the list ---- */

static void drop_row(struct changed_row *row)
{
	if (row->key.kind == VALUE_TEXT)
		free((char *)row->key.text.data);
}

static void truncate_rows(struct watch *w, size_t n)
{
	while (w->n > n)
		drop_row(&w->rows[--w->n]);
}

void watch_begin(struct store *s)
{
	struct watch *w = &s->watch;
	w->begin = w->n;
	w->more_begin = w->more;
	w->txn++;
	w->uid = 0;
}

void watch_undo(struct store *s)
{
	truncate_rows(&s->watch, s->watch.begin);
	s->watch.more = s->watch.more_begin;
}

void watch_forget(struct store *s)
{
	truncate_rows(&s->watch, 0);
	s->watch.begin = s->watch.more = s->watch.more_begin = 0;
}

void watch_tell(struct store *s)
{
	struct watch *w = &s->watch;
	if (w->changed && (w->n || w->more))
		w->changed(w->data, w->rows, w->n, w->more);
	watch_forget(s);
}

void txn_by(struct txn *t, uid_t uid)
{
	t->store->watch.uid = uid;
}

void store_on_rows(struct store *s, void (*changed)(void *data, const struct changed_row *rows, size_t n, size_t more),
		   void *data)
{
	s->watch.changed = changed;
	s->watch.data = data;
}

void store_watch(struct store *s, bool wanted)
{
	atomic_store(&s->watch.wanted, wanted);
}

/* ---- rows ---- */

static struct value value_of(sqlite3_value *v)
{
	switch (sqlite3_value_type(v)) {
	case SQLITE_INTEGER:
		return value_integer(sqlite3_value_int64(v));
	case SQLITE_FLOAT:
		return value_real(sqlite3_value_double(v));
	case SQLITE_NULL:
		return value_null();
	}
	const char *text = (const char *)sqlite3_value_text(v);
	return text ? value_text(text, (size_t)sqlite3_value_bytes(v)) : value_null();
}

/* What both changes are together; VERB_COUNT: nothing. */
static enum verb merged(enum verb first, enum verb second)
{
	if (first == VERB_CREATE)
		return second == VERB_DELETE ? VERB_COUNT : VERB_CREATE;
	return first == VERB_DELETE && second == VERB_CREATE ? VERB_PATCH : second;
}

/* True where an earlier change of the row in this transaction tells this one too. */
static bool merge(struct watch *w, const struct model *m, const struct value *key, enum verb verb)
{
	for (size_t i = w->n; i > w->begin && i + LOOK_BACK > w->n; i--) {
		struct changed_row *row = &w->rows[i - 1];
		if (row->model != m || !value_equal(&row->key, key))
			continue;
		row->verb = merged(row->verb, verb);
		if (row->verb < VERB_COUNT)
			return true;
		drop_row(row);
		memmove(row, row + 1, (w->n - i) * sizeof(*row));
		w->n--;
		return true;
	}
	return false;
}

static bool has_room(struct watch *w)
{
	if (w->n >= LIMIT_EVENTS)
		return false;
	if (w->n < w->room)
		return true;
	size_t room = w->room ? 2 * w->room : 64;
	struct changed_row *grown = realloc(w->rows, room * sizeof(*grown));
	if (!grown)
		return false;
	w->rows = grown;
	w->room = room;
	return true;
}

static void add(struct watch *w, const struct model *m, struct value key, enum verb verb)
{
	if (key.kind == VALUE_NULL || merge(w, m, &key, verb))
		return;
	char *text = key.kind == VALUE_TEXT && has_room(w) ? malloc(key.text.len + 1) : NULL;
	if (!has_room(w) || (key.kind == VALUE_TEXT && !text)) {
		free(text);
		w->more++;
		return;
	}
	if (text) {
		memcpy(text, key.text.data, key.text.len);
		text[key.text.len] = '\0';
		key = value_text(text, key.text.len);
	}
	w->rows[w->n++] = (struct changed_row){m, key, verb, w->txn, w->uid};
}

/* A row that changes its key goes and comes. */
static void note_row(struct store *s, sqlite3 *db, int operation, const struct model *m)
{
	sqlite3_value *before = NULL, *after = NULL;
	int column = s->tables[m->index].key_column;
	if (operation != SQLITE_INSERT)
		sqlite3_preupdate_old(db, column, &before);
	struct value old = before ? value_of(before) : value_null();
	if (operation != SQLITE_DELETE)
		sqlite3_preupdate_new(db, column, &after);
	struct value new = after ? value_of(after) : value_null();
	if (operation == SQLITE_UPDATE && value_equal(&old, &new)) {
		add(&s->watch, m, new, VERB_PATCH);
		return;
	}
	add(&s->watch, m, old, VERB_DELETE);
	add(&s->watch, m, new, VERB_CREATE);
}

/* ---- models ---- */

static int compare_touches(const void *a, const void *b)
{
	const struct touch *x = a, *y = b;
	return strcasecmp(x->table, y->table);
}

/* A row of a sidecar counts for its model: a child's change moves its parent's bytes and ctime. */
static void touch(void *data, sqlite3 *db, int operation, const char *database, const char *table, sqlite3_int64 before,
		  sqlite3_int64 after)
{
	struct store *s = data;
	struct touch key = {.table = (char *)table};
	(void)database, (void)before, (void)after;
	const struct touch *t = bsearch(&key, s->touches, s->ntouches, sizeof(key), compare_touches);
	if (!t)
		return;
	s->touched[t->model] = true;
	if (!t->sidecar && atomic_load_explicit(&s->watch.wanted, memory_order_relaxed))
		note_row(s, db, operation, &s->schema->models[t->model]);
}

int watch_start(struct store *s)
{
	size_t n = s->schema->nmodels;
	s->touches = calloc(2 * n + 1, sizeof(*s->touches));
	if (!s->touches)
		return -ENOMEM;
	for (size_t i = 0; i < 2 * n; i++) {
		buf_auto name = BUF_INIT;
		buf_printf(&name, "%s%s", i % 2 ? "rowfs_stat_" : "", s->schema->models[i / 2].table);
		s->touches[i] = (struct touch){buf_failed(&name) ? NULL : strdup(buf_text(&name)), i / 2, i % 2};
		if (!s->touches[i].table)
			return -ENOMEM;
		s->ntouches++;
	}
	qsort(s->touches, s->ntouches, sizeof(*s->touches), compare_touches);
	sqlite3_preupdate_hook(s->writer.db, touch, s);
	return 0;
}

void watch_stop(struct store *s)
{
	for (size_t i = 0; i < s->ntouches; i++)
		free(s->touches[i].table);
	free(s->touches);
	s->touches = NULL;
	s->ntouches = 0;
	watch_forget(s);
	free(s->watch.rows);
	s->watch.rows = NULL;
	s->watch.room = 0;
}
