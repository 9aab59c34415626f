/*
 * sqlite_reader.c - who reads beside the writer: a pool of connections, and the writer's own while nobody writes.
 *
 * Readers are opened when first needed and kept; each holds one snapshot from its first read until store_read_end.
 */
#include "clock.h"
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static struct conn *reader_open(struct store *s, struct err *e)
{
	int flags = s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	struct conn *c = malloc(sizeof(*c));
	int r = c ? conn_open(c, s, s->schema->database, flags, READER_CACHE_KIB, e) : err_nomem(e);
	if (!r)
		r = conn_exec(c, "PRAGMA query_only=ON", e);
	if (!r)
		return c;
	if (c)
		conn_close(c);
	free(c);
	return NULL;
}

static void reader_leave(struct store *s, struct conn *c)
{
	pthread_mutex_lock(&s->pool_lock);
	if (c) {
		c->next = s->idle;
		s->idle = c;
	} else {
		s->readers--;
	}
	pthread_cond_signal(&s->returned);
	pthread_mutex_unlock(&s->pool_lock);
}

/* Waits for an idle reader or room for one more; false after TIMEOUT_BUSY_MS. */
static bool reader_take(struct store *s, struct conn **out)
{
	struct timespec until = monotonic_at(monotonic_ms() + TIMEOUT_BUSY_MS);
	int rc = 0;
	pthread_mutex_lock(&s->pool_lock);
	while (!s->idle && s->readers >= LIMIT_READERS && rc == 0)
		rc = pthread_cond_timedwait(&s->returned, &s->pool_lock, &until);
	*out = s->idle;
	bool room = *out || s->readers < LIMIT_READERS;
	if (*out)
		s->idle = (*out)->next;
	else if (room)
		s->readers++;
	pthread_mutex_unlock(&s->pool_lock);
	return room;
}

struct conn *store_read_begin(struct store *s, struct err *e)
{
	struct conn *c;
	if (s->memory) {
		err_set(e, EROFS, "a database in memory is read only inside a transaction");
		return NULL;
	}
	if (!reader_take(s, &c)) {
		err_set(e, ETIMEDOUT, "all %d reading connections to the database are busy", LIMIT_READERS);
		return NULL;
	}
	if (!c) {
		c = reader_open(s, e);
		if (!c)
			reader_leave(s, NULL);
	}
	return c;
}

/* Relations may show many rows, for which no save shall wait. */
struct conn *store_read_once(struct store *s, const struct model *m, uid_t viewer, struct err *e)
{
	if (m->nrelations == 0 && !s->memory && turn_try(s)) {
		store_view_as(&s->writer, viewer);
		if (writer_check(s, e) == 0)
			return &s->writer;
		store_read_end(&s->writer);
		return NULL;
	}
	struct conn *c = store_read_as(s, viewer, e);
	if (!c)
		return NULL;
	c->once = true;
	if (conn_check_place(c, e) == 0)
		return c;
	store_read_end(c);
	return NULL;
}

void store_read_end(struct conn *c)
{
	if (!c)
		return;
	if (c->ended) {
		c->ended(c->ended_data);
		return;
	}
	c->once = false;
	c->viewer = VIEW_ALL;
	if (c == &c->store->writer) {
		turn_pass(c->store);
		return;
	}
	err_auto ignored = ERR_INIT;
	struct store *s = c->store;
	bool sound = !c->begun || conn_control(c, CONTROL_COMMIT, &ignored) == 0;
	c->begun = false;
	if (!c->doubtful && (sound || sqlite3_get_autocommit(c->db))) {
		reader_leave(s, c);
		return;
	}
	conn_close(c);
	free(c);
	reader_leave(s, NULL);
}
