/*
 * import.c - lines put aside, and read back one by one by the save.
 */
#include "import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../store/json.h"

enum { READ_AT_ONCE = 256 << 10 };

struct import {
	struct import *next, **link; /* in mount.imports while it is saved */
	const struct model *model;
	int fd; /* of what is put aside; -1: nothing yet */
	int64_t size, lines;
	struct buf tail; /* behind the last line break */
	bool written;    /* since the last close */
	struct err refused;
	uid_t uid;            /* who saves */
	_Atomic int64_t done; /* lines */

	/* While it is saved. */
	struct buf text; /* read back */
	size_t at;       /* in text */
	int64_t offset;  /* in the file, behind text */
};

int import_open(const struct model *model, struct import **out, struct err *e)
{
	struct import *i = calloc(1, sizeof(*i));

	if (!i)
		return err_nomem(e);
	i->model = model;
	i->fd = -1;
	*out = i;
	return 0;
}

static void forget_lines(struct import *i)
{
	if (i->fd >= 0)
		close(i->fd);
	i->fd = -1;
	i->size = i->lines = 0;
	i->written = false;
	buf_release(&i->tail);
	buf_release(&i->text);
}

void import_reset(struct import *i)
{
	forget_lines(i);
	err_release(&i->refused);
}

void import_close(struct import *i)
{
	if (!i)
		return;
	import_reset(i);
	free(i);
}

static int repeat(const struct import *i, struct err *e)
{
	return err_set(e, i->refused.code, "%s", i->refused.text);
}

static int refuse(struct mount *m, struct import *i, const struct actor *actor, struct err *e)
{
	mount_refused(m, actor, i->model, ".import", NULL, e);
	forget_lines(i);
	err_release(&i->refused);
	err_set(&i->refused, e->code, "%s", e->text);
	return -e->code;
}

/* ---- putting aside ---- */

/* Beside the database, where there is room for what is to become of it; in memory where that can't be. */
static int open_aside(const struct mount *m, struct err *e)
{
	const char *slash = strrchr(m->schema->database, '/');
	buf_auto directory = BUF_INIT;

	buf_add(&directory, m->schema->database, slash ? (size_t)(slash - m->schema->database) + 1 : 0);
	int fd = open(directory.len ? buf_text(&directory) : ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = memfd_create("rowfs-import", MFD_CLOEXEC);
	return fd >= 0 ? fd : err_set(e, err_clamp(errno), "There is no room to keep lines: %s", strerror(errno));
}

static int put_aside(struct import *i, const char *data, size_t len, struct err *e)
{
	while (len > 0) {
		ssize_t n = pwrite(i->fd, data, len, i->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(e, err_clamp(n < 0 ? errno : ENOSPC), "There is no room to keep lines: %s",
				       strerror(errno));
		data += n;
		len -= (size_t)n;
		i->size += n;
	}
	return 0;
}

static void note_lines(struct import *i, const char *data, size_t len)
{
	const char *last = memrchr(data, '\n', len);

	for (const char *c = data; last && c <= last; c = (const char *)memchr(c, '\n', (size_t)(last - c) + 1) + 1)
		i->lines++;
	if (last) {
		buf_reset(&i->tail);
		len -= (size_t)(last + 1 - data);
		data = last + 1;
	}
	buf_add(&i->tail, data, len);
}

int import_write(struct mount *m, struct import *i, const struct actor *actor, const char *data, size_t len,
		 struct err *e)
{
	if (i->refused.code)
		return repeat(i, e);
	if (i->fd < 0 && (i->fd = open_aside(m, e)) < 0) {
		i->fd = -1;
		return refuse(m, i, actor, e);
	}
	i->written = true;
	note_lines(i, data, len);
	if (buf_failed(&i->tail))
		err_nomem(e);
	else if (i->tail.len > LIMIT_RECORD)
		err_set(e, EFBIG, "line %" PRId64 " has more than %d bytes", i->lines + 1, LIMIT_RECORD);
	else if (i->size + (int64_t)len > LIMIT_IMPORT)
		err_set(e, EFBIG, "an import has at most %d bytes", LIMIT_IMPORT);
	else
		put_aside(i, data, len, e);
	return e->code ? refuse(m, i, actor, e) : 0;
}

/* ---- saving ---- */

/* False for half a line; one that can't become an object is complete enough to be told why. */
static bool is_complete(const struct import *i)
{
	struct json_scan scan;
	size_t blank = strspn(buf_text(&i->tail), " \t\r");

	if (blank == i->tail.len)
		return true;
	json_scan_init(&scan);
	json_scan(&scan, i->tail.data, i->tail.len);
	return scan.state == SCAN_COMPLETE || scan.state == SCAN_INVALID;
}

/* Moves what is left to the front and reads more behind it. 0 at the end. */
static ssize_t read_more(struct import *i, struct err *e)
{
	size_t left = i->text.len - i->at;

	if (!buf_reserve(&i->text, READ_AT_ONCE))
		return err_nomem(e);
	memmove(i->text.data, i->text.data + i->at, left);
	i->text.len = left;
	i->at = 0;
	ssize_t n;
	do
		n = pread(i->fd, i->text.data + left, READ_AT_ONCE, i->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(e, EIO, "The lines can't be read back: %s", strerror(errno));
	i->text.len += (size_t)n;
	i->offset += n;
	return n;
}

/* The next line without its end; false where there is none in what was read. */
static bool take_line(struct import *i, bool end, const char **line, size_t *len)
{
	const char *start = i->text.data + i->at;
	size_t left = i->text.len - i->at;
	const char *stop = left ? memchr(start, '\n', left) : NULL;

	if (!stop && (!end || !left))
		return false;
	*line = start;
	*len = stop ? (size_t)(stop - start) : left;
	i->at += *len + (stop != NULL);
	return true;
}

static bool is_blank(const char *line, size_t len)
{
	while (len > 0 && strchr(" \t\r", line[len - 1]) && line[len - 1])
		len--;
	return len == 0;
}

static int next_line(void *data, struct request *out, struct err *e)
{
	struct import *i = data;
	const char *line;
	size_t len;
	ssize_t n = 1;

	for (;;) {
		while (!take_line(i, n == 0, &line, &len)) {
			if (n == 0)
				return 0;
			n = read_more(i, e);
			if (n < 0)
				return (int)n;
		}
		i->done++;
		if (!is_blank(line, len))
			break;
	}
	*out = (struct request){.kind = REQUEST_PUT, .model = i->model, .key = value_null(), .text = line, .len = len};
	return 1;
}

/* Whether the text begins with the place of its one problem, in the first line of its document, as json_read has it. */
static bool tells_place(const struct err *e)
{
	char place[64];

	if (e->nproblems != 1 || e->problems[0].line != 1)
		return false;
	snprintf(place, sizeof(place), "line 1, column %d: ", e->problems[0].column);
	return strncmp(e->text, place, strlen(place)) == 0;
}

/* Says which line; its problems are in that line of the file. */
static void blame_line(struct import *i, struct err *e)
{
	static const char first[] = "line 1, ";
	bool placed = tells_place(e);
	char text[sizeof(e->text)];

	snprintf(text, sizeof(text), "line %" PRId64 "%s%.400s", i->done, placed ? ", " : ": ",
		 placed ? e->text + strlen(first) : e->text);
	memcpy(e->text, text, sizeof(text));
	for (size_t p = 0; p < e->nproblems; p++) {
		char *said = e->problems[p].text, *rest = strstr(said, ": ");
		if (placed && rest)
			memmove(said, rest + 2, strlen(rest + 2) + 1);
		if (e->problems[p].line)
			e->problems[p].line = (int)i->done;
	}
}

static void enlist(struct mount *m, struct import *i)
{
	pthread_mutex_lock(&m->lock);
	i->next = m->imports;
	i->link = &m->imports;
	if (i->next)
		i->next->link = &i->next;
	m->imports = i;
	pthread_mutex_unlock(&m->lock);
}

static void delist(struct mount *m, struct import *i)
{
	pthread_mutex_lock(&m->lock);
	*i->link = i->next;
	if (i->next)
		i->next->link = i->link;
	pthread_mutex_unlock(&m->lock);
}

static int save_lines(struct mount *m, struct import *i, const struct actor *actor, struct err *e)
{
	bool blamed;

	i->done = 0;
	i->offset = 0;
	i->at = 0;
	i->uid = actor->uid;
	if (i->tail.len > 0)
		i->lines++;
	enlist(m, i);
	int rc = mount_save_stream(m, actor, next_line, i, &blamed, e);
	delist(m, i);
	if (rc < 0 && blamed)
		blame_line(i, e);
	if (rc < 0)
		return refuse(m, i, actor, e);
	forget_lines(i);
	return 0;
}

int import_sync(struct mount *m, struct import *i, const struct actor *actor, struct err *e)
{
	if (i->refused.code)
		return repeat(i, e);
	if (i->size == 0)
		return 0;
	if (is_complete(i))
		return save_lines(m, i, actor, e);
	err_set(e, EBADMSG, "line %" PRId64 " is incomplete; nothing is saved yet", i->lines + 1);
	if (i->written)
		mount_refused(m, actor, i->model, ".import", NULL, e);
	i->written = false;
	return -EBADMSG;
}

void import_print(struct mount *m, struct buf *out)
{
	pthread_mutex_lock(&m->lock);
	for (const struct import *i = m->imports; i; i = i->next)
		buf_printf(out, "import %s: line %" PRId64 " of %" PRId64 ", %" PRId64 " bytes, by uid %u\n",
			   i->model->name, i->done, i->lines, i->size, (unsigned)i->uid);
	pthread_mutex_unlock(&m->lock);
}
