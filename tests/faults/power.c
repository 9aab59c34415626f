/*
 * power.c - LD_PRELOADed into the daemon: keeps, in the file ROWFS_POWER, what every write to a database overwrote and
 * when it was synchronized, so that tool/power can take back what a power cut might have lost. Nothing waits for the
 * disk.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "power.h"

static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define real(type, name, ...)                                                                                          \
	static type (*next)(__VA_ARGS__);                                                                              \
	if (!next)                                                                                                     \
	next = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("ROWFS_POWER");
	log_fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
}

static bool watched(int fd, struct stat *st)
{
	return log_fd >= 0 && fd > 2 && fd != log_fd && fstat(fd, st) == 0 && S_ISREG(st->st_mode);
}

/* One write, so that a kill leaves whole entries. */
static void note(const struct power_entry *entry, const void *old)
{
	struct iovec parts[] = {{(void *)entry, sizeof *entry}, {(void *)old, (size_t)entry->len}};
	if (writev(log_fd, parts, 2) < 0)
		abort();
}

static void note_old(int fd, const struct stat *st, off64_t at, long n)
{
	char *old = calloc(1, (size_t)n + 1);
	ssize_t got = old ? pread(fd, old, (size_t)n, at) : -1;
	if (got < 0)
		abort();
	note(&(struct power_entry){POWER_WRITE, (long)st->st_ino, at, n}, old);
	free(old);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
	real(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
	struct stat st;
	if (!watched(fd, &st))
		return next(fd, data, n, at);
	pthread_mutex_lock(&lock);
	note_old(fd, &st, at, (long)n);
	ssize_t result = next(fd, data, n, at);
	pthread_mutex_unlock(&lock);
	return result;
}

int ftruncate64(int fd, off64_t size)
{
	real(int, "ftruncate64", int, off64_t);
	struct stat st;
	if (!watched(fd, &st) || size >= st.st_size)
		return next(fd, size);
	pthread_mutex_lock(&lock);
	note_old(fd, &st, size, st.st_size - size);
	int result = next(fd, size);
	pthread_mutex_unlock(&lock);
	return result;
}

static int sync_file(int fd)
{
	struct stat st;
	if (!watched(fd, &st))
		return 0;
	pthread_mutex_lock(&lock);
	note(&(struct power_entry){POWER_SYNC, (long)st.st_ino, 0, 0}, "");
	pthread_mutex_unlock(&lock);
	return 0;
}

int fsync(int fd)
{
	return sync_file(fd);
}

int fdatasync(int fd)
{
	return sync_file(fd);
}
