/*
 * waiting.c - names and attributes of .after/.
 */
#include "waiting.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../hooks/after.h"

static void print_name(struct buf *out, int64_t id)
{
	buf_printf(out, "%" PRId64 ".json", id);
}

int waiting_get(struct mount *m, int64_t id, struct stat *st, struct buf *out, struct err *e)
{
	buf_auto own = BUF_INIT;
	struct buf *text = out ? out : &own;
	struct timespec created;
	int rc = after_show(m->saver, id, text, &created, e);

	if (rc < 0)
		return rc;
	*st = (struct stat){.st_ino = node_waiting(id),
			    .st_mode = S_IFREG | 0600,
			    .st_nlink = 1,
			    .st_uid = m->uid,
			    .st_gid = m->gid,
			    .st_size = (off_t)text->len,
			    .st_blksize = 4096,
			    .st_blocks = (blkcnt_t)((text->len + 511) / 512),
			    .st_mtim = created,
			    .st_atim = created,
			    .st_ctim = created};
	return 0;
}

int waiting_find(struct mount *m, const char *name, int64_t *id, struct stat *st, struct err *e)
{
	buf_auto again = BUF_INIT;

	*id = strtoll(name, NULL, 10);
	print_name(&again, *id);
	if (*id <= 0 || *id > KEY_MAX || strcmp(buf_text(&again), name) != 0)
		return -ENOENT;
	return waiting_get(m, *id, st, NULL, e);
}

int waiting_next(struct mount *m, int64_t after, int64_t *id, struct buf *name, struct err *e)
{
	int rc = after_following(m->saver, after, id, e);

	if (rc < 0 || *id == 0)
		return rc;
	print_name(name, *id);
	return 1;
}

int waiting_drop(struct mount *m, int64_t id, struct err *e)
{
	return after_drop(m->saver, id, e);
}
