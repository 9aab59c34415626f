/*
 * answered.c - a ring of answers for each user who has saved.
 *
 * A later answer for the same key hides an earlier one; nothing is looked for when one is kept.
 */
#include "answered.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct kept_answer {
	uint64_t ino; /* 0: none yet */
	const struct model *model;
	struct outcome outcome; /* its keys' texts lie in `texts` */
	char *texts;
	struct timespec time;
};

struct answers {
	struct answers *next;
	uid_t uid;
	size_t n; /* counts all that were ever kept */
	struct kept_answer ring[LIMIT_ANSWERS];
};

/* ---- texts ---- */

int answer_print(struct mount *m, const struct model *model, const struct outcome *outcome, uid_t viewer,
		 struct buf *out, struct err *e)
{
	struct conn *c = mount_read(m, viewer, e);

	if (!c)
		return -e->code;
	int rc = answer_write(c, model, outcome, out, e);
	store_read_end(c);
	return rc;
}

/* ---- keeping ---- */

static size_t text_size(const struct value *v)
{
	return v->kind == VALUE_TEXT ? v->text.len + 1 : 0;
}

/* Copies the value's text to *at, which moves behind it. */
static void move_text(struct value *v, char **at)
{
	if (v->kind != VALUE_TEXT)
		return;
	memcpy(*at, v->text.data, v->text.len);
	(*at)[v->text.len] = '\0';
	v->text.data = *at;
	*at += v->text.len + 1;
}

static bool copy_outcome(struct outcome *out, const struct outcome *from, char **texts)
{
	size_t size = text_size(&from->key) + text_size(&from->answer_key);
	char *at = *texts = size ? malloc(size) : NULL;

	*out = *from;
	if (size && !at)
		return false;
	move_text(&out->key, &at);
	move_text(&out->answer_key, &at);
	return true;
}

/* With mount.lock. */
static struct answers *answers_of(struct mount *m, uid_t uid, bool make)
{
	struct answers *a = m->answers;

	while (a && a->uid != uid)
		a = a->next;
	if (a || !make)
		return a;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->uid = uid;
	a->next = m->answers;
	m->answers = a;
	return a;
}

void answered_keep(struct mount *m, uid_t uid, const struct model *model, const struct outcome *outcome)
{
	struct kept_answer new = {.model = model};
	char *dropped = NULL;

	if (!copy_outcome(&new.outcome, outcome, &new.texts))
		return;
	clock_gettime(CLOCK_REALTIME, &new.time);
	pthread_mutex_lock(&m->lock);
	struct answers *a = answers_of(m, uid, true);
	struct kept_answer *at = a ? &a->ring[a->n++ % LIMIT_ANSWERS] : NULL;
	new.ino = node_memory(NODE_ANSWERED, m->next_memory++);
	dropped = at ? at->texts : new.texts;
	if (at)
		*at = new;
	pthread_mutex_unlock(&m->lock);
	free(dropped);
}

/* ---- finding; with mount.lock ---- */

static struct kept_answer *newest(struct answers *a, const struct model *model, const struct value *key)
{
	for (size_t i = 1; a && i <= LIMIT_ANSWERS; i++) {
		struct kept_answer *each = &a->ring[(a->n - i) % LIMIT_ANSWERS];
		if (each->ino && each->model == model && value_equal(&each->outcome.key, key))
			return each;
	}
	return NULL;
}

static struct kept_answer *by_ino(struct mount *m, uint64_t ino, uid_t *uid)
{
	for (struct answers *a = m->answers; a; a = a->next)
		for (size_t i = 0; i < LIMIT_ANSWERS; i++)
			if (a->ring[i].ino == ino) {
				*uid = a->uid;
				return &a->ring[i];
			}
	return NULL;
}

static struct kept_answer *next_above(struct answers *a, const struct model *model, int64_t after)
{
	struct kept_answer *best = NULL;

	for (size_t i = 0; a && i < LIMIT_ANSWERS; i++) {
		struct kept_answer *each = &a->ring[i];
		int64_t serial = node_decode(each->ino).serial;
		if (each->ino && each->model == model && serial > after && (!best || each->ino < best->ino) &&
		    newest(a, model, &each->outcome.key) == each)
			best = each;
	}
	return best;
}

/* ---- reading ---- */

/* A copy, so that the store is asked without the lock. */
static bool take_copy(struct mount *m, uint64_t ino, struct kept_answer *copy, uid_t *uid)
{
	pthread_mutex_lock(&m->lock);
	struct kept_answer *found = by_ino(m, ino, uid);
	bool taken = found && copy_outcome(&copy->outcome, &found->outcome, &copy->texts);
	if (taken) {
		copy->model = found->model;
		copy->time = found->time;
	}
	pthread_mutex_unlock(&m->lock);
	return taken;
}

int answered_show(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		  struct err *e)
{
	uint64_t ino = node_memory(NODE_ANSWERED, node->serial);
	struct kept_answer copy;
	buf_auto own = BUF_INIT;
	struct buf *text = out ? out : &own;
	uid_t uid;

	(void)who;
	if (!take_copy(m, ino, &copy, &uid))
		return -ENOENT;
	int rc = answer_print(m, copy.model, &copy.outcome, uid, text, e);
	free(copy.texts);
	mount_text_stat(st, ino, 0400, uid, text->len, &copy.time);
	return rc;
}

/* ---- the directory ---- */

int answered_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		  struct entry *out, struct err *e)
{
	const struct model *model = mount_model(m, dir->model);
	struct value key;

	if (!model || record_key(model, name, a, &key) < 0)
		return 0;
	pthread_mutex_lock(&m->lock);
	struct kept_answer *found = newest(answers_of(m, who->uid, false), model, &key);
	struct node node = node_decode(found ? found->ino : 0);
	pthread_mutex_unlock(&m->lock);
	if (node.kind != NODE_ANSWERED)
		return 0;
	int rc = answered_show(m, &node, who, &out->st, NULL, e);
	return dir_found(out, ENTRY_SHOWN, rc, e);
}

/* The user's next one of the model above the serial. */
static bool next_name(struct mount *m, uid_t uid, const struct model *model, int64_t after, struct buf *name,
		      uint64_t *ino)
{
	pthread_mutex_lock(&m->lock);
	struct kept_answer *next = next_above(answers_of(m, uid, false), model, after);
	bool found = next && record_name(model, &next->outcome.key, name) == 0;
	*ino = next ? next->ino : 0;
	pthread_mutex_unlock(&m->lock);
	return found;
}

/* The record may have gone, or have become another user's: a look-up finds nothing. */
static bool has_gone(struct mount *m, uint64_t ino)
{
	struct node node = node_decode(ino);
	err_auto ignored = ERR_INIT;
	struct stat st;

	return answered_show(m, &node, NULL, &st, NULL, &ignored) == -ENOENT;
}

int answered_list(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	int64_t after = off < LISTING_FIRST ? 0 : off - LISTING_FIRST;
	buf_auto name = BUF_INIT;
	struct stat st = {.st_mode = S_IFREG};

	(void)e;
	while (next_name(l->m, l->uid, mount_model(l->m, dir->model), after, &name, &st.st_ino)) {
		after = node_decode(st.st_ino).serial;
		if (!has_gone(l->m, st.st_ino) && !listing_add(l, buf_text(&name), &st, after + LISTING_FIRST))
			break;
		buf_reset(&name);
	}
	return 0;
}

void answered_release_all(struct mount *m)
{
	while (m->answers) {
		struct answers *a = m->answers;

		m->answers = a->next;
		for (size_t i = 0; i < LIMIT_ANSWERS; i++)
			free(a->ring[i].texts);
		free(a);
	}
}
