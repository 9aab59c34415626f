/*
 * scratch_xattr.c - extended attributes of scratch files, and the one that tells why the last save from a file was
 * refused.
 *
 * A list, for LIMIT_XATTR bounds names and values of a file together. Guarded by mount.lock as the file is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "scratch.h"

static struct xattr **find_xattr(struct scratch *s, const char *name)
{
	struct xattr **at = &s->xattrs;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

static void remove_xattr(struct xattr **at)
{
	struct xattr *x = *at;

	*at = x->next;
	free(x->value);
	free(x);
}

void scratch_release_xattrs(struct scratch *s)
{
	while (s->xattrs)
		remove_xattr(&s->xattrs);
}

static struct xattr *new_xattr(const char *name, const char *value, size_t len)
{
	struct xattr *x = calloc(1, sizeof(*x) + strlen(name) + 1);

	if (!x)
		return NULL;
	x->value = malloc(len + 1);
	if (!x->value) {
		free(x);
		return NULL;
	}
	strcpy(x->name, name);
	memcpy(x->value, value, len);
	x->len = len;
	return x;
}

size_t scratch_xattrs_size(const struct scratch *s)
{
	size_t size = 0;

	for (const struct xattr *x = s->xattrs; x; x = x->next)
		size += strlen(x->name) + x->len;
	return size;
}

static int setxattr_locked(struct mount *m, struct scratch *s, struct xattr *x, int flags)
{
	struct xattr **at = find_xattr(s, x->name);
	err_auto full = ERR_INIT;

	if (*at && (flags & XATTR_CREATE))
		return -EEXIST;
	if (!*at && (flags & XATTR_REPLACE))
		return -ENODATA;
	if (scratch_xattrs_size(s) + strlen(x->name) + x->len > LIMIT_XATTR)
		return -ENOSPC;
	if (scratch_hold(m, s, strlen(x->name) + x->len, &full) < 0)
		return -full.code;
	if (*at)
		remove_xattr(at);
	x->next = s->xattrs;
	s->xattrs = x;
	scratch_settle(m, s);
	return 0;
}

int scratch_setxattr(struct mount *m, struct scratch *s, const char *name, const char *value, size_t len, int flags)
{
	struct xattr *x = new_xattr(name, value, len);
	int rc;

	if (!x)
		return -ENOMEM;
	pthread_mutex_lock(&m->lock);
	rc = setxattr_locked(m, s, x, flags);
	pthread_mutex_unlock(&m->lock);
	if (rc < 0)
		remove_xattr(&x);
	return rc;
}

int scratch_removexattr(struct mount *m, struct scratch *s, const char *name)
{
	pthread_mutex_lock(&m->lock);
	struct xattr **at = find_xattr(s, name);
	int rc = *at ? 0 : -ENODATA;
	if (*at)
		remove_xattr(at);
	scratch_settle(m, s);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

int scratch_getxattr(struct mount *m, struct scratch *s, const char *name, struct buf *out)
{
	int rc = -ENODATA;

	pthread_mutex_lock(&m->lock);
	struct xattr *x = *find_xattr(s, name);
	if (x) {
		buf_add(out, x->value, x->len);
		rc = 0;
	} else if (strcmp(name, "user.rowfs.error") == 0 && s->error) {
		buf_str(out, s->error);
		rc = 0;
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

int scratch_listxattr(struct mount *m, struct scratch *s, struct buf *out)
{
	pthread_mutex_lock(&m->lock);
	for (struct xattr *x = s->xattrs; x; x = x->next)
		buf_add(out, x->name, strlen(x->name) + 1);
	if (s->error)
		buf_add(out, "user.rowfs.error", sizeof("user.rowfs.error"));
	pthread_mutex_unlock(&m->lock);
	return buf_failed(out) ? -ENOMEM : 0;
}
