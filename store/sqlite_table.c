/*
 * sqlite_table.c - makes what a model needs in the database: its table, the sidecar with serials and times, the
 * triggers that keep it, and indexes.
 *
 * The sidecar rowfs_stat_TABLE is kept by triggers alone, so that saves, hooks' SQL and other programs' changes all
 * count. mtime and ctime strictly increase: the time of the change in whole milliseconds, or one nanosecond more than
 * before. Everything is done in one transaction, and only what is missing or differs: an ordinary start writes nothing.
 */
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define NOW       "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000000"
#define SET_TIMES "ctime = max(ctime + 1, mtime + 1, " NOW "), mtime = max(mtime + 1, " NOW ")"
/* The time is computed once for a row that is there, which is what most changes find. */
#define PUT_TIMES                                                                                                      \
	"INSERT INTO $S (key, mtime, ctime) VALUES (new.$K, " NOW ", " NOW                                             \
	") ON CONFLICT (key) DO UPDATE SET ctime = max(ctime + 1, mtime + 1, excluded.mtime), "                        \
	"mtime = max(mtime + 1, excluded.mtime); "
/* An upsert would use up a serial at every update. */
#define ADD_TIMES                                                                                                      \
	"UPDATE $S SET " SET_TIMES " WHERE key = new.$K; INSERT INTO $S (key, mtime, ctime) SELECT new.$K, " NOW       \
	", " NOW " WHERE NOT EXISTS (SELECT 1 FROM $S WHERE key = new.$K); "

/* In the order in which they stand here; of two on one event SQLite promises no order, and these need none. */
static const struct trigger {
	const char *name;
	const char *when;
	const char *body, *text_body; /* of models with an integer key, and of others */
	const char *parents;          /* keys of the parents that show the row; $F is its reference */
} triggers[] = {
    {"insert", "AFTER INSERT ON $T", PUT_TIMES, PUT_TIMES, "= new.$F"},
    {"update", "AFTER UPDATE ON $T", PUT_TIMES, ADD_TIMES, "IN (old.$F, new.$F)"},
    {"key", "AFTER UPDATE ON $T WHEN old.$K IS NOT new.$K", "DELETE FROM $S WHERE key = old.$K; ",
     "DELETE FROM $S WHERE key = old.$K; ", NULL},
    {"delete", "AFTER DELETE ON $T", "DELETE FROM $S WHERE key = old.$K; ", "DELETE FROM $S WHERE key = old.$K; ",
     "= old.$F"},
};
enum { TRIGGERS = sizeof(triggers) / sizeof(triggers[0]) };

/* What is to be run, and for which sidecars rows are to be looked for. */
struct plan {
	struct store *s;
	struct buf tables, triggers, indexes;
};

/* Which parents: those that `template` names by $F, or those of the child's records whose key is as `below` says. */
static void parent_keys(struct buf *b, const struct store *s, const struct relation *relation, const char *template,
			const char *below)
{
	if (!below) {
		sql_text(b, s, relation->child, relation->by, template);
		return;
	}
	sql_text(b, s, relation->child, relation->by, "IN (SELECT $F FROM $T WHERE $K ");
	buf_printf(b, "%s)", below);
}

/* Whoever shows a row has another ctime when it changes; whoever embeds it has changed, and so have those above it. */
static void add_parents(struct buf *b, const struct store *s, const struct model *child, const char *template,
			const char *below)
{
	for (size_t i = 0; i < s->schema->nmodels; i++) {
		const struct model *parent = &s->schema->models[i];
		for (size_t k = 0; !s->tables[i].view && k < parent->nrelations; k++) {
			const struct relation *relation = &parent->relations[k];
			bool embeds = relation_embeds(relation);
			buf_auto keys = BUF_INIT;
			if (relation->child != child || (below && !embeds))
				continue;
			parent_keys(&keys, s, relation, template, below);
			sql_text(b, s, parent, parent->key,
				 embeds ? "UPDATE $S SET " SET_TIMES : "UPDATE $S SET ctime = max(ctime + 1, " NOW ")");
			buf_printf(b, " WHERE key %s; ", buf_text(&keys));
			if (embeds)
				add_parents(b, s, parent, NULL, buf_text(&keys));
			b->failed |= buf_failed(&keys);
		}
	}
}

static void trigger_name(struct buf *b, const struct model *m, const struct trigger *t)
{
	buf_printf(b, "rowfs_%s_%s", m->table, t->name);
}

static void trigger_sql(struct buf *b, const struct store *s, const struct model *m, const struct trigger *t)
{
	buf_auto name = BUF_INIT;
	trigger_name(&name, m, t);
	buf_str(b, "CREATE TRIGGER ");
	sql_name(b, buf_text(&name));
	buf_char(b, ' ');
	sql_text(b, s, m, m->key, t->when);
	buf_str(b, " BEGIN ");
	sql_text(b, s, m, m->key, model_integer_key(m) ? t->body : t->text_body);
	if (t->parents)
		add_parents(b, s, m, t->parents, NULL);
	buf_str(b, "END");
}

static void drop_trigger(struct plan *p, const char *name)
{
	buf_str(&p->triggers, "DROP TRIGGER IF EXISTS ");
	sql_name(&p->triggers, name);
	buf_str(&p->triggers, ";\n");
}

/* 1: the trigger was not there at all, so that rows may have come without it. */
static int plan_trigger(struct plan *p, const struct model *m, const struct trigger *t, struct err *e)
{
	buf_auto name = BUF_INIT, wanted = BUF_INIT, found = BUF_INIT;
	trigger_name(&name, m, t);
	trigger_sql(&wanted, p->s, m, t);
	int r = find_object(&p->s->writer, "trigger", buf_text(&name), &found, e);
	if (r < 0)
		return r;
	if (buf_failed(&name) || buf_failed(&wanted) || buf_failed(&found))
		return err_nomem(e);
	if (r && !strcmp(buf_text(&wanted), buf_text(&found)))
		return 0;
	drop_trigger(p, buf_text(&name));
	buf_printf(&p->triggers, "%s;\n", buf_text(&wanted));
	return !r;
}

static const struct model *model_of_table(const struct schema *schema, const char *table)
{
	for (size_t i = 0; i < schema->nmodels; i++)
		if (column_is(schema->models[i].table, table))
			return &schema->models[i];
	return NULL;
}

static bool is_wanted(const struct model *m, const char *name)
{
	for (size_t i = 0; i < TRIGGERS; i++) {
		buf_auto wanted = BUF_INIT;
		trigger_name(&wanted, m, &triggers[i]);
		if (column_is(buf_text(&wanted), name))
			return true;
	}
	return false;
}

/* Triggers of an older version. Those of tables that are no model here may be another mount's. */
static int plan_unwanted(struct plan *p, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r =
	    conn_prepare(&p->s->writer,
			 "SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'rowfs\\_%' "
			 "ESCAPE '\\'",
			 &stmt, e);
	while (!r && (r = stmt_step(&p->s->writer, stmt, e)) > 0) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		const char *table = (const char *)sqlite3_column_text(stmt, 1);
		const struct model *m = table ? model_of_table(p->s->schema, table) : NULL;
		if (m && name && !is_wanted(m, name))
			drop_trigger(p, name);
		r = 0;
	}
	sqlite3_finalize(stmt);
	return r;
}

static void plan_sidecar(struct plan *p, const struct model *m)
{
	static const char *const integer = "CREATE TABLE $S (key INTEGER PRIMARY KEY, mtime INTEGER NOT NULL, "
					   "ctime INTEGER NOT NULL) STRICT;\n";
	static const char *const text =
	    "CREATE TABLE $S (serial INTEGER PRIMARY KEY AUTOINCREMENT, "
	    "key TEXT UNIQUE NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL) STRICT;\n";
	static const char *const real =
	    "CREATE TABLE $S (serial INTEGER PRIMARY KEY AUTOINCREMENT, "
	    "key REAL UNIQUE NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL) STRICT;\n";
	sql_text(&p->tables, p->s, m, m->key,
		 model_integer_key(m)          ? integer
		 : m->key->type == TYPE_NUMBER ? real
					       : text);
}

static void plan_backfill(struct plan *p, const struct model *m)
{
	sql_text(&p->triggers, p->s, m, m->key,
		 "DELETE FROM $S WHERE key NOT IN (SELECT $K FROM $T WHERE $K IS NOT NULL);\n"
		 "INSERT INTO $S (key, mtime, ctime) SELECT $K, " NOW ", " NOW " FROM $T WHERE $K IS NOT NULL AND "
		 "$K NOT IN (SELECT key FROM $S) ORDER BY $K;\n");
}

/* Existing tables whose keys SQLite does not count; see KEY_NEXT. */
static void plan_sequence(struct plan *p, const struct model *m, const struct table *t)
{
	if (t->present && !t->view && !t->autoincrement && model_integer_key(m))
		buf_str(&p->tables, "CREATE TABLE IF NOT EXISTS rowfs_sequence (name TEXT PRIMARY KEY COLLATE NOCASE, "
				    "seq INTEGER NOT NULL) STRICT;\n");
}

static int plan_table(struct plan *p, const struct model *m, struct err *e)
{
	const struct table *t = &p->s->tables[m->index];
	bool backfill = false;
	if (t->view)
		return 0;
	if (!t->present) {
		sql_table(&p->tables, m, m->table);
		buf_str(&p->tables, ";\n");
	}
	if (!t->stamped) {
		plan_sidecar(p, m);
		backfill = t->present;
	}
	for (size_t i = 0; i < TRIGGERS; i++) {
		int r = plan_trigger(p, m, &triggers[i], e);
		if (r < 0)
			return r;
		backfill |= r > 0 && t->present;
	}
	if (backfill)
		plan_backfill(p, m);
	return 0;
}

static int plan_index(struct plan *p, const struct model *m, const struct field *f, const char *name,
		      const char *template, struct err *e)
{
	buf_auto full = BUF_INIT;
	buf_printf(&full, "rowfs_%s_%s", m->table, name);
	int r = find_object(&p->s->writer, "index", buf_text(&full), NULL, e);
	if (r == 0)
		r = find_object(&p->s->writer, "table", buf_text(&full), NULL, e);
	if (r)
		return r < 0 ? r : 0;
	buf_str(&p->indexes, "CREATE INDEX IF NOT EXISTS ");
	sql_name(&p->indexes, buf_text(&full));
	sql_text(&p->indexes, p->s, m, f, template);
	return buf_failed(&full) ? err_nomem(e) : 0;
}

static int plan_indexes(struct plan *p, const struct model *m, struct err *e)
{
	int r = 0;
	if (p->s->tables[m->index].view)
		return 0;
	for (size_t i = 0; !r && i < m->nfields; i++) {
		const struct field *f = &m->fields[i];
		if (field_indexed(m, f) && !f->unique && (f->references || !p->s->tables[m->index].indexed[i]))
			r = plan_index(p, m, f, f->name, " ON $T ($F);\n", e);
	}
	if (!r && m->queue)
		r = plan_index(p, m, m->key, "due",
			       " ON $T ($a, $p DESC, COALESCE(rtrim($w, 'Z'), ''), $K) "
			       "WHERE $a IN ('queued', 'running');\n",
			       e);
	return r;
}

static int make_plan(struct plan *p, struct err *e)
{
	const struct schema *schema = p->s->schema;
	int r = 0;
	bool sequence = false;
	for (size_t i = 0; !r && i < schema->nmodels; i++)
		r = plan_table(p, &schema->models[i], e);
	for (size_t i = 0; !r && i < schema->nmodels; i++)
		r = plan_indexes(p, &schema->models[i], e);
	if (!r)
		r = plan_unwanted(p, e);
	if (!r)
		r = find_object(&p->s->writer, "table", "rowfs_sequence", NULL, e);
	sequence = r > 0;
	for (size_t i = 0; r == 0 && !sequence && i < schema->nmodels; i++)
		plan_sequence(p, &schema->models[i], &p->s->tables[i]);
	if (r < 0)
		return r;
	return buf_failed(&p->tables) || buf_failed(&p->triggers) || buf_failed(&p->indexes) ? err_nomem(e) : 0;
}

static void plan_release(struct plan *p)
{
	buf_release(&p->tables);
	buf_release(&p->triggers);
	buf_release(&p->indexes);
}

static bool plan_is_empty(const struct plan *p)
{
	return !p->tables.len && !p->triggers.len && !p->indexes.len;
}

static int run_plan(struct plan *p, struct err *e)
{
	const struct buf *steps[] = {&p->tables, &p->triggers, &p->indexes};
	int r = 0;
	for (size_t i = 0; !r && i < 3; i++) {
		int rc = sqlite3_exec(p->s->writer.db, buf_text(steps[i]), NULL, NULL, NULL);
		if (rc == SQLITE_ERROR)
			r = err_set(e, EBADMSG, "the tables of mount.conf can't be made: %s",
				    sqlite3_errmsg(p->s->writer.db));
		else if (rc != SQLITE_OK)
			r = conn_error(&p->s->writer, rc, e);
	}
	return r;
}

/* In one transaction: compares, plans, and with `run` carries out. *idle: there was nothing to do. */
static int in_transaction(struct store *s, bool run, bool *idle, struct err *e)
{
	struct plan p = {.s = s};
	int r = conn_control(&s->writer, run ? CONTROL_BEGIN : CONTROL_READ, e);
	if (r)
		return r;
	r = tables_compare(s, e);
	if (!r && !s->read_only)
		r = make_plan(&p, e);
	*idle = plan_is_empty(&p);
	if (!r && run)
		r = run_plan(&p, e);
	if (!r)
		r = conn_control(&s->writer, CONTROL_COMMIT, e);
	if (!sqlite3_get_autocommit(s->writer.db))
		sqlite3_exec(s->writer.db, "ROLLBACK", NULL, NULL, NULL);
	plan_release(&p);
	return r;
}

/* Only once it is known that the database is to be kept: the mode is written into the file. */
static int use_log(struct store *s, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	if (s->memory || s->read_only)
		return 0;
	int r = conn_prepare(&s->writer, "PRAGMA journal_mode = WAL", &stmt, e);
	if (r)
		return r;
	r = stmt_step(&s->writer, stmt, e);
	const char *mode = r > 0 ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
	if (mode && !column_is(mode, "wal"))
		log_warning(
		    "the database can't use a write-ahead log here; readers and writers will wait for each other");
	sqlite3_finalize(stmt);
	return r < 0 ? r : 0;
}

int tables_open(struct store *s, struct err *e)
{
	bool idle = true;
	int r = in_transaction(s, false, &idle, e);
	if (!r)
		r = use_log(s, e);
	if (!r && !idle)
		r = in_transaction(s, true, &idle, e);
	if (!r && !s->read_only && !idle)
		r = tables_compare(s, e);
	return r;
}
