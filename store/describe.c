/*
 * describe.c - writes what the tables of a database are as models: mount.conf, or the fields that it leaves out.
 */
#include "describe.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "sqlite_describe.h"

/* A word of mount.conf, quoted. */
static void write_quoted(struct buf *b, const char *text)
{
	buf_char(b, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_char(b, '\\');
		if (*text == '\n')
			buf_str(b, "\\n");
		else
			buf_char(b, *text);
	}
	buf_char(b, '"');
}

static void write_word(struct buf *b, const char *text)
{
	if (is_plain_name(text, "-./"))
		buf_str(b, text);
	else
		write_quoted(b, text);
}

/* ---- fields ---- */

static bool is_value(enum field_type type, const char *text)
{
	arena_auto a = ARENA_INIT;
	struct value v;
	return value_from_text(type, text, strlen(text), &a, &v) == 0;
}

/* SQL's default as mount.conf's, where there is one. */
static void write_default(struct buf *b, enum field_type type, const char *sql)
{
	buf_auto text = BUF_INIT;
	if (strcasestr(sql, "'now'") || strcasestr(sql, "CURRENT_")) {
		if (type == TYPE_DATETIME || type == TYPE_DATE)
			buf_str(b, type == TYPE_DATE ? " default today" : " default now");
		return;
	}
	sql += *sql == '(';
	if (type == TYPE_BOOLEAN)
		buf_str(&text, *sql == '1' || strcasecmp(sql, "true") == 0 ? "true" : "false");
	else if (*sql == '\'')
		for (sql++; *sql && !(sql[0] == '\'' && sql[1] != '\''); sql++)
			buf_char(&text, *(sql += *sql == '\''));
	else
		buf_add(&text, sql, strcspn(sql, ")"));
	if (buf_failed(&text) || strcasecmp(buf_text(&text), "null") == 0 || !is_value(type, buf_text(&text)))
		return;
	buf_str(b, " default ");
	if (type == TYPE_INTEGER || type == TYPE_NUMBER || type == TYPE_BOOLEAN)
		buf_str(b, buf_text(&text));
	else
		write_quoted(b, buf_text(&text));
}

static void write_reference(const struct describing *d, struct buf *b, const struct column *c)
{
	const struct described *to = c->to_table ? describing_model(d, c->to_table) : NULL;
	if (!to)
		return;
	buf_printf(b, " references %s", to->model);
	if (column_is(c->on_delete, "CASCADE"))
		buf_str(b, " on-delete cascade");
	if (column_is(c->on_delete, "SET NULL"))
		buf_str(b, " on-delete set-null");
}

static void write_field(const struct describing *d, struct buf *b, const struct described *t, const struct column *c,
			size_t at)
{
	bool key = c == t->key;
	buf_printf(b, "\t\t%s %s%s", c->name, field_type_name(t->types[at]), key ? " key" : "");
	if (t->binary[at])
		buf_str(b, " write-only");
	if (c->not_null && !key && !t->view)
		buf_str(b, " required");
	if (c->unique && !key && !t->view)
		buf_str(b, " unique");
	if (c->default_text && !key && !t->view && !t->binary[at])
		write_default(b, t->types[at], c->default_text);
	if (!t->view)
		write_reference(d, b, c);
	if (t->binary[at])
		buf_str(b, " # binary data, which no file shows");
	else if (t->foreign[at])
		buf_printf(b, " # some values are written otherwise than a %s of a file; a save must correct them",
			   field_type_name(t->types[at]));
	buf_char(b, '\n');
}

static void write_fields(const struct describing *d, struct buf *b, const struct described *t)
{
	size_t at = 0;
	buf_str(b, "\tfields {\n");
	for (const struct column *c = t->columns; c; c = c->next)
		if (!c->generated)
			write_field(d, b, t, c, at++);
	buf_str(b, "\t}\n");
}

static void write_model(const struct describing *d, struct buf *b, const struct described *t)
{
	buf_printf(b, "\nmodel %s", t->model);
	if (strcmp(t->model, t->name) != 0) {
		buf_str(b, " from ");
		write_word(b, t->name);
	}
	buf_str(b, " {\n");
	if (t->view)
		buf_printf(b, "\tread-only # a view, whose rows are numbered by %s\n", t->key->name);
	else if (t->has_binary)
		buf_str(b, "\tread-only # it holds binary data\n");
	write_fields(d, b, t);
	buf_str(b, "}\n");
}

/* ---- mount.conf ---- */

static void write_left_out(struct buf *out, const struct described *t)
{
	buf_auto line = BUF_INIT;
	buf_printf(&line, "# %s %s is left out: %s", t->view ? "view" : "table", t->name, t->why);
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.data[i] < ' ')
			line.data[i] = '?';
	buf_printf(out, "\n%s\n", buf_text(&line));
}

int describe_database(const char *path, FILE *to, struct err *e)
{
	struct describing d;
	buf_auto out = BUF_INIT;
	int r = describing_open(&d, path, e);
	if (!r)
		r = describing_add(&d, NULL, NULL, e);
	if (!r)
		r = describing_judge(&d, e);
	buf_str(&out, "store ");
	buf_auto store = BUF_INIT;
	buf_printf(&store, "sqlite:%s", path);
	write_quoted(&out, buf_text(&store));
	buf_char(&out, '\n');
	for (const struct described *t = d.tables; t && !r; t = t->next) {
		if (t->why)
			write_left_out(&out, t);
		else
			write_model(&d, &out, t);
	}
	if (!r && buf_failed(&out))
		r = err_nomem(e);
	if (!r)
		fputs(buf_text(&out), to);
	describing_close(&d);
	return r;
}

/* ---- models without fields ---- */

static const struct directive *child(const struct directive *of, const char *name)
{
	const struct directive *d = of->children;
	while (d && strcmp(d->words[0].text, name) != 0)
		d = d->next;
	return d;
}

static bool is_model(const struct directive *d)
{
	return strcmp(d->words[0].text, "model") == 0 && d->nwords >= 2;
}

static const char *table_of(const struct directive *d)
{
	return d->words[d->nwords >= 4 ? 3 : 1].text;
}

/* The database, where it is there and a model wants to know its table. */
static const char *wanted_database(struct conf *c)
{
	static const char sqlite[] = "sqlite:";
	const char *path = NULL;
	bool wanted = false;
	for (const struct directive *d = c->directives; d; d = d->next) {
		wanted |= is_model(d) && !child(d, "fields");
		if (strcmp(d->words[0].text, "store") != 0 || d->nwords != 2 ||
		    strncmp(d->words[1].text, sqlite, strlen(sqlite)) != 0 || !d->words[1].text[strlen(sqlite)])
			continue;
		struct word word = d->words[1];
		word.text += strlen(sqlite);
		path = conf_path(c, &word);
	}
	return wanted && path && access(path, F_OK) == 0 ? path : NULL;
}

static int add_fields(struct conf *c, const struct describing *d, struct directive *model, struct err *e)
{
	const struct described *t = d->tables;
	struct directive **end = &model->children;
	buf_auto text = BUF_INIT;
	while (t && strcasecmp(t->name, table_of(model)) != 0)
		t = t->next;
	if (!t)
		return 0;
	if (t->why || ((t->view || t->has_binary) && !child(model, "read-only"))) {
		conf_mistake(c, &model->words[1], "'%s' can't take its fields from its table: %s", model->words[1].text,
			     t->why    ? t->why
			     : t->view ? "it is a view, which needs read-only"
				       : "it holds binary data, which needs read-only");
		buf_str(&text, "fields { id integer key }"); /* one mistake is enough */
	} else {
		write_fields(d, &text, t);
	}
	while (*end)
		end = &(*end)->next;
	return buf_failed(&text) ? err_nomem(e) : conf_insert(c, &model->words[1], buf_text(&text), text.len, end, e);
}

int describe_missing_fields(struct conf *c, struct err *e)
{
	struct describing d;
	const char *path = wanted_database(c);
	if (!path)
		return 0;
	int r = describing_open(&d, path, e);
	for (const struct directive *m = c->directives; m && !r; m = m->next)
		if (is_model(m) || (strcmp(m->words[0].text, "queue") == 0 && m->nwords >= 2))
			r = describing_add(&d, table_of(m), m->words[1].text, e);
	if (!r)
		r = describing_judge(&d, e);
	for (struct directive *m = c->directives; m && !r; m = m->next)
		if (is_model(m) && !child(m, "fields"))
			r = add_fields(c, &d, m, e);
	describing_close(&d);
	return r;
}
