/*
 * usage.c - bounds what users hold in memory, so that nobody brings the daemon down by opening or preparing much.
 *
 * A list of those who hold something, and their sums. An account is there while it has a file or a byte.
 */
#include "usage.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "handle.h"

struct account {
	uid_t uid;
	size_t files, bytes;
	struct account *next;
};

struct usages {
	pthread_mutex_t lock;
	struct account *accounts;
	size_t bytes; /* of all */
};

int usages_new(struct usages **out)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	pthread_mutex_init(&(*out)->lock, NULL);
	return 0;
}

void usages_free(struct usages *u)
{
	if (!u)
		return;
	while (u->accounts) {
		struct account *next = u->accounts->next;

		free(u->accounts);
		u->accounts = next;
	}
	pthread_mutex_destroy(&u->lock);
	free(u);
}

/* ---- accounts; with the lock ---- */

static struct account **find(struct usages *u, uid_t uid)
{
	struct account **at = &u->accounts;

	while (*at && (*at)->uid != uid)
		at = &(*at)->next;
	return at;
}

/* The user's account; NULL without memory. */
static struct account *account_of(struct usages *u, uid_t uid)
{
	struct account **at = find(u, uid);

	if (!*at && (*at = calloc(1, sizeof(**at))))
		(*at)->uid = uid;
	return *at;
}

static void drop_unused(struct usages *u, uid_t uid)
{
	struct account **at = find(u, uid), *a = *at;

	if (a && a->files == 0 && a->bytes == 0) {
		*at = a->next;
		free(a);
	}
}

static int check(const struct usages *u, const struct account *a, size_t files, size_t more, struct err *e)
{
	if (files && a->files + files > LIMIT_OPEN_FILES)
		return err_set(e, ENOSPC, "You have %d files open; close some", LIMIT_OPEN_FILES);
	if (more && a->bytes + more > LIMIT_HELD_BYTES)
		return err_set(e, ENOSPC,
			       "What you have open, in scratch files and in transactions holds %d MiB; close or remove "
			       "some",
			       LIMIT_HELD_BYTES >> 20);
	if (more && u->bytes + more > LIMIT_HELD_TOTAL)
		return err_set(
		    e, ENOSPC,
		    "What all users have open, in scratch files and in transactions holds %d MiB; try again later",
		    LIMIT_HELD_TOTAL >> 20);
	return 0;
}

static int hold(struct usages *u, uid_t uid, size_t *held, size_t bytes, size_t files, struct err *e)
{
	struct account *a = account_of(u, uid);
	int rc = a ? 0 : -ENOMEM;

	if (rc == 0 && e)
		rc = check(u, a, files, bytes > *held ? bytes - *held : 0, e);
	else if (rc < 0 && e)
		err_nomem(e);
	if (rc == 0) {
		a->files += files;
		a->bytes += bytes - *held;
		u->bytes += bytes - *held;
		*held = bytes;
	}
	drop_unused(u, uid);
	return rc;
}

/* ---- what is held ---- */

int usage_hold(struct usages *u, uid_t uid, size_t *held, size_t bytes, struct err *e)
{
	pthread_mutex_lock(&u->lock);
	int rc = hold(u, uid, held, bytes, 0, e);
	pthread_mutex_unlock(&u->lock);
	return rc;
}

void usage_settle(struct usages *u, uid_t uid, size_t *held, size_t bytes)
{
	pthread_mutex_lock(&u->lock);
	hold(u, uid, held, bytes, 0, NULL);
	pthread_mutex_unlock(&u->lock);
}

size_t usage_room(struct usages *u, uid_t uid, size_t *held, size_t base, size_t wish)
{
	for (size_t room = wish; room >= 4096; room /= 2) {
		err_auto ignored = ERR_INIT;

		if (usage_hold(u, uid, held, base + room, &ignored) == 0)
			return room;
	}
	usage_settle(u, uid, held, base);
	return 0;
}

/* ---- open files ---- */

/* Scratch files have an account of their own, and what rowfs makes is nobody's: those together are one more user. */
uid_t usage_payer(const struct handle *h)
{
	return h->kind == NODE_MEMORY ? (uid_t)-1 : h->opener.uid;
}

size_t usage_size(const struct handle *h)
{
	return h->text.cap + h->draft.text.len;
}

int usage_count(struct mount *m, struct handle *h, size_t more, struct err *e)
{
	struct usages *u = m->usages;

	pthread_mutex_lock(&u->lock);
	int rc = hold(u, usage_payer(h), &h->bytes, usage_size(h) + more, !h->counted, e);
	h->counted |= rc == 0;
	pthread_mutex_unlock(&u->lock);
	return rc;
}

void usage_forget(struct mount *m, struct handle *h)
{
	struct usages *u = m->usages;

	pthread_mutex_lock(&u->lock);
	struct account *a = h->counted ? *find(u, usage_payer(h)) : NULL;
	if (a) {
		a->files--;
		h->counted = false;
		hold(u, usage_payer(h), &h->bytes, 0, 0, NULL);
	}
	pthread_mutex_unlock(&u->lock);
}
