/*
 * source.h - files of the source tree, for tests that read them.
 */
#ifndef ROWFS_TEST_SOURCE_H
#define ROWFS_TEST_SOURCE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../store/buf.h"

/* The place of a file of the source tree, from this file's own name or $ROWFS_SOURCE. */
static inline char *source_path(const char *name)
{
	const char *top = getenv("ROWFS_SOURCE");
	char *path = NULL;
	const char *slash = strrchr(__FILE__, '/');
	int rc = top ? asprintf(&path, "%s/%s", top, name)
		     : asprintf(&path, "%.*s../../%s", slash ? (int)(slash - __FILE__) + 1 : 0, __FILE__, name);

	ck_assert_int_gt(rc, 0);
	return path;
}

static inline void read_file(struct buf *b, const char *name)
{
	char *path = source_path(name);
	FILE *f = fopen(path, "r");

	ck_assert_msg(f != NULL, "%s can't be opened", path);
	for (int c; (c = getc(f)) != EOF;)
		buf_char(b, (char)c);
	fclose(f);
	free(path);
}

#endif
