/*
 * sqlite_error.c - what SQLite's errors mean: an errno and a sentence, and for a row the field.
 */
#include "sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct failure {
	int rc;
	int code;
	const char *text; /* NULL: SQLite's */
} failures[] = {
    {SQLITE_BUSY, ETIMEDOUT, "the database is locked by another program"},
    {SQLITE_LOCKED, ETIMEDOUT, "the database is locked by another program"},
    {SQLITE_PROTOCOL, ETIMEDOUT, "the database is locked by another program"},
    {SQLITE_FULL, ENOSPC, "there is no space left for the database"},
    {SQLITE_NOMEM, ENOMEM, "out of memory"},
    {SQLITE_READONLY, EROFS, "the database can't be written"},
    {SQLITE_CORRUPT, EIO, "the database file is damaged; PRAGMA integrity_check tells where"},
    {SQLITE_NOTADB, EIO, "the database file is not an SQLite database"},
    {SQLITE_PERM, EACCES, "the database can't be opened"},
    {SQLITE_TOOBIG, EFBIG, "the record is too large for the database"},
    {SQLITE_CONSTRAINT, EBADMSG, NULL},
    {SQLITE_MISMATCH, EBADMSG, NULL},
    {SQLITE_ERROR, EIO, NULL},
};

/* What the system said, where that is known to a user: a full disk is not an input/output error. */
static int system_error(struct conn *c, struct err *e)
{
	int code = sqlite3_system_errno(c->db);
	if (code == ENOSPC || code == EDQUOT)
		return err_set(e, code, "there is no space left for the database");
	return err_set(e, EIO, "the database can't be read or written: %s", code ? strerror(code) : "I/O error");
}

static int failure_error(struct conn *c, int rc, struct err *e)
{
	if ((rc & 0xff) == SQLITE_IOERR)
		return rc == SQLITE_IOERR_NOMEM ? err_nomem(e) : system_error(c, e);
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		const struct failure *f = &failures[i];
		if (f->rc == (rc & 0xff))
			return err_set(e, f->code, "%s", f->text ? f->text : sqlite3_errmsg(c->db));
	}
	return err_set(e, EIO, "the database answers: %s", sqlite3_errmsg(c->db));
}

/* Some errors roll the whole transaction back; everyone in the group must hear of it. */
static void note_rollback(struct conn *c, const struct err *e)
{
	struct store *s = c->store;
	if (c != &s->writer || !s->open || s->failure || !sqlite3_get_autocommit(c->db))
		return;
	s->failure = e->code;
	snprintf(s->failure_text, sizeof(s->failure_text), "%s", e->text);
}

int conn_error(struct conn *c, int rc, struct err *e)
{
	err_auto why = ERR_INIT;
	int result = failure_error(c, rc, &why);
	c->doubtful |= (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB || (rc & 0xff) == SQLITE_IOERR;
	note_rollback(c, &why);
	if (e->code == 0)
		err_take(e, &why);
	return e->code ? -e->code : result;
}

bool column_is(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

/* The field that a message such as "UNIQUE constraint failed: users.email" ends with; NULL: none. */
static const struct field *named_field(const struct model *m, const char *message)
{
	for (size_t i = 0; i < m->nfields; i++) {
		size_t len = strlen(m->fields[i].name), all = strlen(message);
		if (all > len && column_is(message + all - len, m->fields[i].name) &&
		    strchr(". ", message[all - len - 1]))
			return &m->fields[i];
	}
	return NULL;
}

static const struct {
	int rc;
	int code;
	const char *text;
} constraints[] = {
    {SQLITE_CONSTRAINT_UNIQUE, EEXIST, "is the value of another record"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, EEXIST, "is the key of another record"},
    {SQLITE_CONSTRAINT_ROWID, EEXIST, "is the key of another record"},
    {SQLITE_CONSTRAINT_NOTNULL, EBADMSG, "is required"},
    {SQLITE_CONSTRAINT_CHECK, EBADMSG, "is refused by the table's check"},
    {SQLITE_CONSTRAINT_DATATYPE, EBADMSG, "has the wrong type for its column"},
    {SQLITE_CONSTRAINT_FOREIGNKEY, EBADMSG, "refers to a record that does not exist"},
};

void problem_at(struct err *e, int code, const char *field, const char *fmt, ...)
{
	buf_auto pointer = BUF_INIT;
	char text[512];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (field)
		buf_char(&pointer, '/');
	for (; field && *field; field++) {
		if (*field == '~' || *field == '/')
			buf_str(&pointer, *field == '~' ? "~0" : "~1");
		else
			buf_char(&pointer, *field);
	}
	err_problem(e, code, buf_text(&pointer), "%s", text);
}

int conn_row_error(struct conn *c, const struct model *m, int rc, struct err *e)
{
	const struct field *f = named_field(m, sqlite3_errmsg(c->db));
	if (sqlite3_get_autocommit(c->db) || (rc & 0xff) != SQLITE_CONSTRAINT)
		return conn_error(c, rc, e);
	for (size_t i = 0; i < sizeof(constraints) / sizeof(constraints[0]); i++) {
		if (constraints[i].rc != rc)
			continue;
		if (f)
			problem_at(e, constraints[i].code, f->name, "%s", constraints[i].text);
		else
			err_problem(e, constraints[i].code, "", "%s", sqlite3_errmsg(c->db));
		return -e->code;
	}
	err_problem(e, EBADMSG, "", "%s", sqlite3_errmsg(c->db));
	return -e->code;
}
