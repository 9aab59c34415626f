/*
 * rename.c - rename and link, by a table of what stands at both ends.
 *
 * The kernel holds the directories' locks while it waits for these answers.
 */
#include "rename.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <unistd.h>

#include "by.h"
#include "handle.h"
#include "name.h"
#include "rejected.h"
#include "scratch.h"
#include "tree.h"

struct move {
	struct mount *m;
	struct actor actor;
	struct arena arena;
	struct end from, to;
	bool keep; /* link: the source stays */
	bool noreplace;
	bool exchange;
	bool may_read;    /* the caller may have a copy of the record */
	struct stat made; /* of a scratch copy, for link's answer */
};

/* ---- rename and link: what stands at the source, and what the target's name is ---- */

/* checksum: of the version that the text is to replace; NULL: any. */
static int save_text(struct move *v, const struct buf *text, const char *checksum, struct err *e)
{
	struct request request = {.kind = REQUEST_PUT,
				  .model = v->to.entry.model,
				  .key = v->to.entry.key,
				  .expect = v->noreplace ? EXPECT_NONE : EXPECT_ANY,
				  .checksum = checksum};

	return name_save(v->m, &v->actor, &request, text, &v->to, &v->arena, e);
}

/* The text of a file that is only read. */
static int show_source(struct move *v, struct stat *st, struct buf *text, struct err *e)
{
	struct node node = node_decode(v->from.entry.st.st_ino);
	const struct kind *kind = tree_kind(node.kind);

	return kind->show ? kind->show(v->m, &node, &v->actor, st, text, e) : -ENOENT;
}

static int copy_text(struct move *v, const struct stat *like, const struct buf *text, struct err *e)
{
	return scratch_copy(v->m, v->to.entry.model, v->to.name, like, &v->actor, text, !v->noreplace, &v->made, e);
}

/* Trying again what was refused: the text is kept for as long as it is. */
static int save_rejected(struct move *v, struct err *e)
{
	buf_auto text = BUF_INIT;
	struct stat st;
	int rc = show_source(v, &st, &text, e);

	if (rc == 0)
		rc = save_text(v, &text, NULL, e);
	if (rc == 0 && !v->keep)
		rejected_drop(v->m, v->actor.uid, v->from.entry.model, v->from.name);
	return rc;
}

static int copy_rejected(struct move *v, struct err *e)
{
	buf_auto text = BUF_INIT;
	struct stat st;
	int rc = show_source(v, &st, &text, e);

	if (rc == 0)
		rc = copy_text(v, &st, &text, e);
	if (rc == 0 && !v->keep)
		rejected_drop(v->m, v->actor.uid, v->from.entry.model, v->from.name);
	return rc;
}

/* The checksum of the version that the scratch file may replace; NULL: any. */
static const char *version_of(struct mount *m, struct scratch *s, struct buf *checksum)
{
	return s && scratch_getxattr(m, s, CHECKSUM_XATTR, checksum) == 0 ? buf_text(checksum) : NULL;
}

static int save_scratch(struct move *v, struct err *e)
{
	struct scratch *s = scratch_find(v->m, v->from.entry.model, v->from.name, v->actor.uid);
	buf_auto text = BUF_INIT, checksum = BUF_INIT;
	int rc;

	if (!s)
		return -ENOENT;
	const char *version = version_of(v->m, s, &checksum);
	rc = buf_failed(&checksum) ? -ENOMEM : scratch_content(v->m, s, &text);
	if (rc == 0)
		rc = save_text(v, &text, version, e);
	scratch_set_error(v->m, s, rc < 0 ? e->text : NULL);
	if (rc == 0 && !v->keep)
		scratch_unlink(v->m, v->from.entry.model, v->from.name, v->actor.uid);
	scratch_put(v->m, s);
	return rc;
}

static int rename_scratch(struct move *v, struct err *e)
{
	if (!v->keep)
		return scratch_rename(v->m, v->from.entry.model, v->from.name, v->to.entry.model, v->to.name,
				      v->actor.uid, v->noreplace);
	struct scratch *s = scratch_find(v->m, v->from.entry.model, v->from.name, v->actor.uid);
	int rc = s ? scratch_link(v->m, s, v->to.entry.model, v->to.name, v->actor.uid, e) : -ENOENT;
	if (rc == 0)
		scratch_stat(v->m, s, &v->made);
	scratch_put(v->m, s);
	return rc;
}

static int read_record(struct move *v, const struct end *record, struct buf *text, struct err *e)
{
	struct conn *c = v->may_read ? mount_read(v->m, v->actor.uid, e) : NULL;

	if (!c)
		return v->may_read ? -e->code : -EACCES;
	int rc = store_show(c, record->entry.model, &record->entry.key, text, NULL, e);
	store_read_end(c);
	return rc;
}

static int copy_record(struct move *v, struct err *e)
{
	buf_auto text = BUF_INIT;
	int rc = read_record(v, &v->from, &text, e);

	if (rc < 0)
		return rc;
	return copy_text(v, &v->from.entry.st, &text, e);
}

static int move_record(struct move *v, struct err *e)
{
	struct request request = {.kind = REQUEST_MOVE,
				  .model = v->from.entry.model,
				  .key = v->from.entry.key,
				  .new_key = v->to.entry.key,
				  .expect = v->noreplace ? EXPECT_NONE : EXPECT_ANY};

	if (v->to.entry.model != v->from.entry.model)
		request.new_model = v->to.entry.model;
	int rc = v->keep ? -EPERM : name_save(v->m, &v->actor, &request, NULL, &v->to, &v->arena, e);
	if (rc == 0)
		handle_remove_unsaved(v->m, v->from.entry.model, v->from.name, v->actor.uid);
	return rc;
}

static int copy_deleted(struct move *v, struct err *e)
{
	const struct model *model = mount_model(v->m, node_decode(v->from.parent).model);
	buf_auto text = BUF_INIT;
	struct stat st;
	int rc = v->may_read ? show_source(v, &st, &text, e) : -EACCES;

	if (rc < 0)
		return rc;
	st.st_mode = S_IFREG | model->mode;
	return copy_text(v, &st, &text, e);
}

static int restore_deleted(struct move *v, struct err *e)
{
	struct request request = {.kind = REQUEST_RESTORE,
				  .model = v->to.entry.model,
				  .key = v->from.entry.key,
				  .new_key = v->to.entry.key,
				  .expect = v->noreplace ? EXPECT_NONE : EXPECT_ANY};

	if (mount_model(v->m, node_decode(v->from.parent).model) == v->to.entry.model)
		return name_save(v->m, &v->actor, &request, NULL, &v->to, &v->arena, e);
	err_set(e, EPERM, "a deleted record comes back in its own model first");
	mount_refused(v->m, &v->actor, v->to.entry.model, v->to.name, NULL, e);
	return -EPERM;
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
    [ENTRY_REJECTED] = {copy_rejected, save_rejected},
    [ENTRY_DELETED] = {copy_deleted, restore_deleted},
    [ENTRY_BY] = {made_source, made_source},
    [ENTRY_SHOWN] = {made_source, made_source},
};

/* ---- exchange ---- */

static int exchange_records(struct move *v, struct err *e)
{
	struct request request = {.kind = REQUEST_EXCHANGE,
				  .model = v->from.entry.model,
				  .key = v->from.entry.key,
				  .new_key = v->to.entry.key};

	if (v->to.entry.model != v->from.entry.model) {
		err_set(e, EOPNOTSUPP, "only records of one model can be exchanged");
		mount_refused(v->m, &v->actor, v->to.entry.model, v->to.name, NULL, e);
		return -EOPNOTSUPP;
	}
	int rc = name_save(v->m, &v->actor, &request, NULL, &v->to, &v->arena, e);
	if (rc == 0)
		mount_settled(v->m, &v->actor, v->from.entry.model, v->from.name, NULL);
	return rc;
}

/* The scratch file's text is saved, and it has that of the record from then on. */
static int exchange_texts(struct move *v, const struct end *file, const struct end *record, struct err *e)
{
	struct request request = {
	    .kind = REQUEST_PUT, .model = record->entry.model, .key = record->entry.key, .expect = EXPECT_RECORD};
	struct scratch *s = scratch_find(v->m, file->entry.model, file->name, v->actor.uid);
	buf_auto text = BUF_INIT, before = BUF_INIT, checksum = BUF_INIT;
	int rc = s ? scratch_content(v->m, s, &text) : -ENOENT;

	request.checksum = version_of(v->m, s, &checksum);
	if (rc == 0 && buf_failed(&checksum))
		rc = -ENOMEM;
	if (rc == 0)
		rc = read_record(v, record, &before, e);
	if (rc == 0)
		rc = name_save(v->m, &v->actor, &request, &text, record, &v->arena, e);
	if (s)
		scratch_set_error(v->m, s, rc < 0 ? e->text : NULL);
	if (rc == 0)
		rc = scratch_truncate(v->m, s, 0, e);
	if (rc == 0)
		rc = scratch_write(v->m, s, buf_text(&before), before.len, 0, e);
	scratch_put(v->m, s);
	return rc;
}

static int exchange(struct move *v, struct err *e)
{
	enum entry_kind from = v->from.entry.kind, to = v->to.entry.kind;

	if (from == ENTRY_NONE || from == ENTRY_UNSAVED || to == ENTRY_NONE || to == ENTRY_UNSAVED)
		return -ENOENT;
	if (v->from.entry.st.st_ino == v->to.entry.st.st_ino)
		return 0;
	if (from == ENTRY_RECORD && to == ENTRY_RECORD)
		return exchange_records(v, e);
	if (from == ENTRY_SCRATCH && to == ENTRY_RECORD)
		return exchange_texts(v, &v->from, &v->to, e);
	if (from == ENTRY_RECORD && to == ENTRY_SCRATCH)
		return exchange_texts(v, &v->to, &v->from, e);
	if (from == ENTRY_SCRATCH && to == ENTRY_SCRATCH)
		return scratch_exchange(v->m, v->from.entry.model, v->from.name, v->to.entry.model, v->to.name,
					v->actor.uid);
	return -EPERM;
}

/* ---- the requests ---- */

static int carry_out(struct move *v, struct err *e)
{
	const struct entry *to = &v->to.entry;

	if (v->exchange)
		return exchange(v, e);
	if (v->from.entry.kind == ENTRY_NONE)
		return -ENOENT;
	if (to->kind == ENTRY_MADE)
		return -EPERM;
	if (to->record_name && !to->valid) {
		err_set(e, EBADMSG, "%s is no file name of a key of %s", v->to.name, to->model->name);
		mount_refused(v->m, &v->actor, to->model, v->to.name, NULL, e);
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
	const struct actor nobody = {.uid = v->actor.uid}; /* whose drafts do not count */
	int rc = name_may_add(v->m, req, v->to.parent);

	if (rc == 0 && !v->keep)
		rc = name_may_remove(v->m, req, v->from.parent);
	if (rc == 0)
		rc = dir_find(v->m, v->to.parent, v->to.name, &nobody, &v->arena, &v->to.entry, e);
	if (rc == 0 && !v->keep)
		rc = dir_find(v->m, v->from.parent, v->from.name, &nobody, &v->arena, &v->from.entry, e);
	if (rc < 0)
		return rc;
	const struct stat *copied = &(v->from.entry.kind == ENTRY_SCRATCH ? &v->to : &v->from)->entry.st;
	struct node node = node_decode(copied->st_ino);
	v->may_read =
	    (node.kind == NODE_KEPT ? mount_may_read_own(v->m, req, &node) : mount_may(req, copied, R_OK)) == 0;
	bool shows = v->from.entry.kind == ENTRY_SCRATCH && v->to.entry.record_name; /* what only its owner may read */
	return shows ? mount_may(req, &v->from.entry.st, R_OK) : 0;
}

void rename_name(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
		 unsigned flags)
{
	struct mount *from = mount_enter(req, &parent), *to = mount_enter(req, &new_parent);
	struct move v = {.m = from,
			 .actor = mount_actor(req),
			 .from = {.parent = parent, .name = name},
			 .to = {.parent = new_parent, .name = new_name},
			 .noreplace = flags & RENAME_NOREPLACE,
			 .exchange = flags & RENAME_EXCHANGE};
	err_auto e = ERR_INIT;
	bool by = node_decode(new_parent).kind == NODE_BY_VALUE;
	int rc = flags & RENAME_WHITEOUT || (by && v.exchange) ? -EOPNOTSUPP
		 : from != to                                  ? -EPERM
		 : by                                          ? 0
							       : find_ends(&v, req, &e);

	if (rc == 0)
		rc = by ? by_move(to, req, parent, name, new_parent, new_name, &e) : carry_out(&v, &e);
	if (!v.to.entry.record_name && v.to.entry.model)
		mount_told_full(v.m, &v.actor, v.to.entry.model, new_name, rc, &e);
	arena_release(&v.arena);
	mount_reply_error(req, rc);
}

/* The name by which the source of a link is known, from its number. */
static int find_source(struct move *v, uint64_t ino, struct err *e)
{
	struct node node = node_decode(ino);
	struct entry *from = &v->from.entry;
	const struct actor nobody = {.uid = v->actor.uid};
	int rc = mount_stat(v->m, ino, &nobody, &from->st, e);

	if (rc < 0)
		return rc;
	if (node.kind == NODE_MEMORY) {
		struct scratch *s = scratch_get(v->m, ino);
		buf_auto name = BUF_INIT;

		from->kind = ENTRY_SCRATCH;
		from->model = s ? scratch_any_name(v->m, s, &name) : NULL;
		scratch_put(v->m, s);
		v->from.name = arena_copy(&v->arena, buf_text(&name), name.len);
		if (!v->from.name)
			return -ENOMEM;
		return from->model ? 0 : -ENOENT;
	}
	from->kind = node.kind == NODE_RECORD ? ENTRY_RECORD : ENTRY_MADE;
	from->model = mount_model(v->m, node.model);
	return from->kind == ENTRY_RECORD ? mount_key(v->m, &node, &v->arena, &from->key, e) : 0;
}

static int link_answer(struct move *v, struct err *e)
{
	if (!v->to.entry.record_name)
		return 0;
	int rc = dir_find(v->m, v->to.parent, v->to.name, &v->actor, &v->arena, &v->to.entry, e);
	v->made = v->to.entry.st;
	return rc;
}

void rename_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	struct mount *from = mount_enter(req, &ino), *to = mount_enter(req, &new_parent);
	struct move v = {.m = from,
			 .actor = mount_actor(req),
			 .to = {.parent = new_parent, .name = new_name},
			 .keep = true,
			 .noreplace = true};
	err_auto e = ERR_INIT;
	int rc = from != to ? -EPERM : find_source(&v, ino, &e);

	if (rc == 0)
		rc = find_ends(&v, req, &e);
	if (rc == 0)
		rc = carry_out(&v, &e);
	if (rc == 0)
		rc = link_answer(&v, &e);
	if (!v.to.entry.record_name && v.to.entry.model)
		mount_told_full(v.m, &v.actor, v.to.entry.model, new_name, rc, &e);
	arena_release(&v.arena);
	if (rc < 0)
		mount_reply_error(req, rc);
	else
		dir_reply_entry(v.m, req, &v.made, false);
}
