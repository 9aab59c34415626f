/*
 * journal.c - a ring of the last LIMIT_ERRORS refusals, each kept as the line that .errors shows.
 *
 * The line is made once, outside the lock; the lock only guards the ring. An entry whose path was saved since keeps its
 * line and loses its claim to be the path's last error.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "../store/utf8.h"
#include "../store/value.h"
#include "event.h"
#include "journal.h"

struct entry {
	uid_t uid;
	pid_t writer;  /* whose text was refused, 0 if it was something else or the writer has cleaned up since */
	int64_t added; /* ms of CLOCK_MONOTONIC */
	bool settled;
	char *path; /* one allocation with what follows */
	char *sentence;
	char *line;
	size_t line_len;
};

struct journal {
	pthread_mutex_t lock;
	struct entry entries[LIMIT_ERRORS];
	size_t next; /* counts all that were ever added */
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

void journal_free(struct journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < LIMIT_ERRORS; i++)
		free(j->entries[i].path);
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

static void add_problem(struct buf *b, const struct problem *p)
{
	buf_str(b, "{\"pointer\":");
	json_write_string(b, p->pointer, strlen(p->pointer));
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
	event_comm(pid, comm);
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

static int64_t monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool make_entry(struct entry *out, const char *path, const char *sentence, const struct buf *line)
{
	size_t path_size = strlen(path) + 1, sentence_size = strlen(sentence) + 1;
	char *memory = malloc(path_size + sentence_size + line->len);
	if (!memory)
		return false;
	out->path = memory;
	out->sentence = memory + path_size;
	out->line = memory + path_size + sentence_size;
	out->line_len = line->len;
	memcpy(out->path, path, path_size);
	memcpy(out->sentence, sentence, sentence_size);
	memcpy(out->line, line->data, line->len);
	return true;
}

static void add(struct journal *j, struct entry made, pid_t pid, const char *path, const struct err *e)
{
	buf_auto line = BUF_INIT;
	made.added = monotonic_ms();
	write_line(&line, made.uid, pid, path, e);
	if (buf_failed(&line) || !make_entry(&made, path, e->text, &line))
		return;
	pthread_mutex_lock(&j->lock);
	struct entry *at = &j->entries[j->next++ % LIMIT_ERRORS];
	char *dropped = at->path;
	*at = made;
	pthread_mutex_unlock(&j->lock);
	free(dropped);
}

void journal_add(struct journal *j, uid_t uid, pid_t pid, const char *path, const struct err *e)
{
	add(j, (struct entry){.uid = uid}, pid, path, e);
}

void journal_add_text(struct journal *j, uid_t uid, pid_t pid, const char *path, const struct err *e)
{
	add(j, (struct entry){.uid = uid, .writer = pid}, pid, path, e);
}

/* ---- reading ---- */

static bool may_see(const struct entry *entry, uid_t uid)
{
	return entry->path && (uid == 0 || entry->uid == uid);
}

void journal_print(struct journal *j, uid_t uid, struct buf *out)
{
	pthread_mutex_lock(&j->lock);
	for (size_t i = 0; i < LIMIT_ERRORS; i++) {
		const struct entry *entry = &j->entries[(j->next + i) % LIMIT_ERRORS];
		if (may_see(entry, uid))
			buf_add(out, entry->line, entry->line_len);
	}
	pthread_mutex_unlock(&j->lock);
}

int journal_last(struct journal *j, uid_t uid, const char *path, struct buf *out)
{
	int result = -ENODATA;
	pthread_mutex_lock(&j->lock);
	for (size_t i = 1; i <= LIMIT_ERRORS && result < 0; i++) {
		const struct entry *entry = &j->entries[(j->next - i) % LIMIT_ERRORS];
		if (!may_see(entry, uid) || entry->settled || strcmp(entry->path, path) != 0)
			continue;
		buf_str(out, entry->sentence);
		result = 0;
	}
	pthread_mutex_unlock(&j->lock);
	return result;
}

void journal_settle(struct journal *j, const char *path)
{
	pthread_mutex_lock(&j->lock);
	for (size_t i = 0; i < LIMIT_ERRORS && i < j->next; i++) /* mostly none: each save comes here */
		if (!j->entries[i].settled && strcmp(j->entries[i].path, path) == 0)
			j->entries[i].settled = true;
	pthread_mutex_unlock(&j->lock);
}

bool journal_cleans_up(struct journal *j, pid_t pid, const char *path)
{
	struct entry *newest = NULL;
	pthread_mutex_lock(&j->lock);
	for (size_t i = 1; i <= LIMIT_ERRORS && !newest; i++) {
		struct entry *entry = &j->entries[(j->next - i) % LIMIT_ERRORS];
		if (entry->path && strcmp(entry->path, path) == 0)
			newest = entry;
	}
	bool cleans_up =
	    newest && newest->writer == pid && !newest->settled && monotonic_ms() - newest->added < TIMEOUT_CLEANUP_MS;
	if (cleans_up)
		newest->writer = 0;
	pthread_mutex_unlock(&j->lock);
	return cleans_up;
}
