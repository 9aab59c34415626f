/*
 * rejected.c - one list, newest first, for all users: short by its limits.
 */
#include "rejected.h"

#include "usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct rejected {
	struct rejected *next;
	uint64_t ino;
	uid_t uid;
	const struct model *model;
	struct timespec time;
	size_t len, held; /* as usage.h counts it */
	char *text;
	char name[];
};

static void drop_at(struct mount *m, struct rejected **at)
{
	struct rejected *r = *at;

	*at = r->next;
	usage_settle(m->usages, r->uid, &r->held, 0);
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
			drop_at(m, at);
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

/* The user's oldest; NULL: none. */
static struct rejected **oldest_of(struct mount *m, uid_t uid)
{
	struct rejected **oldest = NULL;

	for (struct rejected **at = &m->rejected; *at; at = &(*at)->next)
		if ((*at)->uid == uid)
			oldest = at;
	return oldest;
}

/* Older ones make room. Where there is none the text is not kept. */
static bool make_room(struct mount *m, struct rejected *r)
{
	struct rejected **oldest;
	err_auto ignored = ERR_INIT;

	while (usage_hold(m->usages, r->uid, &r->held, sizeof(*r) + r->len, &ignored) < 0) {
		if (!(oldest = oldest_of(m, r->uid)))
			return false;
		drop_at(m, oldest);
	}
	return true;
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
		drop_at(m, at);
	bool kept = make_room(m, r);
	if (kept) {
		r->ino = node_memory(NODE_REFUSED, m->next_memory++);
		r->next = m->rejected;
		m->rejected = r;
		keep_limits(m, uid);
	}
	pthread_mutex_unlock(&m->lock);
	if (!kept) {
		free(r->text);
		free(r);
	}
}

void rejected_drop(struct mount *m, uid_t uid, const struct model *model, const char *name)
{
	pthread_mutex_lock(&m->lock);
	struct rejected **at = find_at(m, uid, model, name);
	if (*at)
		drop_at(m, at);
	pthread_mutex_unlock(&m->lock);
}

/* ---- the directory ---- */

static void fill_stat(const struct rejected *r, struct stat *st)
{
	mount_text_stat(st, r->ino, 0600, r->uid, r->len, &r->time);
}

int rejected_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		  struct entry *out, struct err *e)
{
	(void)a, (void)e;
	out->model = mount_model(m, dir->model);
	out->record_name = record_is_name(name);
	pthread_mutex_lock(&m->lock);
	const struct rejected *r = *find_at(m, who->uid, out->model, name);
	if (r) {
		out->kind = ENTRY_REJECTED;
		fill_stat(r, &out->st);
	}
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static struct rejected **at_serial(struct mount *m, int64_t serial)
{
	struct rejected **at = &m->rejected;

	while (*at && node_decode((*at)->ino).serial != serial)
		at = &(*at)->next;
	return at;
}

int rejected_show(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		  struct err *e)
{
	(void)who;
	pthread_mutex_lock(&m->lock);
	const struct rejected *r = *at_serial(m, node->serial);
	if (r)
		fill_stat(r, st);
	if (r && out)
		buf_add(out, r->text, r->len);
	pthread_mutex_unlock(&m->lock);
	if (r && out && buf_failed(out))
		return err_nomem(e);
	return r ? 0 : -ENOENT;
}

int rejected_remove(struct mount *m, const struct node *node, const struct actor *who, struct err *e)
{
	(void)who, (void)e;
	pthread_mutex_lock(&m->lock);
	struct rejected **at = at_serial(m, node->serial);
	bool found = *at != NULL;
	if (found)
		drop_at(m, at);
	pthread_mutex_unlock(&m->lock);
	return found ? 0 : -ENOENT;
}

/* The user's next one of the model above the serial. */
static bool next_above(struct mount *m, uid_t uid, const struct model *model, int64_t after, struct buf *name,
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

int rejected_list(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	int64_t after = off < LISTING_FIRST ? 0 : off - LISTING_FIRST;
	buf_auto name = BUF_INIT;
	struct stat st;

	(void)e;
	while (next_above(l->m, l->uid, mount_model(l->m, dir->model), after, &name, &st)) {
		after = node_decode(st.st_ino).serial;
		if (!listing_add(l, buf_text(&name), &st, after + LISTING_FIRST))
			break;
		buf_reset(&name);
	}
	return 0;
}

void rejected_release_all(struct mount *m)
{
	while (m->rejected)
		drop_at(m, &m->rejected);
}
