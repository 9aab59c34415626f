/*
 * name.c - names alone: who may change them, unlink, symlink, and what model directories refuse.
 *
 * The kernel holds the directories' locks while it waits for these answers, so nothing here may wait for more than the
 * save itself.
 */
#include "name.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "by.h"
#include "handle.h"
#include "repeat.h"
#include "scratch.h"
#include "transaction.h"
#include "tree.h"

int name_may_remove(struct mount *m, fuse_req_t req, uint64_t parent)
{
	int rc = mount_may_change(m, req);

	enum node_kind kind = node_decode(parent).kind;

	if (rc < 0 || tree_kind(kind)->own)
		return rc;
	return kind == NODE_MODEL || kind == NODE_AFTER ? dir_may(m, req, parent, W_OK | X_OK) : -EPERM;
}

int name_may_add(struct mount *m, fuse_req_t req, uint64_t parent)
{
	return node_decode(parent).kind == NODE_MODEL ? name_may_remove(m, req, parent) : -EPERM;
}

int name_save(struct mount *m, const struct actor *actor, struct request *request, const struct buf *text,
	      const struct end *at, struct arena *a, struct err *e)
{
	if (text) {
		request->text = buf_text(text);
		request->len = text->len;
	}
	struct outcome outcome;
	int rc = mount_save(m, actor, request, &outcome, a, e);

	if (rc == 0) {
		mount_settled(m, actor, at->entry.model, at->name, request->kind == REQUEST_DELETE ? NULL : &outcome);
		return 0;
	}
	mount_refused(m, actor, at->entry.model, at->name, text, e);
	return -err_clamp(e->code);
}

/* ---- unlink ---- */

/*
 * Programs that could not write a file remove it, to leave no half one: libuv's copyfile, vim 9.0 and neovim before
 * they put a backup back. Here the record is as it was and must stay, so their first unlink fails, which they don't
 * mind.
 */
static int unlink_record(struct mount *m, const struct actor *actor, const struct end *end, struct arena *a,
			 struct err *e)
{
	struct request request = {
	    .kind = REQUEST_DELETE, .model = end->entry.model, .key = end->entry.key, .expect = EXPECT_RECORD};

	if (mount_cleans_up(m, actor, end->entry.model, end->name))
		return err_set(e, EBUSY, "The save was refused and %s is as it was; remove it again to delete it",
			       end->name);
	int rc = name_save(m, actor, &request, NULL, end, a, e);
	if (rc == 0)
		handle_remove_unsaved(m, end->entry.model, end->name, actor->uid);
	return rc;
}

static int unlink_shown(struct mount *m, const struct actor *actor, const struct end *end, struct err *e)
{
	struct node node = node_decode(end->entry.st.st_ino);
	const struct kind *kind = tree_kind(node.kind);

	return kind->remove ? kind->remove(m, &node, actor, e) : -EPERM;
}

static int unlink_entry(struct mount *m, const struct actor *actor, const struct end *end, struct arena *a,
			struct err *e)
{
	switch (end->entry.kind) {
	case ENTRY_NONE:
		return -ENOENT;
	case ENTRY_RECORD:
		return unlink_record(m, actor, end, a, e);
	case ENTRY_UNSAVED:
		return handle_remove_unsaved(m, end->entry.model, end->name, actor->uid) ? 0 : -ENOENT;
	case ENTRY_SCRATCH:
		return scratch_unlink(m, end->entry.model, end->name, actor->uid);
	default:
		return unlink_shown(m, actor, end, e);
	}
}

void name_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_enter(req, &parent);
	struct actor actor = mount_actor(req);
	struct end end = {.parent = parent, .name = name};
	arena_auto a = ARENA_INIT;
	err_auto e = ERR_INIT;
	if (repeat_unlink(req))
		return;
	int rc = name_may_remove(m, req, parent);

	if (rc == 0)
		rc = dir_find(m, parent, name, &actor, &a, &end.entry, &e);
	if (rc == 0)
		rc = unlink_entry(m, &actor, &end, &a, &e);
	mount_reply_error(req, rc);
}

/* ---- symlinks, and what model directories refuse ---- */

static int make_symlink(struct mount *m, const struct actor *actor, uint64_t parent, const char *name,
			const char *target, struct stat *st, struct err *e)
{
	struct scratch *s;
	int rc = record_is_name(name) ? -EPERM : 0;

	if (rc == 0)
		rc = scratch_create(m, mount_model(m, node_decode(parent).model), name, S_IFLNK | 0777, actor, &s, e);
	if (rc < 0)
		return rc;
	rc = scratch_write(m, s, target, strlen(target), 0, e);
	scratch_stat(m, s, st);
	scratch_put(m, s);
	return rc;
}

void name_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_enter(req, &parent);
	struct actor actor = mount_actor(req);
	err_auto e = ERR_INIT;
	struct stat st;
	int rc = name_may_add(m, req, parent);

	if (rc == 0)
		rc = make_symlink(m, &actor, parent, name, target, &st, &e);
	mount_told_full(m, &actor, mount_model(m, node_decode(parent).model), name, rc, &e);
	if (rc < 0)
		mount_reply_error(req, rc);
	else
		dir_reply_entry(m, req, &st, false);
}

/* A scratch link, or one that rowfs makes. */
void name_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *m = mount_enter(req, &ino);
	struct node node = node_decode(ino);
	struct actor actor = mount_actor(req);
	struct scratch *s = node.kind == NODE_MEMORY ? scratch_get(m, ino) : NULL;
	buf_auto target = BUF_INIT;
	err_auto e = ERR_INIT;
	struct stat st;
	int rc = s ? scratch_content(m, s, &target) : -ENOENT;

	if (node.kind == NODE_BY_LINK)
		rc = by_show_link(m, &node, &actor, &st, &target, &e);
	scratch_put(m, s);
	if (rc < 0)
		mount_reply_error(req, rc);
	else
		fuse_reply_readlink(req, buf_text(&target));
}

/* The only directories that are made and removed are transactions. */
static int name_may_make(struct mount *m, fuse_req_t req, uint64_t parent)
{
	int rc = mount_may_change(m, req);

	return rc < 0 || node_decode(parent).kind == NODE_TXN ? rc : -EPERM;
}

void name_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct mount *m = mount_enter(req, &parent);
	struct actor actor = mount_actor(req);
	struct fuse_entry_param entry = {0};
	err_auto e = ERR_INIT;
	int rc = name_may_make(m, req, parent);

	(void)mode;
	if (rc == 0)
		rc = transaction_make(m, &actor, name, &entry.attr, &e);
	if (rc == -ENOSPC) {
		buf_auto path = BUF_INIT;
		buf_printf(&path, ".txn/%s", name);
		mount_told_full(m, &actor, NULL, buf_text(&path), rc, &e);
	}
	entry.ino = entry.attr.st_ino;
	if (rc < 0) {
		mount_reply_error(req, rc);
		return;
	}
	if (fuse_reply_entry(req, &entry) < 0) /* the caller is gone: no forget will come */
		transaction_forget(m, entry.ino, 1);
}

void name_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_enter(req, &parent);
	struct actor actor = mount_actor(req);
	int rc = name_may_make(m, req, parent);

	mount_reply_error(req, rc < 0 ? rc : transaction_drop(m, &actor, name));
}

void name_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	struct mount *m = mount_enter(req, &parent);

	(void)name, (void)mode, (void)device;
	mount_reply_error(req, m->read_only ? -EROFS : -EPERM);
}
