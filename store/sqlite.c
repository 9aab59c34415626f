/*
 * sqlite.c - opening the database: connections and their statements.
 *
 * Statements are prepared once a connection, when first used, and finalized with it.
 */
#include "sqlite.h"
#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>
#include <strings.h>

/* ---- statements ---- */

int conn_exec(struct conn *c, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : conn_error(c, rc, e);
}

int conn_prepare(struct conn *c, const char *sql, sqlite3_stmt **out, struct err *e)
{
	int rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
	return rc == SQLITE_OK ? 0 : conn_error(c, rc, e);
}

static const char *const controls[CONTROL_COUNT] = {
    [CONTROL_READ] = "BEGIN",
    [CONTROL_BEGIN] = "BEGIN IMMEDIATE",
    [CONTROL_COMMIT] = "COMMIT",
    [CONTROL_ROLLBACK] = "ROLLBACK",
    [CONTROL_SAVEPOINT] = "SAVEPOINT rowfs",
    [CONTROL_RELEASE] = "RELEASE rowfs",
    [CONTROL_ROLLBACK_TO] = "ROLLBACK TO rowfs",
    [CONTROL_STAGE] = "SAVEPOINT rowfs_stage",
    [CONTROL_STAGE_KEEP] = "RELEASE rowfs_stage",
    [CONTROL_STAGE_UNDO] = "ROLLBACK TO rowfs_stage",
    [CONTROL_VERSION] = "PRAGMA data_version",
};

/* A text may need memory for the NUL byte behind it: it is had here, so that column_value has nothing that can fail. */
bool row_ready(sqlite3_stmt *stmt)
{
	for (int i = 0, n = sqlite3_data_count(stmt); i < n; i++) {
		int type = sqlite3_column_type(stmt, i);
		if ((type == SQLITE_TEXT || type == SQLITE_BLOB) && !sqlite3_column_text(stmt, i) &&
		    sqlite3_errcode(sqlite3_db_handle(stmt)) == SQLITE_NOMEM)
			return false;
	}
	return true;
}

int stmt_step(struct conn *c, sqlite3_stmt *stmt, struct err *e)
{
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		return row_ready(stmt) ? 1 : err_nomem(e);
	return rc == SQLITE_DONE ? 0 : conn_error(c, rc, e);
}

static int prepare_control(struct conn *c, enum control control, struct err *e)
{
	sqlite3_stmt **slot = &c->control[control];
	return *slot ? 0 : conn_prepare(c, controls[control], slot, e);
}

int conn_prepare_controls(struct conn *c, enum control first, enum control last, struct err *e)
{
	int r = 0;
	for (enum control control = first; control <= last && !r; control++)
		r = prepare_control(c, control, e);
	return r;
}

int conn_control(struct conn *c, enum control control, struct err *e)
{
	sqlite3_stmt **slot = &c->control[control];
	int r = prepare_control(c, control, e);
	if (r)
		return r;
	r = stmt_step(c, *slot, e);
	sqlite3_reset(*slot);
	return r;
}

/* Who sees only what is his has statements of his own, behind the others. */
static size_t slots_of(const struct model *m)
{
	size_t slots = ROW_STATEMENTS + (STATEMENTS - ROW_STATEMENTS) * m->nfields;
	return m->restricted ? 2 * slots : slots;
}

sqlite3_stmt **conn_slot(struct conn *c, const struct model *m, enum statement statement, const struct field *f)
{
	sqlite3_stmt ***model = &c->models[m->index];
	size_t slot = statement;
	if (statement >= ROW_STATEMENTS)
		slot = ROW_STATEMENTS + (statement - ROW_STATEMENTS) * m->nfields + f->index;
	if (conn_filters(c, m) && statement_filters(statement))
		slot += slots_of(m) / 2;
	if (!*model)
		*model = calloc(slots_of(m), sizeof(**model));
	return *model ? &(*model)[slot] : NULL;
}

int conn_snapshot(struct conn *c, struct err *e)
{
	if (c->begun && sqlite3_get_autocommit(c->db))
		return err_set(e, EIO, "the database rolled the transaction back");
	if (c->begun || c->once || c == &c->store->writer)
		return 0;
	int r = conn_check_place(c, e);
	if (!r)
		r = conn_control(c, CONTROL_READ, e);
	c->begun = !r;
	return r;
}

int conn_statement(struct conn *c, const struct model *m, enum statement statement, const struct field *f,
		   sqlite3_stmt **out, struct err *e)
{
	int r = conn_snapshot(c, e);
	if (r)
		return r;
	sqlite3_stmt **slot = conn_slot(c, m, statement, f);
	if (!slot)
		return err_nomem(e);
	bool filter = conn_filters(c, m) && statement_filters(statement);
	if (!*slot) {
		buf_auto sql = BUF_INIT;
		sql_statement(&sql, c, m, statement, f, filter);
		r = buf_failed(&sql) ? err_nomem(e) : conn_prepare(c, buf_text(&sql), slot, e);
	}
	if (!r && filter)
		sqlite3_bind_int64(*slot, VIEWER_PARAMETER, c->viewer);
	*out = *slot;
	return r;
}

struct value column_value(sqlite3_stmt *stmt, int column)
{
	int type = sqlite3_column_type(stmt, column);
	if (type == SQLITE_NULL)
		return value_null();
	if (type == SQLITE_INTEGER)
		return value_integer(sqlite3_column_int64(stmt, column));
	if (type == SQLITE_FLOAT)
		return value_real(sqlite3_column_double(stmt, column));
	const char *text = (const char *)sqlite3_column_text(stmt, column);
	return value_text(text ? text : "", (size_t)sqlite3_column_bytes(stmt, column));
}

void bind_value(sqlite3_stmt *stmt, int at, const struct value *v)
{
	if (v->kind == VALUE_INTEGER)
		sqlite3_bind_int64(stmt, at, v->integer);
	else if (v->kind == VALUE_REAL)
		sqlite3_bind_double(stmt, at, v->real);
	else if (v->kind == VALUE_TEXT)
		sqlite3_bind_text64(stmt, at, v->text.data, v->text.len, SQLITE_STATIC, SQLITE_UTF8);
	else
		sqlite3_bind_null(stmt, at);
}

/* ---- connections ---- */

static void configure(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, STATEMENT_PIECE);
	log_register();
}

void sqlite_configure(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, configure);
}

static int open_file(struct conn *c, const char *path, int flags, struct err *e)
{
	sqlite_configure();
	struct store *s = c->store;
	const char *vfs = c != &s->writer ? NULL : s->schema->durability == DURABILITY_FULL ? LOG_VFS_FULL : LOG_VFS;
	int rc = sqlite3_open_v2(path, &c->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs);
	if (rc == SQLITE_OK)
		return 0;
	int code = c->db ? sqlite3_system_errno(c->db) : ENOMEM;
	if ((rc & 0xff) == SQLITE_CANTOPEN)
		return err_set(e, err_clamp(code ? code : EIO), "%s can't be opened: %s", path, strerror(code));
	return c->db ? conn_error(c, rc, e) : err_nomem(e);
}

static const char *const synchronous[] = {
    [DURABILITY_FULL] = "FULL", [DURABILITY_NORMAL] = "NORMAL", [DURABILITY_OFF] = "OFF"};

/*
 * recursive_triggers: REPLACE in a hook's SQL fires the delete triggers of the rows it displaces. temp_store: the
 * writer's temporary files are in memory, too (sqlite_memory.c).
 */
int conn_open(struct conn *c, struct store *s, const char *path, int flags, int cache_kib, struct err *e)
{
	char pragmas[256];
	*c = (struct conn){.store = s};
	c->models = calloc(s->schema->nmodels + 1, sizeof(*c->models));
	int r = c->models ? open_file(c, path, flags, e) : err_nomem(e);
	if (r)
		return r;
	sqlite3_busy_timeout(c->db, TIMEOUT_BUSY_MS);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 256, 64);
	snprintf(pragmas, sizeof(pragmas),
		 "PRAGMA page_size=%d; PRAGMA synchronous=%s; PRAGMA foreign_keys=ON; PRAGMA recursive_triggers=ON; "
		 "PRAGMA cache_size=-%d; PRAGMA temp_store=%s; PRAGMA wal_autocheckpoint=0",
		 DATABASE_PAGE, synchronous[s->schema->durability], cache_kib, c == &s->writer ? "FILE" : "MEMORY");
	return conn_exec(c, pragmas, e);
}

void conn_forget(struct conn *c, const struct model *m)
{
	sqlite3_stmt **statements = c->models[m->index];
	for (size_t k = 0; statements && k < slots_of(m); k++)
		sqlite3_finalize(statements[k]);
	free(statements);
	c->models[m->index] = NULL;
}

void conn_close(struct conn *c)
{
	for (size_t i = 0; c->models && i < c->store->schema->nmodels; i++)
		conn_forget(c, &c->store->schema->models[i]);
	free(c->models);
	free(c->staged);
	for (size_t i = 0; i < CONTROL_COUNT; i++)
		sqlite3_finalize(c->control[i]);
	for (size_t i = 0; i < PENDING_STATEMENTS; i++)
		sqlite3_finalize(c->pending[i]);
	sqlite3_close_v2(c->db);
	*c = (struct conn){.store = c->store};
}

/* ---- the store ---- */

static void init_locks(struct store *s)
{
	clock_cond_init(&s->returned);
	clock_cond_init(&s->arrived);
	pthread_cond_init(&s->checkpoint_wanted, NULL);
	pthread_mutex_init(&s->pool_lock, NULL);
	pthread_mutex_init(&s->turn_lock, NULL);
	pthread_mutex_init(&s->checkpoint_lock, NULL);
}

struct store *store_new(const struct schema *schema, bool read_only, bool memory)
{
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->schema = schema;
	s->read_only = read_only;
	s->memory = memory;
	s->hold_fd = -1;
	s->uid = geteuid();
	s->writer.store = s->checkpoint.store = s;
	s->watch_fd = -1;
	s->tables = calloc(schema->nmodels + 1, sizeof(*s->tables));
	s->touched = calloc(schema->nmodels + 1, sizeof(*s->touched));
	s->blocks = calloc(schema->nmodels + 1, sizeof(*s->blocks));
	if (s->tables && s->touched && s->blocks) {
		init_locks(s);
		return s;
	}
	free(s->tables);
	free(s->touched);
	free(s->blocks);
	free(s);
	return NULL;
}

static int open_all(struct store *s, struct err *e)
{
	int flags = s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	const char *path = s->memory ? ":memory:" : s->schema->database;
	if (!path)
		return err_set(e, EBADMSG, "mount.conf names no database; add: store sqlite:FILE");
	int r = s->memory || s->read_only ? 0 : store_hold(s, e);
	if (!r)
		r = conn_open(&s->writer, s, path, flags, WRITER_CACHE_KIB, e);
	if (!r)
		r = tables_open(s, e);
	if (!r)
		r = models_open(s, e);
	if (!r)
		r = deleted_open(s, e);
	if (!r)
		r = history_open(s, e);
	if (!r)
		r = queues_open(s, e);
	return r ? r : writer_start(s, e);
}

/* What SQLite says of a file does not say of which. */
static void name_file(const char *path, struct err *e)
{
	err_auto why = *e;
	*e = (struct err)ERR_INIT;
	err_set(e, why.code, strstr(why.text, path) ? "%.0s%s" : "%s: %s", path, why.text);
}

static int open_store(struct store **out, const struct schema *schema, bool read_only, bool memory, struct err *e)
{
	struct store *s = store_new(schema, read_only, memory);
	if (!s)
		return err_nomem(e);
	int r = open_all(s, e);
	if (r == -EIO && !memory)
		name_file(schema->database, e);
	if (r)
		store_close(s);
	else
		*out = s;
	return r;
}

int store_open(struct store **out, const struct schema *schema, unsigned flags, struct err *e)
{
	return open_store(out, schema, flags & STORE_READ_ONLY, false, e);
}

int store_open_memory(struct store **out, const struct schema *schema, struct err *e)
{
	return open_store(out, schema, false, true, e);
}

static void destroy_locks(struct store *s)
{
	pthread_cond_destroy(&s->returned);
	pthread_cond_destroy(&s->arrived);
	pthread_cond_destroy(&s->checkpoint_wanted);
	pthread_mutex_destroy(&s->pool_lock);
	pthread_mutex_destroy(&s->turn_lock);
	pthread_mutex_destroy(&s->checkpoint_lock);
}

void store_close(struct store *s)
{
	if (!s)
		return;
	while (s->idle) {
		struct conn *c = s->idle;
		s->idle = c->next;
		conn_close(c);
		free(c);
	}
	hooks_finalize(s);
	writer_stop(s);
	conn_close(&s->writer);
	queues_close(s);
	store_let_go(s);
	destroy_locks(s);
	free(s->tables);
	free(s->numbered);
	free(s->touched);
	free(s->blocks);
	free(s);
}
