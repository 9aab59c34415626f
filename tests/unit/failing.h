/*
 * failing.h - the n-th allocation fails, for n = 1, 2, 3... until a run passes: once, and from then on always.
 *
 * The linker puts __wrap_malloc and the like in the place of what rowfs calls (Makefile); jansson and SQLite are told.
 * Loops that take long go on by several allocations; ROWFS_STEP=1 (`make soak`) takes every one.
 */
#ifndef ROWFS_TEST_FAILING_H
#define ROWFS_TEST_FAILING_H

#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

static long nth, countdown; /* 0: none fails */
static bool for_good, reached;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
char *__real_strdup(const char *text);
int __real_vasprintf(char **out, const char *fmt, va_list args);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
char *__wrap_strdup(const char *text);
int __wrap_vasprintf(char **out, const char *fmt, va_list args);
int __wrap_asprintf(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline bool fails(void)
{
	if (countdown == 0)
		return false;
	if (countdown > 1) {
		countdown--;
		return false;
	}
	reached = true;
	countdown = for_good;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(old, n, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

int __wrap_vasprintf(char **out, const char *fmt, va_list args)
{
	return fails() ? -1 : __real_vasprintf(out, fmt, args);
}

int __wrap_asprintf(char **out, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = __wrap_vasprintf(out, fmt, args);
	va_end(args);
	return n;
}

static sqlite3_mem_methods sqlite_memory;

static inline void *sqlite_malloc(int size)
{
	return fails() ? NULL : sqlite_memory.xMalloc(size);
}

static inline void *sqlite_realloc(void *old, int size)
{
	return fails() ? NULL : sqlite_memory.xRealloc(old, size);
}

static inline void wrap_libraries(void)
{
	sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory);
	sqlite3_mem_methods wrapped = sqlite_memory;
	wrapped.xMalloc = sqlite_malloc;
	wrapped.xRealloc = sqlite_realloc;
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &wrapped), SQLITE_OK);
	json_set_alloc_funcs(__wrap_malloc, free);
}

static inline long step(long otherwise)
{
	const char *text = getenv("ROWFS_STEP");
	return text ? atol(text) : otherwise;
}

/* Only what is called here fails: Check allocates too. */
#define failing(call)                                                                                                  \
	({                                                                                                             \
		countdown = nth;                                                                                       \
		int failing_result = (call);                                                                           \
		countdown = 0;                                                                                         \
		failing_result;                                                                                        \
	})

static inline void arm(long n, bool always)
{
	nth = n;
	for_good = always;
	reached = false;
}

/* Calls one() with the n-th allocation failing until it has none any more. */
static inline void for_every(long by, void (*one)(long n))
{
	for (int always = 0; always < 2; always++) {
		long n = 1;
		do {
			arm(n, always);
			one(n);
			n += by;
		} while (reached && n < 1000000);
		ck_assert(!reached);
		ck_assert_int_gt(n, 2 * by);
	}
}

#endif
