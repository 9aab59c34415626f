/*
 * arena.h - memory that is freed at once, at the end of a save or a read.
 *
 * arena_alloc returns zeroed memory aligned for any type, or NULL when there is none.
 */
#ifndef ROWFS_ARENA_H
#define ROWFS_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *blocks;
	size_t used, size; /* of the newest block */
};

#define ARENA_INIT                                                                                                     \
	{                                                                                                              \
		0                                                                                                      \
	}
#define arena_auto __attribute__((cleanup(arena_release))) struct arena

void *arena_alloc(struct arena *a, size_t size);
/* A copy of len bytes with a NUL byte behind it. */
char *arena_copy(struct arena *a, const void *data, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What came from `from` belongs to `to` from here on, and goes with it. */
void arena_join(struct arena *to, struct arena *from);
void arena_release(struct arena *a);

#endif
