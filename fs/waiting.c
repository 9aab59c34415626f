/*
 * waiting.c - the directory .after/.
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

int waiting_show(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		 struct err *e)
{
	buf_auto own = BUF_INIT;
	struct buf *text = out ? out : &own;
	struct timespec created;
	int rc = after_show(m->saver, node->serial, text, &created, e);

	(void)who;
	if (rc == 0)
		mount_text_stat(st, node_waiting(node->serial), 0600, m->uid, text->len, &created);
	return rc;
}

int waiting_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		 struct entry *out, struct err *e)
{
	struct node node = {.kind = NODE_WAITING, .serial = strtoll(name, NULL, 10)};
	buf_auto again = BUF_INIT;

	(void)dir, (void)a;
	print_name(&again, node.serial);
	if (node.serial <= 0 || node.serial > KEY_MAX || strcmp(buf_text(&again), name) != 0)
		return 0;
	int rc = waiting_show(m, &node, who, &out->st, NULL, e);
	return dir_found(out, ENTRY_SHOWN, rc, e);
}

int waiting_list(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	int64_t id = off < LISTING_FIRST ? 0 : off - LISTING_FIRST;
	int rc;

	(void)dir;
	while ((rc = after_following(l->m->saver, id, &id, e)) == 0 && id != 0) {
		struct stat st = {.st_ino = node_waiting(id), .st_mode = S_IFREG};
		buf_auto name = BUF_INIT;

		print_name(&name, id);
		if (!listing_add(l, buf_text(&name), &st, id + LISTING_FIRST))
			break;
	}
	return rc;
}

int waiting_remove(struct mount *m, const struct node *node, const struct actor *who, struct err *e)
{
	(void)who;
	return after_drop(m->saver, node->serial, e);
}
