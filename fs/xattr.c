/*
 * xattr.c - extended attributes: a scratch file has any of `user.`, a record those of the table.
 */
#include "xattr.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "history.h"
#include "scratch.h"
#include "transaction.h"

#define ACTOR "user.rowfs.actor"

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
	struct node node;
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
	int seen = mount_stat(x->m, x->ino, &who, &st, &e);

	if (seen < 0 || mount_may(x->req, &st, R_OK) < 0)
		return seen < 0 ? seen : -EACCES;
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

/* -ENODATA for what is no record, -ENOENT for one that is not there for who asks. */
static int find_asked(struct asked *x)
{
	const struct actor who = {.uid = fuse_req_ctx(x->req)->uid};
	err_auto e = ERR_INIT;
	struct stat st;

	x->node = node_decode(x->ino);
	x->model = x->node.kind == NODE_RECORD ? mount_model(x->m, x->node.model) : NULL;
	if (x->model && x->model->restricted && mount_stat(x->m, x->ino, &who, &st, &e) < 0)
		return -ENOENT;
	return x->model && mount_key(x->m, &x->node, &x->arena, &x->key, &e) == 0 ? 0 : -ENODATA;
}

static int get_of_record(struct mount *m, fuse_req_t req, fuse_ino_t ino, const char *name, struct buf *out)
{
	struct asked x = {.m = m, .req = req, .ino = ino};
	size_t i = 0;

	while (i < ATTRIBUTES && strcmp(attributes[i].name, name) != 0)
		i++;
	if (i == ATTRIBUTES)
		return -ENODATA;
	int rc = find_asked(&x);
	if (rc == 0)
		rc = attributes[i].get(&x, out);
	arena_release(&x.arena);
	return rc;
}

static int list_of_record(struct mount *m, fuse_req_t req, fuse_ino_t ino, struct buf *out)
{
	struct asked x = {.m = m, .req = req, .ino = ino};
	int rc = find_asked(&x);
	buf_auto value = BUF_INIT;

	for (size_t i = 0; rc == 0 && i < ATTRIBUTES; i++) {
		buf_reset(&value);
		if (attributes[i].get(&x, &value) == 0)
			buf_add(out, attributes[i].name, strlen(attributes[i].name) + 1);
	}
	arena_release(&x.arena);
	return rc == -ENODATA ? 0 : rc;
}

/* user.rowfs.actor of an earlier version: who saved it. */
static int version_actor(struct mount *m, fuse_req_t req, fuse_ino_t ino, const char *name, struct buf *out)
{
	const struct actor who = mount_actor(req);
	struct node node = node_decode(ino);
	err_auto e = ERR_INIT;

	return strcmp(name, ACTOR) == 0 ? history_actor(m, &node, &who, out, &e) : -ENODATA;
}

void xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct mount *m = mount_enter(req, &ino);
	struct scratch *s = node_decode(ino).kind == NODE_MEMORY ? scratch_get(m, ino) : NULL;
	buf_auto value = BUF_INIT;
	int rc;

	if (s)
		rc = scratch_getxattr(m, s, name, &value);
	else if (node_decode(ino).kind == NODE_VERSION)
		rc = version_actor(m, req, ino, name, &value);
	else
		rc = get_of_record(m, req, ino, name, &value);
	scratch_put(m, s);
	reply_xattr(req, rc, &value, size);
}

void xattr_list(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct mount *m = mount_enter(req, &ino);
	struct scratch *s = scratch_get(m, ino);
	buf_auto names = BUF_INIT, value = BUF_INIT;
	int rc = 0;

	if (s)
		rc = scratch_listxattr(m, s, &names);
	else if (node_decode(ino).kind == NODE_VERSION && version_actor(m, req, ino, ACTOR, &value) == 0)
		buf_add(&names, ACTOR, sizeof(ACTOR));
	else
		rc = list_of_record(m, req, ino, &names);
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
