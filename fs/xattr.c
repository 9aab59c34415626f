/*
 * xattr.c - extended attributes: a scratch file has any of `user.`, a record those of the table.
 */
#include "xattr.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "scratch.h"
#include "transaction.h"

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

/* A record whose attributes are asked for; the key's text lies in the arena. */
struct asked {
	struct mount *m;
	fuse_req_t req;
	fuse_ino_t ino;
	const struct model *model;
	struct value key;
	struct arena arena;
};

/* The sentence of its last refusal, until a save goes through. */
static int record_error(struct asked *x, struct buf *out)
{
	buf_auto path = BUF_INIT;

	buf_printf(&path, "%s%s/", transaction_path(x->m), x->model->name);
	if (record_name(x->model, &x->key, &path) < 0 || buf_failed(&path))
		return -ENODATA;
	return journal_last(x->m->journal, fuse_req_ctx(x->req)->uid, buf_text(&path), out);
}

/* It tells who guesses the content that he is right: only for those who may read it. */
static int record_sum(struct asked *x, struct buf *out)
{
	const struct actor who = {.uid = fuse_req_ctx(x->req)->uid};
	char sum[CHECKSUM_SIZE];
	err_auto e = ERR_INIT;
	struct stat st;

	if (mount_stat(x->m, x->ino, &who, &st, &e) < 0)
		return -ENODATA;
	if (mount_may(x->req, &st, R_OK) < 0)
		return -EACCES;
	struct conn *c = mount_read(x->m, who.uid, &e);
	int rc = c ? store_checksum(c, x->model, &x->key, sum, &e) : -e.code;
	store_read_end(c);
	if (rc == 0)
		buf_str(out, sum);
	return rc == -ENOENT ? -ENODATA : rc;
}

static const struct {
	const char *name;
	int (*get)(struct asked *x, struct buf *out); /* -ENODATA where the record has none */
} attributes[] = {
    {"user.rowfs.error", record_error},
    {CHECKSUM_XATTR, record_sum},
};
enum { ATTRIBUTES = sizeof(attributes) / sizeof(attributes[0]) };

static bool find_asked(struct asked *x, fuse_ino_t ino)
{
	err_auto e = ERR_INIT;

	struct node node = node_decode(ino);

	x->ino = ino;
	x->model = node.kind == NODE_RECORD ? mount_model(x->m, node.model) : NULL;
	return x->model && mount_key(x->m, &node, &x->arena, &x->key, &e) == 0;
}

static int get_of_record(struct mount *m, fuse_req_t req, fuse_ino_t ino, const char *name, struct buf *out)
{
	struct asked x = {.m = m, .req = req};
	int rc = -ENODATA;

	for (size_t i = 0; i < ATTRIBUTES; i++)
		if (strcmp(attributes[i].name, name) == 0 && find_asked(&x, ino))
			rc = attributes[i].get(&x, out);
	arena_release(&x.arena);
	return rc;
}

static void list_of_record(struct mount *m, fuse_req_t req, fuse_ino_t ino, struct buf *out)
{
	struct asked x = {.m = m, .req = req};
	bool found = find_asked(&x, ino);
	buf_auto value = BUF_INIT;

	for (size_t i = 0; found && i < ATTRIBUTES; i++) {
		buf_reset(&value);
		if (attributes[i].get(&x, &value) == 0)
			buf_add(out, attributes[i].name, strlen(attributes[i].name) + 1);
	}
	arena_release(&x.arena);
}

/* 0, or -ENOENT for a record that is not there for who asks. */
static int must_see(struct mount *m, fuse_req_t req, fuse_ino_t ino)
{
	struct node node = node_decode(ino);
	const struct model *model = node.kind == NODE_RECORD ? mount_model(m, node.model) : NULL;
	const struct actor who = {.uid = fuse_req_ctx(req)->uid};
	err_auto e = ERR_INIT;
	struct stat st;

	return model && model->restricted ? mount_stat(m, ino, &who, &st, &e) : 0;
}

void xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct mount *m = mount_enter(req, &ino);
	struct scratch *s = node_decode(ino).kind == NODE_MEMORY ? scratch_get(m, ino) : NULL;
	buf_auto value = BUF_INIT;
	int rc = s ? scratch_getxattr(m, s, name, &value) : must_see(m, req, ino);

	if (!s && rc == 0)
		rc = get_of_record(m, req, ino, name, &value);
	scratch_put(m, s);
	reply_xattr(req, rc, &value, size);
}

void xattr_list(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct mount *m = mount_enter(req, &ino);
	struct scratch *s = scratch_get(m, ino);
	buf_auto names = BUF_INIT;
	int rc = s ? scratch_listxattr(m, s, &names) : must_see(m, req, ino);

	if (!s && rc == 0)
		list_of_record(m, req, ino, &names);
	scratch_put(m, s);
	reply_xattr(req, rc, &names, size);
}

static int may_set_xattr(struct mount *m, fuse_req_t req, struct scratch *s, const char *name)
{
	struct stat st;

	if (m->read_only)
		return -EROFS;
	if (!s || strncmp(name, "user.", 5) != 0)
		return -EOPNOTSUPP;
	scratch_stat(m, s, &st);
	return mount_may(req, &st, W_OK);
}

void xattr_set(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	struct mount *m = mount_enter(req, &ino);
	struct scratch *s = scratch_get(m, ino);
	int rc = may_set_xattr(m, req, s, name);

	if (rc == 0)
		rc = scratch_setxattr(m, s, name, value, size, flags);
	scratch_put(m, s);
	mount_reply_error(req, rc);
}

void xattr_remove(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct mount *m = mount_enter(req, &ino);
	struct scratch *s = scratch_get(m, ino);
	int rc = may_set_xattr(m, req, s, name);

	if (rc == 0)
		rc = scratch_removexattr(m, s, name);
	scratch_put(m, s);
	mount_reply_error(req, rc);
}
