/*
 * usage.c - bounds what open files hold, so that nobody brings the daemon down by opening many.
 *
 * A list of those who have files open, and their sums. An entry is there while it has a file. The insides of
 * transactions share the list of their mount, so that a user gains nothing by opening files there.
 */
#include "usage.h"

#include <errno.h>
#include <stdlib.h>

#include "handle.h"

struct usage {
	uid_t uid;
	size_t files, bytes;
	struct usage *next;
};

struct usages {
	pthread_mutex_t lock;
	struct usage *first;
	size_t open_bytes;
};

int usages_start(struct mount *m, struct err *e)
{
	m->usages = calloc(1, sizeof(*m->usages));
	if (!m->usages)
		return err_nomem(e);
	pthread_mutex_init(&m->usages->lock, NULL);
	return 0;
}

void usages_stop(struct mount *m)
{
	if (!m->usages)
		return;
	pthread_mutex_destroy(&m->usages->lock);
	free(m->usages);
	m->usages = NULL;
}

/* Scratch files have bounds of their own, and what rowfs makes is nobody's: all those together are one more user. */
static uid_t payer(const struct handle *h)
{
	return h->kind == NODE_MEMORY ? (uid_t)-1 : h->opener.uid;
}

static struct usage **find(struct usages *all, uid_t uid)
{
	struct usage **at = &all->first;

	while (*at && (*at)->uid != uid)
		at = &(*at)->next;
	return at;
}

/* The user's entry; NULL without memory. */
static struct usage *entry(struct usages *all, uid_t uid)
{
	struct usage **at = find(all, uid);

	if (!*at && (*at = calloc(1, sizeof(**at))))
		(*at)->uid = uid;
	return *at;
}

static void drop_unused(struct usages *all, uid_t uid)
{
	struct usage **at = find(all, uid), *u = *at;

	if (u && u->files == 0) {
		*at = u->next;
		free(u);
	}
}

static int check(const struct usages *all, const struct usage *u, size_t files, size_t bytes, struct err *e)
{
	if (u->files + files > LIMIT_OPEN_FILES)
		return err_set(e, ENOSPC, "You have %d files open; close some", LIMIT_OPEN_FILES);
	if (u->bytes + bytes > LIMIT_OPEN_BYTES)
		return err_set(e, ENOSPC, "The files that you have open hold %d MiB of text; close some",
			       LIMIT_OPEN_BYTES >> 20);
	if (all->open_bytes + bytes > LIMIT_OPEN_TOTAL)
		return err_set(e, ENOSPC, "The files that are open hold %d MiB of text; try again later",
			       LIMIT_OPEN_TOTAL >> 20);
	return 0;
}

static int count(struct usages *all, struct handle *h, size_t bytes, struct err *e)
{
	struct usage *u = entry(all, payer(h));
	size_t files = !h->counted, more = bytes > h->bytes ? bytes - h->bytes : 0;
	int rc = u ? check(all, u, files, more, e) : err_nomem(e);

	if (rc == 0) {
		u->files += files;
		u->bytes += bytes - h->bytes;
		all->open_bytes += bytes - h->bytes;
		h->bytes = bytes;
		h->counted = true;
	}
	drop_unused(all, payer(h));
	return rc;
}

int usage_count(struct mount *m, struct handle *h, size_t more, struct err *e)
{
	pthread_mutex_lock(&m->usages->lock);
	int rc = count(m->usages, h, h->text.cap + h->draft.text.len + more, e);
	pthread_mutex_unlock(&m->usages->lock);
	return rc;
}

size_t usage_left(struct mount *m, struct handle *h)
{
	pthread_mutex_lock(&m->usages->lock);
	const struct usage *u = *find(m->usages, payer(h));
	size_t used = u ? u->bytes : 0;
	pthread_mutex_unlock(&m->usages->lock);
	return used < LIMIT_OPEN_BYTES ? LIMIT_OPEN_BYTES - used : 0;
}

static void forget(struct usages *all, struct handle *h)
{
	struct usage *u = h->counted ? *find(all, payer(h)) : NULL;

	if (!u)
		return;
	u->files--;
	u->bytes -= h->bytes;
	all->open_bytes -= h->bytes;
	h->bytes = 0;
	h->counted = false;
	drop_unused(all, payer(h));
}

void usage_forget(struct mount *m, struct handle *h)
{
	pthread_mutex_lock(&m->usages->lock);
	forget(m->usages, h);
	pthread_mutex_unlock(&m->usages->lock);
}
