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

#include "handle.h"
#include "scratch.h"
#include "view.h"

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

	c = store_read_begin(m->store, e);
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
		mount_dir_stat(m, open_name.ino, S_IFREG | out->model->mode, &out->st);
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

int dir_find(struct mount *m, uint64_t parent, const char *name, pid_t pid, struct arena *a, struct entry *out,
             struct err *e)
{
	struct node node = node_decode(parent);

	*out = (struct entry){0};
	if (strlen(name) > LIMIT_NAME)
		return -ENAMETOOLONG;
	if (node.kind == NODE_MODEL)
		return find_in_model(m, &node, name, pid, a, out, e);
	if (node.kind == NODE_NONE || node.kind >= NODE_MADE_END)
		return -ENOENT;
	return find_made(m, &node, name, out);
}

int dir_may(const struct mount *m, fuse_req_t req, uint64_t ino, int wanted)
{
	struct node node = node_decode(ino);
	const struct model *model = node.kind == NODE_MODEL ? mount_model(m, node.model) : NULL;
	struct stat st = {.st_mode = S_IFDIR | (model ? model->dir_mode : 0755), .st_uid = m->uid, .st_gid = m->gid};

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
	struct entry entry;
	int rc = dir_may(m, req, parent, X_OK);

	if (rc == 0)
		rc = dir_find(m, parent, name, fuse_req_ctx(req)->pid, &a, &entry, &e);
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
	bool plus;
	char *data;
	size_t size, used;
};

/* False when the buffer is full: the kernel asks again from the last offset it has. */
static bool list(struct listing *l, const char *name, const struct stat *st, off_t next)
{
	struct fuse_entry_param entry = {.attr = *st};
	size_t n;

	/* No lookup is counted for . and .. */
	if (name[0] != '.' || (name[1] != '\0' && strcmp(name, "..") != 0))
		entry.ino = st->st_ino;
	if (l->plus)
		n = fuse_add_direntry_plus(l->req, l->data + l->used, l->size - l->used, name, &entry, next);
	else
		n = fuse_add_direntry(l->req, l->data + l->used, l->size - l->used, name, st, next);
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
		uint64_t ino = node_made(v->kind, node->model);
		err_auto e = ERR_INIT;
		struct stat st;

		if (mount_stat(l->m, ino, 0, &st, &e) < 0 || !list(l, v->name, &st, (off_t)i + 3))
			return;
	}
}

static int record_attributes(struct listing *l, struct conn *c, const struct model *model, const struct value *key,
                             struct buf *text, struct stat *st, struct err *e)
{
	struct stamp stamp;

	buf_reset(text);
	int rc = store_show(c, model, key, text, &stamp, e);
	if (rc == 0)
		mount_record_stat(l->m, model, &stamp, text->len, st);
	return rc;
}

static int list_records_from(struct listing *l, struct conn *c, struct cursor *cursor, const struct model *model,
                             bool *full, struct err *e)
{
	buf_auto name = BUF_INIT;
	buf_auto text = BUF_INIT;
	struct value key;
	int64_t serial;
	int rc;

	while ((rc = cursor_next(cursor, &key, &serial, e)) > 0) {
		struct stat st = {.st_ino = mount_record_ino(l->m, model, serial), .st_mode = S_IFREG};

		buf_reset(&name);
		if (record_name(model, &key, &name) < 0)
			continue;
		if (l->plus && (rc = record_attributes(l, c, model, &key, &text, &st, e)) < 0)
			return rc;
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
		rc = list_records_from(l, c, cursor, model, full, e);
	cursor_close(cursor);
	store_read_end(c);
	return rc;
}

static void list_scratch(struct listing *l, const struct model *model, off_t off)
{
	int64_t after = off >= OFFSET_SCRATCH ? off - OFFSET_SCRATCH : -1;
	buf_auto name = BUF_INIT;
	struct stat st;

	while (scratch_next(l->m, model, after, &name, &st)) {
		after = node_decode(st.st_ino).serial;
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

static int list_all(struct listing *l, fuse_ino_t ino, off_t off, struct err *e)
{
	struct node node = node_decode(ino);

	if (!list_dots(l, ino, off))
		return 0;
	if (node.kind == NODE_MODEL)
		return list_model(l, &node, off, e);
	if (node.kind == NODE_ROOT)
		list_root(l, off);
	else
		list_made(l, &node, off);
	return 0;
}

static void read_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct listing l = {.req = req, .m = mount_of(req), .plus = plus, .data = malloc(size), .size = size};
	err_auto e = ERR_INIT;
	int rc = l.data ? list_all(&l, ino, off, &e) : -ENOMEM;

	/* What was listed before an error is shown; the error comes with the next request, which starts behind it. */
	if (rc < 0 && l.used == 0)
		mount_reply_error(req, rc);
	else
		fuse_reply_buf(req, l.data, l.used);
	free(l.data);
}

void dir_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	read_dir(req, ino, size, off, false);
}

void dir_read_plus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	read_dir(req, ino, size, off, true);
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
