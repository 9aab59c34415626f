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
#include "../store/log.h"
#include "answered.h"
#include "handle.h"
#include "rejected.h"
#include "scratch.h"
#include "transaction_parts.h"
#include "usage.h"

int64_t transaction_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

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
	    .conf = outer->conf,
	    .schema = outer->schema,
	    .hooks = outer->hooks,
	    .store = outer->store,
	    .saver = outer->saver,
	    .journal = outer->journal,
	    .usages = outer->usages,
	    .directory = outer->directory,
	    .read_only = outer->read_only,
	    .uid = outer->uid,
	    .gid = outer->gid,
	    .started = outer->started,
	    .changed = outer->changed,
	    .next_memory = 1,
	};
	pthread_mutex_init(&t->inside.lock, NULL);
	t->uid = who->uid;
	t->gid = who->gid;
	t->used_ms = transaction_now_ms();
	t->answer.limit = 2 * (size_t)LIMIT_STAGED_BYTES;
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

void transactions_end_unused(struct mount *m)
{
	struct transactions *all = m->transactions;
	int64_t before = transaction_now_ms() - m->schema->transaction_timeout_ms;

	for (struct transaction *t = all->first; t; t = t->next) {
		if (t->ended || t->shown || t->used_ms > before)
			continue;
		t->ended = true;
		log_info(".txn/%s was not used for %lld s and is dropped", t->name,
			 m->schema->transaction_timeout_ms / 1000);
	}
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
		stage_abort(t->inside.stage);
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
	transactions_end_unused(m);
	empty_ended(all);
	struct transaction *taken = transactions_take_ended(all);
	pthread_mutex_unlock(&all->lock);
	transactions_free_taken(taken);
}

/* ---- from start to end ---- */

int transactions_start(struct mount *m, struct err *e)
{
	struct transactions *all = calloc(1, sizeof(*all));

	if (!all || numbers_start(all, e) < 0) {
		free(all);
		return err_nomem(e);
	}
	pthread_mutex_init(&all->lock, NULL);
	m->transactions = all;
	return 0;
}

void transactions_stop(struct mount *m)
{
	struct transactions *all = m->transactions;

	if (!all)
		return;
	numbers_release(all);
	transactions_free_taken(all->first);
	pthread_mutex_destroy(&all->lock);
	free(all);
	m->transactions = NULL;
}
