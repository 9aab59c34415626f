/*
 * temporary.h - where tests make their files: in TMPDIR, which tests/run makes for each and takes away whatever happens.
 */
#ifndef ROWFS_TEST_TEMPORARY_H
#define ROWFS_TEST_TEMPORARY_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static inline void temporary_directory(char *path, size_t size)
{
	const char *base = getenv("TMPDIR");
	int len = snprintf(path, size, "%s/rowfs-XXXXXX", base && *base ? base : "/tmp");
	ck_assert_int_lt(len, (int)size);
	ck_assert_ptr_nonnull(mkdtemp(path));
}

#endif
