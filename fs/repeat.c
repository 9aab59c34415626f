/*
 * repeat.c - the thread and the process that repeat changes of jobs, and the answers that the process gets.
 *
 * A process, since a daemon that waits for itself can't even be killed: the kernel ends its requests when it closes the
 * mount's descriptor, and closes that when the last thread has ended. It acts below a descriptor of the queue's
 * directory of which it has made sure that this mount answers for it: what lies below an unmounted mountpoint is
 * somebody's. The descriptor is open for a few files at a time, since it keeps the mount from being unmounted. The lock
 * guards the list, and is held neither during a system call nor a reply.
 */
#include "repeat.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
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
	pid_t pid;                /* of the process, set before any request */
	int socket;               /* to it */
	_Atomic uint64_t seen;    /* number of the directory that was asked for last */
	_Atomic enum repeated at; /* what the process does now */
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

/* ---- the process ---- */

/* What it is to do, in three steps: it opens the directory and says so, is told whether that is ours, and acts. */
struct order {
	enum repeated what;
	char directory[PATH_MAX];
	char name[LIMIT_NAME + 1];
};

static void act(int directory, const struct order *o)
{
	int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (o->what == CREATED ? O_CREAT | O_EXCL : 0);

	if (o->what == GONE) {
		unlinkat(directory, o->name, 0);
		return;
	}
	int fd = openat(directory, o->name, flags, 0644);
	if (fd >= 0 && o->what == CHANGED && pwrite(fd, " ", 1, 0) < 0)
		close(fd), fd = -1;
	if (fd >= 0)
		close(fd);
}

static bool carry_out(int socket, const struct order *o)
{
	char ours = 0;
	struct stat st;
	int directory = open(o->directory, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (directory >= 0)
		fstat(directory, &st); /* the daemon sees which one it is */
	bool goes_on = write(socket, "", 1) == 1 && read(socket, &ours, 1) == 1;
	if (goes_on && ours && directory >= 0)
		act(directory, o);
	if (directory >= 0)
		close(directory);
	return goes_on && write(socket, "", 1) == 1;
}

/* Forked from a process with threads: nothing here allocates. */
static void serve_orders(int socket)
{
	static struct order o;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "rowfs-inotify");
	dup2(socket, 0);
	close_range(1, ~0U, 0); /* the kernel's descriptor of the mount above all */
	if (chdir("/") == 0)
		while (read(0, &o, sizeof(o)) == sizeof(o) && carry_out(0, &o))
			;
	_exit(0);
}

static int start_process(struct repeater *r, struct err *e)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(e, EIO, "no socket for inotify: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		serve_orders(ends[1]);
	close(ends[1]);
	r->socket = ends[0];
	r->pid = pid;
	return pid < 0 ? err_set(e, EAGAIN, "no process for inotify: %s", strerror(errno)) : 0;
}

/* ---- the thread ---- */

/* False: the process is gone. */
static bool repeat(struct repeater *r, const struct change *c)
{
	uint64_t ino = node_made(NODE_MODEL, mount_number(r->m, c->model));
	struct order o = {.what = c->what};
	char answer;

	if (snprintf(o.directory, sizeof(o.directory), "%s/%s", r->m->directory, c->model->name) >= PATH_MAX)
		return true;
	snprintf(o.name, sizeof(o.name), "%s", c->name);
	r->seen = 0;
	r->at = c->what;
	if (write(r->socket, &o, sizeof(o)) != sizeof(o) || read(r->socket, &answer, 1) != 1)
		return false;
	answer = r->seen == ino;
	return write(r->socket, &answer, 1) == 1 && read(r->socket, &answer, 1) == 1;
}

static bool repeat_all(struct repeater *r, const struct change *c)
{
	bool goes_on = true;

	for (; c && goes_on; c = c->next)
		goes_on = c->what == NOTHING || repeat(r, c);
	return goes_on;
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
	int rc = start_process(r, e);
	if (rc == 0 && pthread_create(&r->thread, NULL, run, r)) {
		close(r->socket);
		rc = err_set(e, EAGAIN, "no thread can be started for inotify");
	}
	if (rc < 0) {
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
	m->repeater = NULL;
}
