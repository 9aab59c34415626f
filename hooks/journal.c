/*
 * journal.c - the last refusals of each user, each kept as the line that .errors shows.
 *
 * A list of users, each with his entries, oldest first: nobody pushes out another's. Beyond LIMIT_ERRORS_TOTAL the one
 * who holds most loses his oldest. The line is made once, outside the lock; the lock only guards the lists. An entry
 * whose path was saved since keeps its line and loses its claim to be the path's last error.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../store/clock.h"
#include "../store/json.h"
#include "../store/limits.h"
#include "../store/utf8.h"
#include "../store/value.h"
#include "event.h"
#include "journal.h"
#include "process_name.h"

struct entry {
	struct entry *next;
	uint64_t number; /* in the order in which they came */
	pid_t writer;    /* whose text was refused, 0 if it was something else or the writer has cleaned up since */
	int64_t added;   /* ms of CLOCK_MONOTONIC */
	bool settled;
	char *path; /* one allocation with what follows */
	char *sentence;
	char *line;
	size_t line_len, size;
};

/* A user who has entries. */
struct holder {
	struct holder *next;
	uid_t uid;
	struct entry *first, *last, *at;
	size_t n, size;
};

struct journal {
	pthread_mutex_t lock;
	struct holder *users;
	uint64_t number;
	size_t size;
};

int journal_new(struct journal **out)
{
	struct journal *j = calloc(1, sizeof *j);
	if (!j)
		return -ENOMEM;
	pthread_mutex_init(&j->lock, NULL);
	*out = j;
	return 0;
}

static void free_entries(struct entry *entry)
{
	while (entry) {
		struct entry *next = entry->next;
		free(entry->path);
		free(entry);
		entry = next;
	}
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	while (j->users) {
		struct holder *next = j->users->next;
		free_entries(j->users->first);
		free(j->users);
		j->users = next;
	}
	pthread_mutex_destroy(&j->lock);
	free(j);
}

/* ---- one line ---- */

/* A program's message may be any bytes, or cut within a character; JSON is UTF-8. */
static void add_text(struct buf *b, const char *name, const char *text)
{
	buf_auto valid = BUF_INIT;
	for (size_t left = strlen(text), n; left; text += n, left -= n) {
		n = utf8_sequence(text, left);
		buf_add(&valid, n ? text : "?", n ? n : 1);
		n += !n;
	}
	buf_printf(b, ",\"%s\":", name);
	json_write_string(b, buf_text(&valid), valid.len);
	b->failed |= buf_failed(&valid);
}

/* A name may be as long as a document; who reads the line looks for the place. */
static void add_problem(struct buf *b, const struct problem *p)
{
	size_t len = strlen(p->pointer), cut = len < LIMIT_POINTER ? len : LIMIT_POINTER;
	while (cut < len && cut > 0 && ((unsigned char)p->pointer[cut] & 0xc0) == 0x80)
		cut--;
	buf_str(b, "{\"pointer\":");
	json_write_string(b, p->pointer, cut);
	buf_printf(b, ",\"line\":%d,\"column\":%d", p->line, p->column);
	add_text(b, "message", p->text);
	buf_char(b, '}');
}

static void write_line(struct buf *b, uid_t uid, pid_t pid, const char *path, const struct err *e)
{
	char now[32], comm[COMM_SIZE];
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	value_now(ts, now);
	process_name(pid, comm);
	const char *name = err_name(e->code);
	buf_printf(b, "{\"time\":\"%s\",\"uid\":%lu,\"pid\":%ld", now, (unsigned long)uid, (long)pid);
	add_text(b, "comm", comm);
	add_text(b, "path", path);
	add_text(b, "errno", name ? name : "EIO");
	add_text(b, "message", e->text);
	buf_str(b, ",\"problems\":[");
	for (size_t i = 0; i < e->nproblems; i++) {
		if (i)
			buf_char(b, ',');
		add_problem(b, &e->problems[i]);
	}
	buf_char(b, ']');
	if (*e->current) {
		buf_str(b, ",\"checksum\":{\"current\":");
		json_write_string(b, e->current, strlen(e->current));
		add_text(b, "supplied", e->supplied);
		buf_char(b, '}');
	}
	buf_str(b, "}\n");
}

static struct entry *make_entry(const char *path, const char *sentence, const struct buf *line)
{
	size_t path_size = strlen(path) + 1, sentence_size = strlen(sentence) + 1;
	struct entry *entry = calloc(1, sizeof *entry);
	char *memory = entry ? malloc(path_size + sentence_size + line->len) : NULL;
	if (!memory) {
		free(entry);
		return NULL;
	}
	entry->path = memory;
	entry->sentence = memory + path_size;
	entry->line = memory + path_size + sentence_size;
	entry->line_len = line->len;
	entry->size = sizeof *entry + path_size + sentence_size + line->len;
	entry->added = monotonic_ms();
	memcpy(entry->path, path, path_size);
	memcpy(entry->sentence, sentence, sentence_size);
	memcpy(entry->line, line->data, line->len);
	return entry;
}

/* ---- the lists; with the lock ---- */

static struct holder *user_of(struct journal *j, uid_t uid, bool make)
{
	struct holder *u = j->users;
	while (u && u->uid != uid)
		u = u->next;
	if (u || !make || !(u = calloc(1, sizeof *u)))
		return u;
	u->uid = uid;
	u->next = j->users;
	return j->users = u;
}

/* The oldest entry of the user, and the user with his last one. */
static struct entry *take_first(struct journal *j, struct holder *u)
{
	struct entry *entry = u->first;
	u->first = entry->next;
	u->n--;
	u->size -= entry->size;
	j->size -= entry->size;
	entry->next = NULL;
	if (u->first)
		return entry;
	struct holder **at = &j->users;
	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	free(u);
	return entry;
}

/* Who has too much; NULL: nobody. */
static struct holder *over_limit(struct journal *j, struct holder *u)
{
	struct holder *most = u;
	if (u->n > LIMIT_ERRORS || u->size > LIMIT_ERRORS_BYTES)
		return u;
	for (struct holder *each = j->users; each; each = each->next)
		if (each->size > most->size)
			most = each;
	return j->size > LIMIT_ERRORS_TOTAL ? most : NULL;
}

/* Returns what has no room any more. */
static struct entry *append(struct journal *j, struct holder *u, struct entry *entry)
{
	struct entry *dropped = NULL;
	entry->number = ++j->number;
	*(u->first ? &u->last->next : &u->first) = entry;
	u->last = entry;
	u->n++;
	u->size += entry->size;
	j->size += entry->size;
	for (struct holder *over; u->first != entry && (over = over_limit(j, u));) {
		struct entry *oldest = take_first(j, over);
		oldest->next = dropped;
		dropped = oldest;
	}
	return dropped;
}

static void add(struct journal *j, uid_t uid, pid_t pid, pid_t writer, const char *path, const struct err *e)
{
	buf_auto line = BUF_INIT;
	write_line(&line, uid, pid, path, e);
	struct entry *entry = buf_failed(&line) ? NULL : make_entry(path, e->text, &line);
	if (!entry)
		return;
	entry->writer = writer;
	pthread_mutex_lock(&j->lock);
	struct holder *u = user_of(j, uid, true);
	struct entry *dropped = u ? append(j, u, entry) : entry;
	pthread_mutex_unlock(&j->lock);
	free_entries(dropped);
}

void journal_add(struct journal *j, uid_t uid, pid_t pid, const char *path, const struct err *e)
{
	add(j, uid, pid, 0, path, e);
}

void journal_add_text(struct journal *j, uid_t uid, pid_t pid, const char *path, const struct err *e)
{
	add(j, uid, pid, pid, path, e);
}

/* ---- reading ---- */

static bool may_see(const struct holder *u, uid_t uid)
{
	return uid == 0 || u->uid == uid;
}

/* With the lock. The oldest entry that the user has not seen yet. */
static const struct entry *next_entry(struct journal *j, uid_t uid)
{
	struct holder *oldest = NULL;
	for (struct holder *u = j->users; u; u = u->next)
		if (may_see(u, uid) && u->at && (!oldest || u->at->number < oldest->at->number))
			oldest = u;
	const struct entry *entry = oldest ? oldest->at : NULL;
	if (oldest)
		oldest->at = oldest->at->next;
	return entry;
}

void journal_print(struct journal *j, uid_t uid, struct buf *out)
{
	const struct entry *entry;
	pthread_mutex_lock(&j->lock);
	for (struct holder *u = j->users; u; u = u->next)
		u->at = u->first;
	while ((entry = next_entry(j, uid)))
		buf_add(out, entry->line, entry->line_len);
	pthread_mutex_unlock(&j->lock);
}

int journal_last(struct journal *j, uid_t uid, const char *path, struct buf *out)
{
	const struct entry *last = NULL;
	pthread_mutex_lock(&j->lock);
	for (struct holder *u = j->users; u; u = u->next)
		for (struct entry *entry = may_see(u, uid) ? u->first : NULL; entry; entry = entry->next)
			if (!entry->settled && (!last || entry->number > last->number) &&
			    strcmp(entry->path, path) == 0)
				last = entry;
	if (last)
		buf_str(out, last->sentence);
	pthread_mutex_unlock(&j->lock);
	return last ? 0 : -ENODATA;
}

void journal_settle(struct journal *j, const char *path)
{
	pthread_mutex_lock(&j->lock);
	for (struct holder *u = j->users; u; u = u->next) /* mostly none: each save comes here */
		for (struct entry *entry = u->first; entry; entry = entry->next)
			if (!entry->settled && strcmp(entry->path, path) == 0)
				entry->settled = true;
	pthread_mutex_unlock(&j->lock);
}

bool journal_cleans_up(struct journal *j, uid_t uid, pid_t pid, const char *path)
{
	struct entry *newest = NULL;
	pthread_mutex_lock(&j->lock);
	struct holder *u = user_of(j, uid, false);
	for (struct entry *entry = u ? u->first : NULL; entry; entry = entry->next)
		if (entry->writer == pid && strcmp(entry->path, path) == 0)
			newest = entry;
	bool cleans_up = newest && !newest->settled && monotonic_ms() - newest->added < TIMEOUT_CLEANUP_MS;
	if (cleans_up)
		newest->writer = 0;
	pthread_mutex_unlock(&j->lock);
	return cleans_up;
}
