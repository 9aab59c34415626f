/*
 * repeat.c - the thread and the process that repeat changes of jobs, and the answers that the process gets. Where
 * nobody watches (watched.h) there is nothing to be done.
 *
 * The thread makes sure that this mount answers for the directory that the process has opened: what lies below an
 * unmounted mountpoint is somebody's. The lock guards the list, and is held neither during a system call nor a reply.
 */
#include "repeat.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../store/log.h"
#include "dir.h"
#include "repeat_process.h"
#include "watched.h"

enum { GATHER_MS = 20, AT_ONCE = 64 };

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
	pid_t pid;                 /* of the process, set before any request */
	int socket;                /* to it */
	const struct model *queue; /* whose directory it is in */
	_Atomic enum repeated at;  /* what it does now */
	_Atomic uint64_t seen;     /* number of the directory that it has opened; 0: none */
	_Atomic bool denied;       /* ASK: it was told that there is no such directory */
	_Atomic int64_t told;      /* ASK: how often that there is one */
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

	if (!c->model->queue || c->model->hidden || c->asked || key_changed || !watched_perhaps(r->m, c->model) ||
	    record_name(c->model, c->key, &name) < 0)
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

/* False: the process is gone. */
static bool tell(struct repeater *r, enum repeated what, const char *name)
{
	struct order o = {.what = what};
	char done;

	snprintf(o.name, sizeof(o.name), "%s", name);
	r->at = what;
	return write(r->socket, &o, sizeof(o)) == sizeof(o) && read(r->socket, &done, 1) == 1;
}

static bool open_directory(struct repeater *r, enum repeated how, const struct model *queue)
{
	char path[PATH_MAX];

	r->queue = queue;
	r->seen = 0;
	if (snprintf(path, sizeof(path), "%s/%s", r->m->directory, queue->name) >= PATH_MAX)
		return true;
	return tell(r, how, path);
}

static bool is_open(const struct repeater *r)
{
	return r->seen == node_made(NODE_MODEL, mount_number(r->m, r->queue));
}

/* *nobody: no program would see what is repeated. The directory may be open then or not. */
static bool look_for_watchers(struct repeater *r, const struct model *queue, bool *nobody)
{
	*nobody = false;
	if (!watched_is_quiet(r->m, queue))
		return true;
	watched_ask(r->m, queue);
	r->denied = false;
	r->told = 0;
	if (!open_directory(r, ASK, queue))
		return false;
	*nobody = r->denied && watched_by_nobody(r->m, queue, r->told);
	return true;
}

static bool repeat_all(struct repeater *r, const struct change *c)
{
	bool nobody, goes_on = look_for_watchers(r, c->model, &nobody);

	if (goes_on && !nobody)
		goes_on = open_directory(r, OPEN, c->model);
	for (; c && goes_on && !nobody && is_open(r); c = c->next)
		goes_on = c->what == NOTHING || tell(r, c->what, c->name);
	return goes_on && tell(r, CLOSE, "");
}

static void *run(void *data)
{
	static const struct timespec gather = {0, GATHER_MS * 1000 * 1000};
	struct repeater *r = data;
	struct change *changes;

	for (bool works = true; (changes = take(r));) {
		if (works)
			works = repeat_all(r, changes);
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

	return r && r->pid == fuse_req_ctx(req)->pid ? r : NULL;
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
	return rc == 0 && (entry.kind == ENTRY_RECORD || entry.kind == ENTRY_MADE) ? 0 : -ENOENT;
}

static void reply_entry(struct repeater *r, fuse_req_t req, struct fuse_entry_param *entry)
{
	entry->ino = entry->attr.st_ino;
	watched_lookup(r->m, entry->ino, false);
	if (fuse_reply_entry(req, entry) < 0)
		watched_forget(r->m, entry->ino, 1);
}

/* Of the queue's directory: what others have of it must not last longer because of this one. */
static void lookup_directory(struct repeater *r, fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = {0};
	bool denied = r->at == ASK && !r->denied;

	if (denied || attributes(r->m, parent, name, &entry.attr) < 0) {
		r->denied |= denied;
		fuse_reply_err(req, ENOENT);
		return;
	}
	r->told++;
	reply_entry(r, req, &entry);
}

bool repeat_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct repeater *r = own(req);
	struct fuse_entry_param entry = {0};
	int rc = -ENOENT;

	if (!r)
		return false;
	if (parent == NODE_ROOT_INO) {
		lookup_directory(r, req, parent, name);
		return true;
	}
	if (r->at != CREATED)
		rc = attributes(r->m, parent, name, &entry.attr);
	if (r->at == GONE && rc < 0)
		mount_dir_stat(r->m, node_memory(NODE_MEMORY, mount_next_serial(r->m)), S_IFREG | 0644, &entry.attr);
	if (r->at == CREATED || (r->at == CHANGED && rc < 0) || (r->at == GONE && rc == 0))
		fuse_reply_err(req, ENOENT);
	else
		reply_entry(r, req, &entry);
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
	watched_lookup(r->m, entry.ino, false);
	if (fuse_reply_create(req, &entry, fi) < 0)
		watched_forget(r->m, entry.ino, 1);
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

/* Its descriptors have no handle. */
bool repeat_flush(fuse_req_t req, struct fuse_file_info *fi)
{
	if (fi->fh)
		return false;
	fuse_reply_err(req, 0);
	return true;
}

void repeat_seen(fuse_req_t req, fuse_ino_t ino)
{
	struct repeater *r = own(req);

	if (r && (r->at == OPEN || r->at == ASK))
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
	int rc = watched_new(m, e);
	if (rc == 0)
		rc = repeat_process_start(&r->pid, &r->socket, e);
	if (rc == 0 && pthread_create(&r->thread, NULL, run, r)) {
		close(r->socket);
		rc = err_set(e, EAGAIN, "no thread can be started for inotify");
	}
	if (rc < 0) {
		watched_free(m);
		free(r);
		return rc;
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
	close(r->socket);
	while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
		;
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
	watched_free(m);
	m->repeater = NULL;
}
