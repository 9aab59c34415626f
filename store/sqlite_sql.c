/*
 * sqlite_sql.c - the SQL of hooks: compiled once on the writer, under an authorizer, and run in the transaction.
 *
 * What a hook may not do is refused when mount.conf is read: transaction control, ATTACH, DETACH, PRAGMA, changes to
 * the structure, and writes to the tables that rowfs and SQLite keep for themselves, unless a trigger makes them.
 */
#include "sqlite.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct sql {
	struct sql *next; /* of the store */
	sqlite3_stmt **statements;
	size_t n;
};

struct guard {
	char why[160]; /* of the first refusal */
};

static const struct {
	int action;
	const char *name;
} refused[] = {
    {SQLITE_TRANSACTION, "transaction control"},
    {SQLITE_SAVEPOINT, "SAVEPOINT"},
    {SQLITE_ATTACH, "ATTACH"},
    {SQLITE_DETACH, "DETACH"},
    {SQLITE_PRAGMA, "PRAGMA"},
    {SQLITE_ALTER_TABLE, "ALTER TABLE"},
    {SQLITE_REINDEX, "REINDEX"},
    {SQLITE_ANALYZE, "ANALYZE"},
    {SQLITE_CREATE_INDEX, "CREATE INDEX"},
    {SQLITE_CREATE_TABLE, "CREATE TABLE"},
    {SQLITE_CREATE_TRIGGER, "CREATE TRIGGER"},
    {SQLITE_CREATE_VIEW, "CREATE VIEW"},
    {SQLITE_CREATE_TEMP_INDEX, "CREATE INDEX"},
    {SQLITE_CREATE_TEMP_TABLE, "CREATE TABLE"},
    {SQLITE_CREATE_TEMP_TRIGGER, "CREATE TRIGGER"},
    {SQLITE_CREATE_TEMP_VIEW, "CREATE VIEW"},
    {SQLITE_CREATE_VTABLE, "CREATE VIRTUAL TABLE"},
    {SQLITE_DROP_INDEX, "DROP INDEX"},
    {SQLITE_DROP_TABLE, "DROP TABLE"},
    {SQLITE_DROP_TRIGGER, "DROP TRIGGER"},
    {SQLITE_DROP_VIEW, "DROP VIEW"},
    {SQLITE_DROP_TEMP_INDEX, "DROP INDEX"},
    {SQLITE_DROP_TEMP_TABLE, "DROP TABLE"},
    {SQLITE_DROP_TEMP_TRIGGER, "DROP TRIGGER"},
    {SQLITE_DROP_TEMP_VIEW, "DROP VIEW"},
    {SQLITE_DROP_VTABLE, "DROP TABLE"},
};

static bool is_own_table(const char *table)
{
	return table && (strncasecmp(table, "rowfs_", 6) == 0 || strncasecmp(table, "sqlite_", 7) == 0);
}

static int deny(struct guard *g, const char *what)
{
	if (!g->why[0])
		snprintf(g->why, sizeof(g->why), "%s is not allowed in a hook", what);
	return SQLITE_DENY;
}

/* CREATE and DROP also write sqlite_schema, so that they are named before tables are looked at. */
static int authorize(void *data, int action, const char *first, const char *second, const char *database,
		     const char *trigger)
{
	struct guard *g = data;
	(void)second, (void)database;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (refused[i].action == action)
			return deny(g, refused[i].name);
	bool writes = action == SQLITE_INSERT || action == SQLITE_UPDATE || action == SQLITE_DELETE;
	if (!writes || trigger || !is_own_table(first))
		return SQLITE_OK;
	char what[128];
	bool structure = !strcasecmp(first, "sqlite_master") || !strcasecmp(first, "sqlite_temp_master");
	if (structure)
		return SQLITE_OK; /* told by the action that follows */
	snprintf(what, sizeof(what), "writing to the table %.80s", first);
	return deny(g, what);
}

static const char *skip_comments(const char *text)
{
	for (;;) {
		while (isspace((unsigned char)*text))
			text++;
		if (strncmp(text, "--", 2) == 0)
			text += strcspn(text, "\n");
		else if (strncmp(text, "/*", 2) == 0 && strstr(text + 2, "*/"))
			text = strstr(text + 2, "*/") + 2;
		else
			return text;
	}
}

/* VACUUM asks the authorizer only when it runs. */
static bool is_vacuum(const char *text)
{
	text = skip_comments(text);
	return strncasecmp(text, "vacuum", 6) == 0 && !isalnum((unsigned char)text[6]) && text[6] != '_';
}

static int check_parameters(sqlite3_stmt *stmt, bool (*known)(void *, const char *), void *data, struct err *e)
{
	for (int i = 1; i <= sqlite3_bind_parameter_count(stmt); i++) {
		const char *name = sqlite3_bind_parameter_name(stmt, i);
		if (!name || name[0] != ':')
			return err_set(e, EBADMSG, "a parameter is written :NAME, not %s", name ? name : "?");
		if (known && !known(data, name + 1))
			return err_set(e, EBADMSG, "unknown parameter %s", name);
	}
	return 0;
}

static int add_statement(struct sql *sql, sqlite3_stmt *stmt)
{
	sqlite3_stmt **grown = realloc(sql->statements, (sql->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	sql->statements = grown;
	grown[sql->n++] = stmt;
	return 0;
}

/* One statement; *stmt is NULL where only a comment or white space is left. */
static int prepare_one(struct store *s, struct guard *g, const char **text, sqlite3_stmt **stmt, struct err *e)
{
	int rc = sqlite3_prepare_v3(s->writer.db, *text, -1, SQLITE_PREPARE_PERSISTENT, stmt, text);
	if (rc == SQLITE_OK && *stmt && is_vacuum(sqlite3_sql(*stmt))) {
		deny(g, "VACUUM");
		rc = SQLITE_AUTH;
	}
	if (rc == SQLITE_OK)
		return 0;
	if (rc == SQLITE_NOMEM)
		return err_nomem(e);
	return err_set(e, EBADMSG, "%s", g->why[0] ? g->why : sqlite3_errmsg(s->writer.db));
}

static int prepare_all(struct store *s, struct sql *sql, const char *text, bool (*known)(void *, const char *),
		       void *data, struct err *e)
{
	struct guard g = {""};
	int r = 0;
	sqlite3_set_authorizer(s->writer.db, authorize, &g);
	while (!r && *text) {
		sqlite3_stmt *stmt = NULL;
		r = prepare_one(s, &g, &text, &stmt, e);
		if (!r && stmt)
			r = check_parameters(stmt, known, data, e);
		if (!r && stmt && add_statement(sql, stmt))
			r = err_nomem(e);
		if (r)
			sqlite3_finalize(stmt);
	}
	sqlite3_set_authorizer(s->writer.db, NULL, NULL);
	if (!r && sql->n == 0)
		r = err_set(e, EBADMSG, "there is no SQL statement");
	return r;
}

static void sql_free(struct sql *sql)
{
	for (size_t i = 0; i < sql->n; i++)
		sqlite3_finalize(sql->statements[i]);
	free(sql->statements);
	free(sql);
}

int sql_prepare(struct store *s, const char *text, bool (*known)(void *data, const char *name), void *data,
		struct sql **out, struct err *e)
{
	struct sql *sql = calloc(1, sizeof(*sql));
	if (!sql)
		return err_nomem(e);
	turn_wait(s);
	int r = prepare_all(s, sql, text, known, data, e);
	if (!r) {
		sql->next = s->hooks;
		s->hooks = sql;
		*out = sql;
	}
	turn_pass(s);
	if (r)
		sql_free(sql);
	return r;
}

void hooks_finalize(struct store *s)
{
	while (s->hooks) {
		struct sql *sql = s->hooks;
		s->hooks = sql->next;
		sql_free(sql);
	}
}

/* The value is copied: lookup may answer every name from the same place. */
static int bind_parameters(sqlite3_stmt *stmt, sql_lookup *lookup, void *data, struct err *e)
{
	int rc = SQLITE_OK;
	for (int i = 1; i <= sqlite3_bind_parameter_count(stmt) && rc == SQLITE_OK; i++) {
		struct value v = value_null();
		lookup(data, sqlite3_bind_parameter_name(stmt, i) + 1, &v);
		if (v.kind == VALUE_TEXT)
			rc = sqlite3_bind_text64(stmt, i, v.text.data, v.text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
		else
			bind_value(stmt, i, &v);
	}
	return rc == SQLITE_OK       ? 0
	       : rc == SQLITE_TOOBIG ? err_set(e, EFBIG, "a value is too large for the database")
				     : err_nomem(e);
}

static int give_row(sqlite3_stmt *stmt, sql_column *column, void *data, struct err *e)
{
	int r = 0;
	for (int i = 0; !r && i < sqlite3_column_count(stmt); i++) {
		struct value v = column_value(stmt, i);
		const char *name = sqlite3_column_name(stmt, i);
		r = name ? column(data, name, &v, e) : err_nomem(e);
		r = r < 0 ? r : 0;
	}
	return r;
}

/* A constraint, RAISE or a function's complaint is about the record; the rest is the database's. */
static int hook_error(struct conn *c, int rc, struct err *e)
{
	bool record = (rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_ERROR || (rc & 0xff) == SQLITE_MISMATCH;
	if (record && !sqlite3_get_autocommit(c->db))
		return err_set(e, EBADMSG, "%s", sqlite3_errmsg(c->db));
	return conn_error(c, rc, e);
}

static int run_statement(struct txn *t, sqlite3_stmt *hook, sql_lookup *lookup, sql_column *column, void *data,
			 struct err *e)
{
	stmt_auto *stmt = hook;
	int rc, r = bind_parameters(stmt, lookup, data, e);
	if (r)
		return r;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		r = !row_ready(stmt) ? err_nomem(e) : column ? give_row(stmt, column, data, e) : 0;
		if (r)
			return r;
	}
	return rc == SQLITE_DONE ? 0 : hook_error(t->conn, rc, e);
}

int sql_run(struct txn *t, struct sql *sql, sql_lookup *lookup, sql_column *column, void *data, struct err *e)
{
	int r = txn_alive(t, e);
	for (size_t i = 0; !r && i < sql->n; i++)
		if (sqlite3_stmt_busy(sql->statements[i]))
			r = err_set(e, EPROTO, "the hook's SQL runs already");
	for (size_t i = 0; !r && i < sql->n; i++) {
		r = run_statement(t, sql->statements[i], lookup, column, data, e);
		if (!r)
			r = txn_alive(t, e);
	}
	return r;
}
