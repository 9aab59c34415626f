/*
 * sqlite_describe.c - what models the tables of a database can be.
 *
 * What has a difference for sqlite_compare.c can't be one. Each table is judged by its columns and, where SQLite
 * declares less than a field needs, by the values it has.
 */
#include "sqlite_describe.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const struct schema no_schema;

int describing_open(struct describing *d, const char *path, struct err *e)
{
	*d = (struct describing){.store = store_new(&no_schema, true, false)};
	if (!d->store)
		return err_nomem(e);
	d->conn = &d->store->writer;
	return conn_open(d->conn, d->store, path, SQLITE_OPEN_READONLY, READER_CACHE_KIB, e);
}

void describing_close(struct describing *d)
{
	arena_release(&d->arena);
	store_close(d->store);
}

/* ---- names and words ---- */

bool is_plain_name(const char *text, const char *more)
{
	if (!*text || strchr("0123456789-", *text))
		return false;
	for (; *text; text++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789", *text) &&
		    !strchr(more, *text))
			return false;
	return true;
}

static bool is_field_name(const char *name)
{
	return is_plain_name(name, "") && !column_is(name, "rowid") && !column_is(name, "_rowid_") &&
	       !column_is(name, "_checksum");
}

static bool is_table_name(const char *name)
{
	for (const char *c = name; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7F || strchr("\"'`[]", *c))
			return false;
	return *name && strlen(name) <= LIMIT_NAME;
}

const struct described *describing_model(const struct describing *d, const char *table)
{
	const struct described *t = d->tables;
	while (t && !(t->model && !t->why && column_is(t->name, table)))
		t = t->next;
	return t;
}

/* ---- the values of a column ---- */

enum { SEEN_INTEGER = 1, SEEN_REAL = 2, SEEN_TEXT = 4, SEEN_BLOB = 8, SEEN_OTHER_FORM = 16 };

/* Which kinds of values it has; SEEN_OTHER_FORM: a text that `form` (SQL of the column as c) does not describe. */
static int look_at_values(struct describing *d, const struct described *t, const struct column *column,
			  const char *form, unsigned *seen, struct err *e)
{
	buf_auto sql = BUF_INIT;
	sqlite3_stmt *stmt = NULL;
	buf_str(&sql, "SELECT max(typeof(c) = 'integer') + 2 * max(typeof(c) = 'real') + 4 * max(typeof(c) = 'text') "
		      "+ 8 * max(typeof(c) = 'blob') + 16 * max(c IS NOT NULL AND NOT (");
	buf_printf(&sql, "%s)) FROM (SELECT ", form);
	sql_name(&sql, column->name);
	buf_str(&sql, " AS c FROM ");
	sql_name(&sql, t->name);
	buf_char(&sql, ')');
	int r = buf_failed(&sql) ? err_nomem(e) : conn_prepare(d->conn, buf_text(&sql), &stmt, e);
	if (!r)
		r = stmt_step(d->conn, stmt, e);
	*seen = r > 0 ? (unsigned)sqlite3_column_int(stmt, 0) : 0;
	sqlite3_finalize(stmt);
	return r < 0 ? r : 0;
}

/* What a declared type says, the first that is part of it, and the form of its values. */
static const struct {
	const char *part;
	enum field_type type;
	const char *form;
} declared[] = {
    {"BOOL", TYPE_BOOLEAN, "c IN (0, 1)"},
    {"DATETIME", TYPE_DATETIME, "c LIKE '____-__-__T__:__:__%Z'"},
    {"TIMESTAMP", TYPE_DATETIME, "c LIKE '____-__-__T__:__:__%Z'"},
    {"DATE", TYPE_DATE, "c LIKE '____-__-__'"},
    {"TIME", TYPE_TIME, "c LIKE '__:__:__%'"},
    {"UUID", TYPE_UUID, "length(c) = 36 AND c LIKE '________-____-____-____-____________' AND c = lower(c)"},
    {"JSON", TYPE_JSON, "typeof(c) IN ('integer', 'real') OR json_valid(c)"},
};

static enum field_type type_of_numbers(unsigned seen)
{
	return seen & SEEN_REAL ? TYPE_NUMBER : TYPE_INTEGER;
}

/* The first of the plain types that keeps its values there. */
static enum field_type type_by_affinity(const struct column *column, unsigned seen)
{
	static const enum field_type plain[] = {TYPE_NUMBER, TYPE_INTEGER, TYPE_STRING};
	if (column_is_untyped(column))
		return seen & SEEN_TEXT || !seen ? TYPE_STRING : type_of_numbers(seen);
	if (!column_fits(column, TYPE_STRING, false) && column_fits(column, TYPE_INTEGER, false) &&
	    seen == SEEN_INTEGER)
		return TYPE_INTEGER;
	if (column_fits(column, TYPE_INTEGER, true))
		return TYPE_INTEGER;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (column_fits(column, plain[i], false))
			return plain[i];
	return TYPE_STRING;
}

/* *foreign is set where values have another form than files show. */
static int judge_column(struct describing *d, struct described *t, const struct column *column, size_t at,
			struct err *e)
{
	const size_t n = sizeof(declared) / sizeof(declared[0]);
	size_t i = 0;
	unsigned seen;
	while (i < n && !(strcasestr(column->type, declared[i].part) && column_fits(column, declared[i].type, false)))
		i++;
	int r = look_at_values(d, t, column, i < n ? declared[i].form : "1", &seen, e);
	if (r)
		return r;
	bool numbers = (seen & (SEEN_INTEGER | SEEN_REAL)) && !(seen & (SEEN_TEXT | SEEN_BLOB));
	t->types[at] = i < n ? declared[i].type : type_by_affinity(column, seen);
	if (i < n && seen & SEEN_OTHER_FORM && numbers)
		t->types[at] = type_of_numbers(seen);
	else if (i < n && seen & SEEN_OTHER_FORM)
		t->foreign[at] = true;
	t->binary[at] = seen & SEEN_BLOB || strcasestr(column->type, "BLOB");
	if (t->binary[at])
		t->types[at] = TYPE_STRING;
	t->has_binary |= t->binary[at];
	return 0;
}

/* ---- the key ---- */

static bool can_be_key(enum field_type type)
{
	return type != TYPE_NUMBER && type != TYPE_BOOLEAN && type != TYPE_JSON;
}

static void judge_key(struct described *t)
{
	size_t n = 0, at = 0, place = 0;
	for (const struct column *c = t->columns; c; c = c->next) {
		if (c->generated)
			continue;
		if (c->primary && ++n)
			place = at, t->key = c;
		at++;
	}
	if (n == 0)
		t->why = "it has no primary key";
	else if (n > 1)
		t->why = "its primary key has more than one column";
	else if (t->binary[place] || !can_be_key(t->types[place]) || !column_fits(t->key, t->types[place], true))
		t->why = "its primary key has a type that can't name files";
}

/* A view has no declared key: a column of integers, no two the same, that may be called id. */
static int judge_view_key(struct describing *d, struct described *t, struct err *e)
{
	size_t at = 0;
	t->why = "no column of it numbers its rows";
	for (const struct column *c = t->columns; c; c = c->next, at++) {
		buf_auto sql = BUF_INIT;
		sqlite3_stmt *stmt = NULL;
		bool preferred = column_is(c->name, "id");
		if (t->types[at] != TYPE_INTEGER || (t->key && !preferred))
			continue;
		buf_str(
		    &sql,
		    "SELECT count(*) = count(DISTINCT c) AND total(typeof(c) <> 'integer' OR c < 0) = 0 FROM (SELECT ");
		sql_name(&sql, c->name);
		buf_str(&sql, " AS c FROM ");
		sql_name(&sql, t->name);
		buf_char(&sql, ')');
		int r = buf_failed(&sql) ? err_nomem(e) : conn_prepare(d->conn, buf_text(&sql), &stmt, e);
		if (!r)
			r = stmt_step(d->conn, stmt, e);
		if (r > 0 && sqlite3_column_int(stmt, 0))
			t->key = c, t->why = NULL;
		sqlite3_finalize(stmt);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- tables ---- */

static int judge_columns(struct describing *d, struct described *t, struct err *e)
{
	size_t n = 0;
	int r = 0;
	for (const struct column *c = t->columns; c && !t->why && !r; c = c->next) {
		if (c->generated)
			continue;
		if (n == LIMIT_FIELDS)
			t->why = "it has too many columns";
		else if (!is_field_name(c->name))
			t->why = arena_printf(&d->arena, "its column %s has a name that no field can have", c->name);
		else
			r = judge_column(d, t, c, n++, e);
	}
	return r;
}

static int judge(struct describing *d, struct described *t, struct err *e)
{
	if (!is_table_name(t->name))
		t->why = "its name can't stand in mount.conf";
	int r = t->why ? 0 : columns_read(d->conn, t->name, &d->arena, &t->columns, e);
	if (!r && !t->why)
		r = judge_columns(d, t, e);
	if (r || t->why)
		return r;
	if (t->view)
		return judge_view_key(d, t, e);
	judge_key(t);
	return 0;
}

static enum field_type key_type(const struct described *t)
{
	size_t at = 0;
	for (const struct column *c = t->columns; c && c != t->key; c = c->next)
		at += !c->generated;
	return t->types[at];
}

/* A reference that no field can have; NULL: it is fine. A column without a type takes the key's. */
static const char *judge_reference(const struct describing *d, struct described *t, const struct column *c, size_t at)
{
	const struct described *to = c->to_table ? describing_model(d, c->to_table) : NULL;
	if (!to)
		return NULL;
	if (to->view || (*c->to_column && !column_is(c->to_column, to->key->name)))
		return "refers to a column that is not a key";
	if (column_is(c->on_delete, "SET DEFAULT") ||
	    (column_is(c->on_delete, "SET NULL") && (c->not_null || c == t->key)))
		return "has an ON DELETE that no field can have";
	if (c != t->key && column_fits(c, key_type(to), false))
		t->types[at] = key_type(to);
	return t->types[at] == key_type(to) ? NULL : "refers to a key of another type";
}

/* True where a table can't be a model because of what it refers to; then others may refer to less. */
static bool judge_references(struct describing *d)
{
	bool any = false;
	for (struct described *t = d->tables; t; t = t->next) {
		size_t at = 0;
		for (const struct column *c = t->columns; c && t->model && !t->why; c = c->next) {
			const char *why = c->generated ? NULL : judge_reference(d, t, c, at);
			at += !c->generated;
			if (!why)
				continue;
			t->why = arena_printf(&d->arena, "its column %s %s", c->name, why);
			any = true;
		}
	}
	return any;
}

/* ---- the database ---- */

static bool model_is_taken(const struct describing *d, const char *name)
{
	for (const struct described *t = d->tables; t; t = t->next)
		if (t->model && strcmp(t->model, name) == 0)
			return true;
	return false;
}

/* The table's name as far as a directory's can be it. */
static const char *model_name(struct describing *d, const char *table)
{
	char *name = arena_printf(&d->arena, "%s%.250s", strchr("0123456789-", *table) ? "_" : "", table);
	for (char *c = name; c && *c; c++)
		if (!is_plain_name((char[]){'_', *c, 0}, "-"))
			*c = '_';
	for (int i = 2; name && model_is_taken(d, name); i++)
		name = arena_printf(&d->arena, "%.240s_%d", name, i);
	return name;
}

static int add_table(struct describing *d, const char *name, const char *type, const char *model, struct err *e)
{
	struct described *t = arena_alloc(&d->arena, sizeof(*t)), **end = &d->tables;
	if (!t || !(t->name = arena_copy(&d->arena, name, strlen(name))))
		return err_nomem(e);
	t->view = strcmp(type, "view") == 0;
	if (!t->view && strcmp(type, "table") != 0)
		t->why = "it is a virtual table";
	t->model = model ? arena_copy(&d->arena, model, strlen(model)) : model_name(d, name);
	while (*end)
		end = &(*end)->next;
	*end = t;
	return t->model ? 0 : err_nomem(e);
}

static const char tables[] = "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' AND "
			     "name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'rowfs\\_%' ESCAPE '\\' AND "
			     "(?1 IS NULL OR name = ?1 COLLATE NOCASE) ORDER BY name";

int describing_add(struct describing *d, const char *table, const char *model, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r = conn_prepare(d->conn, tables, &stmt, e);
	if (!r && table)
		sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
	while (!r && (r = stmt_step(d->conn, stmt, e)) > 0)
		r = add_table(d, (const char *)sqlite3_column_text(stmt, 0), (const char *)sqlite3_column_text(stmt, 1),
			      model, e);
	sqlite3_finalize(stmt);
	return r;
}

int describing_judge(struct describing *d, struct err *e)
{
	int r = 0;
	for (struct described *t = d->tables; t && !r; t = t->next) {
		err_auto why = ERR_INIT;
		r = t->model && !t->why ? judge(d, t, &why) : 0;
		if (r && t->view) { /* it names what is not there any more */
			t->why = arena_printf(&d->arena, "SQLite says: %s", why.text);
			r = 0;
		}
		if (r)
			err_take(e, &why);
	}
	while (!r && judge_references(d))
		;
	return r;
}
