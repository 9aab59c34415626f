/*
 * fault.c - tells the daemon into which faults.so is loaded what shall fail.
 *
 *     fault FILE new                            makes the file
 *     fault FILE KIND N ERRNO once|always       the Nth call from now on; read, write, sync, truncate, open, lock,
 * malloc... fault FILE off                            nothing fails any more; prints how many calls there were fault
 * FILE clock SECONDS                  its clock is so much ahead
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../faults/faults.h"

static const char *const kinds[FAULT_KINDS] = {"off",      "malloc", "read", "write",  "sync",
					       "truncate", "open",   "lock", "thread", "process"};

static const struct {
	const char *name;
	int code;
} errors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"ENOMEM", ENOMEM}, {"EMFILE", EMFILE},
	      {"EAGAIN", EAGAIN}, {"ENFILE", ENFILE}, {"EDQUOT", EDQUOT}};

static int by_name(const char *name)
{
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].code;
	fprintf(stderr, "fault: unknown error %s\n", name);
	exit(2);
}

static enum fault_kind kind_by_name(const char *name)
{
	for (int kind = 0; kind < FAULT_KINDS; kind++)
		if (strcmp(kinds[kind], name) == 0)
			return kind;
	fprintf(stderr, "fault: unknown kind %s\n", name);
	exit(2);
}

static struct faults *map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(struct faults)) < 0) {
		perror(path);
		exit(2);
	}
	void *at = mmap(NULL, sizeof(struct faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		exit(2);
	return at;
}

static void arm(struct faults *f, char **argv)
{
	__atomic_store_n(&f->kind, FAULT_NONE, __ATOMIC_RELEASE);
	f->nth = atol(argv[1]);
	f->error = by_name(argv[2]);
	f->always = strcmp(argv[3], "always") == 0;
	f->seen = 0;
	__atomic_store_n(&f->kind, (int)kind_by_name(argv[0]), __ATOMIC_RELEASE);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	struct faults *f = map(argv[1]);
	if (strcmp(argv[2], "new") == 0)
		memset(f, 0, sizeof *f);
	else if (strcmp(argv[2], "clock") == 0 && argc == 4)
		__atomic_store_n(&f->clock_seconds, atol(argv[3]), __ATOMIC_RELEASE);
	else if (strcmp(argv[2], "off") == 0) {
		__atomic_store_n(&f->kind, FAULT_NONE, __ATOMIC_RELEASE);
		printf("%ld\n", __atomic_load_n(&f->seen, __ATOMIC_ACQUIRE));
	} else if (argc == 6)
		arm(f, argv + 2);
	else
		return 2;
	return 0;
}
