/*
 * arena.c - blocks of zeroed memory, handed out piece by piece and freed together.
 *
 * Blocks double up to a bound; what is large gets a block of its own behind the newest, whose rest stays in use.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 64 << 10 };

struct arena_block {
	struct arena_block *next;
	_Alignas(max_align_t) char data[];
};

static struct arena_block *block_new(size_t size)
{
	if (size > SIZE_MAX - sizeof(struct arena_block))
		return NULL;
	return calloc(1, sizeof(struct arena_block) + size);
}

/* A block that holds only this, so that the newest one goes on. */
static void *alloc_apart(struct arena *a, size_t size)
{
	struct arena_block *block = block_new(size);

	if (!block)
		return NULL;
	block->next = a->blocks->next;
	a->blocks->next = block;
	return block->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = _Alignof(max_align_t);

	if (size > SIZE_MAX - align)
		return NULL;
	size = size ? (size + align - 1) / align * align : align;
	if (!a->blocks || size > a->size - a->used) {
		if (a->blocks && size > a->size / 4)
			return alloc_apart(a, size);
		size_t room = a->size < FIRST_BLOCK / 2 ? FIRST_BLOCK : a->size * 2;
		room = room > LARGEST_BLOCK ? LARGEST_BLOCK : room;
		room = room < size ? size : room;
		struct arena_block *block = block_new(room);
		if (!block)
			return NULL;
		block->next = a->blocks;
		*a = (struct arena){.blocks = block, .size = room};
	}
	void *piece = a->blocks->data + a->used;
	a->used += size;
	return piece;
}

char *arena_copy(struct arena *a, const void *data, size_t len)
{
	char *copy = len < SIZE_MAX ? arena_alloc(a, len + 1) : NULL;

	if (copy && len)
		memcpy(copy, data, len);
	return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *text = NULL;

	va_start(ap, fmt);
	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, ap);
	if (len >= 0)
		text = arena_alloc(a, (size_t)len + 1);
	if (text)
		vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return text;
}

void arena_join(struct arena *to, struct arena *from)
{
	struct arena_block **end = &to->blocks;

	if (!to->blocks)
		*to = *from;
	else {
		while (*end)
			end = &(*end)->next;
		*end = from->blocks;
	}
	*from = (struct arena)ARENA_INIT;
}

void arena_release(struct arena *a)
{
	for (struct arena_block *block = a->blocks, *next; block; block = next) {
		next = block->next;
		free(block);
	}
	*a = (struct arena)ARENA_INIT;
}
