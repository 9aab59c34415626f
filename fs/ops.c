/*
 * ops.c - what the kernel asks about files: attributes, open, read, write, close. Names are name.c's and dir.c's.
 *
 * Each function here is thin: who asks, may they, which handle; then handle.c or scratch.c does it. Record files are
 * opened with FOPEN_DIRECT_IO, so that neither a draft nor an older text ever comes out of the page cache, and all
 * time-outs of attributes are 0, so that stat tells what is committed, whoever committed it.
 */
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../store/phase.h"
#include "await.h"
#include "dir.h"
#include "events.h"
#include "handle.h"
#include "name.h"
#include "open.h"
#include "rename.h"
#include "repeat.h"
#include "scratch.h"
#include "tree.h"
#include "transaction.h"
#include "watched.h"
#include "xattr.h"

static struct handle *handle_of(struct fuse_file_info *fi)
{
	return fi ? (struct handle *)(uintptr_t)fi->fh : NULL;
}

/* The answer to a call that may have filled *e: its code is what counts then. */
static void reply(fuse_req_t req, int rc, const struct err *e)
{
	mount_reply_error(req, rc < 0 && e->code ? -e->code : rc);
}

static void op_init(void *data, struct fuse_conn_info *conn)
{
	struct mount *m = data;

	conn->want |= conn->capable & (FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_PARALLEL_DIROPS);
	conn->want &= ~(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_SPLICE_READ |
			FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
	m->ready(m);
}

/* ---- attributes ---- */

static void reply_attr(const struct mount *m, fuse_req_t req, int rc, struct stat *st, const struct err *e)
{
	if (rc < 0) {
		reply(req, rc, e);
		return;
	}
	st->st_ino = mount_public_ino(m, st->st_ino);
	fuse_reply_attr(req, st, 0);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	err_auto e = ERR_INIT;
	struct stat st;
	struct handle *h = handle_of(fi);
	struct actor who = mount_actor(req);
	struct mount *m = mount_enter(req, &ino);
	int rc;

	repeat_seen(req, ino);
	if (h && h->scratch)
		scratch_stat(m, h->scratch, &st), rc = 0;
	else
		rc = mount_stat(m, ino, &who, &st, &e);
	if (rc == 0 && h && handle_length(h) >= 0) /* lseek from the end: of what this descriptor reads */
		st.st_size = handle_length(h);
	reply_attr(m, req, rc, &st, &e);
}

static int may_set_times(fuse_req_t req, const struct stat *st, int set)
{
	const int explicit_times = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME;
	const int now = FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW;

	if (!(set & explicit_times) || fuse_req_ctx(req)->uid == 0 || fuse_req_ctx(req)->uid == st->st_uid)
		return 0;
	return set & now && mount_may(req, st, W_OK) == 0 ? 0 : -EPERM;
}

/* The rules of chmod(2), chown(2) and utimensat(2). */
static int may_set(fuse_req_t req, const struct stat *st, const struct stat *to, int set)
{
	uid_t uid = fuse_req_ctx(req)->uid;

	if (uid == 0)
		return 0;
	if ((set & FUSE_SET_ATTR_MODE) && uid != st->st_uid)
		return -EPERM;
	if ((set & FUSE_SET_ATTR_UID) && (uid != st->st_uid || to->st_uid != st->st_uid))
		return -EPERM;
	if ((set & FUSE_SET_ATTR_GID) && uid != st->st_uid)
		return -EPERM;
	return may_set_times(req, st, set);
}

static void set_scratch(struct mount *m, struct scratch *s, const struct stat *to, int set)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	pthread_mutex_lock(&m->lock);
	if (set & FUSE_SET_ATTR_MODE)
		s->st.st_mode = (s->st.st_mode & S_IFMT) | (to->st_mode & 07777);
	if (set & FUSE_SET_ATTR_UID)
		s->st.st_uid = to->st_uid;
	if (set & FUSE_SET_ATTR_GID)
		s->st.st_gid = to->st_gid;
	if (set & FUSE_SET_ATTR_ATIME)
		s->st.st_atim = set & FUSE_SET_ATTR_ATIME_NOW ? now : to->st_atim;
	if (set & FUSE_SET_ATTR_MTIME)
		s->st.st_mtim = set & FUSE_SET_ATTR_MTIME_NOW ? now : to->st_mtim;
	s->st.st_ctim = now;
	pthread_mutex_unlock(&m->lock);
}

/* truncate(2) by path has no descriptor, so no draft and nobody to tell what became of it. */
static int set_size(struct mount *m, struct handle *h, struct scratch *s, off_t size, struct err *e)
{
	if (h)
		return handle_truncate(m, h, size, e);
	return s ? scratch_truncate(m, s, size, e) : -EPERM;
}

/* Setting the times of a job that runs renews the worker's lease. */
static int renew_lease(struct mount *m, fuse_req_t req, fuse_ino_t ino, const struct actor *who, int set, struct err *e)
{
	const int times = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW;
	struct node node = node_decode(ino);
	const struct model *model = node.kind == NODE_RECORD ? mount_model(m, node.model) : NULL;
	arena_auto a = ARENA_INIT;
	struct value key;

	if (!(set & times) || !model || !model->queue || m->stage)
		return 0;
	int rc = mount_may_change(m, req);
	if (rc == 0)
		rc = mount_key(m, &node, &a, &key, e);
	return rc < 0 ? rc : runner_renew(m->saver, who, model, &key, e);
}

/* Attributes of records and made files are the server's: setting them succeeds and changes nothing. */
static int set_attributes(struct mount *m, fuse_req_t req, fuse_ino_t ino, const struct stat *to, int set,
			  struct handle *h, struct stat *st, struct err *e)
{
	struct actor who = mount_actor(req), nobody = {.uid = who.uid};
	struct scratch *s = scratch_get(m, ino);
	int rc = m->read_only ? -EROFS : mount_stat(m, ino, &nobody, st, e);

	if (rc == 0)
		rc = may_set(req, st, to, set);
	if (rc == 0 && (set & FUSE_SET_ATTR_SIZE) && !h)
		rc = mount_may(req, st, W_OK);
	if (rc == 0 && (set & FUSE_SET_ATTR_SIZE))
		rc = set_size(m, h, s, to->st_size, e);
	if (rc == 0 && s)
		set_scratch(m, s, to, set);
	if (rc == 0 && !s)
		rc = renew_lease(m, req, ino, &who, set, e);
	scratch_put(m, s);
	return rc < 0 ? rc : mount_stat(m, ino, &who, st, e);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *to, int set, struct fuse_file_info *fi)
{
	err_auto e = ERR_INIT;
	struct stat st;
	struct mount *m = mount_enter(req, &ino);
	int rc = set_attributes(m, req, ino, to, set, handle_of(fi), &st, &e);

	reply_attr(m, req, rc, &st, &e);
}

static void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	err_auto e = ERR_INIT;
	const struct actor nobody = {.uid = fuse_req_ctx(req)->uid};
	struct stat st;
	struct mount *m = mount_enter(req, &ino);
	int rc = mount_stat(m, ino, &nobody, &st, &e);

	if (rc == 0)
		rc = (mask & W_OK) && m->read_only ? -EROFS : mount_may(req, &st, mask);
	reply(req, rc, &e);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *m = mount_enter(req, &ino);
	struct statvfs disk, st = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = LIMIT_NAME};
	struct conn *c;
	err_auto e = ERR_INIT;
	int64_t n;

	if (statvfs(m->schema->database, &disk) == 0) {
		st.f_frsize = disk.f_frsize;
		st.f_blocks = disk.f_blocks;
		st.f_bfree = disk.f_bfree;
		st.f_bavail = disk.f_bavail;
		st.f_ffree = st.f_favail = disk.f_ffree;
	}
	c = mount_read(m, fuse_req_ctx(req)->uid, &e);
	for (size_t i = 0; c && i < m->schema->nmodels; i++)
		if (store_count(c, &m->schema->models[i], &n, &e) == 0)
			st.f_files += (fsfilcnt_t)n;
	store_read_end(c);
	st.f_files += st.f_ffree;
	fuse_reply_statfs(req, &st);
}

/* ---- open and create ---- */

static void fill_open(struct fuse_file_info *fi, struct handle *h)
{
	fi->fh = (uintptr_t)h;
	fi->direct_io = 1;
	fi->nonseekable = h->import || h->export || h->events;
	fi->noflush = !handle_writes(h) || h->scratch;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	err_auto e = ERR_INIT;
	struct handle *h = NULL;
	if (repeat_open(req, ino, fi))
		return;
	struct mount *m = mount_enter(req, &ino);
	phase("opening");
	int rc = open_node(m, req, ino, fi->flags, &h, &e);

	if (rc == -ENOENT && (fi->flags & O_ACCMODE) != O_RDONLY) {
		phase("open-gone");
		fuse_reply_err(req, open_gone(req));
		return;
	}
	if (rc < 0) {
		reply(req, rc, &e);
		return;
	}
	fill_open(fi, h);
	open_found(req);
	if (fuse_reply_open(req, fi) < 0) /* the caller is gone: no release will come */
		handle_close(m, h);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct mount *m = mount_enter(req, &parent);
	struct fuse_entry_param entry = {0};
	err_auto e = ERR_INIT;
	struct actor who = mount_actor(req);
	struct handle *h = NULL;
	if (repeat_create(req, parent, name, fi))
		return;
	int rc = open_create(m, req, parent, name, mode, fi->flags, &h, &entry.attr, &e);

	if (rc == 0 && !entry.attr.st_ino)
		rc = mount_stat(m, h->ino, &who, &entry.attr, &e);
	if (rc == 0)
		rc = transaction_remember(m, h->ino);
	if (rc < 0) {
		handle_close(m, h);
		reply(req, rc, &e);
		return;
	}
	uint64_t ino = h->ino;
	entry.ino = entry.attr.st_ino = mount_public_ino(m, ino);
	fill_open(fi, h);
	open_found(req);
	watched_lookup(m, ino, true);
	if (fuse_reply_create(req, &entry, fi) < 0) {
		watched_forget(m, ino, 1);
		handle_close(m, h);
		transaction_forget(m, entry.ino, 1);
	}
}

/* ---- reading, writing, closing ---- */

/*
 * The page cache, which mmap(2), sendfile(2) and splice(2) read, is everybody's: a page that one user's descriptor has
 * filled is read through another's. Where not all may see the same nothing goes into it; the kernel makes EIO of any
 * error, and SIGBUS for a mapping. read(2) has a lock owner (fuse_direct_io), the kernel's own reading of pages has
 * none: measured on Linux 6.18.
 */
static bool fills_page(const struct handle *h, const struct fuse_file_info *fi)
{
	return fi->lock_owner == 0 && h->model && h->model->differs;
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	if (handle_of(fi)->events) {
		events_read(fuse_req_userdata(req), req, handle_of(fi)->events, size, !(fi->flags & O_NONBLOCK));
		return;
	}
	buf_auto out = BUF_INIT;
	err_auto e = ERR_INIT;
	struct mount *m = mount_enter(req, &ino);
	struct node node = node_decode(ino);
	const struct kind *kind = tree_kind(node.kind);
	int rc;

	if (kind->awaits) {
		await_read(req, handle_of(fi), size, off);
		return;
	}
	if (fills_page(handle_of(fi), fi))
		rc = -EIO;
	else if (kind->read)
		rc = kind->read(m, &node, size, off, &out, &e);
	else
		rc = handle_read(m, handle_of(fi), size, off, &out, &e);
	if (rc < 0)
		reply(req, rc, &e);
	else
		fuse_reply_buf(req, out.data, out.len);
}

/* With EOPNOTSUPP the kernel splices from its pages, with EINVAL programs copy by read(2): coreutils 9, Go, libuv. */
static void op_copy(fuse_req_t req, fuse_ino_t ino, off_t off, struct fuse_file_info *fi, fuse_ino_t to, off_t to_off,
		    struct fuse_file_info *to_fi, size_t len, int flags)
{
	const struct model *m = handle_of(fi)->model;

	(void)ino, (void)off, (void)to, (void)to_off, (void)to_fi, (void)len, (void)flags;
	fuse_reply_err(req, m && m->differs ? EINVAL : EOPNOTSUPP);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	struct actor actor = mount_actor(req);
	err_auto e = ERR_INIT;
	struct mount *m = mount_enter(req, &ino);
	struct node node = node_decode(ino);
	const struct kind *kind = tree_kind(node.kind);
	int rc;

	if (repeat_write(req, size))
		return;
	if (kind->write)
		rc = kind->write(m, &node, &actor, data, size, &e);
	else
		rc = handle_write(m, handle_of(fi), &actor, data, size, off, &e);
	phase("unanswered");
	if (rc < 0)
		reply(req, rc, &e);
	else
		fuse_reply_write(req, size);
	phase("answered");
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct actor actor = mount_actor(req);
	err_auto e = ERR_INIT;

	if (repeat_flush(req, fi))
		return;
	reply(req, handle_sync(mount_enter(req, &ino), handle_of(fi), &actor, &e), &e);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)datasync;
	op_flush(req, ino, fi);
}

/* Only what waits for something is ever not ready. */
static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *ph)
{
	struct handle *h = handle_of(fi);

	if (h && h->events) {
		events_poll(fuse_req_userdata(req), req, h->events, ph);
		return;
	}
	if (tree_kind(node_decode(ino).kind)->awaits) {
		await_poll(req, handle_of(fi), ph);
		return;
	}
	if (ph)
		fuse_pollhandle_destroy(ph);
	fuse_reply_poll(req, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino, (void)datasync, (void)fi;
	fuse_reply_err(req, 0); /* what is seen is durable already */
}

/* What closing.h takes has no operation here. */
const struct fuse_lowlevel_ops ops_table = {
    .init = op_init,
    .lookup = dir_lookup,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .access = op_access,
    .statfs = op_statfs,
    .open = op_open,
    .create = op_create,
    .read = op_read,
    .poll = op_poll,
    .write = op_write,
    .copy_file_range = op_copy,
    .flush = op_flush,
    .fsync = op_fsync,
    .opendir = dir_open,
    .readdir = dir_read,
    .fsyncdir = op_fsyncdir,
    .unlink = name_unlink,
    .rename = rename_name,
    .link = rename_link,
    .symlink = name_symlink,
    .readlink = name_readlink,
    .mkdir = name_mkdir,
    .rmdir = name_rmdir,
    .mknod = name_mknod,
    .getxattr = xattr_get,
    .listxattr = xattr_list,
    .setxattr = xattr_set,
    .removexattr = xattr_remove,
};
