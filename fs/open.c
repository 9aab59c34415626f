/*
 * open.c - open(2): may they, and what the descriptor starts with; and the names that open creates.
 */
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "events.h"
#include "scratch.h"
#include "tree.h"

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
	mount_told_full(m, actor, model, buf_text(&name), rc, e);
	if (rc != -ENOENT || !handle_find(m, NULL, NULL, ino, actor->uid, &a, &unsaved) || !unsaved.named)
		return rc;
	err_release(e);
	return handle_open_record(m, actor, unsaved.model, &unsaved.key, unsaved.name, ino, flags, false, out, e);
}

/* A file that is only read. */
static int open_shown(struct mount *m, fuse_req_t req, fuse_ino_t ino, int flags, struct handle **out, struct err *e)
{
	struct node node = node_decode(ino);
	struct actor actor = mount_actor(req);
	buf_auto text = BUF_INIT;
	struct stat st;

	const struct kind *kind = tree_kind(node.kind);

	if ((flags & O_ACCMODE) != O_RDONLY && !kind->write)
		return -EACCES;
	if (kind->awaits || kind->read)
		return handle_open_text(m, &actor, kind->write ? node.kind : NODE_MEMORY, ino, flags, &text, out, e);
	int rc = kind->show(m, &node, &actor, &st, &text, e);
	return rc < 0 ? rc
		      : handle_open_text(m, &actor, kind->write ? node.kind : NODE_MEMORY, ino, flags, &text, out, e);
}

static int open_events(struct mount *m, fuse_req_t req, fuse_ino_t ino, int flags, struct handle **out, struct err *e)
{
	struct event_reader *reader;
	int rc = events_open(m, req, &reader, e);

	if (rc == 0)
		rc = handle_open_events(m, reader, ino, flags, out, e);
	else
		reader = NULL;
	if (rc < 0)
		events_close(m, reader);
	return rc;
}

static int open_memory(struct mount *m, const struct actor *actor, fuse_ino_t ino, int flags, struct handle **out,
		       struct err *e)
{
	struct scratch *s = scratch_get(m, ino);
	arena_auto a = ARENA_INIT;
	struct open_name name;

	if (s)
		return open_scratch(m, s, flags, out, e);
	if (!handle_find(m, NULL, NULL, ino, actor->uid, &a, &name))
		return -ENOENT;
	int rc = handle_open_record(m, actor, name.model, &name.key, name.name, ino, flags, true, out, e);
	if (rc != -ENOENT)
		return rc;
	err_release(e);
	return handle_open_record(m, actor, name.model, &name.key, name.name, ino, flags, false, out, e);
}

/* A record that is not there for the user has none but his own open name: open_record tells. */
static int record_owner(struct mount *m, const struct node *node, uid_t viewer, uid_t *owner, struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct value key;
	struct stamp stamp;
	int rc = mount_key(m, node, &a, &key, e);
	struct conn *c = rc == 0 ? mount_read(m, viewer, e) : NULL;

	*owner = viewer;
	if (c)
		rc = store_get(c, mount_model(m, node->model), &key, &a, NULL, &stamp, e);
	store_read_end(c);
	if (rc == 0 && c)
		*owner = stamp.owner;
	if (rc == -ENOENT)
		err_release(e);
	return rc == -ENOENT ? 0 : -e->code;
}

/* Attributes that decide who may open; a record's are its model's, and where it has no owner need no look at the row.
 */
static int open_attributes(struct mount *m, fuse_ino_t ino, const struct node *node, const struct actor *who,
			   struct stat *st, struct err *e)
{
	const struct model *model = node->kind == NODE_RECORD ? mount_model(m, node->model) : NULL;

	if (!model)
		return mount_stat(m, ino, who, st, e);
	*st = (struct stat){.st_mode = mount_record_mode(model), .st_uid = m->uid, .st_gid = m->gid};
	return model->owned ? record_owner(m, node, who->uid, &st->st_uid, e) : 0;
}

static bool model_is_frozen(const struct mount *m, const struct node *node)
{
	const struct model *model = mount_model(m, node->model);

	return model && model->read_only;
}

/* Reading .new takes a key out of the store. */
static bool changes(const struct node *node, int flags)
{
	return node->kind == NODE_NEW || (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static int refuse_frozen(struct mount *m, const struct actor *actor, const struct model *model, const char *name,
			 struct err *e)
{
	err_set(e, EROFS, "%s is read-only", model->name);
	mount_refused(m, actor, model, name, NULL, e);
	return -EROFS;
}

/* The same for a file that is there. */
static int refuse_frozen_node(struct mount *m, const struct actor *actor, const struct node *node, struct err *e)
{
	static const char *const made[NODE_KINDS] = {
	    [NODE_NEW] = ".new", [NODE_IMPORT] = ".import", [NODE_PAUSED] = ".info/paused"};
	const struct model *model = mount_model(m, node->model);
	buf_auto name = BUF_INIT;
	arena_auto a = ARENA_INIT;
	struct value key;
	int rc = 0;

	if (node->kind != NODE_RECORD)
		return made[node->kind] ? refuse_frozen(m, actor, model, made[node->kind], e) : -EROFS;
	rc = mount_key(m, node, &a, &key, e);
	if (rc == 0)
		rc = record_name(model, &key, &name);
	return rc < 0 ? rc : refuse_frozen(m, actor, model, buf_text(&name), e);
}

int open_node(struct mount *m, fuse_req_t req, fuse_ino_t ino, int flags, struct handle **out, struct err *e)
{
	struct node node = node_decode(ino);
	struct actor actor = mount_actor(req);
	struct stat st;
	int rc = open_attributes(m, ino, &node, &actor, &st, e);

	if (rc == 0)
		rc = mount_may(req, &st, wanted_by(flags));
	if (rc == 0 && node.kind == NODE_KEPT)
		rc = mount_may_read_own(m, req, &node);
	if (rc == 0 && changes(&node, flags))
		rc = mount_may_change(m, req);
	if (rc < 0)
		return rc;
	if (model_is_frozen(m, &node) && changes(&node, flags))
		return refuse_frozen_node(m, &actor, &node, e);
	if (node.kind == NODE_RECORD)
		return open_record(m, &actor, ino, &node, flags, out, e);
	if (node.kind == NODE_MEMORY)
		return open_memory(m, &actor, ino, flags, out, e);
	if (node.kind == NODE_NEW || node.kind == NODE_RUN)
		return handle_open_new(m, &actor, node.kind, mount_model(m, node.model), ino, flags, out, e);
	if (node.kind == NODE_EVENTS && (flags & O_ACCMODE) == O_RDONLY)
		return open_events(m, req, ino, flags, out, e);
	if (node.kind == (flags & O_ACCMODE ? NODE_IMPORT : NODE_EXPORT))
		return handle_open_lines(m, &actor, node.kind, mount_model(m, node.model), ino, flags, out, e);
	return tree_kind(node.kind)->show ? open_shown(m, req, ino, flags, out, e) : -ENOENT;
}

static int create_record(struct mount *m, const struct actor *actor, const struct entry *entry, const char *name,
			 int flags, struct handle **out, struct stat *st, struct err *e)
{
	uint64_t ino;

	if (entry->model->read_only)
		return refuse_frozen(m, actor, entry->model, name, e);
	if (!entry->valid) {
		err_set(e, EBADMSG, "%s is no file name of a key of %s", name, entry->model->name);
		mount_refused(m, actor, entry->model, name, NULL, e);
		return -EBADMSG;
	}
	if (model_integer_key(entry->model))
		ino = mount_record_ino(m, entry->model, entry->key.integer);
	else
		ino = node_memory(NODE_MEMORY, mount_next_serial(m));
	mount_dir_stat(m, ino, mount_record_mode(entry->model), st);
	return mount_told_full(m, actor, entry->model, name,
			       handle_open_record(m, actor, entry->model, &entry->key, name, ino, flags, false, out, e),
			       e);
}

int open_create(struct mount *m, fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, int flags,
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
	if (entry.record_name)
		return create_record(m, &actor, &entry, name, flags, out, st, e);
	rc = scratch_create(m, entry.model, name, S_IFREG | (mode & 07777), &actor, &s, e);
	if (rc == 0)
		rc = open_scratch(m, s, flags & ~O_TRUNC, out, e);
	return mount_told_full(m, &actor, entry.model, name, rc, e);
}

/* ---- files that are gone ---- */

/* With the lock. The place of the thread; NULL: it is not there. */
static pid_t *told_gone(struct mount *m, pid_t thread)
{
	for (size_t i = 0; i < MOUNT_TOLD_GONE; i++)
		if (m->told_gone[i] == thread)
			return &m->told_gone[i];
	return NULL;
}

int open_gone(fuse_req_t req)
{
	struct mount *m = fuse_req_userdata(req);
	pid_t thread = fuse_req_ctx(req)->pid;

	pthread_mutex_lock(&m->lock);
	pid_t *place = told_gone(m, thread);
	if (place)
		*place = 0;
	else
		m->told_gone[m->next_told_gone++ % MOUNT_TOLD_GONE] = thread;
	pthread_mutex_unlock(&m->lock);
	return place ? ENOENT : ESTALE;
}

void open_found(fuse_req_t req)
{
	struct mount *m = fuse_req_userdata(req);
	pid_t *place;

	if (m->next_told_gone == 0)
		return;
	pthread_mutex_lock(&m->lock);
	place = told_gone(m, fuse_req_ctx(req)->pid);
	if (place)
		*place = 0;
	pthread_mutex_unlock(&m->lock);
}
