/*
 * compare.c - what a call gave beside what it must give, and how calls are told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

/* ---- telling calls ---- */

#define CALL_NAME(name) [CALL_##name] = #name,
static const char *const call_names[CALL_KINDS] = {CALLS(CALL_NAME)};

void call_copy(struct call *to, const struct call *from)
{
	*to = *from;
	if (!from->data)
		return;
	to->data = malloc(from->len + 1);
	if (!to->data)
		abort();
	memcpy(to->data, from->data, from->len + 1);
}

static bool has_slot(enum call_kind kind)
{
	return kind <= CALL_FSTAT || kind == CALL_FALLOCATE || kind == CALL_SEND;
}

static bool has_name(enum call_kind kind)
{
	if (kind >= CALL_MAKE && kind <= CALL_STATE)
		return false;
	return !has_slot(kind) || kind == CALL_OPEN || kind == CALL_SEND;
}

void call_print(const struct call *c, struct text *out)
{
	text_printf(out, "%s by %d", call_names[c->kind], c->actor);
	if (c->txn)
		text_printf(out, " in t%d", c->txn);
	if (has_slot(c->kind))
		text_printf(out, " slot %d", c->slot);
	if (c->kind == CALL_DUP)
		text_printf(out, " slot %d", c->slot2);
	if (has_name(c->kind))
		text_printf(out, " %s/%.40s", models[c->model].name, name_of(c->model, c->name)->text);
	if (c->kind == CALL_RENAME || c->kind == CALL_LINK)
		text_printf(out, " to %s/%.40s", models[c->model2].name, name_of(c->model2, c->name2)->text);
	text_printf(out, " flags 0%o offset %lld length %zu ", (unsigned)c->flags, (long long)c->offset, c->len);
	if (c->data)
		text_quote(out, c->data, c->len, 300);
}

void result_print(struct text *out, int result)
{
	if (result < 0)
		text_str(out, strerrorname_np(-result) ? strerrorname_np(-result) : "an unknown error");
	else
		text_printf(out, "%d", result);
}

/* ---- attributes ---- */

/* No other key ever has a record's number. */
static bool see(struct session *s, uint64_t ino, int model, int key, struct text *why)
{
	size_t at = (size_t)(ino * 0x9e3779b97f4a7c15u >> 48);

	while (s->seen[at].ino && s->seen[at].ino != ino)
		at = (at + 1) % SEEN_ROOM;
	if (s->seen[at].ino && (s->seen[at].model != model || s->seen[at].key != key)) {
		text_printf(why, "the inode number %llx was that of %s/%s", (unsigned long long)ino,
			    models[s->seen[at].model].name, name_of(s->seen[at].model, s->seen[at].key)->text);
		return false;
	}
	if (s->seen[at].ino || s->nseen > SEEN_ROOM / 2)
		return true;
	s->nseen++;
	s->seen[at].ino = ino;
	s->seen[at].model = model;
	s->seen[at].key = key;
	return true;
}

static int64_t nanoseconds(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

bool number_is(struct text *why, const char *what, int64_t got, int64_t expected)
{
	if (got == expected)
		return true;
	text_printf(why, "%s: expected %lld, got %lld", what, (long long)expected, (long long)got);
	return false;
}

static bool record_time_is_right(struct record *r, const struct stat *st, struct text *why)
{
	int64_t mtime = nanoseconds(&st->st_mtim);
	bool right = r->mtime == 0 || (r->changed ? mtime > r->mtime : mtime == r->mtime);

	if (!right)
		text_printf(why, "the content %s, and the time was %lld, is %lld",
			    r->changed ? "changed" : "is the same", (long long)r->mtime, (long long)mtime);
	r->mtime = mtime;
	r->changed = false;
	return right;
}

static bool record_is_right(struct session *s, const struct call *c, const struct expected *x, const struct stat *st,
			    struct text *why)
{
	struct record *r = &world_in(&s->world, c->txn)->records[x->model][x->key];
	bool by_name = c->kind == CALL_STAT;

	if (!number_is(why, "st_mode", st->st_mode, S_IFREG | 0644) || !number_is(why, "st_nlink", st->st_nlink, 1) ||
	    !number_is(why, "st_size", st->st_size, x->size) || !record_time_is_right(r, st, why))
		return false;
	if (!by_name && models[x->model].key.type == STRING)
		return true;
	if (r->ino && !number_is(why, "st_ino", (int64_t)st->st_ino, (int64_t)r->ino))
		return false;
	r->ino = st->st_ino;
	if (c->txn)
		return true;
	return see(s, r->ino, x->model, x->key, why);
}

static bool unsaved_is_right(const struct expected *x, const struct stat *st, struct text *why)
{
	return number_is(why, "st_mode", st->st_mode, S_IFREG | 0644) &&
	       number_is(why, "st_size", st->st_size, x->size);
}

static bool scratch_is_right(const struct scratch *f, const struct stat *st, struct text *why)
{
	return number_is(why, "st_mode", st->st_mode, (f->symlink ? S_IFLNK : S_IFREG) | f->mode) &&
	       number_is(why, "st_size", st->st_size, (int64_t)f->data.len) &&
	       number_is(why, "st_nlink", st->st_nlink, f->links) &&
	       (!f->times_set || number_is(why, "st_mtime", nanoseconds(&st->st_mtim), f->mtime));
}

/* ---- bytes and lists ---- */

static bool bytes_are_right(const struct expected *x, const struct got *got, struct text *why)
{
	if (x->bytes.len == got->len && (got->len == 0 || memcmp(x->bytes.data, got->data, got->len) == 0))
		return true;
	text_str(why, "expected the bytes ");
	text_quote(why, x->bytes.data, x->bytes.len, 600);
	text_str(why, "\n       got ");
	text_quote(why, got->data, got->len, 600);
	return false;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_ours(int model, const char *line)
{
	for (int i = 0; i < NAMES; i++)
		if (strcmp(name_of(model, i)->text, line) == 0)
			return true;
	return false;
}

/* model: whose names only are kept; -1: all are. */
static void sort_lines(const char *data, size_t len, int model, struct text *out)
{
	char *lines[NAMES * 10], *copy = strndup(data, len), *rest = copy, *line;
	size_t n = 0;

	while ((line = strsep(&rest, "\n")) && n < NAMES * 10)
		if (*line && (model < 0 || is_ours(model, line)))
			lines[n++] = line;
	qsort(lines, n, sizeof(lines[0]), by_text);
	text_resize(out, 0);
	for (size_t i = 0; i < n; i++)
		text_printf(out, "%s\n", lines[i]);
	free(copy);
}

static bool list_is_right(const struct expected *x, const struct got *got, int model, struct text *why)
{
	struct text expected = {0}, listed = {0};

	sort_lines(x->bytes.data, x->bytes.len, -1, &expected);
	sort_lines(got->data, got->len, model, &listed);
	bool right = expected.len == listed.len && memcmp(expected.data, listed.data, listed.len) == 0;
	if (!right)
		text_printf(why, "expected the names\n%sgot\n%s", expected.data, listed.data);
	text_release(&expected);
	text_release(&listed);
	return right;
}

static bool has_key(const struct world *w, int model, int64_t key)
{
	for (int k = 0; k < KEYS; k++)
		if (w->records[model][k].there && key_of(model, k).integer == key)
			return true;
	return false;
}

/* One that no record has, and that was never given before. */
static bool key_is_right(struct session *s, const struct call *c, const struct expected *x, const struct got *got,
			 struct text *why)
{
	int64_t key = strtoll(got->data, NULL, 10), *last = &s->world.reserved[x->model];
	bool fresh =
	    key > *last && !has_key(&s->world, x->model, key) && !has_key(world_in(&s->world, c->txn), x->model, key);

	if (!fresh)
		text_printf(why, "reserved the key %lld, the last one was %lld", (long long)key, (long long)*last);
	*last = key;
	return fresh;
}

static bool answer_is_right(const struct expected *x, const struct got *got, struct text *why)
{
	json_t *answer = json_loadb(got->data, got->len, 0, NULL), *one;
	struct text told = {0};
	size_t i;

	text_resize(&told, 0);
	json_array_foreach(answer, i, one)
	    text_printf(&told, "%s %s\n", json_string_value(json_object_get(one, "path")),
			json_string_value(json_object_get(one, "status")));
	bool right = answer && strcmp(told.data, x->bytes.data) == 0;
	if (!right)
		text_printf(why, "expected the answer\n%sgot\n%s", x->bytes.data, told.data);
	json_decref(answer);
	text_release(&told);
	return right;
}

bool answer_fits(struct session *s, const struct call *c, const struct expected *x, const struct got *got,
		 struct text *why)
{
	if (x->any ||
	    (x->wants == WANTS_KEY && s->company != ALONE && got->result == -ENOSPC)) /* others have the highest */
		return true;
	if (got->result != x->result && (x->other == 0 || got->result != x->other)) {
		text_str(why, "expected ");
		result_print(why, x->result);
		text_str(why, ", got ");
		result_print(why, got->result);
		return false;
	}
	if (got->result < 0 || x->wants == WANTS_NOTHING || x->wants == WANTS_GONE)
		return true;
	if (x->wants == WANTS_BYTES)
		return bytes_are_right(x, got, why);
	if (x->wants == WANTS_LIST)
		return list_is_right(x, got, s->company == BESIDE ? c->model : -1, why);
	if (x->wants == WANTS_KEY)
		return key_is_right(s, c, x, got, why);
	if (x->wants == WANTS_ANSWER)
		return answer_is_right(x, got, why);
	if (x->wants == WANTS_RECORD)
		return record_is_right(s, c, x, &got->st, why);
	if (x->wants == WANTS_UNSAVED)
		return unsaved_is_right(x, &got->st, why);
	return scratch_is_right(x->scratch, &got->st, why);
}
