/*
 * rejected.c - one list, newest first, for all users: short by its limits.
 */
#include "rejected.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct rejected {
	struct rejected *next;
	uint64_t ino;
	uid_t uid;
	const struct model *model;
	struct timespec time;
	size_t len;
	char *text;
	char name[];
};

static void drop_at(struct rejected **at)
{
	struct rejected *r = *at;

	*at = r->next;
	free(r->text);
	free(r);
}

static struct rejected **find_at(struct mount *m, uid_t uid, const struct model *model, const char *name)
{
	struct rejected **at = &m->rejected;

	while (*at && ((*at)->uid != uid || (*at)->model != model || strcmp((*at)->name, name) != 0))
		at = &(*at)->next;
	return at;
}

/* Drops what is beyond the user's limits, from the newest on. */
static void keep_limits(struct mount *m, uid_t uid)
{
	size_t n = 0, bytes = 0;

	for (struct rejected **at = &m->rejected; *at;) {
		if ((*at)->uid == uid) {
			n++;
			bytes += (*at)->len;
		}
		if ((*at)->uid == uid && (n > LIMIT_ERRORS || bytes > LIMIT_SCRATCH_BYTES))
			drop_at(at);
		else
			at = &(*at)->next;
	}
}

static struct rejected *new_rejected(uid_t uid, const struct model *model, const char *name, const char *text,
				     size_t len)
{
	struct rejected *r = calloc(1, sizeof(*r) + strlen(name) + 1);

	if (!r)
		return NULL;
	r->text = malloc(len + 1);
	if (!r->text) {
		free(r);
		return NULL;
	}
	memcpy(r->text, text, len);
	strcpy(r->name, name);
	r->len = len;
	r->uid = uid;
	r->model = model;
	clock_gettime(CLOCK_REALTIME, &r->time);
	return r;
}

void rejected_keep(struct mount *m, uid_t uid, const struct model *model, const char *name, const char *text,
		   size_t len)
{
	struct rejected *r = new_rejected(uid, model, name, text, len);
	struct rejected **at;

	if (!r)
		return;
	pthread_mutex_lock(&m->lock);
	at = find_at(m, uid, model, name);
	if (*at)
		drop_at(at);
	r->ino = node_memory(m->next_memory++);
	r->next = m->rejected;
	m->rejected = r;
	keep_limits(m, uid);
	pthread_mutex_unlock(&m->lock);
}

int rejected_drop(struct mount *m, uid_t uid, const struct model *model, const char *name)
{
	int rc = -ENOENT;

	pthread_mutex_lock(&m->lock);
	struct rejected **at = find_at(m, uid, model, name);
	if (*at) {
		drop_at(at);
		rc = 0;
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static void fill_stat(const struct rejected *r, struct stat *st)
{
	*st = (struct stat){.st_ino = r->ino,
			    .st_mode = S_IFREG | 0600,
			    .st_nlink = 1,
			    .st_uid = r->uid,
			    .st_size = (off_t)r->len,
			    .st_blksize = 4096,
			    .st_blocks = (blkcnt_t)((r->len + 511) / 512),
			    .st_mtim = r->time,
			    .st_atim = r->time,
			    .st_ctim = r->time};
}

/* With mount.lock. */
static int show(const struct rejected *r, struct stat *st, struct buf *out)
{
	if (!r)
		return -ENOENT;
	fill_stat(r, st);
	if (out)
		buf_add(out, r->text, r->len);
	return out && buf_failed(out) ? -ENOMEM : 0;
}

int rejected_find(struct mount *m, uid_t uid, const struct model *model, const char *name, struct stat *st,
		  struct buf *out)
{
	pthread_mutex_lock(&m->lock);
	int rc = show(*find_at(m, uid, model, name), st, out);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

int rejected_get(struct mount *m, uint64_t ino, struct stat *st, struct buf *out)
{
	const struct rejected *r;

	pthread_mutex_lock(&m->lock);
	for (r = m->rejected; r && r->ino != ino;)
		r = r->next;
	int rc = show(r, st, out);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

bool rejected_next(struct mount *m, uid_t uid, const struct model *model, int64_t after, struct buf *name,
		   struct stat *st)
{
	const struct rejected *best = NULL;

	pthread_mutex_lock(&m->lock);
	for (const struct rejected *r = m->rejected; r; r = r->next) /* newest first */
		if (r->uid == uid && r->model == model && node_decode(r->ino).serial > after)
			best = r;
	if (best) {
		buf_str(name, best->name);
		fill_stat(best, st);
	}
	pthread_mutex_unlock(&m->lock);
	return best != NULL;
}

void rejected_release_all(struct mount *m)
{
	while (m->rejected)
		drop_at(&m->rejected);
}
