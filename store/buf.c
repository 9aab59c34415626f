/*
 * buf.c - a byte buffer that doubles when it is full.
 *
 * A call that can't be carried out whole leaves the content as it was and marks the buffer failed; buf_take_back,
 * buf_reset and buf_release clear the mark.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

enum { FIRST_CAP = 256 };

static bool fail(struct buf *b)
{
	b->failed = true;
	return false;
}

bool buf_grow(struct buf *b, size_t n)
{
	if (b->failed)
		return false;
	if (n >= SIZE_MAX - b->len || (b->limit && n > b->limit - (b->len < b->limit ? b->len : b->limit))) {
		b->full = true;
		return fail(b);
	}
	size_t need = b->len + n + 1;
	if (need <= b->cap)
		return true;
	size_t cap = b->cap ? b->cap : FIRST_CAP;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (b->limit && cap > b->limit + 1)
		cap = b->limit + 1;
	char *data = realloc(b->data, cap);
	if (!data)
		return fail(b);
	b->data = data;
	b->cap = cap;
	data[b->len] = '\0';
	return true;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (len == 0 || !buf_reserve(b, len))
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_fill(struct buf *b, char c, size_t n)
{
	if (n == 0 || !buf_reserve(b, n))
		return;
	memset(b->data + b->len, c, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;

	if (b->failed)
		return;
	va_start(ap, fmt);
	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, ap);
	if (len < 0)
		fail(b);
	else if (len > 0 && buf_reserve(b, (size_t)len))
		b->len += (size_t)vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
	va_end(again);
	va_end(ap);
}

void buf_resize(struct buf *b, size_t len)
{
	if (b->failed)
		return;
	if (len > b->len) {
		buf_fill(b, '\0', len - b->len);
	} else if (b->data) {
		b->len = len;
		b->data[len] = '\0';
	}
}

void buf_take_back(struct buf *b, size_t len)
{
	b->failed = b->full = false;
	buf_resize(b, len);
}

void buf_reset(struct buf *b)
{
	buf_take_back(b, 0);
}

void buf_release(struct buf *b)
{
	size_t limit = b->limit;

	free(b->data);
	*b = (struct buf){.limit = limit};
}
