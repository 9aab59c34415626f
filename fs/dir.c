/*
 * dir.c - lookup and listings, whatever the directory shows (tree.c).
 *
 * Nothing is remembered between two requests of a listing: an entry's offset says where to go on.
 */
#include "dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "by.h"
#include "repeat.h"
#include "transaction.h"
#include "tree.h"
#include "watched.h"

/* ---- finding a name ---- */

int dir_found(struct entry *out, enum entry_kind kind, int rc, struct err *e)
{
	if (rc == 0)
		out->kind = kind;
	if (rc != -ENOENT)
		return rc;
	err_release(e);
	return 0;
}

int dir_find(struct mount *m, uint64_t parent, const char *name, const struct actor *who, struct arena *a,
	     struct entry *out, struct err *e)
{
	struct node node = node_decode(parent);
	const struct kind *kind = tree_kind(node.kind);

	*out = (struct entry){0};
	if (transaction_ended(m))
		return -ENOENT;
	if (strlen(name) > LIMIT_NAME)
		return -ENAMETOOLONG;
	return kind->find ? kind->find(m, &node, name, who, a, out, e) : -ENOENT;
}

int dir_may(const struct mount *m, fuse_req_t req, uint64_t ino, int wanted)
{
	struct node node = node_decode(ino);
	struct stat st = {.st_mode = mount_made_mode(m, &node), .st_uid = m->uid, .st_gid = m->gid};

	if (node.kind == NODE_ROOT && m->transaction)
		transaction_owner(m, &st);
	return mount_may(req, &st, wanted);
}

/*
 * Names that rowfs makes never change while it is mounted; what any other name stands for is asked each time. The
 * kernel lets everybody through a name that it knows, so those in a directory that is not everybody's are asked for,
 * too.
 */
static bool may_be_kept(const struct mount *m, fuse_ino_t parent, const struct entry *entry)
{
	struct node node = node_decode(parent);

	return entry->kind == ENTRY_MADE && !m->transaction && (mount_made_mode(m, &node) & 0111) == 0111;
}

void dir_reply_entry(struct mount *m, fuse_req_t req, const struct stat *st, bool kept)
{
	struct fuse_entry_param entry = {.attr = *st, .entry_timeout = kept ? watched_timeout(m, st->st_ino) : 0};
	int rc = transaction_remember(m, st->st_ino);

	if (rc < 0) {
		by_forget(m, st->st_ino, 1);
		mount_reply_error(req, rc);
		return;
	}
	entry.ino = entry.attr.st_ino = mount_public_ino(m, st->st_ino);
	watched_lookup(m, st->st_ino, true);
	if (fuse_reply_entry(req, &entry) == 0)
		return;
	watched_forget(m, st->st_ino, 1);
	transaction_forget(m, entry.ino, 1); /* the caller is gone: the kernel will not forget it */
	if (!m->transaction)
		by_forget(m, entry.ino, 1);
}

/* The directory of a transaction, whose number belongs to its inside. */
static void reply_inside(struct mount *m, fuse_req_t req, const struct actor *who, const char *name)
{
	struct fuse_entry_param entry = {0};
	int rc = transaction_enter(m, who, name, &entry.attr);

	entry.ino = entry.attr.st_ino;
	if (rc < 0)
		mount_reply_error(req, rc);
	else if (fuse_reply_entry(req, &entry) < 0)
		transaction_forget(m, entry.ino, 1);
}

void dir_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_enter(req, &parent);
	arena_auto a = ARENA_INIT;
	err_auto e = ERR_INIT;
	struct actor who = mount_actor(req);
	struct entry entry;
	if (repeat_lookup(req, parent, name))
		return;
	int rc = dir_may(m, req, parent, X_OK);

	if (rc == 0)
		rc = dir_find(m, parent, name, &who, &a, &entry, &e);
	if (rc == 0 && entry.kind == ENTRY_NONE)
		rc = -ENOENT;
	if (rc == 0 && entry.kind == ENTRY_BY)
		rc = by_hold(m, &entry);
	if (rc < 0) {
		mount_reply_error(req, rc);
		return;
	}
	if (node_is_inside(entry.st.st_ino))
		reply_inside(m, req, &who, name);
	else
		dir_reply_entry(m, req, &entry.st, may_be_kept(m, parent, &entry));
}

/* ---- listings ---- */

bool listing_add(struct listing *l, const char *name, const struct stat *st, off_t next)
{
	struct stat public = {.st_ino = mount_public_ino(l->m, st->st_ino), .st_mode = st->st_mode};
	size_t n = fuse_add_direntry(l->req, l->data + l->used, l->size - l->used, name, &public, next);

	if (n > l->size - l->used)
		return false;
	l->used += n;
	return true;
}

static bool list_dots(struct listing *l, uint64_t ino, off_t off)
{
	struct stat st;

	mount_dir_stat(l->m, ino, S_IFDIR | 0755, &st);
	return (off >= 1 || listing_add(l, ".", &st, 1)) && (off >= 2 || listing_add(l, "..", &st, 2));
}

static int list_all(struct listing *l, fuse_ino_t ino, off_t off, struct err *e)
{
	struct node node = node_decode(ino);
	const struct kind *kind = tree_kind(node.kind);

	if (!kind->list || transaction_ended(l->m))
		return -ENOENT;
	return list_dots(l, ino, off) ? kind->list(l, &node, off, e) : 0;
}

void dir_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct listing l = {.req = req,
			    .m = mount_enter(req, &ino),
			    .uid = fuse_req_ctx(req)->uid,
			    .place = (struct by_place *)(uintptr_t)fi->fh,
			    .data = malloc(size),
			    .size = size};
	err_auto e = ERR_INIT;
	int rc = l.data ? list_all(&l, ino, off, &e) : -ENOMEM;

	/* What was listed before an error is shown; the error comes with the next request, which starts behind it. */
	if (rc < 0 && l.used == 0)
		mount_reply_error(req, rc);
	else
		fuse_reply_buf(req, l.data, l.used);
	free(l.data);
}

void dir_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = mount_enter(req, &ino);
	int rc = dir_may(m, req, ino, R_OK);
	struct by_place *place = NULL;

	if (rc == 0 && node_decode(ino).kind == NODE_BY_FIELD)
		rc = by_place_open(m, &place);
	fi->fh = (uintptr_t)place;
	if (rc < 0)
		mount_reply_error(req, rc);
	else if (fuse_reply_open(req, fi) < 0)
		by_place_close(m, place);
}
