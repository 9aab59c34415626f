/*
 * xattr.c - extended attributes: a scratch file has any of `user.`, a record user.rowfs.error.
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
	buf_printf(&path, "%s%s/", transaction_path(m), model->name);
	if (record_name(model, &key, &path) < 0 || buf_failed(&path))
		return -ENODATA;
	return journal_last(m->journal, fuse_req_ctx(req)->uid, buf_text(&path), out);
}

void xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct mount *m = mount_enter(req, &ino);
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

void xattr_list(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct mount *m = mount_enter(req, &ino);
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
