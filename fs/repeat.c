/*
 * repeat.c - the thread that repeats changes of jobs, and the answers that it gets.
 *
 * It acts below a descriptor of the queue's directory of which it has made sure that this mount answers for it: what
 * lies below an unmounted mountpoint is somebody's. The descriptor is open for a few files at a time, since it keeps
 * the mount from being unmounted. The lock guards the list, and is held neither during a system call nor a reply.
 */
#include "repeat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../store/log.h"
#include "dir.h"

enum { GATHER_MS = 20, AT_ONCE = 64 };

enum repeated { CREATED, CHANGED, GONE, NOTHING };

/* What one change after another comes to. Of a job that is started at once its making may be told last. */
static const enum repeated sums[][3] = {
    [CREATED] = {CREATED, CREATED, NOTHING},
    [CHANGED] = {CREATED, CHANGED, GONE},
    [GONE] = {CHANGED, CHANGED, GONE},
    [NOTHING] = {CREATED, CHANGED, GONE},
};

struct change {
	const struct model *model;
	char *name;
	enum repeated what;
	struct change *next;
};

struct repeater {
	struct mount *m;
	struct observer observer;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct change *first, **end;
	size_t n;
	bool stopping, told_full;
	pthread_t thread;
	_Atomic pid_t tid;
	_Atomic uint64_t seen;    /* number of the directory that was asked for last */
	_Atomic enum repeated at; /* what the thread does now */
};

/* ---- the list ---- */

static struct change *find(struct repeater *r, const struct model *model, const char *name)
{
	struct change *c = r->first;

	while (c && !(c->model == model && strcmp(c->name, name) == 0))
		c = c->next;
	return c;
}

/* With the lock held. */
static void add(struct repeater *r, const struct model *model, const char *name, enum repeated what)
{
	struct change *c = r->n < AT_ONCE * 4 ? find(r, model, name) : NULL; /* a long list is not searched */

	if (c) {
		c->what = sums[c->what][what];
		return;
	}
	c = r->n < LIMIT_REPEATED ? malloc(sizeof(*c)) : NULL;
	char *copy = c ? strdup(name) : NULL;
	if (!copy) {
		free(c);
		if (!r->told_full)
			log_warning("more changes of jobs than inotify can be told of");
		r->told_full = true;
		return;
	}
	*c = (struct change){model, copy, what, NULL};
	*r->end = c;
	r->end = &c->next;
	r->n++;
	pthread_cond_signal(&r->changed);
}

/* What a program has asked for through the mount, the kernel has told of. */
static void job_saved(void *data, const struct saved_change *c)
{
	struct repeater *r = data;
	buf_auto name = BUF_INIT;
	bool key_changed = c->old && c->row && !value_equal(&c->old[c->model->key->index], c->key);

	if (!c->model->queue || c->model->hidden || c->asked || key_changed || record_name(c->model, c->key, &name) < 0)
		return;
	pthread_mutex_lock(&r->lock);
	if (!r->stopping)
		add(r, c->model, buf_text(&name), !c->old ? CREATED : c->row ? CHANGED : GONE);
	pthread_mutex_unlock(&r->lock);
}

/* Up to AT_ONCE changes of one queue; NULL: the mount ends. */
static struct change *take(struct repeater *r)
{
	pthread_mutex_lock(&r->lock);
	while (!r->first && !r->stopping)
		pthread_cond_wait(&r->changed, &r->lock);
	struct change *taken = r->stopping ? NULL : r->first, **at = &taken;
	for (int n = 0; taken && *at && (*at)->model == taken->model && n < AT_ONCE; n++, r->n--)
		at = &(*at)->next;
	if (taken) {
		r->first = *at;
		*at = NULL;
		if (!r->first)
			r->end = &r->first;
		r->told_full &= r->n > 0;
	}
	pthread_mutex_unlock(&r->lock);
	return taken;
}

static void free_changes(struct change *c)
{
	while (c) {
		struct change *next = c->next;
		free(c->name);
		free(c);
		c = next;
	}
}

/* ---- the thread ---- */

/* Of the queue in this mount; -1 where somebody else answers for it. */
static int open_directory(struct repeater *r, const struct model *model)
{
	uint64_t ino = node_made(NODE_MODEL, mount_number(r->m, model));
	buf_auto path = BUF_INIT;
	struct stat st;

	buf_printf(&path, "%s/%s", r->m->directory, model->name);
	r->seen = 0;
	int fd = open(buf_text(&path), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && fstat(fd, &st) == 0 && r->seen == ino)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void repeat(struct repeater *r, int directory, const struct change *c)
{
	r->at = c->what;
	if (c->what == GONE) {
		unlinkat(directory, c->name, 0);
		return;
	}
	int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (c->what == CREATED ? O_CREAT | O_EXCL : 0);
	int fd = openat(directory, c->name, flags, 0644);
	if (fd < 0)
		return;
	if (c->what == CHANGED && pwrite(fd, " ", 1, 0) < 0)
		log_info("%s/%s: inotify is not told of a change", c->model->name, c->name);
	close(fd);
}

static void repeat_all(struct repeater *r, const struct change *first)
{
	int directory = open_directory(r, first->model);

	for (const struct change *c = first; c && directory >= 0; c = c->next)
		if (c->what != NOTHING)
			repeat(r, directory, c);
	if (directory >= 0)
		close(directory);
}

static void *run(void *data)
{
	static const struct timespec gather = {0, GATHER_MS * 1000 * 1000};
	struct repeater *r = data;
	struct change *changes;

	r->tid = gettid();
	while ((changes = take(r))) {
		repeat_all(r, changes);
		free_changes(changes);
		nanosleep(&gather, NULL);
	}
	return NULL;
}

/* ---- its requests ---- */

static struct repeater *own(fuse_req_t req)
{
	const struct mount *m = fuse_req_userdata(req);
	struct repeater *r = m->repeater;

	return r && r->tid == fuse_req_ctx(req)->pid ? r : NULL;
}

/* The attributes of the name's record, or ones that do where it is gone or not needed. */
static int attributes(struct mount *m, fuse_ino_t parent, const char *name, struct stat *st)
{
	const struct actor nobody = {0};
	arena_auto a = ARENA_INIT;
	err_auto e = ERR_INIT;
	struct entry entry;
	int rc = dir_find(m, parent, name, &nobody, &a, &entry, &e);

	*st = entry.st;
	return rc == 0 && entry.kind == ENTRY_RECORD ? 0 : -ENOENT;
}

bool repeat_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct repeater *r = own(req);
	struct fuse_entry_param entry = {0};

	if (!r || node_decode(parent).kind != NODE_MODEL)
		return false;
	int rc = attributes(r->m, parent, name, &entry.attr);
	if (r->at == GONE && rc < 0)
		mount_dir_stat(r->m, node_memory(NODE_MEMORY, mount_next_serial(r->m)), S_IFREG | 0644, &entry.attr);
	if ((r->at == CREATED) || (r->at == CHANGED && rc < 0) || (r->at == GONE && rc == 0)) {
		fuse_reply_err(req, ENOENT);
		return true;
	}
	entry.ino = entry.attr.st_ino;
	fuse_reply_entry(req, &entry);
	return true;
}

bool repeat_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (!own(req) || node_decode(ino).kind == NODE_MODEL)
		return false;
	fi->fh = 0;
	fi->direct_io = fi->noflush = 1;
	fuse_reply_open(req, fi);
	return true;
}

bool repeat_create(fuse_req_t req, fuse_ino_t parent, const char *name, struct fuse_file_info *fi)
{
	struct repeater *r = own(req);
	struct fuse_entry_param entry = {0};

	if (!r)
		return false;
	if (attributes(r->m, parent, name, &entry.attr) < 0) {
		fuse_reply_err(req, ENOENT);
		return true;
	}
	entry.ino = entry.attr.st_ino;
	fi->fh = 0;
	fi->direct_io = fi->noflush = 1;
	fuse_reply_create(req, &entry, fi);
	return true;
}

bool repeat_write(fuse_req_t req, size_t size)
{
	if (!own(req))
		return false;
	fuse_reply_write(req, size);
	return true;
}

bool repeat_unlink(fuse_req_t req)
{
	if (!own(req))
		return false;
	fuse_reply_err(req, 0);
	return true;
}

/* Its descriptors have no handle; a release names no thread. */
bool repeat_release(fuse_req_t req, struct fuse_file_info *fi)
{
	if (fi->fh)
		return false;
	fuse_reply_err(req, 0);
	return true;
}

void repeat_seen(fuse_req_t req, fuse_ino_t ino)
{
	struct repeater *r = own(req);

	if (r)
		r->seen = ino;
}

/* ---- start and stop ---- */

static bool has_queue(const struct schema *s)
{
	for (size_t i = 0; i < s->nmodels; i++)
		if (s->models[i].queue)
			return true;
	return false;
}

int repeat_start(struct mount *m, struct err *e)
{
	struct repeater *r = has_queue(m->schema) ? calloc(1, sizeof(*r)) : NULL;

	if (!r)
		return has_queue(m->schema) ? err_nomem(e) : 0;
	r->m = m;
	r->end = &r->first;
	r->observer = (struct observer){.changed = job_saved, .data = r};
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	if (pthread_create(&r->thread, NULL, run, r)) {
		free(r);
		return err_set(e, EAGAIN, "no thread can be started for inotify");
	}
	saver_observe(m->saver, &r->observer);
	m->repeater = r;
	return 0;
}

void repeat_end(struct mount *m)
{
	struct repeater *r = m->repeater;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void repeat_stop(struct mount *m)
{
	struct repeater *r = m->repeater;

	if (!r)
		return;
	repeat_end(m);
	pthread_join(r->thread, NULL);
}

void repeat_free(struct mount *m)
{
	struct repeater *r = m->repeater;

	if (!r)
		return;
	free_changes(r->first);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
	m->repeater = NULL;
}
