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
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "answered.h"
#include "dir.h"
#include "handle.h"
#include "name.h"
#include "rejected.h"
#include "scratch.h"
#include "waiting.h"

static struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

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

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	err_auto e = ERR_INIT;
	struct stat st;
	struct handle *h = handle_of(fi);
	int rc;

	if (h && h->scratch)
		scratch_stat(mount_of(req), h->scratch, &st), rc = 0;
	else
		rc = mount_stat(mount_of(req), ino, fuse_req_ctx(req)->pid, &st, &e);
	if (rc == 0 && h && handle_length(h) >= 0) /* lseek from the end: of what this descriptor reads */
		st.st_size = handle_length(h);
	if (rc < 0)
		reply(req, rc, &e);
	else
		fuse_reply_attr(req, &st, 0);
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

/* Attributes of records and made files are the server's: setting them succeeds and changes nothing. */
static int set_attributes(fuse_req_t req, fuse_ino_t ino, const struct stat *to, int set, struct handle *h,
			  struct stat *st, struct err *e)
{
	struct mount *m = mount_of(req);
	struct scratch *s = scratch_get(m, ino);
	int rc = m->read_only ? -EROFS : mount_stat(m, ino, 0, st, e);

	if (rc == 0)
		rc = may_set(req, st, to, set);
	if (rc == 0 && (set & FUSE_SET_ATTR_SIZE) && !h)
		rc = mount_may(req, st, W_OK);
	if (rc == 0 && (set & FUSE_SET_ATTR_SIZE))
		rc = set_size(m, h, s, to->st_size, e);
	if (rc == 0 && s)
		set_scratch(m, s, to, set);
	scratch_put(m, s);
	return rc < 0 ? rc : mount_stat(m, ino, fuse_req_ctx(req)->pid, st, e);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *to, int set, struct fuse_file_info *fi)
{
	err_auto e = ERR_INIT;
	struct stat st;
	int rc = set_attributes(req, ino, to, set, handle_of(fi), &st, &e);

	if (rc < 0)
		reply(req, rc, &e);
	else
		fuse_reply_attr(req, &st, 0);
}

static void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	err_auto e = ERR_INIT;
	struct stat st;
	int rc = mount_stat(mount_of(req), ino, 0, &st, &e);

	if (rc == 0)
		rc = (mask & W_OK) && mount_of(req)->read_only ? -EROFS : mount_may(req, &st, mask);
	reply(req, rc, &e);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *m = mount_of(req);
	struct statvfs disk, st = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = LIMIT_NAME};
	struct conn *c;
	err_auto e = ERR_INIT;
	int64_t n;

	(void)ino;
	if (statvfs(m->schema->database, &disk) == 0) {
		st.f_frsize = disk.f_frsize;
		st.f_blocks = disk.f_blocks;
		st.f_bfree = disk.f_bfree;
		st.f_bavail = disk.f_bavail;
		st.f_ffree = st.f_favail = disk.f_ffree;
	}
	c = store_read_begin(m->store, &e);
	for (size_t i = 0; c && i < m->schema->nmodels; i++)
		if (store_count(c, &m->schema->models[i], &n, &e) == 0)
			st.f_files += (fsfilcnt_t)n;
	store_read_end(c);
	st.f_files += st.f_ffree;
	fuse_reply_statfs(req, &st);
}

/* ---- open and create ---- */

static int wanted_by(int flags)
{
	static const int wanted[] = {[O_RDONLY] = R_OK, [O_WRONLY] = W_OK, [O_RDWR] = R_OK | W_OK};

	return (flags & O_ACCMODE) <= O_RDWR ? wanted[flags & O_ACCMODE] : R_OK | W_OK;
}

static int open_scratch(struct mount *m, struct scratch *s, int flags, struct handle **out, struct err *e)
{
	int rc = flags & O_TRUNC ? scratch_truncate(m, s, 0, e) : 0;

	if (rc == 0)
		rc = handle_open_scratch(m, s, flags, out, e);
	if (rc < 0)
		scratch_put(m, s);
	return rc;
}

static int open_record(struct mount *m, const struct actor *actor, fuse_ino_t ino, const struct node *node, int flags,
		       struct handle **out, struct err *e)
{
	const struct model *model = mount_model(m, node->model);
	buf_auto name = BUF_INIT;
	arena_auto a = ARENA_INIT;
	struct open_name unsaved;
	struct value key;
	int rc = mount_key(m, node, &a, &key, e);

	if (rc == 0)
		rc = record_name(model, &key, &name);
	if (rc == 0)
		rc = handle_open_record(m, actor, model, &key, buf_text(&name), ino, flags, true, out, e);
	if (rc != -ENOENT || !handle_find(m, NULL, NULL, ino, &a, &unsaved) || !unsaved.named)
		return rc;
	err_release(e);
	return handle_open_record(m, actor, unsaved.model, &unsaved.key, unsaved.name, ino, flags, false, out, e);
}

/* In .rejected or .answer. */
static int open_kept(struct mount *m, fuse_ino_t ino, int flags, struct handle **out, struct err *e)
{
	buf_auto text = BUF_INIT;
	struct stat st;

	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EACCES;
	int rc = rejected_get(m, ino, &st, &text);
	if (rc < 0)
		rc = answered_get(m, ino, &st, &text, e);
	return rc < 0 ? rc : handle_open_text(m, ino, flags, &text, out, e);
}

static int open_waiting(struct mount *m, fuse_ino_t ino, int flags, struct handle **out, struct err *e)
{
	buf_auto text = BUF_INIT;
	struct stat st;

	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EACCES;
	int rc = waiting_get(m, node_decode(ino).serial, &st, &text, e);
	return rc < 0 ? rc : handle_open_text(m, ino, flags, &text, out, e);
}

static int open_memory(struct mount *m, const struct actor *actor, fuse_ino_t ino, int flags, struct handle **out,
		       struct err *e)
{
	struct scratch *s = scratch_get(m, ino);
	arena_auto a = ARENA_INIT;
	struct open_name name;

	if (s)
		return open_scratch(m, s, flags, out, e);
	if (!handle_find(m, NULL, NULL, ino, &a, &name))
		return open_kept(m, ino, flags, out, e);
	int rc = handle_open_record(m, actor, name.model, &name.key, name.name, ino, flags, true, out, e);
	if (rc != -ENOENT)
		return rc;
	err_release(e);
	return handle_open_record(m, actor, name.model, &name.key, name.name, ino, flags, false, out, e);
}

/* Attributes that decide who may open; a record's are its model's, and need no look at the row. */
static int open_attributes(struct mount *m, fuse_ino_t ino, const struct node *node, struct stat *st, struct err *e)
{
	const struct model *model = node->kind == NODE_RECORD ? mount_model(m, node->model) : NULL;

	if (!model)
		return mount_stat(m, ino, 0, st, e);
	*st = (struct stat){.st_mode = mount_record_mode(model), .st_uid = m->uid, .st_gid = m->gid};
	return 0;
}

static bool model_is_frozen(const struct mount *m, const struct node *node)
{
	const struct model *model = mount_model(m, node->model);

	return model && model->read_only;
}

static int open_node(struct mount *m, fuse_req_t req, fuse_ino_t ino, int flags, struct handle **out, struct err *e)
{
	struct node node = node_decode(ino);
	struct actor actor = mount_actor(req);
	struct stat st;
	int rc = open_attributes(m, ino, &node, &st, e);

	if (rc == 0)
		rc = mount_may(req, &st, wanted_by(flags));
	if (rc == 0 && node.kind == NODE_KEPT)
		rc = mount_may_read(m, req, &node);
	if (rc == 0 && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC)))
		rc = mount_may_change(m, req);
	if (rc < 0)
		return rc;
	if (model_is_frozen(m, &node) && wanted_by(flags) & W_OK)
		return -EROFS;
	if (node.kind == NODE_RECORD)
		return open_record(m, &actor, ino, &node, flags, out, e);
	if (node.kind == NODE_MEMORY)
		return open_memory(m, &actor, ino, flags, out, e);
	if (node.kind == NODE_WAITING)
		return open_waiting(m, ino, flags, out, e);
	if (node.kind != NODE_NEW && (flags & O_ACCMODE) != O_RDONLY)
		return -EACCES;
	return handle_open_made(m, &actor, &node, ino, flags, out, e);
}

static void fill_open(struct fuse_file_info *fi, struct handle *h)
{
	fi->fh = (uintptr_t)h;
	fi->direct_io = 1;
	fi->noflush = !handle_writes(h) || h->scratch;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	err_auto e = ERR_INIT;
	struct handle *h = NULL;
	int rc = open_node(mount_of(req), req, ino, fi->flags, &h, &e);

	if (rc < 0) {
		reply(req, rc, &e);
		return;
	}
	fill_open(fi, h);
	if (fuse_reply_open(req, fi) < 0) /* the caller is gone: no release will come */
		handle_close(mount_of(req), h);
}

static int create_record(struct mount *m, const struct actor *actor, const struct entry *entry, const char *name,
			 int flags, struct handle **out, struct err *e)
{
	uint64_t ino;

	if (entry->model->read_only)
		return -EROFS;
	if (!entry->valid) {
		err_set(e, EBADMSG, "%s is no file name of a key of %s", name, entry->model->name);
		mount_refused(m, actor, entry->model, name, NULL, e);
		return -EBADMSG;
	}
	if (model_integer_key(entry->model))
		ino = mount_record_ino(m, entry->model, entry->key.integer);
	else
		ino = node_memory(mount_next_serial(m));
	return handle_open_record(m, actor, entry->model, &entry->key, name, ino, flags, false, out, e);
}

/* Fills *st where nobody has to be asked for the attributes: of a name that is new. */
static int create_in(struct mount *m, fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, int flags,
		     struct handle **out, struct stat *st, struct err *e)
{
	struct actor actor = mount_actor(req);
	arena_auto a = ARENA_INIT;
	struct entry entry;
	struct scratch *s;
	int rc = mount_may_change(m, req);

	if (rc == 0)
		rc = dir_may(m, req, parent, W_OK | X_OK);
	if (rc == 0)
		rc = dir_find(m, parent, name, &actor, &a, &entry, e);
	if (rc == 0 && node_decode(parent).kind != NODE_MODEL)
		rc = -EPERM;
	if (rc < 0)
		return rc;
	if (entry.kind != ENTRY_NONE) /* it came between the kernel's look-up and this request */
		return flags & O_EXCL ? -EEXIST : open_node(m, req, entry.st.st_ino, flags, out, e);
	if (entry.record_name) {
		rc = create_record(m, &actor, &entry, name, flags, out, e);
		if (rc == 0)
			mount_dir_stat(m, (*out)->ino, mount_record_mode(entry.model), st);
		return rc;
	}
	rc = scratch_create(m, entry.model, name, S_IFREG | (mode & 07777), &actor, &s, e);
	return rc < 0 ? rc : open_scratch(m, s, flags & ~O_TRUNC, out, e);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct fuse_entry_param entry = {0};
	err_auto e = ERR_INIT;
	struct handle *h = NULL;
	int rc = create_in(m, req, parent, name, mode, fi->flags, &h, &entry.attr, &e);

	if (rc == 0 && !entry.attr.st_ino)
		rc = mount_stat(m, h->ino, fuse_req_ctx(req)->pid, &entry.attr, &e);
	if (rc < 0) {
		handle_close(m, h);
		reply(req, rc, &e);
		return;
	}
	entry.ino = h->ino;
	fill_open(fi, h);
	if (fuse_reply_create(req, &entry, fi) < 0)
		handle_close(m, h);
}

/* ---- reading, writing, closing ---- */

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	buf_auto out = BUF_INIT;
	err_auto e = ERR_INIT;
	int rc = handle_read(mount_of(req), handle_of(fi), size, off, &out, &e);

	(void)ino;
	if (rc < 0)
		reply(req, rc, &e);
	else
		fuse_reply_buf(req, out.data, out.len);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	struct actor actor = mount_actor(req);
	err_auto e = ERR_INIT;
	int rc = handle_write(mount_of(req), handle_of(fi), &actor, data, size, off, &e);

	(void)ino;
	if (rc < 0)
		reply(req, rc, &e);
	else
		fuse_reply_write(req, size);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct actor actor = mount_actor(req);
	err_auto e = ERR_INIT;

	(void)ino;
	reply(req, handle_sync(mount_of(req), handle_of(fi), &actor, &e), &e);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)datasync;
	op_flush(req, ino, fi);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	handle_close(mount_of(req), handle_of(fi));
	fuse_reply_err(req, 0);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino, (void)datasync, (void)fi;
	fuse_reply_err(req, 0); /* what is seen is durable already */
}

/* Numbers are computed: nothing is kept for the kernel's references. */
static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	(void)ino, (void)nlookup;
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	(void)count, (void)forgets;
	fuse_reply_none(req);
}

/* ---- extended attributes ---- */

static void reply_xattr(fuse_req_t req, int rc, const struct buf *value, size_t size)
{
	if (rc < 0)
		mount_reply_error(req, rc);
	else if (size == 0)
		fuse_reply_xattr(req, value->len);
	else if (value->len > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, buf_text(value), value->len);
}

/* user.rowfs.error of a record: the sentence of its last refusal, until a save goes through. */
static int record_error(struct mount *m, fuse_req_t req, fuse_ino_t ino, struct buf *out)
{
	struct node node = node_decode(ino);
	buf_auto path = BUF_INIT;
	arena_auto a = ARENA_INIT;
	err_auto e = ERR_INIT;
	struct value key;

	if (node.kind != NODE_RECORD || mount_key(m, &node, &a, &key, &e) < 0)
		return -ENODATA;
	const struct model *model = mount_model(m, node.model);
	buf_printf(&path, "%s/", model->name);
	if (record_name(model, &key, &path) < 0 || buf_failed(&path))
		return -ENODATA;
	return journal_last(m->journal, fuse_req_ctx(req)->uid, buf_text(&path), out);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct mount *m = mount_of(req);
	struct scratch *s = node_decode(ino).kind == NODE_MEMORY ? scratch_get(m, ino) : NULL;
	buf_auto value = BUF_INIT;
	int rc = -ENODATA;

	if (s)
		rc = scratch_getxattr(m, s, name, &value);
	else if (strcmp(name, "user.rowfs.error") == 0)
		rc = record_error(m, req, ino, &value);
	scratch_put(m, s);
	reply_xattr(req, rc, &value, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct mount *m = mount_of(req);
	struct scratch *s = scratch_get(m, ino);
	buf_auto value = BUF_INIT, names = BUF_INIT;
	int rc = 0;

	if (s)
		rc = scratch_listxattr(m, s, &names);
	else if (record_error(m, req, ino, &value) == 0)
		buf_add(&names, "user.rowfs.error", sizeof("user.rowfs.error"));
	scratch_put(m, s);
	reply_xattr(req, rc, &names, size);
}

static int may_set_xattr(fuse_req_t req, struct scratch *s, const char *name)
{
	struct mount *m = mount_of(req);
	struct stat st;

	if (m->read_only)
		return -EROFS;
	if (!s || strncmp(name, "user.", 5) != 0)
		return -EOPNOTSUPP;
	scratch_stat(m, s, &st);
	return mount_may(req, &st, W_OK);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	struct mount *m = mount_of(req);
	struct scratch *s = scratch_get(m, ino);
	int rc = may_set_xattr(req, s, name);

	if (rc == 0)
		rc = scratch_setxattr(m, s, name, value, size, flags);
	scratch_put(m, s);
	mount_reply_error(req, rc);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct mount *m = mount_of(req);
	struct scratch *s = scratch_get(m, ino);
	int rc = may_set_xattr(req, s, name);

	if (rc == 0)
		rc = scratch_removexattr(m, s, name);
	scratch_put(m, s);
	mount_reply_error(req, rc);
}

const struct fuse_lowlevel_ops ops_table = {
    .init = op_init,
    .lookup = dir_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .access = op_access,
    .statfs = op_statfs,
    .open = op_open,
    .create = op_create,
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .fsync = op_fsync,
    .release = op_release,
    .opendir = dir_open,
    .readdir = dir_read,
    .fsyncdir = op_fsyncdir,
    .unlink = name_unlink,
    .rename = name_rename,
    .link = name_link,
    .symlink = name_symlink,
    .readlink = name_readlink,
    .mkdir = name_mkdir,
    .rmdir = name_rmdir,
    .mknod = name_mknod,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
    .setxattr = op_setxattr,
    .removexattr = op_removexattr,
};
