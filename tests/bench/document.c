/*
 * document.c - the records that every side keeps: a key and five typed columns, about 300 bytes as JSON.
 *
 * All of a record follows from its key and its revision, so that a reader can tell whether it sees the last save and
 * no save is equal to what is stored.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

const char document_fields[] = "        id           integer   key\n"
			       "        revision     integer   required\n"
			       "        price        number\n"
			       "        active       boolean   default true\n"
			       "        ordered_at   datetime\n"
			       "        description  string    required  max 500\n";
const char document_table[] = "(id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, price REAL, active INTEGER,"
			      " ordered_at TEXT, description TEXT NOT NULL)";
const char document_ordered_at[] = "2024-05-17T08:30:00.123Z";
const char document_description[] =
    "Twelve boxes of the blue ones and a box of the green ones, to be left with the neighbour at number 14 when "
    "nobody opens; the invoice goes to the office and not with the goods";

double document_price(const struct document *d)
{
	return (double)((d->key * 7 + d->revision) % 10000) + 0.25;
}

size_t document_print(const struct document *d, char text[TEXT_SIZE])
{
	return (size_t)snprintf(text, TEXT_SIZE,
				"{\n  \"id\": %ld,\n  \"revision\": %ld,\n  \"price\": %.2f,\n  \"active\": %s,\n"
				"  \"ordered_at\": \"%s\",\n  \"description\": \"%s\"\n}\n",
				d->key, d->revision, document_price(d), d->revision % 2 ? "true" : "false",
				document_ordered_at, document_description);
}

long document_revision(const char *text)
{
	static const char member[] = "\"revision\": ";
	const char *at = strstr(text, member);
	return at ? strtol(at + sizeof member - 1, NULL, 10) : -1;
}

static int complain(sqlite3 *db, const char *database)
{
	fprintf(stderr, "bench: %s: %s\n", database, sqlite3_errmsg(db));
	return -EIO;
}

/* One statement makes all rows, in the order of the keys. */
int document_fill(const char *database, const char *table, const char *create, long records)
{
	sqlite3 *db = NULL;
	struct document first = {0};
	char *sql =
	    sqlite3_mprintf("%s BEGIN IMMEDIATE; WITH RECURSIVE n(i) AS"
			    " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %ld)"
			    " INSERT INTO \"%w\" (" DOCUMENT_COLUMNS ")"
			    " SELECT i, 0, i * 7 %% 10000 + %f, 0, %Q, %Q FROM n; COMMIT;"
			    " PRAGMA wal_checkpoint(TRUNCATE);",
			    create, records, table, document_price(&first), document_ordered_at, document_description);
	int result = sql ? 0 : -ENOMEM;
	if (!result &&
	    (sqlite3_open(database, &db) || sqlite3_busy_timeout(db, 10000) || sqlite3_exec(db, sql, NULL, NULL, NULL)))
		result = complain(db, database);
	sqlite3_free(sql);
	sqlite3_close(db);
	return result;
}

long document_query(const char *database, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *statement = NULL;
	long number = -1;
	if (!sqlite3_open_v2(database, &db, SQLITE_OPEN_READWRITE, NULL) && !sqlite3_busy_timeout(db, 10000) &&
	    !sqlite3_prepare_v2(db, sql, -1, &statement, NULL) && sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	else
		complain(db, database);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}
