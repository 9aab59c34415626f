/*
 * session.c - one mount and its model, call by call; what must be equal at times, and at the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

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
		return answer_fits(s, c, x, got, why);
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
		result_print(&line, x.result);
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
