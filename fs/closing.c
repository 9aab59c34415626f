/*
 * closing.c - a table by the kernel's number of the request.
 */
#include "closing.h"

#include <linux/fuse.h>

#include "await.h"
#include "by.h"
#include "handle.h"
#include "transaction.h"
#include "tree.h"
#include "watched.h"

/* What is behind the header, at least as long as the table says. */
struct body {
	uint64_t ino;
	const void *at;
	size_t len;
};

static void release(struct mount *m, const struct body *b)
{
	const struct fuse_release_in *in = b->at;
	struct handle *h = (struct handle *)(uintptr_t)in->fh;
	uint64_t ino = b->ino;

	if (!h) /* of the process that repeats changes (repeat.h) */
		return;
	m = mount_inside(m, &ino);
	if (tree_kind(node_decode(ino).kind)->awaits)
		await_forget(m, h);
	handle_close(m, h);
}

static void release_directory(struct mount *m, const struct body *b)
{
	const struct fuse_release_in *in = b->at;
	uint64_t ino = b->ino;

	m = mount_inside(m, &ino);
	by_place_close(m, (struct by_place *)(uintptr_t)in->fh);
}

/* Most numbers are computed: nothing is kept for the kernel's references. */
static void forget_number(struct mount *m, uint64_t ino, uint64_t lookups)
{
	if (node_is_inside(ino))
		transaction_forget(m, ino, lookups);
	else
		by_forget(m, ino, lookups);
	watched_forget(m, ino, lookups);
}

static void forget(struct mount *m, const struct body *b)
{
	const struct fuse_forget_in *in = b->at;

	forget_number(m, b->ino, in->nlookup);
}

static void forget_many(struct mount *m, const struct body *b)
{
	const struct fuse_batch_forget_in *in = b->at;
	const struct fuse_forget_one *each = (const void *)(in + 1);
	size_t room = (b->len - sizeof(*in)) / sizeof(*each);

	for (size_t i = 0; i < in->count && i < room; i++)
		forget_number(m, each[i].nodeid, each[i].nlookup);
}

static const struct {
	uint32_t opcode;
	size_t least;
	void (*take)(struct mount *m, const struct body *b);
} takes[] = {
    {FUSE_RELEASE, sizeof(struct fuse_release_in), release},
    {FUSE_RELEASEDIR, sizeof(struct fuse_release_in), release_directory},
    {FUSE_FORGET, sizeof(struct fuse_forget_in), forget},
    {FUSE_BATCH_FORGET, sizeof(struct fuse_batch_forget_in), forget_many},
};

void closing_take(struct mount *m, const void *request, size_t len)
{
	const struct fuse_in_header *header = request;
	const struct body body = {header->nodeid, header + 1, len - sizeof(*header)};

	for (size_t i = 0; len >= sizeof(*header) && i < sizeof(takes) / sizeof(takes[0]); i++)
		if (header->opcode == takes[i].opcode && body.len >= takes[i].least)
			takes[i].take(m, &body);
}
