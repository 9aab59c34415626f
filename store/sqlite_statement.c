/*
 * sqlite_statement.c - every statement about a model's rows, as a template; sqlite_text.c makes its text. Those about
 * jobs stand in sqlite_job.c.
 */
#include "sqlite.h"

#include <string.h>

#define DELETED_COLUMNS "serial, key, uid, time, length(CAST(text AS BLOB))"

#define VERSION_COLUMNS "serial, record, time, verb, uid, gid, pid, comm, owner, length(CAST(text AS BLOB))"
/* Whether a viewer, or with 0 anybody, sees a version of the record. */
#define SEES(viewer)                                                                                                   \
	"(" viewer " = 0 OR EXISTS (SELECT 1 FROM rowfs_history WHERE record = number AND owner = " viewer "))"
/* Not the present version of its record, nor too old. ?1 is the horizon, ?3 as above. */
#define IS_EARLIER                                                                                                     \
	"(?3 = 0 OR owner = ?3) AND model = $D AND text IS NOT NULL AND (ended >= ?1 OR (ended IS NULL AND mtime IS "  \
	"NOT (SELECT mtime FROM $S "                                                                                   \
	"WHERE key = (SELECT key FROM rowfs_history_record WHERE number = record))))"

static const char *const templates[STATEMENTS] = {
    [ROW_GET] = "SELECT $C, $s, $M$W FROM $T AS t $J WHERE t.$K = ?1",
    [ROW_FIELDS] = "SELECT $C FROM $T AS t WHERE t.$K = ?1",
    [ROW_KEY_OF] = "SELECT t.$K FROM $R WHERE $s = ?1",
    [ROW_CURSOR] = "SELECT t.$K, $s FROM $R WHERE $s > ?1 AND $s <= $L$Y ORDER BY $s",
    [ROW_COUNT] = "SELECT count(*) FROM $T AS t$y",
    [ROW_EXISTS] = "SELECT 1 FROM $T AS t WHERE t.$K = ?1$Y",
    [ROW_CHECK] = "SELECT $X FROM (SELECT $V)",
    [ROW_OWNER] = "SELECT 0$W FROM (SELECT $V) AS t",
    [ROW_INSERT] = "INSERT INTO $T ($c) VALUES ($P)",
    [ROW_INDEXED] = "SELECT 1 FROM $T WHERE $K = $k$I",
    [ROW_UPDATE] = "UPDATE $T SET $U WHERE $K = $k",
    [ROW_UPDATE_PLAIN] = "UPDATE $T SET $u WHERE $K = $k",
    [ROW_UPDATE_KEY] = "UPDATE $T SET $A WHERE $K = $o",
    [ROW_DELETE] = "DELETE FROM $T WHERE $K = ?1",
    [STAMP_KEEP] = "INSERT OR REPLACE INTO $S (key, mtime, ctime) VALUES (?1, ?2, ?3)",
    [STAMP_KEEP_SERIAL] = "INSERT OR REPLACE INTO $S (key, mtime, ctime, serial) VALUES (?1, ?2, ?3, ?4)",
    [KEY_NEXT] = "SELECT max(COALESCE((SELECT max($K) FROM main.$T), 0), "
		 "COALESCE((SELECT max(seq) FROM $N WHERE name = $t COLLATE NOCASE), 0)) + 1",
    [KEY_RAISE] = "UPDATE $N SET seq = max(seq, ?1) WHERE name = $t COLLATE NOCASE",
    [KEY_LOWER] = "UPDATE $N SET seq = ?1 WHERE name = $t COLLATE NOCASE AND seq = ?2",
    [KEY_BELOW] = "SELECT COALESCE((SELECT max($K) FROM main.$T WHERE $K < ?1), 0)",
    [KEY_ADD] = "INSERT INTO $N (name, seq) SELECT name, ?1 FROM sqlite_schema "
		"WHERE type = 'table' AND name = $t COLLATE NOCASE",
    [DELETED_KEEP] = "INSERT OR REPLACE INTO rowfs_deleted (model, key, uid, time, text, secrets) "
		     "VALUES ($D, ?1, ?2, ?3, ?4, ?5)",
    /* The oldest have the lowest serials; a delete adds one and looks at several, so that none piles up. */
    [DELETED_PRUNE] = "DELETE FROM rowfs_deleted WHERE serial IN (SELECT serial FROM "
		      "(SELECT serial, time FROM rowfs_deleted ORDER BY serial LIMIT 8) WHERE time < ?1)",
    [DELETED_FORGET] = "DELETE FROM rowfs_deleted WHERE model = $D AND serial = ?1",
    [DELETED_BY_KEY] = "SELECT " DELETED_COLUMNS ", text, secrets FROM rowfs_deleted "
		       "WHERE time >= ?1 AND model = $D AND key = ?2",
    [DELETED_BY_SERIAL] = "SELECT " DELETED_COLUMNS ", text, secrets FROM rowfs_deleted "
			  "WHERE time >= ?1 AND model = $D AND serial = ?2",
    [DELETED_LIST] = "SELECT " DELETED_COLUMNS " FROM rowfs_deleted WHERE time >= ?1 AND model = $D "
		     "AND serial > ?2 AND (?3 = 0 OR uid = ?3) ORDER BY serial LIMIT ?4",
    [HISTORY_RECORD] = "SELECT number FROM rowfs_history_record WHERE model = $D AND key = ?1 AND " SEES("?2"),
    [HISTORY_ADD_RECORD] = "INSERT INTO rowfs_history_record (model, key) VALUES ($D, ?1)",
    [HISTORY_LAST] = "SELECT serial, mtime, time, text FROM rowfs_history WHERE record = ?1 AND serial < ?2 "
		     "ORDER BY serial DESC LIMIT 1",
    [HISTORY_ADD] = "INSERT INTO rowfs_history (model, record, time, mtime, verb, uid, gid, pid, comm, text, owner) "
		    "VALUES ($D, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [HISTORY_AGAIN] = "UPDATE rowfs_history SET verb = 'replace' WHERE serial = ?1 AND verb = 'delete'",
    [HISTORY_BEGUN] = "SELECT serial, record, (SELECT key FROM rowfs_history_record WHERE number = record) "
		      "FROM rowfs_history WHERE model = $D AND text IS NULL LIMIT 1",
    [HISTORY_FILL] = "UPDATE rowfs_history SET time = ?2, mtime = ?3, text = ?4, owner = ?5 WHERE serial = ?1",
    [HISTORY_DROP] = "DELETE FROM rowfs_history WHERE serial = ?1",
    [HISTORY_TOUCH] = "UPDATE rowfs_history SET mtime = ?2 WHERE serial = ?1",
    [HISTORY_END] = "UPDATE rowfs_history SET ended = ?2 WHERE serial = ?1 AND ended IS NULL",
    [HISTORY_PRUNE_COUNT] =
	"DELETE FROM rowfs_history WHERE record = ?1 AND serial <= (SELECT serial FROM rowfs_history "
	"WHERE record = ?1 AND ended IS NOT NULL ORDER BY serial DESC LIMIT 1 OFFSET ?2)",
    /* A save adds one and looks at several, so that none piles up. */
    [HISTORY_PRUNE_AGE] = "DELETE FROM rowfs_history WHERE serial IN (SELECT serial FROM rowfs_history "
			  "WHERE model = $D AND ended < ?1 ORDER BY ended LIMIT 8)",
    [HISTORY_FORGET] = "DELETE FROM rowfs_history_record WHERE number = ?1 AND NOT EXISTS "
		       "(SELECT 1 FROM rowfs_history WHERE record = ?1)",
    [HISTORY_FORGET_ALL] = "DELETE FROM rowfs_history_record WHERE model = $D AND NOT EXISTS "
			   "(SELECT 1 FROM rowfs_history WHERE record = number)",
    [HISTORY_BY_SERIAL] = "SELECT " VERSION_COLUMNS ", text FROM rowfs_history WHERE serial = ?2 AND " IS_EARLIER,
    [HISTORY_BY_TIME] =
	"SELECT " VERSION_COLUMNS ", text FROM rowfs_history WHERE record = ?4 AND time = ?2 AND " IS_EARLIER,
    [HISTORY_LIST] =
	"SELECT " VERSION_COLUMNS ", NULL FROM rowfs_history WHERE record = ?4 AND serial > ?2 AND " IS_EARLIER
	" ORDER BY serial LIMIT ?5",
    [HISTORY_NEXT_RECORD] = "SELECT number, key FROM rowfs_history_record WHERE model = $D AND number > ?1 AND " SEES(
	"?2") " ORDER BY number LIMIT 1",
    [HISTORY_HAS] = "SELECT 1 FROM rowfs_history WHERE record = ?2 AND text = ?4 AND " IS_EARLIER,
    [FIELD_TAKEN] = "SELECT $K FROM $T WHERE $F = ?1 AND $K IS NOT ?2 LIMIT 1",
    [FIELD_KEYS] = "SELECT t.$K FROM $T AS t WHERE t.$F = ?1$Y ORDER BY t.$K",
    [FIELD_COUNT] = "SELECT count(*) FROM $T AS t WHERE t.$F = ?1$Y",
    [FIELD_SHOWN] = "SELECT * FROM (SELECT $C, $O AS rowfs_order FROM $T AS t WHERE t.$F = ?1$Y "
		    "ORDER BY $O DESC LIMIT ?2) ORDER BY rowfs_order",
    [FIELD_EMBEDDED] = "SELECT $C FROM $T AS t WHERE t.$F = ?1 ORDER BY $O",
    [FIELD_RECORDS] = "SELECT t.$K, $j, t.$F FROM $B WHERE t.$F IS ?1 AND $j > ?2 AND $j <= $L$Y ORDER BY $j",
    [FIELD_FIRST] = "SELECT t.$F FROM $T AS t WHERE t.$F IS NOT NULL$Y ORDER BY t.$F LIMIT 1",
    [FIELD_NEXT] = "SELECT t.$F FROM $T AS t WHERE t.$F > ?1$Y ORDER BY t.$F LIMIT 1",
    [FIELD_HAS_NULL] = "SELECT 1 FROM $T AS t WHERE t.$F IS NULL$Y LIMIT 1",
    [STAGED_PUT] = "INSERT OR REPLACE INTO $Z ($c, rowfs_serial, rowfs_mtime, rowfs_ctime, rowfs_place, rowfs_gone) "
		   "VALUES ($P, ?$1, ?$2, ?$2, $G, 0)",
    [STAGED_GONE] = "INSERT OR REPLACE INTO $Z ($c, rowfs_serial, rowfs_mtime, rowfs_ctime, rowfs_gone) "
		    "SELECT $C, t.rowfs_serial, t.rowfs_mtime, t.rowfs_ctime, 1 FROM $T AS t WHERE t.$K = ?1",
    [DELETED_STAGE] =
	"INSERT OR REPLACE INTO rowfs_staged_deleted (model, key, uid, time, text, secrets, serial, gone) "
	"VALUES ($D, ?1, ?2, ?3, ?4, ?5, ?6, 0)",
    [DELETED_STAGE_GONE] = "INSERT OR REPLACE INTO rowfs_staged_deleted (model, key, gone) VALUES ($D, ?1, 1)",
    [DELETED_UNSTAGE] = "DELETE FROM rowfs_staged_deleted WHERE model = $D AND key = ?1",
    [STAGED_FORGET] = "DELETE FROM $Z WHERE $K = ?1",
    [STAGED_WAS] = "SELECT $C FROM $Z AS t WHERE t.$K = ?1 AND t.rowfs_gone",
};

#define NOT_STAGED "NOT EXISTS (SELECT 1 FROM $Z AS x WHERE x.$K = t.$K)"
/* Of a field's values, both in the order of an index. */
#define STAGED_VALUE(condition)                                                                                        \
	"SELECT t.$F AS value FROM main.$T AS t WHERE " condition " AND " NOT_STAGED "$Y "                             \
	"UNION ALL SELECT t.$F FROM $Z AS t WHERE " condition " AND NOT t.rowfs_gone$Y ORDER BY value LIMIT 1"

/*
 * Of staged models these do without the view, which SQLite reads whole and sorts where a column of the user's table has
 * another type than rowfs gives it: two arms that are merged as they are.
 */
static const char *const staged_templates[STATEMENTS] = {
    [ROW_CURSOR] =
	"SELECT t.$K, $s AS rowfs_serial FROM $R WHERE $s > ?1 AND $s <= $L AND " NOT_STAGED
	"$Y UNION ALL SELECT t.$K, t.rowfs_serial FROM $Z AS t WHERE t.rowfs_serial > ?1 AND t.rowfs_serial <= $L "
	"AND NOT t.rowfs_gone$Y ORDER BY rowfs_serial",
    [FIELD_RECORDS] =
	"SELECT t.$K, $j AS rowfs_place, t.$F FROM $B WHERE t.$F IS ?1 AND $j > ?2 AND $j <= $L AND " NOT_STAGED
	"$Y UNION ALL SELECT t.$K, t.rowfs_place, t.$F FROM $Z AS t WHERE t.$F IS ?1 AND t.rowfs_place > ?2 "
	"AND t.rowfs_place <= $L AND NOT t.rowfs_gone$Y ORDER BY rowfs_place",
    [FIELD_FIRST] = STAGED_VALUE("t.$F IS NOT NULL"),
    [FIELD_NEXT] = STAGED_VALUE("t.$F > ?1"),
    [FIELD_HAS_NULL] = STAGED_VALUE("t.$F IS NULL"),
};

static const char *template_of(enum statement statement)
{
	bool job = statement >= JOB_STATEMENTS && statement < JOB_STATEMENTS_END;
	return job ? job_templates[statement - JOB_STATEMENTS] : templates[statement];
}

bool statement_filters(enum statement statement)
{
	const char *template = template_of(statement);
	return strstr(template, "$Y") || strstr(template, "$y");
}

void sql_statement(struct buf *b, const struct conn *c, const struct model *m, enum statement statement,
		   const struct field *f, bool filter)
{
	bool staged = c->staged && c->staged[m->index];
	if (staged && staged_templates[statement])
		sql_filtered(b, c->store, m, f, NAMES_STORED, filter, staged_templates[statement]);
	else
		sql_filtered(b, c->store, m, f, staged ? NAMES_STAGED : NAMES_PLAIN, filter, template_of(statement));
}
