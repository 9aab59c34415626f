/*
 * sqlite_txn.c - the write transaction, and the commit that several of them share.
 *
 * Threads write in the order in which they came, one whose turn it is and a line of others. The first transaction of a
 * group runs BEGIN IMMEDIATE; at its end those of the line add theirs, each behind a savepoint, and the one behind whom
 * nobody waits runs COMMIT for all. A task (txn_run) is carried out by the thread that has the turn, whose own work is
 * done then, and sleeps until the commit; before any other transaction (txn_begin) that thread becomes a member of the
 * group itself and passes the turn on.
 *
 *   closed --txn_begin: open_group--> open --txn_commit, txn_rollback: end_group--> closed
 *   open --txn_commit: join_group; txn_rollback: leave_group--> open, the turn passed on
 *
 * Invariants:
 * 1. The writer connection, open, savepoint, group, touched and failure belong to the thread whose turn it is.
 * 2. A turn is passed on with the group open only while the line is not empty; that thread ends the group or passes it
 *    on under the same rule. So an open group always has one who will end it, and no member waits for ever.
 * 3. A transaction is in `members` before it passes its turn on: the one who ends the group finds it.
 * 4. Only the thread that ends a group tells its members, each once; a member's stack is not touched after `settled`.
 * A task that is taken from the line is told once, at its own failure or as a member.
 * 5. The first transaction of a group has no savepoint: when it is rolled back nobody waits for the group.
 * 6. Once SQLite has rolled back by itself (autocommit is on while the group is open), or what was to be taken back
 * could not be (doomed), nothing is written until the group has ended, and all members get that error.
 * 7. on_commit runs with no lock held, before any txn_commit of the group returns.
 */
#include "clock.h"
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "log.h"
#include "phase.h"

/* ---- the group ---- */

/* Another program's commits show as a new data_version; within a transaction there can be none. */
static void look_elsewhere(struct store *s)
{
	err_auto ignored = ERR_INIT;
	sqlite3_stmt **stmt = &s->writer.control[CONTROL_VERSION];
	if (!*stmt && conn_prepare(&s->writer, "PRAGMA data_version", stmt, &ignored))
		return;
	if (sqlite3_step(*stmt) == SQLITE_ROW) {
		int64_t version = sqlite3_column_int64(*stmt, 0);
		if (s->version && s->version != version)
			atomic_store(&s->elsewhere, true);
		s->version = version;
	}
	sqlite3_reset(*stmt);
}

bool store_changed_elsewhere(struct store *s)
{
	if (turn_try(s)) {
		look_elsewhere(s);
		turn_pass(s);
	} else {
		atomic_store(&s->look, true);
	}
	return atomic_exchange(&s->elsewhere, false);
}

/* Its statement is prepared; but where temporary tables came and went SQLite prepares it anew, for which it needs
 * memory. */
static int roll_back(struct store *s, struct err *e)
{
	if (!sqlite3_get_autocommit(s->writer.db))
		conn_control(&s->writer, CONTROL_ROLLBACK, e);
	s->doomed = !sqlite3_get_autocommit(s->writer.db);
	return s->doomed ? err_set(e, ENOMEM, "a transaction can't be taken back") : 0;
}

/* Nothing more can come of the open group. */
static bool is_lost(const struct store *s)
{
	return s->doomed || sqlite3_get_autocommit(s->writer.db);
}

int writer_check(struct store *s, struct err *e)
{
	err_auto why = ERR_INIT;
	if (roll_back(s, &why) < 0) /* there is nothing, unless that failed before */
		return err_set(e, why.code, "%s", why.text);
	if (s->writer.doubtful)
		sqlite3_db_release_memory(s->writer.db);
	s->writer.doubtful = false;
	return conn_check_place(&s->writer, e);
}

static int open_group(struct store *s, struct err *e)
{
	int r = writer_check(s, e);
	if (!r)
		r = conn_control(&s->writer, CONTROL_BEGIN, e);
	if (r)
		return r;
	if (atomic_exchange(&s->look, false))
		look_elsewhere(s);
	s->open = true;
	s->savepoint = false;
	s->failure = 0;
	s->failure_text[0] = 0;
	s->group++;
	s->opened_ns = monotonic_ns();
	return 0;
}

/* A member may be added: somebody waits for a turn, and those who wait for the commit do not wait too long already. */
static bool may_grow(struct store *s)
{
	pthread_mutex_lock(&s->turn_lock);
	bool waited_for = s->line;
	pthread_mutex_unlock(&s->turn_lock);
	return waited_for && s->nmembers + 1 < LIMIT_GROUP && monotonic_ns() - s->opened_ns < GROUP_AGE_NS;
}

/*
 * Where a commit takes long, those who shared the last one are likely back soon: waits for them, at most a tenth of a
 * commit since the group began. One writer alone never waits.
 */
static void await_company(struct store *s)
{
	int64_t until = s->opened_ns + s->commit_ns / 10;
	struct timespec deadline = {until / 1000000000, until % 1000000000};
	int rc = 0;
	if (s->nmembers + 1 >= s->last_size || s->commit_ns / 10 < COMPANY_NS)
		return;
	pthread_mutex_lock(&s->turn_lock);
	s->expecting = true;
	while (!s->line && rc == 0)
		rc = pthread_cond_timedwait(&s->arrived, &s->turn_lock, &deadline);
	s->expecting = false;
	pthread_mutex_unlock(&s->turn_lock);
}

/* COMMIT, or why there can be none; whatever happens no transaction is open afterwards. */
static int commit(struct store *s, struct err *why)
{
	err_auto ignored = ERR_INIT;
	int r = 0;
	if (is_lost(s))
		r = err_set(why, s->failure ? s->failure : EIO, "%s",
			    s->failure ? s->failure_text : "the database rolled the transaction back");
	else
		r = conn_control(&s->writer, CONTROL_COMMIT, why);
	if (r)
		roll_back(s, &ignored);
	return r;
}

static void tell(struct member *members, int result, const struct err *why)
{
	while (members) {
		struct member *m = members;
		members = m->next;
		m->result = result ? err_set(m->e, why->code, "%s", why->text) : 0;
		sem_post(m->settled);
	}
}

static bool take_touched(struct store *s, bool *touched)
{
	bool any = false;
	for (size_t i = 0; i < s->schema->nmodels; i++) {
		touched[i] = s->touched[i];
		any |= touched[i];
		s->touched[i] = false;
	}
	return any;
}

/* Ends the group and passes the turn on. */
static int end_group(struct store *s, struct err *e)
{
	bool touched[LIMIT_MODELS];
	err_auto why = ERR_INIT;
	int64_t began = monotonic_ns();
	phase("commit");
	int result = commit(s, &why);
	phase("committed");
	bool any = take_touched(s, touched);
	s->commit_ns = monotonic_ns() - began;
	s->last_size = s->nmembers + 1;
	struct member *members = s->members;
	s->members = NULL;
	s->nmembers = 0;
	s->open = false;
	if (result)
		watch_forget(s);
	else
		watch_tell(s);
	checkpoint_finish(s);
	void (*on_commit)(void *, const bool *) = s->on_commit;
	turn_pass(s);
	if (!result && any && on_commit)
		on_commit(s->on_commit_data, touched);
	tell(members, result, &why);
	return result ? err_set(e, why.code, "%s", why.text) : 0;
}

static void drop_group(struct store *s)
{
	bool ignored[LIMIT_MODELS];
	err_auto why = ERR_INIT;
	roll_back(s, &why); /* where that fails writer_check does it */
	take_touched(s, ignored);
	watch_forget(s);
	s->open = false;
	turn_pass(s);
}

static void add_member(struct store *s, struct member *m)
{
	m->next = s->members;
	s->members = m;
	s->nmembers++;
	phase("joined");
}

static int join_group(struct store *s, struct err *e)
{
	sem_t settled;
	struct member me = {.e = e, .settled = &settled};
	sem_init(&settled, 0, 0);
	add_member(s, &me);
	turn_pass(s);
	turn_sleep(&settled);
	return me.result;
}

/* The running transaction has nothing in the group any more; those who wait for it still need their commit. */
static void leave_group(struct store *s)
{
	err_auto ignored = ERR_INIT;
	if (!s->members)
		drop_group(s);
	else if (may_grow(s) && !is_lost(s))
		turn_pass(s);
	else
		end_group(s, &ignored);
}

static int add_savepoint(struct store *s, struct err *e)
{
	int r = is_lost(s) ? err_set(e, EIO, "the database rolled the transaction back")
			   : conn_control(&s->writer, CONTROL_SAVEPOINT, e);
	s->savepoint = !r;
	return r;
}

static int check_writable(const struct store *s, struct err *e)
{
	return s->read_only ? err_set(e, EROFS, "the filesystem is mounted read-only") : 0;
}

static void txn_init(struct store *s, struct txn *t)
{
	*t = (struct txn){.store = s, .conn = &s->writer, .group = s->group};
	watch_begin(s);
}

/* With the turn, which is passed on where that fails. */
static int begin_turn(struct store *s, struct txn *t, struct err *e)
{
	int r;
	if (s->open) {
		r = add_savepoint(s, e);
		if (r)
			leave_group(s);
	} else {
		r = open_group(s, e);
		if (r)
			turn_pass(s);
	}
	if (!r)
		txn_init(s, t);
	return r;
}

int txn_begin(struct store *s, struct txn *t, struct err *e)
{
	if (check_writable(s, e) < 0)
		return -e->code;
	turn_wait(s);
	return begin_turn(s, t, e);
}

int txn_try_begin(struct store *s, struct txn *t, struct err *e)
{
	if (check_writable(s, e) < 0)
		return -e->code;
	if (!turn_try(s))
		return err_set(e, EDEADLK, "another save is being carried out, which may wait for who asks");
	int r = begin_turn(s, t, e);
	t->alone = true;
	return r;
}

int txn_alive(struct txn *t, struct err *e)
{
	if (!is_lost(t->store))
		return 0;
	return err_set(e, EIO, "the database rolled the transaction back: %s", t->store->failure_text);
}

/* Takes back what the running transaction did. A savepoint that can't be taken back takes the group with it. */
static void undo(struct store *s)
{
	err_auto ignored = ERR_INIT;
	watch_undo(s);
	if (!s->savepoint || is_lost(s))
		return;
	s->savepoint = false;
	if (conn_control(&s->writer, CONTROL_ROLLBACK_TO, &ignored) == 0 &&
	    conn_control(&s->writer, CONTROL_RELEASE, &ignored) == 0)
		return;
	roll_back(s, &ignored);
}

/* Deferred foreign keys of tables that others made would fail the COMMIT of all; each answers for its own. */
static int check_deferred(struct store *s, struct err *e)
{
	int unresolved = 0, high;
	sqlite3_db_status(s->writer.db, SQLITE_DBSTATUS_DEFERRED_FKS, &unresolved, &high, 0);
	return unresolved ? err_set(e, EBADMSG, "a reference to a record that does not exist was left behind") : 0;
}

int txn_defer_references(struct txn *t, bool on, struct err *e)
{
	if (on)
		return conn_exec(t->conn, "PRAGMA defer_foreign_keys=ON", e);
	/* SQLite forgets with it what is unresolved. */
	err_auto left = ERR_INIT;
	int unresolved = check_deferred(t->store, &left);
	int r = conn_exec(t->conn, "PRAGMA defer_foreign_keys=OFF", e);
	return r || !unresolved ? r : err_set(e, left.code, "%s", left.text);
}

/* What the running transaction did stands in the group. */
static int settle(struct store *s, struct err *e)
{
	int r = check_deferred(s, e);
	if (!r && s->savepoint && !is_lost(s))
		r = conn_control(&s->writer, CONTROL_RELEASE, e);
	if (r)
		return r;
	s->savepoint = false;
	keys_settle(s, true);
	return 0;
}

/* Nothing of it is left; the turn is still the caller's. */
static void take_back(struct store *s)
{
	keys_settle(s, false);
	undo(s);
	stage_undone(&s->writer);
}

/* ---- tasks: transactions that the one whose turn it is carries out for those who wait ---- */

struct task {
	struct waiter waiter;
	struct member member;
	struct txn *txn;
	txn_work *work;
	void *data;
	bool carried; /* another has carried it out: member.result */
};

/* The first of the line, if that is a task that may join the group. */
static struct task *next_task(struct store *s)
{
	struct task *task = NULL;
	if (!may_grow(s) || is_lost(s))
		return NULL;
	pthread_mutex_lock(&s->turn_lock);
	if (s->line && s->line->task) {
		task = s->line->task;
		s->line = s->line->next;
	}
	pthread_mutex_unlock(&s->turn_lock);
	return task;
}

static int work_in_group(struct store *s, struct task *task)
{
	int r = add_savepoint(s, task->member.e);
	if (r)
		return r;
	txn_init(s, task->txn);
	r = task->work(task->data, task->member.e);
	if (!r)
		r = settle(s, task->member.e);
	if (r)
		take_back(s);
	return r;
}

/* Who was refused need not wait for the commit. */
static void carry_out(struct store *s, struct task *task)
{
	task->carried = true;
	task->member.result = work_in_group(s, task);
	if (task->member.result)
		sem_post(&task->waiter.wake);
	else
		add_member(s, &task->member);
}

static int commit_turn(struct store *s, struct err *e)
{
	struct task *task;
	do {
		await_company(s);
		task = next_task(s);
		if (task)
			carry_out(s, task);
	} while (task);
	if (may_grow(s) && !is_lost(s))
		return join_group(s, e);
	return end_group(s, e);
}

int txn_commit(struct txn *t, struct err *e)
{
	struct store *s = t->store;
	int r = settle(s, e);
	if (r) {
		txn_rollback(t);
		return r;
	}
	t->store = NULL;
	return t->alone ? end_group(s, e) : commit_turn(s, e);
}

void txn_rollback(struct txn *t)
{
	struct store *s = t->store;
	if (!s)
		return;
	t->store = NULL;
	take_back(s);
	leave_group(s);
}

int txn_run(struct store *s, struct txn *t, txn_work *work, void *data, struct err *e)
{
	struct task task = {.member = {.e = e}, .txn = t, .work = work, .data = data};
	if (check_writable(s, e) < 0)
		return -e->code;
	task.waiter.task = &task;
	task.member.settled = &task.waiter.wake;
	turn_line(s, &task.waiter);
	if (task.carried)
		return task.member.result;
	int r = begin_turn(s, t, e);
	if (r)
		return r;
	r = work(data, e);
	if (r)
		txn_rollback(t);
	return r ? r : txn_commit(t, e);
}

void store_on_commit(struct store *s, void (*touched)(void *data, const bool *models), void *data)
{
	turn_wait(s);
	s->on_commit = touched;
	s->on_commit_data = data;
	turn_pass(s);
}
