/*
 * loads.c - saves, hooks, jobs, transactions and listings, each as short as it can be and still meet every way in which
 * the daemon does it: what a turn costs decides whether every call can be made to fail.
 *
 * A refusal may come from any call and then nothing has changed. The write or the rename tells; a close of which the
 * daemon never hears, for libfuse has no memory to read it, tells nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "turns.h"

#define format_path(...)                                                                                               \
	({                                                                                                             \
		static __thread char format_buffer[4][256];                                                            \
		static __thread unsigned format_next;                                                                  \
		char *format_result = format_buffer[format_next++ % 4];                                                \
		snprintf(format_result, 256, __VA_ARGS__);                                                             \
		format_result;                                                                                         \
	})

static const char *record(const char *model, long key)
{
	return format_path("mnt/%s/%ld.json", model, key);
}

/* The name of this turn's record `what`. */
static const char *named(const struct turn *t, const char *what)
{
	return format_path("%ld-%s", t->number, what);
}

static const char *document(const char *model, const char *name)
{
	return format_path("{\"name\": \"%s\", \"%s_lines\": [{\"qty\": 1}]}", name, model);
}

/* Returns what write(2) or, if the file can't be opened, open(2) did. */
static bool written(const char *path, int flags, const char *text)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);
	if (fd < 0)
		return false;
	bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

/* False where any call failed; what came is text, ended by a zero. */
static bool text_of(const char *path, char text[TEXT_SIZE])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0, len = 0;
	if (fd < 0)
		return false;
	while (len < TEXT_SIZE - 1 && (got = read(fd, text + len, (size_t)(TEXT_SIZE - 1 - len))) > 0)
		len += got;
	text[len] = 0;
	close(fd);
	return got == 0;
}

/* The entries that do not begin with a dot, or -1. */
static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;
	if (!dir)
		return -1;
	errno = 0;
	for (struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	int rc = errno;
	closedir(dir);
	return rc ? -1 : n;
}

/* ---- what every load is made of ---- */

/* In a model with hooks every save leaves a trail. */
static void note_saved(struct turn *t, const char *model, const char *name)
{
	if (strcmp(model, "orders") == 0)
		snprintf(t->saved[t->nsaved++], NAME_SIZE, "%s", name);
}

static bool keep(struct turn *t, bool done, const char *model, long key, const char *name)
{
	if (!done)
		return false;
	note_saved(t, model, name);
	kept_add(t, model, key, name);
	return true;
}

static bool put(struct turn *t, const char *model, long key, const char *what)
{
	const char *name = named(t, what);
	return keep(t, written(record(model, key), O_WRONLY | O_CREAT | O_TRUNC, document(model, name)), model, key,
		    name);
}

static bool patch(struct turn *t, const char *model, long key, const char *what)
{
	const char *name = named(t, what);
	return keep(t, written(record(model, key), O_WRONLY | O_APPEND, format_path("{\"name\": \"%s\"}", name)), model,
		    key, name);
}

static bool make(struct turn *t, const char *model, const char *what)
{
	const char *name = named(t, what);
	return keep(t, written(format_path("mnt/%s/.new", model), O_RDWR, document(model, name)), model, 0, name);
}

/* As editors save. */
static bool replace(struct turn *t, const char *model, long key, const char *what)
{
	const char *name = named(t, what), *scratch = format_path("mnt/%s/scratch.tmp", model);
	bool done = written(scratch, O_WRONLY | O_CREAT | O_TRUNC, document(model, name)) &&
		    rename(scratch, record(model, key)) == 0;
	if (!done)
		unlink(scratch);
	return keep(t, done, model, key, name);
}

/* A name that was refused may still be there for a moment: release comes after close. */
static bool take(struct turn *t, const char *model, long key)
{
	if (!kept_name(t, model, key) || unlink(record(model, key)) < 0)
		return false;
	kept_drop(t, model, key);
	return true;
}

static bool change_key(struct turn *t, const char *model, long from, long to)
{
	char name[NAME_SIZE];
	if (rename(record(model, from), record(model, to)) < 0)
		return false;
	snprintf(name, sizeof name, "%s", kept_name(t, model, from));
	kept_drop(t, model, from);
	kept_add(t, model, to, name);
	return true;
}

/* A text that is read without an error is the record's. */
static bool look(struct turn *t, const char *model, long key)
{
	static char text[TEXT_SIZE];
	const char *name = kept_name(t, model, key);
	if (!text_of(record(model, key), text))
		return false;
	if (!name || !strstr(text, format_path("\"name\": \"%s\"", name)) || !strstr(text, "\"qty\": 1"))
		fail("%s reads %s, and not as %s", record(model, key), text, name ? name : "one that is gone");
	return true;
}

static bool list(struct turn *t, const char *model)
{
	int n = entries(format_path("mnt/%s", model));
	if (n >= 0 && n != kept_count(t, model) + 1)
		fail("a listing of %s has %d names, there are %d records", model, n, kept_count(t, model) + 1);
	return n >= 0;
}

/* ---- saves ---- */

static bool refused(struct turn *t)
{
	return !written(record("plain", t->key + 9), O_WRONLY | O_CREAT | O_TRUNC, "{\"name\": 7}");
}

static bool import(struct turn *t)
{
	const char *name = named(t, "import");
	int fd = open("mnt/plain/.import", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	const char *line =
	    format_path("{\"id\": %ld, \"name\": \"%s\", \"plain_lines\": [{\"qty\": 1}]}\n", t->key + 4, name);
	bool done = write(fd, line, strlen(line)) == (ssize_t)strlen(line);
	done = close(fd) == 0 && done; /* which saves them */
	return keep(t, done, "plain", t->key + 4, name);
}

static void save(struct turn *t)
{
	long k = t->key;
	t->finished = put(t, "plain", k, "a") && put(t, "plain", k, "b") && patch(t, "plain", k, "c") &&
		      replace(t, "plain", k, "d") && replace(t, "plain", k + 1, "e") &&
		      change_key(t, "plain", k + 1, k + 2) && make(t, "plain", "f") && take(t, "plain", k);
	if (!refused(t))
		fail("a text with a wrong type is saved");
	t->finished = import(t) && t->finished;
}

/* ---- hooks: a program that writes in its transaction, SQL, one of lines, a plugin, jobs, a program afterwards ---- */

static void hook(struct turn *t)
{
	long k = t->key;
	t->finished = put(t, "orders", k, "a") && patch(t, "orders", k, "b") && replace(t, "orders", k + 1, "c");
	t->finished = take(t, "orders", k) && t->finished;
}

/* ---- jobs ---- */

static bool job_done(struct turn *t)
{
	return number_of(t, "select count(*) from jobs where id = %ld and status = 'done'", t->key) == 1;
}

static bool start_job(struct turn *t, long key, const char *more)
{
	return written(record("jobs", key), O_WRONLY | O_CREAT | O_TRUNC,
		       format_path("{\"name\": \"%s\"%s}", named(t, "job"), more));
}

static void job(struct turn *t)
{
	bool queued = start_job(t, t->key, "");
	if (queued)
		kept_add(t, "jobs", t->key, named(t, "job"));
	if (start_job(t, t->key + 1, ", \"run_at\": \"2100-01-01T00:00:00Z\""))
		kept_add(t, "jobs", t->key + 1, named(t, "job"));
	bool cancelled = take(t, "jobs", t->key + 1);
	t->finished = queued && cancelled && within(0.1, job_done, t);
}

/* Whatever failed, it is done once that is over: what it wrote is there. */
static void job_after(struct turn *t)
{
	static char text[TEXT_SIZE];
	if (!kept_name(t, "jobs", t->key))
		return;
	if (!within(60, job_done, t))
		fail("job %ld is not done", t->key);
	if (number_of(t,
		      "select count(*) from jobs where id = %ld and result = '{\"sum\":3}' and finished_at is not null",
		      t->key) != 1)
		fail("job %ld has no result", t->key);
	if (!text_of(format_path("mnt/jobs/.wait/%ld.json", t->key), text) || !strstr(text, "\"done\""))
		fail(".wait of a job that is done: %s", text);
	if (!text_of(format_path("mnt/jobs/%ld.log", t->key), text) ||
	    (!t->no_memory && !strstr(text, named(t, "job"))))
		fail("the log of job %ld: %s", t->key, text);
}

/* ---- transactions ---- */

static bool staged(const struct turn *t, long key, const char *what)
{
	return written(format_path("mnt/.txn/t%ld/plain/%ld.json", t->number, key), O_WRONLY | O_CREAT | O_TRUNC,
		       document("plain", named(t, what)));
}

static bool control(const struct turn *t, const char *word)
{
	return written(format_path("mnt/.txn/t%ld/ctl", t->number), O_WRONLY, word);
}

static bool begun(const struct turn *t)
{
	return mkdir(format_path("mnt/.txn/t%ld", t->number), 0755) == 0;
}

static bool ended(const struct turn *t)
{
	return rmdir(format_path("mnt/.txn/t%ld", t->number)) == 0;
}

/* A record more, one changed, one that goes: all or none. */
static bool commit(struct turn *t)
{
	static char text[TEXT_SIZE];
	long k = t->key;
	if (!staged(t, k, "changed") || !staged(t, k + 2, "made") ||
	    unlink(format_path("mnt/.txn/t%ld/plain/%ld.json", t->number, k + 1)) < 0 ||
	    entries(format_path("mnt/.txn/t%ld/plain", t->number)) != 3 || !control(t, "commit"))
		return false;
	kept_add(t, "plain", k, named(t, "changed"));
	kept_add(t, "plain", k + 2, named(t, "made"));
	kept_drop(t, "plain", k + 1);
	return text_of(format_path("mnt/.txn/t%ld/answer.json", t->number), text) && strstr(text, "created");
}

static bool composite(struct turn *t)
{
	static const char request[] =
	    "{\"method\": \"put\", \"path\": \"plain/%ld.json\", \"body\": {\"name\": \"%s\", "
	    "\"plain_lines\": [{\"qty\": 1}]}}";
	char text[1024];
	int n = snprintf(text, sizeof text, "{\"requests\": [");
	n += snprintf(text + n, sizeof text - (size_t)n, request, t->key + 3, named(t, "first"));
	n += snprintf(text + n, sizeof text - (size_t)n, ", ");
	n += snprintf(text + n, sizeof text - (size_t)n, request, t->key + 4, named(t, "second"));
	snprintf(text + n, sizeof text - (size_t)n, "]}");
	if (!written("mnt/.txn/.run", O_RDWR, text))
		return false;
	kept_add(t, "plain", t->key + 3, named(t, "first"));
	kept_add(t, "plain", t->key + 4, named(t, "second"));
	return true;
}

static void two_records(struct turn *t)
{
	if (!put(t, "plain", t->key, "old") || !put(t, "plain", t->key + 1, "old, too"))
		fail("a save is refused while nothing fails");
}

static void transaction(struct turn *t)
{
	t->finished = begun(t) && commit(t) && ended(t);
	t->finished = begun(t) && staged(t, t->key + 5, "dropped") && control(t, "abort") && t->finished;
	t->finished = composite(t) && t->finished;
}

static bool none_left(struct turn *t)
{
	(void)t;
	DIR *dir = opendir("mnt/.txn");
	if (!dir)
		return false;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (entry->d_name[0] != '.')
			rmdir(format_path("mnt/.txn/%.200s", entry->d_name));
	closedir(dir);
	return entries("mnt/.txn") == 0;
}

static void no_transactions(struct turn *t)
{
	if (!within(20, none_left, t))
		fail("transactions stay");
}

/* ---- listings ---- */

static void some_records(struct turn *t)
{
	two_records(t);
	if (!put(t, "plain", t->key, "new") || !put(t, "plain", t->key + 2, "gone") || !take(t, "plain", t->key + 2))
		fail("a save is refused while nothing fails");
}

/* What can be opened is read to its end. */
static bool read_whole(const char *path, const char *what)
{
	static char text[TEXT_SIZE];
	if (!text_of(path, text))
		return false;
	if (!strstr(text, what))
		fail("%s has no %s: %s", path, what, text);
	return true;
}

static bool made_files(struct turn *t)
{
	static const char *const files[][2] = {{"plain/.info/schema.json", "properties"},
					       {"plain/.info/meta.json", "plain"},
					       {"plain/.info/count", "3"},
					       {".info/status", "mnt"},
					       {".info/metrics.prom", "rowfs_"},
					       {".info/mount.conf", "model"}};
	bool all = true;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		all = read_whole(format_path("mnt/%s", files[i][0]), files[i][1]) && all;
	return read_whole("mnt/plain/.export", named(t, "new")) && all;
}

static bool links(struct turn *t)
{
	const char *directory = format_path("mnt/plain/.by/name/%s", named(t, "new"));
	char target[256];
	int n = entries(directory);
	if (n >= 0 && n != 1)
		fail("%s has %d names", directory, n);
	return n == 1 && readlink(format_path("%s/%ld.json", directory, t->key), target, sizeof target) > 0;
}

static bool earlier(struct turn *t)
{
	int n = entries(format_path("mnt/plain/.history/%ld", t->key));
	if (n >= 0 && n != 1)
		fail("there are %d versions of %ld", n, t->key);
	return n == 1;
}

static void listing(struct turn *t)
{
	char checksum[256];
	bool all = list(t, "plain");
	all = look(t, "plain", t->key) && look(t, "plain", t->key + 1) && all;
	all = getxattr(record("plain", t->key), "user.rowfs.checksum", checksum, sizeof checksum) > 0 && all;
	all = links(t) && all;
	all = earlier(t) && all;
	all = read_whole(format_path("mnt/plain/.deleted/%ld.json", t->key + 2), "gone") && all;
	all = entries("mnt/plain/.deleted") > 0 && all;
	t->finished = made_files(t) && all;
}

const struct load loads[] = {{"save", NULL, save, NULL},
			     {"hook", NULL, hook, NULL},
			     {"job", NULL, job, job_after},
			     {"transaction", two_records, transaction, no_transactions},
			     {"listing", some_records, listing, NULL},
			     {NULL, NULL, NULL, NULL}};
