/*
 * faults.c - LD_PRELOADed into the daemon: the n-th call of one kind fails, once or from then on, as ROWFS_FAULTS, a
 * file that tool/fault writes, says. The file is mapped: it can be changed while the daemon runs, and costs nothing
 * else.
 *
 * The kernel's requests, which come by reads of /dev/fuse, and the log are left alone. Where all locks fail from then on
 * SQLite does not sleep between its tries: it counts them and not the time, which would be ten seconds a request.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "faults.h"

static struct faults *plan;

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("ROWFS_FAULTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (at != MAP_FAILED)
		plan = at;
}

static bool fails(enum fault_kind kind)
{
	struct faults *f = plan;
	if (!f || __atomic_load_n(&f->kind, __ATOMIC_ACQUIRE) != (int)kind)
		return false;
	long seen = __atomic_add_fetch(&f->seen, 1, __ATOMIC_ACQ_REL);
	if (seen != f->nth && !(f->always && seen > f->nth))
		return false;
	errno = f->error;
	return true;
}

static bool is_other(int fd)
{
	struct stat st;
	return fd <= 2 || fstat(fd, &st) < 0 || (S_ISCHR(st.st_mode) && major(st.st_rdev) == 10) ||
	       S_ISSOCK(st.st_mode);
}

static bool fails_on(enum fault_kind kind, int fd)
{
	return plan && plan->kind == (int)kind && !is_other(fd) && fails(kind);
}

/* ---- memory ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
	return fails(FAULT_MALLOC) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails(FAULT_MALLOC) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	return fails(FAULT_MALLOC) ? NULL : __libc_realloc(old, size);
}

/* ---- files ---- */

#define real(type, name, ...)                                                                                          \
	static type (*next)(__VA_ARGS__);                                                                              \
	if (!next)                                                                                                     \
	next = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t read(int fd, void *data, size_t n)
{
	real(ssize_t, "read", int, void *, size_t);
	return fails_on(FAULT_READ, fd) ? -1 : next(fd, data, n);
}

ssize_t pread64(int fd, void *data, size_t n, off64_t at)
{
	real(ssize_t, "pread64", int, void *, size_t, off64_t);
	return fails_on(FAULT_READ, fd) ? -1 : next(fd, data, n, at);
}

ssize_t write(int fd, const void *data, size_t n)
{
	real(ssize_t, "write", int, const void *, size_t);
	return fails_on(FAULT_WRITE, fd) ? -1 : next(fd, data, n);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
	real(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
	return fails_on(FAULT_WRITE, fd) ? -1 : next(fd, data, n, at);
}

int fsync(int fd)
{
	real(int, "fsync", int);
	return fails_on(FAULT_SYNC, fd) ? -1 : next(fd);
}

int fdatasync(int fd)
{
	real(int, "fdatasync", int);
	return fails_on(FAULT_SYNC, fd) ? -1 : next(fd);
}

int ftruncate64(int fd, off64_t size)
{
	real(int, "ftruncate64", int, off64_t);
	return fails_on(FAULT_TRUNCATE, fd) ? -1 : next(fd, size);
}

int open64(const char *path, int flags, ...)
{
	real(int, "open64", const char *, int, ...);
	va_list args;
	va_start(args, flags);
	int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
	va_end(args);
	return fails(FAULT_OPEN) ? -1 : next(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
	va_end(args);
	return open64(path, flags, mode);
}

int fcntl64(int fd, int command, ...)
{
	real(int, "fcntl64", int, int, ...);
	va_list args;
	va_start(args, command);
	void *argument = va_arg(args, void *);
	va_end(args);
	/* Giving a lock back never fails. */
	bool locks = (command == F_SETLK || command == F_OFD_SETLK) && ((struct flock *)argument)->l_type != F_UNLCK;
	return locks && fails_on(FAULT_LOCK, fd) ? -1 : next(fd, command, argument);
}

int usleep(useconds_t time)
{
	real(int, "usleep", useconds_t);
	const struct faults *f = plan;
	bool hopeless = f && __atomic_load_n(&f->kind, __ATOMIC_ACQUIRE) == FAULT_LOCK && f->always &&
			__atomic_load_n(&f->seen, __ATOMIC_ACQUIRE) >= f->nth;
	return hopeless ? 0 : next(time);
}

/* ---- descriptors, threads, processes ---- */

int pipe2(int ends[2], int flags)
{
	real(int, "pipe2", int[2], int);
	return fails(FAULT_OPEN) ? -1 : next(ends, flags);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *data)
{
	real(int, "pthread_create", pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	return fails(FAULT_THREAD) ? EAGAIN : next(thread, attr, run, data);
}

int clone(int (*run)(void *), void *stack, int flags, void *data, ...)
{
	real(int, "clone", int (*)(void *), void *, int, void *, ...);
	va_list args;
	va_start(args, data);
	void *parent = va_arg(args, void *), *tls = va_arg(args, void *), *child = va_arg(args, void *);
	va_end(args);
	return fails(FAULT_PROCESS) ? -1 : next(run, stack, flags, data, parent, tls, child);
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	real(int, "gettimeofday", struct timeval *, void *);
	int rc = next(out, zone);
	if (rc == 0 && plan)
		out->tv_sec += __atomic_load_n(&plan->clock_seconds, __ATOMIC_ACQUIRE);
	return rc;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	real(int, "clock_gettime", clockid_t, struct timespec *);
	int rc = next(clock, out);
	if (rc == 0 && plan && clock == CLOCK_REALTIME)
		out->tv_sec += __atomic_load_n(&plan->clock_seconds, __ATOMIC_ACQUIRE);
	return rc;
}
