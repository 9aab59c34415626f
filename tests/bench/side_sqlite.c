/*
 * side_sqlite.c - the same records as rows of a SQLite table, used as a careful program would.
 *
 * WAL, one connection per client that stays open, every statement prepared once, one transaction per record. Lists read
 * every row: the key alone for ls, all columns for ls -l and cat *.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define UPDATE                                                                                                         \
	"UPDATE records SET revision = ?2, price = ?3, active = ?4, ordered_at = ?5, description = ?6 WHERE id = ?1"

static const char *const statements[OP_COUNT] = {
    [OP_CREATE] = "INSERT INTO records (" DOCUMENT_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [OP_UPDATE] = UPDATE,
    [OP_RENAME] = UPDATE,
    [OP_READ_AFTER_SAVE] = UPDATE,
    [OP_READ_AGAIN] = "SELECT " DOCUMENT_COLUMNS " FROM records WHERE id = ?1",
    [OP_LIST] = "SELECT id FROM records",
    [OP_LIST_STAT] = "SELECT " DOCUMENT_COLUMNS " FROM records",
    [OP_LIST_READ] = "SELECT " DOCUMENT_COLUMNS " FROM records",
    [OP_DELETE] = "DELETE FROM records WHERE id = ?1",
};

static int failed(struct client *c)
{
	fprintf(stderr, "bench: %s: %s\n", c->side->path, sqlite3_errmsg(c->sqlite.db));
	return -EIO;
}

/* SQLite's own busy handler sleeps up to 100 ms, which leaves the disk idle; a careful program asks again sooner. */
static int wait_for_writer(void *data, int calls)
{
	(void)data;
	sleep_ns(50000);
	return calls < 200000;
}

static int sqlite_attach(struct client *c)
{
	char pragmas[128];
	snprintf(pragmas, sizeof pragmas, "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s;", c->side->synchronous);
	if (sqlite3_open(c->side->path, &c->sqlite.db) || sqlite3_busy_handler(c->sqlite.db, wait_for_writer, NULL) ||
	    sqlite3_exec(c->sqlite.db, pragmas, NULL, NULL, NULL))
		return failed(c);
	for (enum op op = 0; op < OP_COUNT; op++)
		if (sqlite3_prepare_v3(c->sqlite.db, statements[op], -1, SQLITE_PREPARE_PERSISTENT,
				       &c->sqlite.statements[op], NULL))
			return failed(c);
	return 0;
}

static void sqlite_detach(struct client *c)
{
	for (enum op op = 0; op < OP_COUNT; op++)
		sqlite3_finalize(c->sqlite.statements[op]);
	sqlite3_close(c->sqlite.db);
}

/* A statement that changes other than one row has not saved the record. */
static int run(struct client *c, sqlite3_stmt *statement)
{
	sqlite3_step(statement);
	if (sqlite3_reset(statement))
		return failed(c);
	return sqlite3_changes(c->sqlite.db) == 1 ? 0 : -ENOENT;
}

static int save_with(struct client *c, enum op op, const struct document *d)
{
	sqlite3_stmt *statement = c->sqlite.statements[op];
	sqlite3_bind_int64(statement, 1, d->key);
	sqlite3_bind_int64(statement, 2, d->revision);
	sqlite3_bind_double(statement, 3, document_price(d));
	sqlite3_bind_int64(statement, 4, d->revision % 2);
	sqlite3_bind_text(statement, 5, document_ordered_at, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 6, document_description, -1, SQLITE_STATIC);
	return run(c, statement);
}

static int sqlite_create(struct client *c, const struct document *d)
{
	return save_with(c, OP_CREATE, d);
}

static int sqlite_update(struct client *c, const struct document *d)
{
	return save_with(c, OP_UPDATE, d);
}

static int sqlite_delete(struct client *c, const struct document *d)
{
	sqlite3_bind_int64(c->sqlite.statements[OP_DELETE], 1, d->key);
	return run(c, c->sqlite.statements[OP_DELETE]);
}

/* Takes every column, as a program that uses the row must. Returns the number of bytes, so that nothing is left out. */
static size_t take_row(sqlite3_stmt *statement)
{
	size_t bytes = 0;
	for (int i = 0; i < sqlite3_column_count(statement); i++)
		bytes += sqlite3_column_type(statement, i) == SQLITE_TEXT && sqlite3_column_text(statement, i)
			     ? (size_t)sqlite3_column_bytes(statement, i)
			     : (size_t)sqlite3_column_int64(statement, i) % 8;
	return bytes;
}

static long sqlite_read(struct client *c, long key)
{
	sqlite3_stmt *statement = c->sqlite.statements[OP_READ_AGAIN];
	sqlite3_bind_int64(statement, 1, key);
	long revision = -ENOENT;
	if (sqlite3_step(statement) == SQLITE_ROW && take_row(statement))
		revision = sqlite3_column_int64(statement, 1);
	return sqlite3_reset(statement) ? failed(c) : revision;
}

static long sqlite_list(struct client *c, enum op op, uint64_t deadline)
{
	sqlite3_stmt *statement = c->sqlite.statements[op];
	long n = 0;
	size_t bytes = 0;
	while (sqlite3_step(statement) == SQLITE_ROW) {
		bytes += take_row(statement);
		n++;
		if (deadline && n % 64 == 0 && clock_now() > deadline)
			break;
	}
	return sqlite3_reset(statement) || (n > 8 && !bytes) ? failed(c) : n;
}

const struct side_ops sqlite_ops = {
    .attach = sqlite_attach,
    .detach = sqlite_detach,
    .save = {[OP_CREATE] = sqlite_create,
	     [OP_UPDATE] = sqlite_update,
	     [OP_RENAME] = sqlite_update,
	     [OP_READ_AFTER_SAVE] = sqlite_update,
	     [OP_DELETE] = sqlite_delete},
    .read = sqlite_read,
    .list = sqlite_list,
};
