/*
 * sqlite_compare.c - the tables that are there against the models of mount.conf: every difference, in words and as SQL.
 *
 * Changes nothing in the database; what SQLite can't alter is told as a rebuild: a new table, a copy, a rename.
 */
#include "sqlite.h"
#include "sqlite_columns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct comparison {
	struct conn *c;
	const struct model *m;
	struct arena arena;
	struct column *columns;
	struct err *e;               /* the differences */
	struct buf alters;           /* what closes them, one a line */
	struct buf losses;           /* comments that tell which columns go */
	const struct field *missing; /* a field that has no column, if any */
	bool rebuild;                /* ALTER TABLE can't */
};

/* ---- what differs ---- */

/* f: the field that differs; NULL: it is the table as a whole. */
__attribute__((format(printf, 3, 4))) static void differ(struct comparison *x, const struct field *f, const char *fmt,
							 ...)
{
	char text[400];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	size_t told = x->e->nproblems;
	err_problem(x->e, EBADMSG, "", "table %.80s: %s", x->m->table, text);
	const struct word *where = f && f->where ? f->where : x->m->conf ? &x->m->conf->words[1] : NULL;
	if (x->e->nproblems > told && where) {
		x->e->problems[told].line = where->line;
		x->e->problems[told].column = where->column;
	}
}

static void add_column(struct comparison *x, const struct field *f)
{
	bool constant = f->default_kind == DEFAULT_LITERAL && f->default_value.kind != VALUE_NULL;
	if (f == x->m->key || f->unique || (f->required && !constant) || (!constant && f->default_kind) ||
	    (f->references && constant)) {
		x->rebuild = true;
		return;
	}
	sql_text(&x->alters, x->c->store, x->m, f, "ALTER TABLE $T ADD COLUMN ");
	sql_column_definition(&x->alters, x->m, f);
	buf_str(&x->alters, ";\n");
}

static void compare_key(struct comparison *x, const struct column *column, const struct field *f)
{
	bool key = f == x->m->key;
	if (key == (column->primary > 0))
		return;
	differ(x, f,
	       key ? "column %s is not the primary key, mount.conf says it is"
		   : "column %s is part of the primary key, mount.conf says it is not",
	       column->name);
	x->rebuild = true;
}

static void compare_unique(struct comparison *x, const struct column *column, const struct field *f)
{
	if (f == x->m->key || f->unique == column->unique)
		return;
	differ(x, f,
	       f->unique ? "column %s is not unique, mount.conf says it is"
			 : "column %s is unique, mount.conf says it is not",
	       column->name);
	if (f->unique) {
		sql_text(&x->alters, x->c->store, x->m, f, "CREATE UNIQUE INDEX ");
		buf_auto name = BUF_INIT;
		buf_printf(&name, "%s_%s_unique", x->m->table, f->name);
		sql_name(&x->alters, buf_text(&name));
		sql_text(&x->alters, x->c->store, x->m, f, " ON $T ($F);\n");
	} else if (column->unique_index) {
		buf_str(&x->alters, "DROP INDEX ");
		sql_name(&x->alters, column->unique_index);
		buf_str(&x->alters, ";\n");
	} else {
		x->rebuild = true;
	}
}

/* A reference to a table that is no model can't be told in mount.conf; it is left alone. */
static bool is_model_table(struct comparison *x, const char *table)
{
	const struct schema *schema = x->c->store->schema;
	for (size_t i = 0; i < schema->nmodels; i++)
		if (column_is(schema->models[i].table, table))
			return true;
	return false;
}

static const struct {
	const char *sql, *word;
} actions[] = {[DELETE_RESTRICT] = {"RESTRICT", "restrict"},
	       [DELETE_CASCADE] = {"CASCADE", "cascade"},
	       [DELETE_SET_NULL] = {"SET NULL", "set-null"}};

static void compare_target(struct comparison *x, const struct column *column, const struct field *f)
{
	const struct model *to = f->references;
	bool none = column_is(column->on_delete, "NO ACTION");
	if (!column_is(column->to_table, to->table) ||
	    (*column->to_column && !column_is(column->to_column, to->key->name)))
		differ(x, f, "column %s refers to %s(%s), mount.conf says %s(%s)", column->name, column->to_table,
		       column->to_column, to->table, to->key->name);
	else if (!column_is(column->on_delete, actions[f->on_delete].sql) && !(none && f->on_delete == DELETE_RESTRICT))
		differ(x, f, "column %s has ON DELETE %s, mount.conf says on-delete %s", column->name,
		       column->on_delete, actions[f->on_delete].word);
	else
		return;
	x->rebuild = true;
}

static void compare_reference(struct comparison *x, const struct column *column, const struct field *f)
{
	if (f->references && column->to_table) {
		compare_target(x, column, f);
	} else if (f->references) {
		differ(x, f, "column %s refers to no table, mount.conf says it references %s", column->name,
		       f->references->name);
		x->rebuild = true;
	} else if (column->to_table && is_model_table(x, column->to_table)) {
		differ(x, f, "column %s refers to %s, mount.conf does not say so", column->name, column->to_table);
		x->rebuild = true;
	}
}

static void compare_column(struct comparison *x, const struct column *column, const struct field *f)
{
	if (column->generated || !column_fits(column, f->type, f == x->m->key)) {
		differ(x, f, "column %s is %s, mount.conf says %s", column->name,
		       column->generated ? "generated"
		       : *column->type   ? column->type
					 : "without a type",
		       field_type_name(f->type));
		x->rebuild = true;
	}
	if (f != x->m->key && f->required != column->not_null) {
		differ(x, f,
		       f->required ? "column %s may be null, mount.conf says it is required"
				   : "column %s is NOT NULL, mount.conf does not say it is required",
		       column->name);
		x->rebuild = true;
	}
	compare_key(x, column, f);
	compare_unique(x, column, f);
	compare_reference(x, column, f);
}

static bool is_field(const struct model *m, const char *column)
{
	for (size_t i = 0; i < m->nfields; i++)
		if (column_is(m->fields[i].name, column))
			return true;
	return false;
}

/* A field that got another name is a column too many and one too few. */
static void tell_loss(struct comparison *x, const char *column)
{
	buf_auto text = BUF_INIT;
	buf_str(&text, "-- What column ");
	sql_name(&text, column);
	buf_str(&text, " holds goes");
	if (x->missing) {
		buf_printf(&text, "; where it is %s by now: ", x->missing->name);
		sql_text(&text, x->c->store, x->m, x->missing, "ALTER TABLE $T RENAME COLUMN ");
		sql_name(&text, column);
		buf_str(&text, " TO ");
		sql_name(&text, x->missing->name);
		buf_char(&text, ';');
	}
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] < ' ') /* it would end the comment */
			return;
	buf_printf(&x->losses, "%s\n", buf_text(&text));
	x->losses.failed |= buf_failed(&text);
}

static void compare_columns(struct comparison *x, bool view)
{
	for (size_t i = 0; i < x->m->nfields; i++) {
		const struct field *f = &x->m->fields[i];
		const struct column *column = column_find(x->columns, f->name);
		if (!column) {
			differ(x, f, "column %s is missing", f->name);
			x->missing = f;
			add_column(x, f);
		} else if (!view) {
			compare_column(x, column, f);
		}
	}
	for (const struct column *column = x->columns; column; column = column->next) {
		if (column->generated || is_field(x->m, column->name))
			continue;
		differ(x, NULL, "column %s is not in mount.conf", column->name);
		tell_loss(x, column->name);
		sql_text(&x->alters, x->c->store, x->m, x->m->key, "ALTER TABLE $T DROP COLUMN ");
		sql_name(&x->alters, column->name);
		buf_str(&x->alters, ";\n");
	}
}

/* A check that SQLite does not understand would only show at the first save. */
static void compare_checks(struct comparison *x)
{
	for (size_t i = 0; i < x->m->nfields; i++) {
		const struct field *f = &x->m->fields[i];
		sqlite3_stmt *stmt = NULL;
		buf_auto sql = BUF_INIT;
		if (!f->check)
			continue;
		buf_printf(&sql, "SELECT (%s\n) FROM (SELECT ", f->check);
		sql_text(&sql, x->c->store, x->m, f, "$V)");
		int rc = sqlite3_prepare_v2(x->c->db, buf_text(&sql), -1, &stmt, NULL);
		if (rc == SQLITE_ERROR || (rc == SQLITE_OK && !stmt))
			err_problem(x->e, EBADMSG, "", "model %.80s: the check of %s does not compile: %s", x->m->name,
				    f->name, sqlite3_errmsg(x->c->db));
		sqlite3_finalize(stmt);
	}
}

/* ---- the table as a whole ---- */

int find_object(struct conn *c, const char *type, const char *name, struct buf *sql, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r = conn_prepare(c, "SELECT sql FROM sqlite_schema WHERE type = ?1 AND name = ?2 COLLATE NOCASE", &stmt, e);
	if (r)
		return r;
	sqlite3_bind_text(stmt, 1, type, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
	r = stmt_step(c, stmt, e);
	const char *text = r > 0 ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
	if (text && sql)
		buf_str(sql, text);
	sqlite3_finalize(stmt);
	return r;
}

static int read_rowid(struct comparison *x, struct table *t, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r = conn_prepare(x->c, "SELECT wr FROM pragma_table_list(?1) WHERE schema = 'main'", &stmt, e);
	if (r)
		return r;
	sqlite3_bind_text(stmt, 1, x->m->table, -1, SQLITE_STATIC);
	r = stmt_step(x->c, stmt, e);
	t->rowid = r > 0 && !sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return r < 0 ? r : 0;
}

/* What is there: table, view or nothing, and the objects that rowfs keeps beside it. */
static int read_table(struct comparison *x, struct table *t, struct err *e)
{
	buf_auto sql = BUF_INIT, sidecar = BUF_INIT;
	*t = (struct table){0};
	buf_printf(&sidecar, "rowfs_stat_%s", x->m->table);
	int found = find_object(x->c, "table", x->m->table, &sql, e);
	int view = found ? 0 : find_object(x->c, "view", x->m->table, NULL, e);
	int stamped = found < 0 || view < 0 ? 0 : find_object(x->c, "table", buf_text(&sidecar), NULL, e);
	int sequence = stamped < 0 ? 0 : find_object(x->c, "table", "sqlite_sequence", NULL, e);
	if (found < 0 || view < 0 || stamped < 0 || sequence < 0)
		return -e->code;
	if (buf_failed(&sql) || buf_failed(&sidecar))
		return err_nomem(e);
	t->present = found || view;
	t->view = view;
	t->stamped = stamped;
	t->autoincrement = sequence && strcasestr(buf_text(&sql), "AUTOINCREMENT");
	return found ? read_rowid(x, t, e) : 0;
}

static void compare_kind(struct comparison *x, const struct table *t)
{
	bool read_only = x->c->store->read_only, text = !model_integer_key(x->m);
	if (t->view && !x->m->read_only)
		differ(x, NULL, "is a view, which can't be written; add read-only to model %s", x->m->name);
	if (t->view && text)
		differ(x, NULL, "is a view, whose key must be an integer");
	if (!t->present && read_only)
		differ(x, NULL, "does not exist, and a read-only mount makes none");
	if (t->present && !t->view && !t->rowid && !t->stamped && read_only && text)
		differ(x, NULL, "has no row numbers; mount it once for writing, which makes them");
}

static void note_indexes(struct comparison *x, struct table *t)
{
	for (const struct column *column = x->columns; column && !column_is(column->name, x->m->key->name);
	     column = column->next)
		t->key_column += !column->generated;
	for (size_t i = 0; i < x->m->nfields; i++) {
		const struct column *column = column_find(x->columns, x->m->fields[i].name);
		t->indexed[i] = column && column->indexed;
	}
}

/* Fills *t; *e (the differences) may be filled although 0 is returned. */
static int compare_table(struct comparison *x, struct table *t)
{
	err_auto broken = ERR_INIT;
	int r = read_table(x, t, &broken);
	if (!r && t->present)
		r = columns_read(x->c, x->m->table, &x->arena, &x->columns, &broken);
	if (r) {
		if (x->e->code == 0)
			err_take(x->e, &broken);
		return r;
	}
	note_indexes(x, t);
	compare_kind(x, t);
	if (t->present)
		compare_columns(x, t->view);
	compare_checks(x);
	return 0;
}

static void comparison_release(struct comparison *x)
{
	arena_release(&x->arena);
	buf_release(&x->alters);
	buf_release(&x->losses);
}

int tables_compare(struct store *s, struct err *e)
{
	for (size_t i = 0; i < s->schema->nmodels; i++) {
		struct comparison x = {.c = &s->writer, .m = &s->schema->models[i], .e = e};
		int r = compare_table(&x, &s->tables[i]);
		comparison_release(&x);
		if (r)
			return r;
	}
	return -e->code;
}

static int print_table(struct comparison *x, FILE *to, struct err *e)
{
	struct table t;
	buf_auto out = BUF_INIT;
	int r = compare_table(x, &t);
	if (r)
		return r;
	if (!t.view)
		buf_str(&out, buf_text(&x->losses));
	if (x->rebuild && !t.view)
		r = rebuild_write(&out, x->c, x->m, x->columns, t.autoincrement && model_integer_key(x->m), e);
	else if (!t.view)
		buf_str(&out, buf_text(&x->alters));
	if (r)
		return r;
	if (buf_failed(&out) || buf_failed(&x->alters) || buf_failed(&x->losses))
		return err_nomem(e);
	fputs(buf_text(&out), to);
	return 0;
}

int store_print_differences(const struct schema *schema, FILE *to, struct err *e)
{
	if (!schema->database || access(schema->database, F_OK))
		return 0;
	struct store *s = store_new(schema, false, false);
	int r =
	    s ? conn_open(&s->writer, s, schema->database, SQLITE_OPEN_READONLY, READER_CACHE_KIB, e) : err_nomem(e);
	for (size_t i = 0; !r && i < schema->nmodels; i++) {
		err_auto differences = ERR_INIT;
		struct comparison x = {.c = &s->writer, .m = &schema->models[i], .e = &differences};
		r = print_table(&x, to, e);
		if (r)
			err_set(e, differences.code ? differences.code : -r, "%s", differences.text);
		comparison_release(&x);
	}
	store_close(s);
	return r;
}

int store_compare(const struct schema *schema, struct err *e)
{
	if (!schema->database || access(schema->database, F_OK))
		return 0;
	struct store *s = store_new(schema, false, false);
	int r =
	    s ? conn_open(&s->writer, s, schema->database, SQLITE_OPEN_READONLY, READER_CACHE_KIB, e) : err_nomem(e);
	if (!r)
		r = tables_compare(s, e);
	store_close(s);
	return r;
}
