/*
 * plan.c - the file through which faults.so is told what shall fail, and the names of kinds and errors.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faults.h"
#include "plan.h"

static const char *const kinds[FAULT_KINDS] = {"off",      "malloc", "read", "write",  "sync",
					       "truncate", "open",   "lock", "thread", "process"};

static const struct {
	const char *name;
	int code;
} errors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"ENOMEM", ENOMEM}, {"EMFILE", EMFILE},
	      {"EAGAIN", EAGAIN}, {"ENFILE", ENFILE}, {"EDQUOT", EDQUOT}};

static int error_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].code;
	fprintf(stderr, "unknown error %s\n", name);
	exit(2);
}

static int kind_by_name(const char *name)
{
	for (int kind = 0; kind < FAULT_KINDS; kind++)
		if (strcmp(kinds[kind], name) == 0)
			return kind;
	fprintf(stderr, "unknown kind %s\n", name);
	exit(2);
}

struct faults *faults_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(struct faults)) < 0) {
		perror(path);
		exit(2);
	}
	void *at = mmap(NULL, sizeof(struct faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED) {
		perror(path);
		exit(2);
	}
	return at;
}

void faults_arm(struct faults *f, const char *kind, long nth, const char *error, const char *mode)
{
	__atomic_store_n(&f->kind, FAULT_NONE, __ATOMIC_RELEASE);
	f->nth = nth;
	f->error = error_by_name(error);
	f->always = strcmp(mode, "always") == 0;
	f->seen = 0;
	__atomic_store_n(&f->kind, kind_by_name(kind), __ATOMIC_RELEASE);
}

long faults_off(struct faults *f)
{
	__atomic_store_n(&f->kind, FAULT_NONE, __ATOMIC_RELEASE);
	return __atomic_load_n(&f->seen, __ATOMIC_ACQUIRE);
}
