/*
 * watched.c - counts what the kernel has of each queue, its directory and its records.
 */
#include "watched.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "../hooks/launch.h"
#include "../store/clock.h"

/* The name of a queue's directory is kept for less time than it must be quiet before anybody asks. */
enum { NAME_MS = 100, QUIET_MS = 200, LONGEST_PAUSE_MS = 60000, FORGET_MS = 20 };
#define MADE_S 3600.0

struct watched {
	_Atomic int64_t known;
	_Atomic long long looked_up_ms; /* by a program, the last time */
	_Atomic bool perhaps;
	_Atomic bool looked_up; /* since watched_ask */
	long long ask_ms, pause_ms;
};

int watched_new(struct mount *m, struct err *e)
{
	m->watched = calloc(m->schema->nmodels + 1, sizeof(*m->watched));
	return m->watched ? 0 : err_nomem(e);
}

void watched_free(struct mount *m)
{
	free(m->watched);
	m->watched = NULL;
}

static struct watched *watched_of(const struct mount *m, uint64_t ino)
{
	struct node node = node_decode(ino);

	if (!m->watched || (node.kind != NODE_MODEL && node.kind != NODE_RECORD))
		return NULL;
	const struct model *model = mount_model(m, node.model);
	return model && model->queue ? &m->watched[model->index] : NULL;
}

void watched_lookup(struct mount *m, uint64_t ino, bool program)
{
	struct watched *w = watched_of(m, ino);

	if (!w)
		return;
	w->known++;
	if (!program)
		return;
	w->looked_up_ms = monotonic_ms();
	w->looked_up = true;
	w->perhaps = true;
}

void watched_forget(struct mount *m, uint64_t ino, uint64_t n)
{
	struct watched *w = watched_of(m, ino);

	if (w)
		w->known -= (int64_t)n;
}

double watched_timeout(const struct mount *m, uint64_t ino)
{
	return watched_of(m, ino) ? NAME_MS / 1000.0 : MADE_S;
}

bool watched_perhaps(const struct mount *m, const struct model *queue)
{
	return m->watched[queue->index].perhaps;
}

bool watched_is_quiet(struct mount *m, const struct model *queue)
{
	const struct watched *w = &m->watched[queue->index];
	long long now = monotonic_ms();

	return now >= w->looked_up_ms + QUIET_MS && now >= w->ask_ms;
}

void watched_ask(struct mount *m, const struct model *queue)
{
	m->watched[queue->index].looked_up = false;
}

/* What the kernel forgets it says a little later, without waiting for an answer. */
bool watched_by_nobody(struct mount *m, const struct model *queue, int64_t own)
{
	static const struct timespec pause = {0, 1000 * 1000};
	struct watched *w = &m->watched[queue->index];

	for (int i = 0; i < FORGET_MS && w->known > own && !w->looked_up; i++)
		nanosleep(&pause, NULL);
	bool nobody = w->known <= own;
	if (nobody)
		w->perhaps = false;
	if (w->looked_up) /* since before or behind that line */
		w->perhaps = true;
	nobody &= !w->looked_up;
	w->pause_ms = nobody ? 0 : w->pause_ms ? w->pause_ms * 2 : QUIET_MS;
	if (w->pause_ms > LONGEST_PAUSE_MS)
		w->pause_ms = LONGEST_PAUSE_MS;
	w->ask_ms = monotonic_ms() + w->pause_ms;
	return nobody;
}
