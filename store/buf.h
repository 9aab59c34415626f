/*
 * buf.h - a growing byte buffer with a limit.
 *
 * Errors are sticky: after a failed allocation or a crossed limit every later call does nothing and buf_failed() says
 * so; check once, at the end. The content is followed by a NUL byte that is not counted.
 */
#ifndef ROWFS_BUF_H
#define ROWFS_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL while empty and never grown */
	size_t len;
	size_t cap;
	size_t limit; /* 0: none */
	bool failed;
	bool full; /* failed because of the limit */
};

#define BUF_INIT                                                                                                       \
	{                                                                                                              \
		0                                                                                                      \
	}
#define buf_auto __attribute__((cleanup(buf_release))) struct buf

void buf_add(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_fill(struct buf *b, char c, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for n more bytes; false when that fails. */
bool buf_grow(struct buf *b, size_t n);
/* What has room is within the limit: buf_grow sees to that. */
static inline bool buf_reserve(struct buf *b, size_t n)
{
	return (!b->failed && n < b->cap - b->len) || buf_grow(b, n);
}
static inline void buf_char(struct buf *b, char c)
{
	if (!buf_reserve(b, 1))
		return;
	b->data[b->len++] = c;
	b->data[b->len] = '\0';
}
/* Sets the length, filling with NUL bytes when it grows. */
void buf_resize(struct buf *b, size_t len);
/* Takes back what came behind that length, and that it failed. */
void buf_take_back(struct buf *b, size_t len);
void buf_reset(struct buf *b);   /* empty, memory kept */
void buf_release(struct buf *b); /* empty, memory freed, limit kept */
static inline bool buf_failed(const struct buf *b)
{
	return b->failed;
}
/* The content as a string; "" while empty. */
static inline const char *buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}

#endif
