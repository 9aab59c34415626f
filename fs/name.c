/*
 * name.c - unlink, rename, link and symlink, by a table of what stands at both ends.
 *
 * The kernel holds the directories' locks while it waits for these answers, so nothing here may wait for more than the
 * save itself.
 */
#include "name.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <unistd.h>

#include "dir.h"
#include "handle.h"
#include "scratch.h"

/* One end of a rename: the name and what it stands for. */
struct end {
	uint64_t parent;
	const char *name;
	struct entry entry;
};

struct move {
	struct mount *m;
	struct actor actor;
	struct arena arena;
	struct end from, to;
	bool keep;              /* link: the source stays */
	bool noreplace;
	struct stat made;       /* of a scratch copy, for link's answer */
};

static struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* Whether the caller may add and remove names in the directory, which must be a model's. */
static int may_change_in(struct mount *m, fuse_req_t req, uint64_t parent)
{
	int rc = mount_may_change(m, req);

	if (rc == 0 && node_decode(parent).kind != NODE_MODEL)
		rc = -EPERM;
	return rc < 0 ? rc : dir_may(m, req, parent, W_OK | X_OK);
}

/* Carries out the one request of a save and notes a refusal under the record's name. */
static int save_one(struct mount *m, const struct actor *actor, const struct request *request, const struct end *at,
                    struct arena *a, struct err *e)
{
	int rc = save(m->saver, actor, request, 1, NULL, a, e);

	if (rc == 0) {
		mount_settled(m, at->entry.model, at->name);
		return 0;
	}
	mount_refused(m, actor, at->entry.model, at->name, e);
	return -err_clamp(e->code);
}

/* ---- unlink ---- */

/*
 * Programs that could not write a file remove it, to leave no half one: libuv's copyfile, vim 9.0 and neovim before they
 * put a backup back. Here the record is as it was and must stay, so their first unlink fails, which they don't mind.
 */
static int unlink_record(struct mount *m, const struct actor *actor, const struct end *end, struct arena *a,
                         struct err *e)
{
	struct request request = {.kind = REQUEST_DELETE, .model = end->entry.model, .key = end->entry.key,
				  .expect = EXPECT_RECORD};

	if (mount_cleans_up(m, actor, end->entry.model, end->name))
		return err_set(e, EBUSY, "The save was refused and %s is as it was; remove it again to delete it", end->name);
	return save_one(m, actor, &request, end, a, e);
}

static int unlink_entry(struct mount *m, const struct actor *actor, const struct end *end, struct arena *a,
                        struct err *e)
{
	if (end->entry.kind == ENTRY_RECORD)
		return unlink_record(m, actor, end, a, e);
	if (end->entry.kind == ENTRY_SCRATCH)
		return scratch_unlink(m, end->entry.model, end->name);
	if (end->entry.kind == ENTRY_UNSAVED)
		return handle_remove_unsaved(m, end->entry.model, end->name) ? 0 : -ENOENT;
	return end->entry.kind == ENTRY_MADE ? -EPERM : -ENOENT;
}

void name_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_of(req);
	struct actor actor = mount_actor(req);
	struct end end = {.parent = parent, .name = name};
	arena_auto a = ARENA_INIT;
	err_auto e = ERR_INIT;
	int rc = may_change_in(m, req, parent);

	if (rc == 0)
		rc = dir_find(m, parent, name, 0, &a, &end.entry, &e);
	if (rc == 0)
		rc = unlink_entry(m, &actor, &end, &a, &e);
	mount_reply_error(req, rc);
}

/* ---- rename and link: what stands at the source, and what the target's name is ---- */

static int save_scratch(struct move *v, struct err *e)
{
	struct scratch *s = scratch_find(v->m, v->from.entry.model, v->from.name);
	buf_auto text = BUF_INIT;
	struct request request = {.kind = REQUEST_PUT, .model = v->to.entry.model, .key = v->to.entry.key,
				  .expect = v->noreplace ? EXPECT_NONE : EXPECT_ANY};
	int rc;

	if (!s)
		return -ENOENT;
	rc = scratch_content(v->m, s, &text);
	request.text = buf_text(&text);
	request.len = text.len;
	if (rc == 0)
		rc = save_one(v->m, &v->actor, &request, &v->to, &v->arena, e);
	scratch_set_error(v->m, s, rc < 0 ? e->text : NULL);
	if (rc == 0 && !v->keep)
		scratch_unlink(v->m, v->from.entry.model, v->from.name);
	scratch_put(v->m, s);
	return rc;
}

static int rename_scratch(struct move *v, struct err *e)
{
	struct scratch *s = scratch_find(v->m, v->from.entry.model, v->from.name);
	buf_auto text = BUF_INIT;
	struct stat st;
	int rc;

	if (!s)
		return -ENOENT;
	if (v->keep) {
		scratch_stat(v->m, s, &st);
		rc = scratch_content(v->m, s, &text);
		if (rc == 0)
			rc = scratch_copy(v->m, v->to.entry.model, v->to.name, &st, &v->actor, &text, !v->noreplace, &v->made, e);
	} else {
		rc = scratch_rename(v->m, s, v->to.entry.model, v->to.name, v->noreplace);
	}
	scratch_put(v->m, s);
	return rc;
}

static int copy_record(struct move *v, struct err *e)
{
	buf_auto text = BUF_INIT;
	struct conn *c = store_read_begin(v->m->store, e);

	if (!c)
		return -e->code;
	int rc = store_show(c, v->from.entry.model, &v->from.entry.key, &text, NULL, e);
	store_read_end(c);
	if (rc < 0)
		return rc;
	return scratch_copy(v->m, v->to.entry.model, v->to.name, &v->from.entry.st, &v->actor, &text, !v->noreplace,
	                    &v->made, e);
}

static int move_record(struct move *v, struct err *e)
{
	struct request request = {.kind = REQUEST_MOVE, .model = v->from.entry.model, .key = v->from.entry.key,
				  .new_key = v->to.entry.key,
				  .expect = v->noreplace ? EXPECT_NONE : EXPECT_ANY};

	if (v->to.entry.model != v->from.entry.model)
		request.new_model = v->to.entry.model;
	return v->keep ? -EPERM : save_one(v->m, &v->actor, &request, &v->to, &v->arena, e);
}

static int no_source(struct move *v, struct err *e)
{
	(void)v, (void)e;
	return -ENOENT;
}

static int made_source(struct move *v, struct err *e)
{
	(void)v, (void)e;
	return -EPERM;
}

typedef int move_function(struct move *v, struct err *e);

/* By what stands at the source; then whether the target is a record name. */
static move_function *const moves[][2] = {
	[ENTRY_NONE] = {no_source, no_source},
	[ENTRY_MADE] = {made_source, made_source},
	[ENTRY_RECORD] = {copy_record, move_record},
	[ENTRY_UNSAVED] = {no_source, no_source},
	[ENTRY_SCRATCH] = {rename_scratch, save_scratch},
};

static int carry_out(struct move *v, struct err *e)
{
	const struct entry *to = &v->to.entry;

	if (v->from.entry.kind == ENTRY_NONE)
		return -ENOENT;
	if (to->kind == ENTRY_MADE)
		return -EPERM;
	if (to->record_name && !to->valid) {
		err_set(e, EBADMSG, "%s is no file name of a key of %s", v->to.name, to->model->name);
		mount_refused(v->m, &v->actor, to->model, v->to.name, e);
		return -EBADMSG;
	}
	if (v->noreplace && to->kind != ENTRY_NONE)
		return -EEXIST;
	if (v->from.entry.st.st_ino == to->st.st_ino && to->kind != ENTRY_NONE)
		return 0;
	return moves[v->from.entry.kind][to->record_name](v, e);
}

static int find_ends(struct move *v, fuse_req_t req, struct err *e)
{
	int rc = may_change_in(v->m, req, v->to.parent);

	if (rc == 0 && !v->keep)
		rc = may_change_in(v->m, req, v->from.parent);
	if (rc == 0)
		rc = dir_find(v->m, v->to.parent, v->to.name, 0, &v->arena, &v->to.entry, e);
	if (rc == 0 && !v->keep)
		rc = dir_find(v->m, v->from.parent, v->from.name, 0, &v->arena, &v->from.entry, e);
	return rc;
}

void name_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
                 unsigned flags)
{
	struct move v = {.m = mount_of(req), .actor = mount_actor(req), .from = {.parent = parent, .name = name},
			 .to = {.parent = new_parent, .name = new_name}, .noreplace = flags & RENAME_NOREPLACE};
	err_auto e = ERR_INIT;
	int rc = flags & ~RENAME_NOREPLACE ? -EOPNOTSUPP : find_ends(&v, req, &e);

	if (rc == 0)
		rc = carry_out(&v, &e);
	arena_release(&v.arena);
	mount_reply_error(req, rc);
}

/* The name by which the source of a link is known, from its number. */
static int find_source(struct move *v, uint64_t ino, struct err *e)
{
	struct node node = node_decode(ino);
	struct entry *from = &v->from.entry;
	int rc = mount_stat(v->m, ino, 0, &from->st, e);

	if (rc < 0)
		return rc;
	if (node.kind == NODE_MEMORY) {
		struct scratch *s = scratch_get(v->m, ino);

		if (!s || !s->model)
			return scratch_put(v->m, s), -ENOENT;
		from->kind = ENTRY_SCRATCH;
		from->model = s->model;
		v->from.name = arena_copy(&v->arena, s->name, strlen(s->name));
		scratch_put(v->m, s);
		return v->from.name ? 0 : -ENOMEM;
	}
	from->kind = node.kind == NODE_RECORD ? ENTRY_RECORD : ENTRY_MADE;
	from->model = mount_model(v->m, node.model);
	return from->kind == ENTRY_RECORD ? mount_key(v->m, &node, &v->arena, &from->key, e) : 0;
}

static int link_answer(struct move *v, struct err *e)
{
	if (!v->to.entry.record_name)
		return 0;
	int rc = dir_find(v->m, v->to.parent, v->to.name, 0, &v->arena, &v->to.entry, e);
	v->made = v->to.entry.st;
	return rc;
}

void name_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	struct move v = {.m = mount_of(req), .actor = mount_actor(req), .to = {.parent = new_parent, .name = new_name},
			 .keep = true, .noreplace = true};
	err_auto e = ERR_INIT;
	int rc = find_source(&v, ino, &e);

	if (rc == 0)
		rc = find_ends(&v, req, &e);
	if (rc == 0)
		rc = carry_out(&v, &e);
	if (rc == 0)
		rc = link_answer(&v, &e);
	arena_release(&v.arena);
	if (rc < 0)
		mount_reply_error(req, rc);
	else
		dir_reply_entry(req, &v.made, false);
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
	struct mount *m = mount_of(req);
	struct actor actor = mount_actor(req);
	err_auto e = ERR_INIT;
	struct stat st;
	int rc = may_change_in(m, req, parent);

	if (rc == 0)
		rc = make_symlink(m, &actor, parent, name, target, &st, &e);
	if (rc < 0)
		mount_reply_error(req, rc);
	else
		dir_reply_entry(req, &st, false);
}

void name_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *m = mount_of(req);
	struct scratch *s = scratch_get(m, ino);
	buf_auto target = BUF_INIT;
	int rc = s ? scratch_content(m, s, &target) : -ENOENT;

	scratch_put(m, s);
	if (rc < 0)
		mount_reply_error(req, rc);
	else
		fuse_reply_readlink(req, buf_text(&target));
}

void name_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	(void)parent, (void)name, (void)mode;
	mount_reply_error(req, mount_of(req)->read_only ? -EROFS : -EPERM);
}

void name_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent, (void)name;
	mount_reply_error(req, mount_of(req)->read_only ? -EROFS : -EPERM);
}

void name_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	(void)device;
	name_mkdir(req, parent, name, mode);
}
