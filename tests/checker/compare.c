/*
 * compare.c - a session: one mount and its model, call by call, and what must be equal after each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checker.h"

enum { SEEN_ROOM = 1 << 16 };

struct session {
	struct crew *crew;
	struct world world;
	sqlite3 *db;
	enum company company;
	bool verbose;
	long calls;
	struct {
		uint64_t ino; /* 0: free */
		int model, key;
	} seen[SEEN_ROOM]; /* whose inode numbers were whose */
	int nseen;
};

struct world *session_world(struct session *s)
{
	return &s->world;
}

long session_calls(const struct session *s)
{
	return s->calls;
}

struct session *session_start(const struct daemon *d, enum company company, bool verbose)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	world_init(&s->world);
	s->company = company;
	s->verbose = verbose;
	if (sqlite3_open(d->database, &s->db) == SQLITE_OK) {
		sqlite3_busy_timeout(s->db, 30000);
		sqlite3_exec(s->db, "PRAGMA foreign_keys = on; PRAGMA synchronous = off", NULL, NULL, NULL);
		s->crew = crew_start(d->mount);
	}
	if (s->crew)
		return s;
	fprintf(stderr, "checker: no session on %s\n", d->mount);
	sqlite3_close(s->db);
	free(s);
	return NULL;
}

void session_load(struct session *s)
{
	crowd_load(&s->world, s->db, s->crew);
}

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

static void print_result(struct text *out, int result)
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

static bool number_is(struct text *why, const char *what, int64_t got, int64_t expected)
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

static bool is_right(struct session *s, const struct call *c, const struct expected *x, const struct got *got,
		     struct text *why)
{
	if (x->any ||
	    (x->wants == WANTS_KEY && s->company != ALONE && got->result == -ENOSPC)) /* others have the highest */
		return true;
	if (got->result != x->result && (x->other == 0 || got->result != x->other)) {
		text_str(why, "expected ");
		print_result(why, x->result);
		text_str(why, ", got ");
		print_result(why, got->result);
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

/* ---- calls ---- */

static void print_sql_key(struct text *out, int model, int key)
{
	struct datum k = key_of(model, key);

	if (k.kind == INTEGER)
		text_printf(out, "%lld", (long long)k.integer);
	else
		text_printf(out, "'%s'", k.string);
}

/* As another program would do it. */
static bool run_sql(struct session *s, const struct call *c, struct text *why)
{
	const struct model *m = &models[c->model];
	const struct field *f = &m->fields[c->slot];
	struct text sql = {0};
	char *message = NULL;
	bool needs = false;

	for (size_t i = 0; i < m->nfields; i++)
		needs = needs || (m->fields[i].required && m->fields[i].fallback.kind == NOTHING);
	if (c->flags == 1)
		text_printf(&sql, "INSERT INTO %s (%s%s) VALUES (", m->name, m->key.name, needs ? ", amount" : "");
	else if (c->flags == 2)
		text_printf(&sql, "DELETE FROM %s WHERE %s = ", m->name, m->key.name);
	else if (f->type == STRING)
		text_printf(&sql, "UPDATE %s SET %s = '%s' WHERE %s = ", m->name, f->name, c->data, m->key.name);
	else
		text_printf(&sql, "UPDATE %s SET %s = %lld WHERE %s = ", m->name, f->name, (long long)c->offset,
			    m->key.name);
	print_sql_key(&sql, c->model, c->name);
	if (c->flags == 1 && needs)
		text_printf(&sql, ", %lld", (long long)c->offset);
	text_str(&sql, c->flags == 1 ? ")" : "");
	bool right = sqlite3_exec(s->db, sql.data, NULL, NULL, &message) == SQLITE_OK;
	if (!right)
		text_printf(why, "%s: %s", sql.data, message);
	sqlite3_free(message);
	text_release(&sql);
	return right;
}

static bool carry_out(struct session *s, const struct call *c, const struct expected *x, struct text *why)
{
	const struct got *got;

	if (c->kind == CALL_SQL && s->company != CROWD)
		return run_sql(s, c, why);
	if (c->kind != CALL_SQL && s->company == CROWD)
		return crowd_call(s->crew, c, why);
	if (c->kind == CALL_SQL) {
		struct text ignored = {0}; /* another may have been faster */
		run_sql(s, c, &ignored);
		text_release(&ignored);
		return true;
	}
	got = crew_call(s->crew, c);
	if (got)
		return is_right(s, c, x, got, why);
	text_str(why, "no answer within a minute");
	return false;
}

/* The kernel lets rowfs know of a last close after close(2) has returned: until then the draft is seen. */
static void settle(struct session *s, const struct call *c, int model, int key)
{
	struct call stat = {.kind = CALL_STAT, .actor = c->actor, .txn = c->txn, .model = model, .name = key};
	struct expected x;
	const struct got *got;

	model_expect(&s->world, &stat, &x);
	for (int i = 0; i < 2000 && (got = crew_call(s->crew, &stat)); i++) {
		if (got->result == x.result && (x.result < 0 || got->st.st_size == x.size))
			break;
		usleep(500);
	}
}

/* Whether a close takes something with it that could be seen. */
static bool takes_draft(struct session *s, const struct call *c)
{
	const struct world *w = world_in(&s->world, c->txn);
	const struct handle *h = c->kind == CALL_CLOSE && (!c->txn || w->state == TXN_OPEN) ? w->slots[c->slot] : NULL;

	return h && h->holders == 1 && !h->scratch && (h->unsaved || draft_shows(h));
}

/*
 * The kernel keeps one size of a file for everybody and takes the place of SEEK_END, and the end of what it maps and
 * sends, from there: another's ls -l in between is seen by who has a draft. Nothing that a filesystem could mend.
 */
static bool is_anybodys_guess(const struct session *s, const struct call *c)
{
	return s->company != ALONE && (c->kind == CALL_STATFS || c->kind == CALL_MAP || c->kind == CALL_SEND ||
				       (c->kind == CALL_SEEK && c->flags == SEEK_END));
}

bool session_call(struct session *s, const struct call *c, struct text *why)
{
	struct expected x;
	bool right = true, settles = takes_draft(s, c);
	const struct handle *h = world_in(&s->world, c->txn)->slots[c->slot];
	int model = settles ? h->model : 0, key = settles ? h->key : 0;

	if (is_anybodys_guess(s, c))
		return true;
	model_expect(&s->world, c, &x);
	if (!x.skip)
		right = carry_out(s, c, &x, why);
	if (!x.skip && settles && s->company != CROWD)
		settle(s, c, model, key);
	if (!x.skip && s->verbose) {
		struct text line = {0};
		call_print(c, &line);
		text_str(&line, " = ");
		print_result(&line, x.result);
		printf("%ld %s\n", s->calls, line.data);
		text_release(&line);
	}
	s->calls += !x.skip;
	text_release(&x.bytes);
	return right;
}

static bool audit_call(struct session *s, struct call c, struct text *why)
{
	bool verbose = s->verbose;

	s->verbose = false;
	bool right = session_call(s, &c, why);
	s->verbose = verbose;
	s->calls--;
	if (!right) {
		text_str(why, "\n       in the audit, by ");
		call_print(&c, why);
	}
	return right;
}

static bool audit_model(struct session *s, int txn, int model, struct text *why)
{
	struct call list = {.kind = CALL_LIST, .actor = ACTORS - 1, .txn = txn, .model = model};
	struct call stat = {.kind = CALL_STAT, .actor = 1, .txn = txn, .model = model};
	struct call cat = {.kind = CALL_CAT, .txn = txn, .model = model, .len = 65536};

	if (!audit_call(s, list, why))
		return false;
	for (int n = 0; n < NAMES; n++) {
		stat.name = cat.name = n;
		if (!audit_call(s, stat, why) || !audit_call(s, cat, why))
			return false;
	}
	return true;
}

bool session_audit(struct session *s, struct text *why)
{
	if (s->company == CROWD)
		return true;
	for (int t = 0; t <= TXNS; t++)
		for (int m = 0; m < MODELS; m++)
			if ((t == 0 || world_in(&s->world, t)->state != TXN_NONE) && !audit_model(s, t, m, why))
				return false;
	return true;
}

/* ---- the tables ---- */

static bool column_is(sqlite3_stmt *stmt, int i, const struct datum *d)
{
	static const int types[] = {[NOTHING] = SQLITE_NULL, [INTEGER] = SQLITE_INTEGER, [STRING] = SQLITE_TEXT};

	if (sqlite3_column_type(stmt, i) != types[d->kind])
		return false;
	if (d->kind == STRING)
		return strcmp((const char *)sqlite3_column_text(stmt, i), d->string) == 0;
	return d->kind == NOTHING || sqlite3_column_int64(stmt, i) == d->integer;
}

static bool row_is_there(struct session *s, int model, int key, struct text *why)
{
	struct text sql = {0};
	sqlite3_stmt *stmt = NULL;
	const struct record *r = &s->world.records[model][key];

	text_printf(&sql, "SELECT * FROM %s WHERE %s = ", models[model].name, models[model].key.name);
	print_sql_key(&sql, model, key);
	bool right = sqlite3_prepare_v2(s->db, sql.data, -1, &stmt, NULL) == SQLITE_OK;
	right = right && (sqlite3_step(stmt) == SQLITE_ROW) == r->there;
	for (int i = 0; right && r->there && i < (int)models[model].nfields; i++)
		right = column_is(stmt, i + 1, &r->row.values[i]);
	if (!right) {
		text_printf(why, "the row of %s/%s is not what it should be: ", models[model].name,
			    name_of(model, key)->text);
		for (int i = 0; i < sqlite3_data_count(stmt); i++)
			text_printf(why, "%.60s|", (const char *)sqlite3_column_text(stmt, i));
	}
	sqlite3_finalize(stmt);
	text_release(&sql);
	return right;
}

static int add_count(void *sum, int n, char **values, char **names)
{
	(void)n, (void)names;
	*(int *)sum += atoi(values[0]);
	return 0;
}

static bool tables_are_right(struct session *s, struct text *why)
{
	int rows = 0;

	for (int m = 0; m < MODELS; m++) {
		char sql[100];
		snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", models[m].name);
		sqlite3_exec(s->db, sql, add_count, &rows, NULL);
		for (int k = 0; k < KEYS; k++)
			if (!row_is_there(s, m, k, why))
				return false;
	}
	return s->company != ALONE || number_is(why, "rows of all tables", rows, world_records(&s->world));
}

bool session_end(struct session *s, struct text *why)
{
	bool right = why->len == 0;

	for (int i = 0; i < SLOTS * (TXNS + 1) && right; i++) {
		const struct handle *h = world_in(&s->world, i / SLOTS)->slots[i % SLOTS];
		if (h)
			right = audit_call(
			    s,
			    (struct call){.kind = CALL_CLOSE, .txn = i / SLOTS, .slot = i % SLOTS, .actor = h->actor},
			    why);
	}
	crew_stop(s->crew);
	right = right && (s->company == CROWD || tables_are_right(s, why));
	sqlite3_close(s->db);
	world_release(&s->world);
	free(s);
	return right;
}
