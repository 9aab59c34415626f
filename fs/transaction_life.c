/*
 * transaction_life.c - the insides of transactions, from their making to their end.
 *
 * A transaction ends when it is dropped, by rmdir, ctl or after its time; its inside is freed when the kernel has
 * forgotten the last number in it, so whoever serves a request there may use it to the end. What has ended says ENOENT.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../hooks/stage.h"
#include "../store/clock.h"
#include "../store/log.h"
#include "answered.h"
#include "by.h"
#include "forget.h"
#include "handle.h"
#include "rejected.h"
#include "scratch.h"
#include "transaction_parts.h"
#include "usage.h"

const char *transaction_path(const struct mount *m)
{
	return m->transaction ? m->transaction->path : "";
}

bool transaction_ended(const struct mount *m)
{
	if (!m->transaction)
		return false;
	pthread_mutex_lock(&m->transactions->lock);
	bool ended = m->transaction->ended;
	pthread_mutex_unlock(&m->transactions->lock);
	return ended;
}

void transaction_owner(const struct mount *m, struct stat *st)
{
	const struct transaction *t = m->transaction;

	st->st_mode = S_IFDIR | 0700;
	st->st_uid = t->uid;
	st->st_gid = t->gid;
	st->st_mtim = st->st_ctim = st->st_atim = t->made;
}

/* ---- insides ---- */

struct transaction *transaction_new(struct mount *outer, const struct actor *who, const char *name, struct err *e)
{
	struct transaction *t = calloc(1, sizeof(*t) + strlen(name) + 1);

	if (!t) {
		err_nomem(e);
		return NULL;
	}
	t->inside = (struct mount){
	    .transaction = t,
	    .transactions = outer->transactions,
	    .forgets = outer->forgets,
	    .usages = outer->usages,
	    .conf = outer->conf,
	    .schema = outer->schema,
	    .hooks = outer->hooks,
	    .store = outer->store,
	    .saver = outer->saver,
	    .journal = outer->journal,
	    .directory = outer->directory,
	    .read_only = outer->read_only,
	    .uid = outer->uid,
	    .gid = outer->gid,
	    .started_ms = outer->started_ms,
	    .changed = outer->changed,
	    .next_memory = 1,
	};
	pthread_mutex_init(&t->inside.lock, NULL);
	t->uid = who->uid;
	t->gid = who->gid;
	t->used_ms = monotonic_ms();
	clock_gettime(CLOCK_REALTIME, &t->made);
	strcpy(t->name, name);
	snprintf(t->path, sizeof(t->path), ".txn/%s/", name);
	return t;
}

void transaction_append(struct transactions *all, struct transaction *t)
{
	struct transaction **at = &all->first;

	while (*at)
		at = &(*at)->next;
	*at = t;
}

size_t transaction_size(struct transaction *t)
{
	pthread_mutex_lock(&t->inside.lock);
	size_t answer = t->answer.cap;
	pthread_mutex_unlock(&t->inside.lock);
	return stage_held(t->inside.stage) + answer;
}

void transaction_free(struct transaction *t)
{
	handle_close_all(&t->inside);
	scratch_release_all(&t->inside);
	rejected_release_all(&t->inside);
	answered_release_all(&t->inside);
	by_release_all(&t->inside);
	stage_free(t->inside.stage);
	usage_settle(t->inside.usages, t->uid, &t->held, 0);
	pthread_mutex_destroy(&t->inside.lock);
	buf_release(&t->answer);
	free(t);
}

struct transaction *transactions_take_ended(struct transactions *all)
{
	struct transaction *taken = NULL;

	for (struct transaction **at = &all->first; *at;) {
		struct transaction *t = *at;

		if (t->ended && t->numbers == 0) {
			*at = t->next;
			t->next = taken;
			taken = t;
		} else {
			at = &t->next;
		}
	}
	return taken;
}

void transactions_free_taken(struct transaction *t)
{
	while (t) {
		struct transaction *next = t->next;

		transaction_free(t);
		t = next;
	}
}

void transaction_end(struct mount *m, struct transaction *t)
{
	t->ended = true;
	if (t->numbers > 0)
		forget_name(m, t->name, mount_public_ino(&t->inside, NODE_ROOT_INO));
}

static bool may_be_unused(const struct transaction *t)
{
	return !t->ended && !t->shown && !t->working;
}

/* With the lock. */
static void end_unused(struct mount *m)
{
	struct transactions *all = m->transactions;
	int64_t before = monotonic_ms() - m->schema->transaction_timeout_ms;

	for (struct transaction *t = all->first; t; t = t->next) {
		if (!may_be_unused(t) || t->used_ms > before)
			continue;
		transaction_end(m, t);
		log_info(".txn/%s was not used for %lld s and is dropped", t->name,
			 m->schema->transaction_timeout_ms / 1000);
	}
}

/* All that only names or answers lead to. What is open there stays until it is closed. */
static void empty(struct transaction *t)
{
	stage_abort(t->inside.stage);
	scratch_drop_names(&t->inside);
	pthread_mutex_lock(&t->inside.lock);
	rejected_release_all(&t->inside);
	answered_release_all(&t->inside);
	buf_release(&t->answer);
	pthread_mutex_unlock(&t->inside.lock);
}

/* With the lock, but not while the rows go, which a commit may hold up. */
static void empty_ended(struct transactions *all)
{
	struct transaction *t = all->first;

	while (t) {
		if (!t->ended || t->emptied) {
			t = t->next;
			continue;
		}
		t->emptied = true;
		t->numbers++; /* stays meanwhile */
		pthread_mutex_unlock(&all->lock);
		empty(t);
		usage_settle(t->inside.usages, t->uid, &t->held, transaction_size(t));
		pthread_mutex_lock(&all->lock);
		t->numbers--;
		t = all->first;
	}
}

void transactions_sweep(struct mount *m)
{
	struct transactions *all = m->transactions;

	pthread_mutex_lock(&all->lock);
	end_unused(m);
	empty_ended(all);
	struct transaction *taken = transactions_take_ended(all);
	pthread_mutex_unlock(&all->lock);
	transactions_free_taken(taken);
}

/* ---- the thread that waits ---- */

/* With the lock: when the next one ends if nobody uses it; -1: there is none. */
static int64_t next_end_ms(const struct mount *m)
{
	int64_t first = -1;

	for (const struct transaction *t = m->transactions->first; t; t = t->next)
		if (may_be_unused(t) && (first < 0 || t->used_ms < first))
			first = t->used_ms;
	return first < 0 ? -1 : first + m->schema->transaction_timeout_ms;
}

/* Whoever uses a transaction tells nobody: the time is looked at again when it has come. */
static void *wait_for_unused(void *data)
{
	struct mount *m = data;
	struct transactions *all = m->transactions;

	pthread_mutex_lock(&all->lock);
	while (!all->stopping) {
		int64_t at = next_end_ms(m);
		struct timespec until = monotonic_at(at);

		if (at < 0) {
			pthread_cond_wait(&all->wake, &all->lock);
		} else if (at > monotonic_ms()) {
			pthread_cond_timedwait(&all->wake, &all->lock, &until);
		} else {
			pthread_mutex_unlock(&all->lock);
			transactions_sweep(m);
			pthread_mutex_lock(&all->lock);
		}
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

int transactions_wait(struct mount *m, struct err *e)
{
	struct transactions *all = m->transactions;

	if (!all->has_timer && pthread_create(&all->timer, NULL, wait_for_unused, all->mount) != 0)
		return err_set(e, EAGAIN, "There are too many threads to wait for the end of a transaction");
	all->has_timer = true;
	pthread_cond_signal(&all->wake);
	return 0;
}

void transaction_work(struct transaction *t, bool begins)
{
	struct transactions *all = t->inside.transactions;

	pthread_mutex_lock(&all->lock);
	t->working += begins ? 1U : -1U;
	t->used_ms = monotonic_ms();
	pthread_cond_signal(&all->wake);
	pthread_mutex_unlock(&all->lock);
}

static void stop_waiting(struct transactions *all)
{
	pthread_mutex_lock(&all->lock);
	all->stopping = true;
	pthread_cond_signal(&all->wake);
	pthread_mutex_unlock(&all->lock);
	if (all->has_timer)
		pthread_join(all->timer, NULL);
}

/* ---- from start to end ---- */

int transactions_start(struct mount *m, struct err *e)
{
	struct transactions *all = calloc(1, sizeof(*all));

	if (!all || numbers_start(all, e) < 0) {
		free(all);
		return err_nomem(e);
	}
	clock_cond_init(&all->wake);
	pthread_mutex_init(&all->lock, NULL);
	all->mount = m;
	m->transactions = all;
	return 0;
}

void transactions_stop(struct mount *m)
{
	struct transactions *all = m->transactions;

	if (!all)
		return;
	stop_waiting(all);
	numbers_release(all);
	transactions_free_taken(all->first);
	pthread_cond_destroy(&all->wake);
	pthread_mutex_destroy(&all->lock);
	free(all);
	m->transactions = NULL;
}
