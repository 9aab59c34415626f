/*
 * scratch.c - the files of editors, in memory.
 *
 * A list of files and one of names, newest first: their number is bounded by LIMIT_SCRATCH_FILES for each user, so a
 * walk is short. Every field of a scratch file is guarded by mount.lock.
 */
#include "scratch.h"

#include "usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../store/log.h"
#include "transaction.h"

/* In a model with owners each user has names of his own: nobody sees, takes or waits at another's temporary file. */
static bool is_there(const struct scratch_name *n, const struct model *model, uid_t viewer)
{
	return n->model == model && (!model->owned || n->uid == viewer);
}

/* Where the name hangs; of a name that is not there, the list's end. */
static struct scratch_name **find_at(struct mount *m, const struct model *model, const char *name, uid_t viewer)
{
	struct scratch_name **at = &m->scratch_names;

	while (*at && (!is_there(*at, model, viewer) || strcmp((*at)->name, name) != 0))
		at = &(*at)->next;
	return at;
}

static struct scratch *by_name(struct mount *m, const struct model *model, const char *name, uid_t viewer)
{
	struct scratch_name *n = *find_at(m, model, name, viewer);

	return n ? n->scratch : NULL;
}

int scratch_hold(struct mount *m, struct scratch *s, size_t more, struct err *e)
{
	return usage_hold(m->usages, s->payer, &s->held, sizeof(*s) + s->data.len + scratch_xattrs_size(s) + more, e);
}

void scratch_settle(struct mount *m, struct scratch *s)
{
	usage_settle(m->usages, s->payer, &s->held, sizeof(*s) + s->data.len + scratch_xattrs_size(s));
}

static void free_scratch(struct mount *m, struct scratch *s)
{
	usage_settle(m->usages, s->payer, &s->held, 0);
	scratch_release_xattrs(s);
	buf_release(&s->data);
	free(s->error);
	free(s);
}

/* Frees it when neither a name nor a descriptor is left. */
static void drop_if_unused(struct mount *m, struct scratch *s)
{
	struct scratch **at = &m->scratches;

	if (s->st.st_nlink > 0 || s->opens > 0)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free_scratch(m, s);
}

static int add_name(struct mount *m, struct scratch *s, const struct model *model, const char *name, uid_t uid)
{
	struct scratch_name *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	*n = (struct scratch_name){m->scratch_names, s, model, uid, m->next_memory++, strdup(name)};
	if (!n->name) {
		free(n);
		return -ENOMEM;
	}
	m->scratch_names = n;
	s->st.st_nlink++;
	clock_gettime(CLOCK_REALTIME, &s->st.st_ctim);
	return 0;
}

static void take_name(struct mount *m, struct scratch_name **at)
{
	struct scratch_name *n = *at;
	struct scratch *s = n->scratch;

	*at = n->next;
	free(n->name);
	free(n);
	s->st.st_nlink--;
	clock_gettime(CLOCK_REALTIME, &s->st.st_ctim);
	drop_if_unused(m, s);
}

/* -ENOSPC when the user would have more files or bytes than a user may. */
static int within_limits(struct mount *m, uid_t uid, size_t files, size_t bytes, struct err *e)
{
	for (const struct scratch_name *n = m->scratch_names; n; n = n->next)
		files += n->scratch->st.st_uid == uid;
	for (const struct scratch *s = m->scratches; s; s = s->next)
		if (s->st.st_uid == uid)
			bytes += s->data.len;
	if (files > LIMIT_SCRATCH_FILES)
		return err_set(e, ENOSPC,
			       "A user has at most %d scratch files (names that do not end in .json); remove some",
			       LIMIT_SCRATCH_FILES);
	if (bytes > LIMIT_SCRATCH_BYTES)
		return err_set(e, ENOSPC, "The scratch files of a user hold at most %d bytes; remove some",
			       LIMIT_SCRATCH_BYTES);
	return 0;
}

static bool digits_only(const char *name)
{
	return name[strspn(name, "0123456789")] == '\0';
}

static struct scratch *add(struct mount *m, const struct model *model, const char *name, mode_t mode, uid_t uid,
			   gid_t gid)
{
	struct scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ino = node_memory(NODE_MEMORY, m->next_memory++);
	s->payer = uid;
	s->st = (struct stat){.st_mode = mode, .st_uid = uid, .st_gid = gid, .st_blksize = 4096};
	if (add_name(m, s, model, name, uid) < 0) {
		free(s);
		return NULL;
	}
	clock_gettime(CLOCK_REALTIME, &s->st.st_mtim);
	s->st.st_atim = s->st.st_ctim = s->st.st_mtim;
	s->data.limit = LIMIT_SCRATCH_BYTES;
	s->opens = 1;
	s->next = m->scratches;
	m->scratches = s;
	return s;
}

static int create_locked(struct mount *m, const struct model *model, const char *name, mode_t mode, uid_t uid,
			 gid_t gid, struct scratch **out, struct err *e)
{
	int rc;

	if (strlen(name) > LIMIT_NAME)
		return err_set(e, ENAMETOOLONG, "A name has at most %d bytes", LIMIT_NAME);
	if (digits_only(name))
		return err_set(e, EACCES, "A name of digits only is kept for nobody; records are KEY.json");
	if (by_name(m, model, name, uid))
		return err_set(e, EEXIST, "%s/%s exists", model->name, name);
	rc = within_limits(m, uid, 1, 0, e);
	if (rc < 0)
		return rc;
	*out = add(m, model, name, mode, uid, gid);
	return *out ? 0 : err_nomem(e);
}

int scratch_create(struct mount *m, const struct model *model, const char *name, mode_t mode, const struct actor *who,
		   struct scratch **out, struct err *e)
{
	pthread_mutex_lock(&m->lock);
	int rc = create_locked(m, model, name, mode, who->uid, who->gid, out, e);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static void fill_stat(const struct scratch *s, struct stat *st)
{
	*st = s->st;
	st->st_ino = s->ino;
	st->st_size = (off_t)s->data.len;
	st->st_blocks = (blkcnt_t)((s->data.len + 511) / 512);
}

static int copy_locked(struct mount *m, const struct model *model, const char *name, const struct stat *like,
		       const struct actor *who, const struct buf *text, bool replace, struct stat *st, struct err *e)
{
	struct scratch *s = by_name(m, model, name, who->uid), *made;
	int rc = within_limits(m, who->uid, 1, text->len, e);

	if (rc < 0)
		return rc;
	if (s && !replace)
		return err_set(e, EEXIST, "%s/%s exists", model->name, name);
	if (s)
		take_name(m, find_at(m, model, name, who->uid));
	rc = create_locked(m, model, name, like->st_mode, who->uid, who->gid, &made, e);
	if (rc < 0)
		return rc;
	made->st.st_mtim = like->st_mtim;
	rc = scratch_hold(m, made, text->len, e);
	if (rc == 0)
		buf_add(&made->data, buf_text(text), text->len);
	made->opens--;
	fill_stat(made, st);
	if (rc == 0 && buf_failed(&made->data))
		rc = err_nomem(e);
	if (rc < 0)
		take_name(m, find_at(m, model, name, who->uid));
	return rc;
}

int scratch_copy(struct mount *m, const struct model *model, const char *name, const struct stat *like,
		 const struct actor *who, const struct buf *text, bool replace, struct stat *st, struct err *e)
{
	pthread_mutex_lock(&m->lock);
	int rc = copy_locked(m, model, name, like, who, text, replace, st, e);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

struct scratch *scratch_find(struct mount *m, const struct model *model, const char *name, uid_t viewer)
{
	pthread_mutex_lock(&m->lock);
	struct scratch *s = by_name(m, model, name, viewer);
	if (s)
		s->opens++;
	pthread_mutex_unlock(&m->lock);
	return s;
}

struct scratch *scratch_get(struct mount *m, uint64_t ino)
{
	struct scratch *s;

	pthread_mutex_lock(&m->lock);
	for (s = m->scratches; s && s->ino != ino;)
		s = s->next;
	if (s)
		s->opens++;
	pthread_mutex_unlock(&m->lock);
	return s;
}

void scratch_put(struct mount *m, struct scratch *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&m->lock);
	s->opens--;
	drop_if_unused(m, s);
	pthread_mutex_unlock(&m->lock);
}

void scratch_stat(struct mount *m, struct scratch *s, struct stat *st)
{
	pthread_mutex_lock(&m->lock);
	fill_stat(s, st);
	pthread_mutex_unlock(&m->lock);
}

int scratch_unlink(struct mount *m, const struct model *model, const char *name, uid_t uid)
{
	int rc = -ENOENT;

	pthread_mutex_lock(&m->lock);
	struct scratch_name **at = find_at(m, model, name, uid);
	if (*at) {
		take_name(m, at);
		rc = 0;
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static int link_locked(struct mount *m, struct scratch *s, const struct model *model, const char *name, uid_t uid,
		       struct err *e)
{
	if (digits_only(name))
		return -EACCES;
	if (s->st.st_nlink == 0)
		return -ENOENT;
	if (*find_at(m, model, name, uid))
		return -EEXIST;
	int rc = within_limits(m, s->st.st_uid, 1, 0, e);
	return rc < 0 ? rc : add_name(m, s, model, name, uid);
}

int scratch_link(struct mount *m, struct scratch *s, const struct model *model, const char *name, uid_t uid,
		 struct err *e)
{
	pthread_mutex_lock(&m->lock);
	int rc = link_locked(m, s, model, name, uid, e);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

const struct model *scratch_any_name(struct mount *m, struct scratch *s, struct buf *out)
{
	const struct scratch_name *n;

	pthread_mutex_lock(&m->lock);
	for (n = m->scratch_names; n && n->scratch != s;)
		n = n->next;
	const struct model *model = n ? n->model : NULL;
	if (n)
		buf_str(out, n->name);
	pthread_mutex_unlock(&m->lock);
	return model;
}

/* Two names of one file stay both, as rename(2) has it. */
static int rename_locked(struct mount *m, const struct model *from_model, const char *from, const struct model *model,
			 const char *name, uid_t uid, bool noreplace)
{
	struct scratch_name **at = find_at(m, model, name, uid), *there = *at;
	struct scratch_name *moved = *find_at(m, from_model, from, uid);
	char *copy;

	if (!moved || (there && there->scratch == moved->scratch))
		return moved ? 0 : -ENOENT;
	if (digits_only(name))
		return -EACCES;
	if (there && noreplace)
		return -EEXIST;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	if (there)
		take_name(m, at);
	free(moved->name);
	moved->name = copy;
	moved->model = model;
	moved->uid = uid;
	clock_gettime(CLOCK_REALTIME, &moved->scratch->st.st_ctim);
	return 0;
}

int scratch_rename(struct mount *m, const struct model *from_model, const char *from, const struct model *model,
		   const char *name, uid_t uid, bool noreplace)
{
	if (strlen(name) > LIMIT_NAME)
		return -ENAMETOOLONG;
	if (digits_only(name))
		return -EACCES;
	pthread_mutex_lock(&m->lock);
	int rc = rename_locked(m, from_model, from, model, name, uid, noreplace);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

int scratch_exchange(struct mount *m, const struct model *model, const char *name, const struct model *other_model,
		     const char *other, uid_t uid)
{
	pthread_mutex_lock(&m->lock);
	struct scratch_name *a = *find_at(m, model, name, uid), *b = *find_at(m, other_model, other, uid);
	if (a && b) {
		struct scratch *s = a->scratch;
		a->scratch = b->scratch;
		b->scratch = s;
	}
	pthread_mutex_unlock(&m->lock);
	return a && b ? 0 : -ENOENT;
}

static void touch(struct scratch *s)
{
	clock_gettime(CLOCK_REALTIME, &s->st.st_mtim);
	s->st.st_ctim = s->st.st_mtim;
}

static int resize_locked(struct mount *m, struct scratch *s, int64_t size, struct err *e)
{
	int rc = 0;

	if (size > LIMIT_SCRATCH_BYTES)
		return err_set(e, EFBIG, "A scratch file holds at most %d bytes", LIMIT_SCRATCH_BYTES);
	if ((size_t)size > s->data.len)
		rc = within_limits(m, s->st.st_uid, 0, (size_t)size - s->data.len, e);
	if (rc == 0 && (size_t)size > s->data.len)
		rc = scratch_hold(m, s, (size_t)size - s->data.len, e);
	if (rc < 0)
		return rc;
	buf_resize(&s->data, (size_t)size);
	scratch_settle(m, s);
	if (!buf_failed(&s->data))
		return 0;
	s->data.failed = false;
	return err_nomem(e);
}

int scratch_write(struct mount *m, struct scratch *s, const char *data, size_t len, int64_t offset, struct err *e)
{
	int rc = 0;

	if (offset > LIMIT_SCRATCH_BYTES)
		return err_set(e, EFBIG, "A scratch file holds at most %d bytes", LIMIT_SCRATCH_BYTES);
	pthread_mutex_lock(&m->lock);
	if (offset < 0)
		offset = (int64_t)s->data.len;
	if ((size_t)offset + len > s->data.len)
		rc = resize_locked(m, s, offset + (int64_t)len, e);
	if (rc == 0 && len > 0) {
		memcpy(s->data.data + offset, data, len);
		touch(s);
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

size_t scratch_read(struct mount *m, struct scratch *s, char *out, size_t len, int64_t offset)
{
	size_t n = 0;

	pthread_mutex_lock(&m->lock);
	if ((size_t)offset < s->data.len) {
		n = s->data.len - (size_t)offset < len ? s->data.len - (size_t)offset : len;
		memcpy(out, s->data.data + offset, n);
	}
	pthread_mutex_unlock(&m->lock);
	return n;
}

int scratch_truncate(struct mount *m, struct scratch *s, int64_t size, struct err *e)
{
	pthread_mutex_lock(&m->lock);
	int rc = resize_locked(m, s, size, e);
	if (rc == 0)
		touch(s);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

int scratch_content(struct mount *m, struct scratch *s, struct buf *out)
{
	pthread_mutex_lock(&m->lock);
	buf_add(out, buf_text(&s->data), s->data.len);
	pthread_mutex_unlock(&m->lock);
	return buf_failed(out) ? -ENOMEM : 0;
}

void scratch_set_error(struct mount *m, struct scratch *s, const char *sentence)
{
	char *copy = sentence ? strdup(sentence) : NULL;

	pthread_mutex_lock(&m->lock);
	free(s->error);
	s->error = copy;
	pthread_mutex_unlock(&m->lock);
}

bool scratch_next(struct mount *m, const struct model *model, uid_t viewer, int64_t *serial, struct buf *name,
		  struct stat *st)
{
	const struct scratch_name *best = NULL;

	pthread_mutex_lock(&m->lock);
	for (const struct scratch_name *n = m->scratch_names; n; n = n->next) /* newest first */
		if (is_there(n, model, viewer) && n->serial > *serial)
			best = n;
	if (best) {
		buf_str(name, best->name);
		fill_stat(best->scratch, st);
		*serial = best->serial;
	}
	pthread_mutex_unlock(&m->lock);
	return best != NULL;
}

void scratch_drop_names(struct mount *m)
{
	pthread_mutex_lock(&m->lock);
	while (m->scratch_names)
		take_name(m, &m->scratch_names);
	pthread_mutex_unlock(&m->lock);
}

void scratch_release_all(struct mount *m)
{
	while (m->scratch_names) {
		if (!m->transaction)
			log_info("scratch file %s/%s is gone with the mount", m->scratch_names->model->name,
				 m->scratch_names->name);
		take_name(m, &m->scratch_names);
	}
	while (m->scratches) {
		struct scratch *s = m->scratches;

		m->scratches = s->next;
		free_scratch(m, s);
	}
}
