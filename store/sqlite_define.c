/*
 * sqlite_define.c - the text that makes a model's table: columns, defaults, constraints, references.
 */
#include "sqlite.h"

static const char *const column_types[TYPE_COUNT] = {
    [TYPE_INTEGER] = "INTEGER", [TYPE_NUMBER] = "REAL", [TYPE_STRING] = "TEXT",
    [TYPE_BOOLEAN] = "INTEGER", [TYPE_DATE] = "TEXT",   [TYPE_DATETIME] = "TEXT",
    [TYPE_TIME] = "TEXT",       [TYPE_UUID] = "TEXT",   [TYPE_JSON] = "TEXT",
};

const char *sql_type(enum field_type type)
{
	return column_types[type];
}

static const char *const on_delete_actions[] = {
    [DELETE_RESTRICT] = "RESTRICT", [DELETE_CASCADE] = "CASCADE", [DELETE_SET_NULL] = "SET NULL"};

static void write_literal(struct buf *b, const struct value *v)
{
	if (v->kind == VALUE_INTEGER)
		buf_printf(b, " DEFAULT (%lld)", (long long)v->integer);
	if (v->kind == VALUE_REAL)
		buf_printf(b, " DEFAULT (%.17g)", v->real);
	if (v->kind == VALUE_TEXT) {
		buf_str(b, " DEFAULT ");
		sql_literal(b, v->text.data);
	}
}

/* So that a plain INSERT in an SQL hook gets what a file would get; %f always has a point, hence the two rtrim. */
static void write_default(struct buf *b, const struct field *f)
{
	if (f->default_kind == DEFAULT_LITERAL)
		write_literal(b, &f->default_value);
	if (f->default_kind == DEFAULT_NOW && f->type == TYPE_DATETIME)
		buf_str(b, " DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f', 'now'), '0'), '.') || 'Z')");
	if (f->default_kind == DEFAULT_TODAY && f->type == TYPE_DATE)
		buf_str(b, " DEFAULT (date('now'))");
}

static void write_reference(struct buf *b, const struct field *f)
{
	buf_str(b, " REFERENCES ");
	sql_name(b, f->references->table);
	buf_str(b, " (");
	sql_name(b, f->references->key->name);
	buf_printf(b, ") ON UPDATE CASCADE ON DELETE %s", on_delete_actions[f->on_delete]);
}

static void write_constraints(struct buf *b, const struct model *m, const struct field *f)
{
	if (f->required && f != m->key)
		buf_str(b, " NOT NULL");
	if (f->unique && f != m->key)
		buf_str(b, " UNIQUE");
	write_default(b, f);
	if (f->type == TYPE_BOOLEAN) {
		buf_str(b, " CHECK (");
		sql_name(b, f->name);
		buf_str(b, " IN (0, 1))");
	}
	if (f->references)
		write_reference(b, f);
	if (f->check) {
		buf_str(b, " CONSTRAINT ");
		sql_name(b, f->name);
		buf_printf(b, " CHECK (%s\n)", f->check);
	}
}

void sql_column_definition(struct buf *b, const struct model *m, const struct field *f)
{
	sql_name(b, f->name);
	buf_printf(b, " %s", sql_type(f->type));
	if (f == m->key && model_integer_key(m)) {
		buf_str(b, " PRIMARY KEY AUTOINCREMENT CHECK (");
		sql_name(b, f->name);
		buf_printf(b, " BETWEEN 0 AND %lld)", (long long)KEY_MAX);
	} else if (f == m->key) {
		buf_str(b, " PRIMARY KEY NOT NULL");
	}
	write_constraints(b, m, f);
}

void sql_table(struct buf *b, const struct model *m, const char *name)
{
	buf_str(b, "CREATE TABLE ");
	sql_name(b, name);
	buf_str(b, " (");
	for (size_t i = 0; i < m->nfields; i++) {
		buf_str(b, i ? ", " : "");
		sql_column_definition(b, m, &m->fields[i]);
	}
	buf_str(b, ") STRICT");
}
