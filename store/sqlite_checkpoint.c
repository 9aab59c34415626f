/*
 * sqlite_checkpoint.c - the thread that writes the log back into the database beside the saves, and start and end of
 * the writing connection.
 *
 * Invariant: `checkpointing`, `wal_pages` and `checkpoint_at` belong to the thread whose turn it is to write.
 */
#include "sqlite.h"

#include <errno.h>

#include "log.h"
#include "phase.h"

static int committed(void *data, sqlite3 *db, const char *database, int pages)
{
	struct store *s = data;
	(void)db, (void)database;
	if (pages < s->wal_pages)
		s->checkpoint_at = CHECKPOINT_PAGES;
	s->wal_pages = pages;
	if (pages < s->checkpoint_at || s->checkpointing)
		return SQLITE_OK;
	s->checkpointing = true;
	pthread_mutex_lock(&s->checkpoint_lock);
	s->checkpoint_due = true;
	pthread_cond_signal(&s->checkpoint_wanted);
	pthread_mutex_unlock(&s->checkpoint_lock);
	return SQLITE_OK;
}

static void *checkpointer(void *data)
{
	struct store *s = data;
	pthread_mutex_lock(&s->checkpoint_lock);
	while (!s->stopping) {
		if (!s->checkpoint_due) {
			pthread_cond_wait(&s->checkpoint_wanted, &s->checkpoint_lock);
			continue;
		}
		s->checkpoint_due = false;
		pthread_mutex_unlock(&s->checkpoint_lock);
		phase("checkpoint");
		int rc = sqlite3_wal_checkpoint_v2(s->checkpoint.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
		if (rc != SQLITE_OK && rc != SQLITE_BUSY && rc != SQLITE_LOCKED)
			log_warning("the database's log can't be written back: %s", sqlite3_errmsg(s->checkpoint.db));
		phase("checkpointed");
		atomic_store(&s->checkpointed, true);
		pthread_mutex_lock(&s->checkpoint_lock);
	}
	pthread_mutex_unlock(&s->checkpoint_lock);
	return NULL;
}

/*
 * The log only starts anew, and a log that is overwritten takes half the time of one that grows, when everything in it
 * is in the database while nobody writes. Beside saves that never pause the checkpointer can't reach that: it writes
 * back nearly all, and what came meanwhile is written back here, between two commits.
 */
void checkpoint_finish(struct store *s)
{
	if (!s->checkpointing || !atomic_exchange(&s->checkpointed, false))
		return;
	sqlite3_wal_checkpoint_v2(s->writer.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	s->checkpointing = false;
	s->checkpoint_at = s->wal_pages + CHECKPOINT_PAGES; /* unless it does start anew */
}

int writer_start(struct store *s, struct err *e)
{
	if (s->read_only)
		return 0;
	if (watch_start(s))
		return err_nomem(e);
	store_changed_elsewhere(s); /* from now on */
	/* A transaction must be able to end when there is no memory for anything. */
	if (conn_prepare_controls(&s->writer, 0, CONTROL_COUNT - 1, e))
		return -e->code;
	if (s->memory)
		return 0;
	int persist = 1;
	sqlite3_file_control(s->writer.db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	int r = conn_open(&s->checkpoint, s, s->schema->database, SQLITE_OPEN_READWRITE, READER_CACHE_KIB, e);
	if (r)
		return r;
	sqlite3_file_control(s->checkpoint.db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	s->checkpoint_at = CHECKPOINT_PAGES;
	sqlite3_wal_hook(s->writer.db, committed, s);
	if (pthread_create(&s->checkpointer, NULL, checkpointer, s))
		return err_set(e, EAGAIN, "no thread can be started for the database's log");
	s->has_checkpointer = true;
	return 0;
}

void writer_stop(struct store *s)
{
	keys_return(s);
	if (s->has_checkpointer) {
		pthread_mutex_lock(&s->checkpoint_lock);
		s->stopping = true;
		pthread_cond_signal(&s->checkpoint_wanted);
		pthread_mutex_unlock(&s->checkpoint_lock);
		pthread_join(s->checkpointer, NULL);
	}
	conn_close(&s->checkpoint);
	if (s->writer.db && s->touches && !s->memory)
		sqlite3_wal_checkpoint_v2(s->writer.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	watch_stop(s);
}
