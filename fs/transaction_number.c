/*
 * transaction_number.c - the numbers by which the kernel knows what is in transactions.
 *
 * Each is a hash of the transaction and of the number that the thing has inside, kept as long as the kernel has looked
 * it up. It holds its transaction.
 */
#include <errno.h>
#include <stdlib.h>

#include "../store/clock.h"
#include "by.h"
#include "handle.h"
#include "transaction_parts.h"

struct number {
	struct number *next;
	uint64_t public_ino, ino;
	struct transaction *of;
	uint64_t lookups;
};

enum { FIRST_BUCKETS = 64 };

uint64_t mount_public_ino(const struct mount *m, uint64_t ino)
{
	if (!m->transaction)
		return ino;
	uint64_t x = ino + (uint64_t)m->transaction->id * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return node_inside(x ^ x >> 31);
}

/* With the lock. */
static struct number **number_at(struct transactions *all, uint64_t public_ino)
{
	struct number **at = &all->buckets[public_ino & (all->nbuckets - 1)];

	while (*at && (*at)->public_ino != public_ino)
		at = &(*at)->next;
	return at;
}

static void grow(struct transactions *all)
{
	size_t n = 2 * all->nbuckets;
	struct number **buckets = all->n < n ? NULL : calloc(n, sizeof(*buckets));

	if (!buckets)
		return;
	for (size_t i = 0; i < all->nbuckets; i++)
		while (all->buckets[i]) {
			struct number *each = all->buckets[i];

			all->buckets[i] = each->next;
			each->next = buckets[each->public_ino & (n - 1)];
			buckets[each->public_ino & (n - 1)] = each;
		}
	free(all->buckets);
	all->buckets = buckets;
	all->nbuckets = n;
}

int number_remember(struct transactions *all, struct transaction *t, uint64_t ino)
{
	uint64_t public_ino = mount_public_ino(&t->inside, ino);
	struct number **at = number_at(all, public_ino);

	if (*at && ((*at)->of != t || (*at)->ino != ino))
		return -ENFILE;
	if (!*at) {
		if (all->n >= LIMIT_TXN_NUMBERS)
			return -ENFILE;
		*at = calloc(1, sizeof(**at));
		if (!*at)
			return -ENOMEM;
		**at = (struct number){.public_ino = public_ino, .ino = ino, .of = t};
		all->n++;
		t->numbers++;
	}
	(*at)->lookups++;
	grow(all);
	return 0;
}

int transaction_remember(struct mount *m, uint64_t ino)
{
	if (!m->transaction)
		return 0;
	pthread_mutex_lock(&m->transactions->lock);
	int rc = number_remember(m->transactions, m->transaction, ino);
	pthread_mutex_unlock(&m->transactions->lock);
	return rc;
}

/* With the lock. */
static void forget(struct transactions *all, uint64_t public_ino, uint64_t lookups)
{
	struct number **at = number_at(all, public_ino), *each = *at;

	if (!each)
		return;
	each->lookups -= lookups < each->lookups ? lookups : each->lookups;
	if (each->lookups > 0)
		return;
	*at = each->next;
	each->of->numbers--;
	all->n--;
	free(each);
}

/* What the kernel forgets is held until then by the look-ups that it forgets. */
static void forget_by(struct transactions *all, uint64_t public_ino, uint64_t lookups)
{
	pthread_mutex_lock(&all->lock);
	struct number *each = *number_at(all, public_ino);
	struct mount *inside = each ? &each->of->inside : NULL;
	uint64_t ino = each ? each->ino : 0;
	pthread_mutex_unlock(&all->lock);
	if (inside)
		by_forget(inside, ino, lookups);
}

void transaction_forget(struct mount *m, uint64_t public_ino, uint64_t lookups)
{
	struct transactions *all = m->transactions;

	if (!node_is_inside(public_ino))
		return;
	forget_by(all, public_ino, lookups);
	pthread_mutex_lock(&all->lock);
	forget(all, public_ino, lookups);
	struct transaction *taken = transactions_take_ended(all);
	pthread_mutex_unlock(&all->lock);
	transactions_free_taken(taken);
}

enum transaction_use transaction_use(struct mount *m, uint64_t root)
{
	struct transactions *all = m->transactions;
	enum transaction_use use = TRANSACTION_FORGOTTEN;

	pthread_mutex_lock(&all->lock);
	struct number *n = *number_at(all, root);
	if (n) {
		struct transaction *t = n->of;

		t->numbers++; /* stays meanwhile */
		pthread_mutex_unlock(&all->lock);
		use = handle_any(&t->inside) ? TRANSACTION_OPEN : TRANSACTION_KNOWN;
		pthread_mutex_lock(&all->lock);
		t->numbers--;
	}
	struct transaction *taken = transactions_take_ended(all);
	pthread_mutex_unlock(&all->lock);
	transactions_free_taken(taken);
	return use;
}

struct mount *mount_inside(struct mount *m, uint64_t *ino)
{
	struct transactions *all = m->transactions;

	if (!node_is_inside(*ino))
		return m;
	pthread_mutex_lock(&all->lock);
	struct number *n = *number_at(all, *ino);
	*ino = n ? n->ino : 0;
	if (n) {
		n->of->used_ms = monotonic_ms();
		m = &n->of->inside;
	}
	pthread_mutex_unlock(&all->lock);
	return m;
}

struct mount *mount_enter(fuse_req_t req, fuse_ino_t *ino)
{
	return mount_inside(fuse_req_userdata(req), ino);
}

int numbers_start(struct transactions *all, struct err *e)
{
	all->buckets = calloc(FIRST_BUCKETS, sizeof(*all->buckets));
	all->nbuckets = FIRST_BUCKETS;
	return all->buckets ? 0 : err_nomem(e);
}

void numbers_release(struct transactions *all)
{
	for (size_t i = 0; i < all->nbuckets; i++)
		while (all->buckets[i]) {
			struct number *next = all->buckets[i]->next;

			free(all->buckets[i]);
			all->buckets[i] = next;
		}
	free(all->buckets);
}
