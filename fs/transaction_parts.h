/*
 * transaction_parts.h - what the files of transactions share: the table of all of them, which its lock guards, a leaf.
 */
#ifndef ROWFS_TRANSACTION_PARTS_H
#define ROWFS_TRANSACTION_PARTS_H

#include "transaction.h"

struct transaction {
	struct transaction *next;
	struct mount inside;
	int64_t id; /* place in listings */
	uid_t uid;  /* whose it is */
	gid_t gid;
	struct timespec made;
	int64_t used_ms; /* monotonic */
	bool ended, emptied;
	unsigned working;          /* commits that run: it is not unused */
	bool shown;                /* to a hook's program: found by its name alone, and not listed */
	size_t numbers;            /* that the kernel knows */
	size_t held;               /* of its user's memory (usage.h) */
	struct buf answer;         /* of the last commit; guarded by the inside's lock */
	char path[LIMIT_NAME + 8]; /* ".txn/NAME/" */
	char name[];
};

struct number;

struct transactions {
	struct mount *mount;
	pthread_mutex_t lock;
	struct transaction *first; /* in the order in which they were made; those that have ended too */
	int64_t last_id;
	struct number **buckets; /* transaction_number.c */
	size_t nbuckets, n;
	pthread_cond_t wake; /* of the thread that waits until one was not used for too long; of the monotonic clock */
	pthread_t timer;
	bool has_timer, stopping;
};

/* ---- transaction_life.c ---- */

/* In no table yet; without a stage. NULL: no memory. */
struct transaction *transaction_new(struct mount *outer, const struct actor *who, const char *name, struct err *e);
/* With the lock: behind the others. */
void transaction_append(struct transactions *all, struct transaction *t);
void transaction_free(struct transaction *t);
/* With the lock. The kernel is told to forget it. */
void transaction_end(struct mount *m, struct transaction *t);
/* With the lock: there is one more to be waited for. The thread that does is started with the first. -EAGAIN. */
int transactions_wait(struct mount *m, struct err *e);
/* A commit begins, and ends. */
void transaction_work(struct transaction *t, bool begins);
/* With the lock: it ends, and the kernel is told to forget it. */
void transaction_end(struct mount *m, struct transaction *t);
/* What has ended shows nothing more; what nobody knows any more goes. */
void transactions_sweep(struct mount *m);
/* With the lock: takes out what can go; it is freed without the lock. */
struct transaction *transactions_take_ended(struct transactions *all);
void transactions_free_taken(struct transaction *taken);

/* ---- transaction_number.c ---- */

int numbers_start(struct transactions *all, struct err *e);
void numbers_release(struct transactions *all);
/* With the lock: the kernel is about to know the number of the transaction. */
int number_remember(struct transactions *all, struct transaction *t, uint64_t ino);

/* What it holds in memory. */
size_t transaction_size(struct transaction *t);

#endif
