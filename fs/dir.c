/*
 * dir.c - lookup and listings.
 *
 * Nothing is remembered between two requests of a listing: an entry's offset says where to go on. A record's offset is
 * its serial plus OFFSET_RECORDS, so a listing is a walk over an index from there, in a snapshot of its own for each
 * request; a record that is there throughout appears exactly once, whatever else comes and goes. Scratch files follow,
 * by their own serials behind OFFSET_SCRATCH.
 */
#include "dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answered.h"
#include "deleted.h"
#include "handle.h"
#include "rejected.h"
#include "scratch.h"
#include "view.h"
#include "waiting.h"

#define OFFSET_RECORDS 3
#define OFFSET_SCRATCH (INT64_C(1) << 62)

static struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* ---- finding a name ---- */

static int find_made(struct mount *m, const struct node *parent, const char *name, struct entry *out)
{
	const struct view *v = view_find(parent->kind, name);
	const struct model *model = parent->kind == NODE_ROOT ? schema_model(m->schema, name) : NULL;

	if (v) {
		out->kind = ENTRY_MADE;
		mount_dir_stat(m, node_made(v->kind, parent->model), v->mode, &out->st);
	} else if (model && !model->hidden) {
		out->kind = ENTRY_MADE;
		mount_dir_stat(m, node_made(NODE_MODEL, mount_number(m, model)), S_IFDIR | model->dir_mode, &out->st);
	}
	return 0;
}

static int find_record(struct mount *m, const char *name, struct arena *a, struct entry *out, struct err *e)
{
	buf_auto text = BUF_INIT;
	struct open_name open_name;
	struct stamp stamp;
	struct conn *c;
	int rc;

	c = store_read_once(m->store, out->model, e);
	if (!c)
		return -e->code;
	rc = store_show(c, out->model, &out->key, &text, &stamp, e);
	store_read_end(c);
	if (rc == 0) {
		out->kind = ENTRY_RECORD;
		mount_record_stat(m, out->model, &stamp, text.len, &out->st);
		return 0;
	}
	if (rc != -ENOENT)
		return rc;
	err_release(e);
	if (handle_find(m, out->model, name, 0, a, &open_name)) {
		out->kind = ENTRY_UNSAVED;
		mount_dir_stat(m, open_name.ino, mount_record_mode(out->model), &out->st);
	}
	return 0;
}

static void find_scratch(struct mount *m, const char *name, struct entry *out)
{
	struct scratch *s = scratch_find(m, out->model, name);

	if (!s)
		return;
	out->kind = ENTRY_SCRATCH;
	scratch_stat(m, s, &out->st);
	scratch_put(m, s);
}

static int find_rejected(struct mount *m, const struct node *parent, const char *name, uid_t uid, struct entry *out)
{
	out->model = mount_model(m, parent->model);
	out->record_name = record_is_name(name);
	if (!out->model)
		return -ENOENT;
	if (rejected_find(m, uid, out->model, name, &out->st, NULL) == 0)
		out->kind = ENTRY_REJECTED;
	return 0;
}

static int find_answer(struct mount *m, const struct node *parent, const char *name, uid_t uid, struct arena *a,
		       struct entry *out, struct err *e)
{
	const struct model *model = mount_model(m, parent->model);
	struct value key;
	int rc = model ? record_key(model, name, a, &key) : -ENOENT;

	if (rc == 0)
		rc = answered_find(m, uid, model, &key, &out->st, e);
	if (rc == 0)
		out->kind = ENTRY_ANSWER;
	return rc;
}

static int find_waiting(struct mount *m, const char *name, struct entry *out, struct err *e)
{
	int rc = waiting_find(m, name, &out->id, &out->st, e);

	if (rc == 0)
		out->kind = ENTRY_WAITING;
	if (rc != -ENOENT)
		return rc;
	err_release(e);
	return 0;
}

static int find_in_model(struct mount *m, const struct node *parent, const char *name, pid_t pid, struct arena *a,
			 struct entry *out, struct err *e)
{
	int64_t size;
	int rc;

	out->model = mount_model(m, parent->model);
	if (!out->model)
		return -ENOENT;
	if (view_find(NODE_MODEL, name))
		return find_made(m, parent, name, out);
	out->record_name = record_is_name(name);
	if (!out->record_name) {
		find_scratch(m, name, out);
		return 0;
	}
	rc = record_key(out->model, name, a, &out->key);
	out->valid = rc == 0;
	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = find_record(m, name, a, out, e);
	size = rc == 0 && out->kind != ENTRY_NONE && pid ? handle_draft_size(m, out->model, &out->key, pid) : -1;
	if (size >= 0)
		out->st.st_size = size;
	return rc;
}

int dir_find(struct mount *m, uint64_t parent, const char *name, const struct actor *who, struct arena *a,
	     struct entry *out, struct err *e)
{
	struct node node = node_decode(parent);

	*out = (struct entry){0};
	if (strlen(name) > LIMIT_NAME)
		return -ENAMETOOLONG;
	if (node.kind == NODE_MODEL)
		return find_in_model(m, &node, name, who->pid, a, out, e);
	if (node.kind == NODE_REJECTED)
		return find_rejected(m, &node, name, who->uid, out);
	if (node.kind == NODE_DELETED)
		return deleted_find(m, &node, name, who->uid, a, out, e);
	if (node.kind == NODE_ANSWER)
		return find_answer(m, &node, name, who->uid, a, out, e);
	if (node.kind == NODE_AFTER)
		return find_waiting(m, name, out, e);
	if (node.kind == NODE_NONE || node.kind >= NODE_MADE_END)
		return -ENOENT;
	return find_made(m, &node, name, out);
}

int dir_may(const struct mount *m, fuse_req_t req, uint64_t ino, int wanted)
{
	struct node node = node_decode(ino);
	const struct model *model = node.kind == NODE_MODEL ? mount_model(m, node.model) : NULL;
	const struct view *v = view_of(node.kind);
	struct stat st = {.st_mode = model ? S_IFDIR | model->dir_mode
				     : v   ? v->mode
					   : S_IFDIR | 0755,
			  .st_uid = m->uid,
			  .st_gid = m->gid};

	return mount_may(req, &st, wanted);
}

/* Names that rowfs makes never change while it is mounted; what any other name stands for is asked each time. */
void dir_reply_entry(fuse_req_t req, const struct stat *st, bool made)
{
	struct fuse_entry_param entry = {.ino = st->st_ino, .attr = *st, .entry_timeout = made ? 3600 : 0};

	fuse_reply_entry(req, &entry);
}

void dir_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_of(req);
	arena_auto a = ARENA_INIT;
	err_auto e = ERR_INIT;
	struct actor who = mount_actor(req);
	struct entry entry;
	int rc = dir_may(m, req, parent, X_OK);

	if (rc == 0)
		rc = dir_find(m, parent, name, &who, &a, &entry, &e);
	if (rc == 0 && entry.kind == ENTRY_NONE)
		rc = -ENOENT;
	if (rc < 0) {
		mount_reply_error(req, rc);
		return;
	}
	dir_reply_entry(req, &entry.st, entry.kind == ENTRY_MADE);
}

/* ---- listings ---- */

struct listing {
	fuse_req_t req;
	struct mount *m;
	char *data;
	size_t size, used;
};

/* False when the buffer is full: the kernel asks again from the last offset it has. */
static bool list(struct listing *l, const char *name, const struct stat *st, off_t next)
{
	size_t n = fuse_add_direntry(l->req, l->data + l->used, l->size - l->used, name, st, next);

	if (n > l->size - l->used)
		return false;
	l->used += n;
	return true;
}

static bool list_dots(struct listing *l, uint64_t ino, off_t off)
{
	struct stat st;

	mount_dir_stat(l->m, ino, S_IFDIR | 0755, &st);
	return (off >= 1 || list(l, ".", &st, 1)) && (off >= 2 || list(l, "..", &st, 2));
}

/* The models in the root. */
static void list_root(struct listing *l, off_t off)
{
	const struct schema *schema = l->m->schema;

	for (size_t i = off > 2 ? (size_t)off - 2 : 0; i < schema->nmodels; i++) {
		const struct model *model = &schema->models[i];
		struct stat st;

		mount_dir_stat(l->m, node_made(NODE_MODEL, mount_number(l->m, model)), S_IFDIR | model->dir_mode, &st);
		if (!model->hidden && !list(l, model->name, &st, (off_t)i + 3))
			return;
	}
}

static void list_made(struct listing *l, const struct node *node, off_t off)
{
	const struct view *v;

	for (size_t i = off > 2 ? (size_t)off - 2 : 0; (v = view_at(node->kind, i)); i++) {
		struct stat st = {.st_ino = node_made(v->kind, node->model), .st_mode = v->mode};

		if (!list(l, v->name, &st, (off_t)i + 3))
			return;
	}
}

static int list_records_from(struct listing *l, struct cursor *cursor, const struct model *model, bool *full,
			     struct err *e)
{
	buf_auto name = BUF_INIT;
	struct value key;
	int64_t serial;
	int rc;

	while ((rc = cursor_next(cursor, &key, &serial, e)) > 0) {
		struct stat st = {.st_ino = mount_record_ino(l->m, model, serial), .st_mode = S_IFREG};

		buf_reset(&name);
		if (record_name(model, &key, &name) < 0)
			continue;
		*full = !list(l, buf_text(&name), &st, serial + OFFSET_RECORDS);
		if (*full)
			return 0;
	}
	return rc;
}

static int list_records(struct listing *l, const struct model *model, off_t off, bool *full, struct err *e)
{
	struct conn *c = store_read_begin(l->m->store, e);
	struct cursor *cursor = NULL;

	if (!c)
		return -e->code;
	int rc = cursor_open(&cursor, c, model, off < OFFSET_RECORDS ? -1 : off - OFFSET_RECORDS, e);
	if (rc == 0)
		rc = list_records_from(l, cursor, model, full, e);
	cursor_close(cursor);
	store_read_end(c);
	return rc;
}

static void list_scratch(struct listing *l, const struct model *model, off_t off)
{
	int64_t after = off >= OFFSET_SCRATCH ? off - OFFSET_SCRATCH : -1;
	buf_auto name = BUF_INIT;
	struct stat st;

	while (scratch_next(l->m, model, &after, &name, &st)) {
		if (!list(l, buf_text(&name), &st, OFFSET_SCRATCH + after))
			return;
		buf_reset(&name);
	}
}

static int list_model(struct listing *l, const struct node *node, off_t off, struct err *e)
{
	const struct model *model = mount_model(l->m, node->model);
	bool full = false;
	int rc = 0;

	if (!model)
		return -ENOENT;
	if (off < OFFSET_SCRATCH)
		rc = list_records(l, model, off, &full, e);
	if (rc == 0 && !full)
		list_scratch(l, model, off);
	return rc;
}

static void list_rejected(struct listing *l, const struct node *node, off_t off)
{
	uid_t uid = fuse_req_ctx(l->req)->uid;
	int64_t after = off >= OFFSET_SCRATCH ? off - OFFSET_SCRATCH : -1;
	buf_auto name = BUF_INIT;
	struct stat st;

	while (rejected_next(l->m, uid, mount_model(l->m, node->model), after, &name, &st)) {
		after = node_decode(st.st_ino).serial;
		if (!list(l, buf_text(&name), &st, OFFSET_SCRATCH + after))
			return;
		buf_reset(&name);
	}
}

/* A deleted record's offset is made as a record's. */
static int list_deleted(struct listing *l, const struct node *node, off_t off, struct err *e)
{
	const struct model *model = mount_model(l->m, node->model);
	arena_auto a = ARENA_INIT;
	struct deleted *kept;
	size_t n = 0;
	struct conn *c = model ? store_read_begin(l->m->store, e) : NULL;

	if (!c)
		return model ? -e->code : -ENOENT;
	int rc = store_list_deleted(c, model, off < OFFSET_RECORDS ? 0 : off - OFFSET_RECORDS,
				    fuse_req_ctx(l->req)->uid, &a, &kept, &n, e);
	store_read_end(c);
	for (size_t i = 0; i < n; i++) {
		buf_auto name = BUF_INIT;
		struct stat st;

		deleted_stat(l->m, model, &kept[i], &st);
		if (record_name(model, &kept[i].key, &name) == 0 &&
		    !list(l, buf_text(&name), &st, kept[i].serial + OFFSET_RECORDS))
			break;
	}
	return rc;
}

static void list_answers(struct listing *l, const struct node *node, off_t off)
{
	uid_t uid = fuse_req_ctx(l->req)->uid;
	int64_t after = off >= OFFSET_SCRATCH ? off - OFFSET_SCRATCH : -1;
	buf_auto name = BUF_INIT;
	struct stat st = {.st_mode = S_IFREG};

	while (answered_next(l->m, uid, mount_model(l->m, node->model), after, &name, &st.st_ino)) {
		after = node_decode(st.st_ino).serial;
		if (!list(l, buf_text(&name), &st, OFFSET_SCRATCH + after))
			return;
		buf_reset(&name);
	}
}

static int list_waiting(struct listing *l, off_t off, struct err *e)
{
	int64_t id = off < OFFSET_RECORDS ? 0 : off - OFFSET_RECORDS;
	buf_auto name = BUF_INIT;
	int rc;

	while ((rc = waiting_next(l->m, id, &id, &name, e)) > 0) {
		struct stat st = {.st_ino = node_waiting(id), .st_mode = S_IFREG};

		if (!list(l, buf_text(&name), &st, id + OFFSET_RECORDS))
			return 0;
		buf_reset(&name);
	}
	return rc;
}

static int list_all(struct listing *l, fuse_ino_t ino, off_t off, struct err *e)
{
	struct node node = node_decode(ino);

	if (!list_dots(l, ino, off))
		return 0;
	if (node.kind == NODE_MODEL)
		return list_model(l, &node, off, e);
	if (node.kind == NODE_DELETED)
		return list_deleted(l, &node, off, e);
	if (node.kind == NODE_AFTER)
		return list_waiting(l, off, e);
	if (node.kind == NODE_ROOT)
		list_root(l, off);
	else if (node.kind == NODE_REJECTED)
		list_rejected(l, &node, off);
	else if (node.kind == NODE_ANSWER)
		list_answers(l, &node, off);
	else
		list_made(l, &node, off);
	return 0;
}

void dir_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct listing l = {.req = req, .m = mount_of(req), .data = malloc(size), .size = size};
	err_auto e = ERR_INIT;
	int rc = l.data ? list_all(&l, ino, off, &e) : -ENOMEM;

	(void)fi;
	/* What was listed before an error is shown; the error comes with the next request, which starts behind it. */
	if (rc < 0 && l.used == 0)
		mount_reply_error(req, rc);
	else
		fuse_reply_buf(req, l.data, l.used);
	free(l.data);
}

void dir_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	int rc = dir_may(m, req, ino, R_OK);

	if (rc < 0)
		mount_reply_error(req, rc);
	else
		fuse_reply_open(req, fi);
}
