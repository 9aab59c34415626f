/*
 * mount.c - attributes, permissions and replies: what all operations of a mount share.
 */
#include "mount.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../hooks/stage.h"
#include "../store/log.h"
#include "answered.h"
#include "handle.h"
#include "rejected.h"
#include "scratch.h"
#include "transaction.h"
#include "tree.h"
#include "view.h"

const struct model *mount_model(const struct mount *m, unsigned number)
{
	return store_numbered_model(m->store, number);
}

unsigned mount_number(const struct mount *m, const struct model *model)
{
	return store_model_number(m->store, model);
}

uint64_t mount_record_ino(const struct mount *m, const struct model *model, int64_t serial)
{
	return node_record(mount_number(m, model), serial);
}

int64_t mount_next_serial(struct mount *m)
{
	pthread_mutex_lock(&m->lock);
	int64_t serial = m->next_memory++;
	pthread_mutex_unlock(&m->lock);
	return serial;
}

/* ---- inside of a transaction ---- */

int mount_save(struct mount *m, const struct actor *actor, const struct request *request, struct outcome *outcome,
	       struct arena *a, struct err *e)
{
	if (m->stage)
		return transaction_save(m, actor, request, outcome, a, e);
	return save(m->saver, actor, request, 1, outcome, a, e);
}

int mount_save_stream(struct mount *m, const struct actor *actor, save_next *next, void *data, bool *blamed,
		      struct err *e)
{
	if (m->stage)
		return transaction_save_stream(m, actor, next, data, blamed, e);
	return save_stream(m->saver, actor, next, data, blamed, e);
}

int mount_reserve_key(struct mount *m, const struct model *model, struct value *key, struct err *e)
{
	return m->stage ? stage_reserve_key(m->stage, model, key, e) : store_reserve_key(m->store, model, key, e);
}

/* ---- who may ---- */

static bool in_group(fuse_req_t req, gid_t gid)
{
	gid_t groups[256];
	int n;

	if (fuse_req_ctx(req)->gid == gid)
		return true;
	n = fuse_req_getgroups(req, 256, groups);
	for (int i = 0; i < n && i < 256; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

struct actor mount_actor(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	const struct mount *m = fuse_req_userdata(req);

	return (struct actor){
	    .uid = ctx->uid, .gid = ctx->gid, .pid = ctx->pid, .in_group = m->asks_group && in_group(req, m->gid)};
}

int mount_may(fuse_req_t req, const struct stat *st, int wanted)
{
	const struct mount *m = fuse_req_userdata(req);
	uid_t uid = fuse_req_ctx(req)->uid;
	unsigned granted;

	if (uid == 0 || uid == m->uid)
		return (wanted & X_OK) && S_ISREG(st->st_mode) && !(st->st_mode & 0111) ? -EACCES : 0;
	if (uid == st->st_uid)
		granted = st->st_mode >> 6;
	else if ((st->st_mode >> 3 & 7) == (st->st_mode & 7)) /* saves asking for the groups */
		granted = st->st_mode;
	else
		granted = in_group(req, st->st_gid) ? st->st_mode >> 3 : st->st_mode;
	return (unsigned)wanted & ~(granted & 7) ? -EACCES : 0;
}

struct conn *mount_read(struct mount *m, uid_t viewer, struct err *e)
{
	return m->stage ? stage_read_begin(m->stage, viewer, e) : store_read_as(m->store, viewer, e);
}

struct conn *mount_read_once(struct mount *m, const struct model *model, uid_t viewer, struct err *e)
{
	return m->stage ? stage_read_begin(m->stage, viewer, e) : store_read_once(m->store, model, viewer, e);
}

int mount_may_read_own(const struct mount *m, fuse_req_t req, const struct node *node)
{
	const struct model *model = mount_model(m, node->model);
	struct stat st = {.st_mode = S_IFREG | (model ? model->mode : 0), .st_uid = m->uid, .st_gid = m->gid};

	if (model && model->owned)
		st.st_uid = fuse_req_ctx(req)->uid;

	return mount_may(req, &st, R_OK);
}

int mount_may_change(const struct mount *m, fuse_req_t req)
{
	if (m->read_only || (m->stage && stage_committed(m->stage)))
		return -EROFS;
	return !transaction_is_shown(m) && saver_waits_for(m->saver, fuse_req_ctx(req)->pid) ? -EDEADLK : 0;
}

/* ---- answers ---- */

void mount_path(const struct mount *m, const struct model *model, const char *name, char path[MOUNT_PATH])
{
	snprintf(path, MOUNT_PATH, "%s%s%s%s", transaction_path(m), model ? model->name : "", model ? "/" : "",
		 name ? name : "");
}

void mount_reply_error(fuse_req_t req, int rc)
{
	fuse_reply_err(req, rc ? err_clamp(-rc) : 0);
}

typedef void note_function(struct journal *j, uid_t uid, pid_t pid, const char *path, const struct err *e);

static void note_refusal(note_function *note, struct mount *m, const struct actor *actor, const struct model *model,
			 const char *name, const struct buf *text, const struct err *e)
{
	char path[MOUNT_PATH];

	mount_path(m, model, name, path);
	note(m->journal, actor->uid, actor->pid, path, e);
	if (text)
		rejected_keep(m, actor->uid, model, name, buf_text(text), text->len);
	log_info("%s refused: %s: %s", path, err_name(err_clamp(e->code)), e->text);
}

void mount_refused(struct mount *m, const struct actor *actor, const struct model *model, const char *name,
		   const struct buf *text, const struct err *e)
{
	note_refusal(journal_add, m, actor, model, name, text, e);
}

int mount_told_full(struct mount *m, const struct actor *actor, const struct model *model, const char *name, int rc,
		    const struct err *e)
{
	if (rc == -ENOSPC && e->code)
		mount_refused(m, actor, model, name, NULL, e);
	return rc;
}

void mount_refused_write(struct mount *m, const struct actor *actor, const struct model *model, const char *name,
			 const struct buf *text, const struct err *e)
{
	note_refusal(journal_add_text, m, actor, model, name, text, e);
}

void mount_settled(struct mount *m, const struct actor *actor, const struct model *model, const char *name,
		   const struct outcome *outcome)
{
	char path[MOUNT_PATH];

	mount_path(m, model, name, path);
	journal_settle(m->journal, path);
	rejected_drop(m, actor->uid, model, name);
	if (outcome)
		answered_keep(m, actor->uid, model, outcome);
}

bool mount_cleans_up(struct mount *m, const struct actor *actor, const struct model *model, const char *name)
{
	char path[MOUNT_PATH];

	mount_path(m, model, name, path);
	return journal_cleans_up(m->journal, actor->uid, actor->pid, path);
}

/* ---- attributes ---- */

static void stat_times(struct stat *st, int64_t mtime_ns, int64_t ctime_ns)
{
	st->st_mtim = (struct timespec){mtime_ns / 1000000000, mtime_ns % 1000000000};
	st->st_ctim = (struct timespec){ctime_ns / 1000000000, ctime_ns % 1000000000};
	st->st_atim = st->st_mtim;
}

void mount_stat_size(struct stat *st, size_t size)
{
	st->st_size = (off_t)size;
	st->st_blksize = 4096;
	st->st_blocks = (blkcnt_t)((size + 511) / 512);
}

void mount_text_stat(struct stat *st, uint64_t ino, mode_t mode, uid_t uid, size_t size, const struct timespec *time)
{
	*st = (struct stat){.st_ino = ino,
			    .st_mode = S_IFREG | mode,
			    .st_nlink = 1,
			    .st_uid = uid,
			    .st_mtim = *time,
			    .st_atim = *time,
			    .st_ctim = *time};
	mount_stat_size(st, size);
}

static bool is_by(enum node_kind kind)
{
	return kind == NODE_BY || kind == NODE_BY_FIELD || kind == NODE_BY_VALUE;
}

void mount_dir_stat(const struct mount *m, uint64_t ino, mode_t mode, struct stat *st)
{
	struct node node = node_decode(ino);
	const struct model *model = node.kind == NODE_MODEL || is_by(node.kind) ? mount_model(m, node.model) : NULL;
	int64_t ns = m->changed[model ? model->index : m->schema->nmodels];

	*st = (struct stat){.st_ino = ino,
			    .st_mode = mode,
			    .st_nlink = S_ISDIR(mode) ? 2 : 1,
			    .st_uid = m->uid,
			    .st_gid = m->gid,
			    .st_blksize = 4096};
	stat_times(st, ns, ns);
	if (node.kind == NODE_ROOT && m->transaction)
		transaction_owner(m, st);
}

mode_t mount_record_mode(const struct model *model)
{
	return S_IFREG | (model->mode & (model->read_only ? 0555 : 0777));
}

/* Whoever may write the directory may write .new, and read it, which takes a key for good. */
static mode_t new_mode(const struct model *model)
{
	mode_t write = model->dir_mode & 0222;

	return S_IFREG | write | write << 1;
}

void mount_record_stat(const struct mount *m, const struct model *model, const struct stamp *stamp, size_t size,
		       struct stat *st)
{
	*st = (struct stat){.st_ino = mount_record_ino(m, model, stamp->serial),
			    .st_mode = mount_record_mode(model),
			    .st_nlink = 1,
			    .st_uid = stamp->owner,
			    .st_gid = m->gid};
	stat_times(st, stamp->mtime_ns, stamp->ctime_ns);
	mount_stat_size(st, size);
}

static mode_t model_mode(const struct model *model, enum node_kind kind)
{
	mode_t readers = model->restricted ? 0444 : model->mode & 0444;

	if (kind == NODE_MODEL)
		return S_IFDIR | model->dir_mode;
	if (kind == NODE_NEW)
		return new_mode(model);
	if (kind == NODE_IMPORT)
		return S_IFREG | (model->read_only ? 0 : model->dir_mode & 0222);
	if (kind == NODE_EXPORT)
		return S_IFREG | readers;
	return S_IFDIR | (model->dir_mode & (readers | readers >> 1 | readers >> 2));
}

mode_t mount_made_mode(const struct mount *m, const struct node *node)
{
	enum node_kind kind = node->kind;
	bool models =
	    kind == NODE_MODEL || kind == NODE_NEW || kind == NODE_IMPORT || kind == NODE_EXPORT || is_by(kind);
	const struct model *model = models ? mount_model(m, node->model) : NULL;
	const struct view *v = view_of(kind);

	return model ? model_mode(model, kind) : v ? v->mode : S_IFDIR | 0755;
}

static int record_stat(struct mount *m, const struct model *model, const struct value *key, uid_t viewer,
		       struct stat *st, struct err *e)
{
	buf_auto text = BUF_INIT;
	struct stamp stamp;
	struct conn *c = mount_read_once(m, model, viewer, e);

	if (!c)
		return -e->code;
	int rc = store_show(c, model, key, &text, &stamp, e);
	store_read_end(c);
	if (rc == 0)
		mount_record_stat(m, model, &stamp, text.len, st);
	return rc;
}

int mount_key(struct mount *m, const struct node *node, struct arena *a, struct value *key, struct err *e)
{
	const struct model *model = mount_model(m, node->model);

	if (!model)
		return -ENOENT;
	if (model_integer_key(model)) {
		*key = value_integer(node->serial);
		return 0;
	}
	struct conn *c =
	    mount_read_once(m, model, VIEW_ALL, e); /* who reads the record learns whether it is there for him */
	if (!c)
		return -e->code;
	int rc = store_key_of(c, model, node->serial, a, key, e);
	store_read_end(c);
	return rc;
}

/* The size that the process sees, whose own draft comes first. */
static void stat_draft(struct mount *m, const struct model *model, const struct value *key, pid_t pid, struct stat *st)
{
	int64_t size = pid ? handle_draft_size(m, model, key, pid) : -1;

	if (size >= 0)
		mount_stat_size(st, (size_t)size);
}

/* What has no row: a name that was never saved, or what a descriptor still has open. */
static int stat_open(struct mount *m, uint64_t ino, const struct open_name *name, struct stat *st)
{
	mount_dir_stat(m, ino, mount_record_mode(name->model), st);
	st->st_nlink = name->named;
	if (name->model->owned)
		st->st_uid = name->uid;
	return 0;
}

static int stat_record_node(struct mount *m, uint64_t ino, const struct node *node, const struct actor *who,
			    struct stat *st, struct err *e)
{
	const struct model *model = mount_model(m, node->model);
	arena_auto a = ARENA_INIT;
	struct open_name name;
	struct value key;
	int rc;

	rc = mount_key(m, node, &a, &key, e);
	if (rc == 0)
		rc = record_stat(m, model, &key, who->uid, st, e);
	if (rc == -ENOENT && handle_find(m, NULL, NULL, ino, who->uid, &a, &name)) {
		err_release(e);
		key = name.key;
		rc = stat_open(m, ino, &name, st);
	}
	if (rc == 0)
		stat_draft(m, model, &key, who->pid, st);
	return rc;
}

static int stat_memory_node(struct mount *m, uint64_t ino, const struct actor *who, struct stat *st, struct err *e)
{
	struct scratch *s = scratch_get(m, ino);
	arena_auto a = ARENA_INIT;
	struct open_name name;
	int rc;

	if (s) {
		scratch_stat(m, s, st);
		scratch_put(m, s);
		return 0;
	}
	if (!handle_find(m, NULL, NULL, ino, who->uid, &a, &name))
		return -ENOENT;
	rc = record_stat(m, name.model, &name.key, who->uid, st, e);
	if (rc == -ENOENT) {
		err_release(e);
		rc = stat_open(m, ino, &name, st);
	}
	if (rc == 0)
		stat_draft(m, name.model, &name.key, who->pid, st);
	return rc;
}

static int stat_directory(struct mount *m, uint64_t ino, const struct node *node, struct stat *st)
{
	if (node->model && !mount_model(m, node->model))
		return -ENOENT;
	mount_dir_stat(m, ino, mount_made_mode(m, node), st);
	return 0;
}

int mount_stat(struct mount *m, uint64_t ino, const struct actor *who, struct stat *st, struct err *e)
{
	struct node node = node_decode(ino);
	const struct kind *kind = tree_kind(node.kind);

	if (transaction_ended(m))
		return -ENOENT;
	if (kind->show)
		return kind->show(m, &node, who, st, NULL, e);
	if (kind->find)
		return stat_directory(m, ino, &node, st);
	if (node.kind == NODE_RECORD)
		return stat_record_node(m, ino, &node, who, st, e);
	return node.kind == NODE_MEMORY ? stat_memory_node(m, ino, who, st, e) : -ENOENT;
}
