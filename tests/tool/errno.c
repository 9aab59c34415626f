/*
 * errno.c - makes system calls one after the other and names the error of each that fails.
 *
 *     errno open orders/1.json wct : write '{' : close
 *     close: EBADMSG
 *
 * Steps are separated by ":" and share one descriptor. A step that fails prints "NAME: ERRNO"; what a step reads is
 * printed; "ok" is printed when nothing else was. Shells and tools hide which call failed and how; tests need to know.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int fd = -1;
static const char *separator = "";

static const char *flag_letters(void)
{
	return "r read, w write, b both, c create, t truncate, x exclusive, a append";
}

static int flags_of(const char *letters)
{
	int flags = 0;
	for (; *letters; letters++) {
		switch (*letters) {
		case 'w':
			flags |= O_WRONLY;
			break;
		case 'b':
			flags |= O_RDWR;
			break;
		case 'c':
			flags |= O_CREAT;
			break;
		case 't':
			flags |= O_TRUNC;
			break;
		case 'x':
			flags |= O_CREAT | O_EXCL;
			break;
		case 'a':
			flags |= O_APPEND;
			break;
		}
	}
	return flags;
}

static int print(const char *text, ssize_t len)
{
	if (len < 0)
		return -1;
	printf("%s%.*s", separator, (int)len, text);
	separator = ", ";
	return 0;
}

static int step_open(char **args)
{
	fd = open(args[0], flags_of(args[1]), 0644);
	return fd < 0 ? -1 : 0;
}

static int step_write(char **args)
{
	ssize_t written = write(fd, args[0], strlen(args[0]));
	return written < 0 ? -1 : 0;
}

static int step_pwrite(char **args)
{
	ssize_t written = pwrite(fd, args[1], strlen(args[1]), atoll(args[0]));
	return written < 0 ? -1 : 0;
}

/* COUNT bytes of blanks behind what was written so far, in pieces of 64 KiB. */
static int step_blanks(char **args)
{
	static char blanks[1 << 16];
	memset(blanks, ' ', sizeof blanks);
	for (long long left = atoll(args[0]); left > 0; left -= sizeof blanks) {
		size_t n = left < (long long)sizeof blanks ? (size_t)left : sizeof blanks;
		if (write(fd, blanks, n) < 0)
			return -1;
	}
	return 0;
}

static int step_read(char **args)
{
	static char text[1 << 20];
	(void)args;
	return print(text, read(fd, text, sizeof text));
}

static int step_rewind(char **args)
{
	(void)args;
	return lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

static int step_size(char **args)
{
	struct stat st;
	char text[32];
	(void)args;
	if (fstat(fd, &st))
		return -1;
	return print(text, snprintf(text, sizeof text, "%lld", (long long)st.st_size));
}

static int step_fsync(char **args)
{
	(void)args;
	return fsync(fd);
}

static int step_close(char **args)
{
	(void)args;
	return close(fd);
}

/* What the exit of a child does to a descriptor it inherited. */
static int step_dupclose(char **args)
{
	(void)args;
	return close(dup(fd));
}

static int step_ftruncate(char **args)
{
	return ftruncate(fd, atoll(args[0]));
}

static int step_truncate(char **args)
{
	return truncate(args[0], atoll(args[1]));
}

static int step_allocate(char **args)
{
	return fallocate(fd, 0, 0, atoll(args[0]));
}

static int step_map(char **args)
{
	(void)args;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0;
}

static int step_private(char **args)
{
	struct stat st;
	(void)args;
	if (fstat(fd, &st))
		return -1;
	char *text = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	return text == MAP_FAILED ? -1 : print(text, st.st_size);
}

static int step_rename(char **args)
{
	return rename(args[0], args[1]);
}

static int step_noreplace(char **args)
{
	return renameat2(AT_FDCWD, args[0], AT_FDCWD, args[1], RENAME_NOREPLACE);
}

static int step_exchange(char **args)
{
	return renameat2(AT_FDCWD, args[0], AT_FDCWD, args[1], RENAME_EXCHANGE);
}

static int step_link(char **args)
{
	return link(args[0], args[1]);
}

static int step_symlink(char **args)
{
	return symlink(args[0], args[1]);
}

static int step_unlink(char **args)
{
	return unlink(args[0]);
}

static int step_mkdir(char **args)
{
	return mkdir(args[0], 0755);
}

static int step_rmdir(char **args)
{
	return rmdir(args[0]);
}

static int step_mknod(char **args)
{
	return mknod(args[0], S_IFIFO | 0644, 0);
}

static int step_chmod(char **args)
{
	return chmod(args[0], 0600);
}

static int step_touch(char **args)
{
	return utimensat(AT_FDCWD, args[0], NULL, 0);
}

static int step_stat(char **args)
{
	struct stat st;
	return lstat(args[0], &st);
}

static int step_xattr(char **args)
{
	static char text[1 << 16];
	return print(text, getxattr(args[0], args[1], text, sizeof text));
}

static const struct step {
	const char *name;
	int arguments;
	int (*run)(char **args);
} steps[] = {
    {"open", 2, step_open},           {"write", 1, step_write},
    {"pwrite", 2, step_pwrite},       {"blanks", 1, step_blanks},
    {"read", 0, step_read},           {"rewind", 0, step_rewind},
    {"size", 0, step_size},           {"fsync", 0, step_fsync},
    {"close", 0, step_close},         {"dupclose", 0, step_dupclose},
    {"ftruncate", 1, step_ftruncate}, {"truncate", 2, step_truncate},
    {"allocate", 1, step_allocate},   {"map", 0, step_map},
    {"private", 0, step_private},     {"rename", 2, step_rename},
    {"noreplace", 2, step_noreplace}, {"exchange", 2, step_exchange},
    {"link", 2, step_link},           {"symlink", 2, step_symlink},
    {"unlink", 1, step_unlink},       {"mkdir", 1, step_mkdir},
    {"rmdir", 1, step_rmdir},         {"mknod", 1, step_mknod},
    {"chmod", 1, step_chmod},         {"touch", 1, step_touch},
    {"stat", 1, step_stat},           {"xattr", 2, step_xattr},
};

static const struct step *step_named(const char *name)
{
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (!strcmp(steps[i].name, name))
			return &steps[i];
	return NULL;
}

static int usage(const char *why)
{
	fprintf(stderr, "errno: %s\nflags of open: %s\nsteps:", why, flag_letters());
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		fprintf(stderr, " %s", steps[i].name);
	fprintf(stderr, "\n");
	return 64;
}

int main(int argc, char **argv)
{
	for (int at = 1; at < argc; at++) {
		const struct step *step = step_named(argv[at]);
		if (!step || at + step->arguments >= argc)
			return usage(argv[at]);
		if (step->run(argv + at + 1)) {
			printf("%s%s: %s", separator, step->name, strerrorname_np(errno));
			separator = ", ";
		}
		at += step->arguments + 1;
		if (at < argc && strcmp(argv[at], ":"))
			return usage("steps are separated by :");
	}
	puts(*separator ? "" : "ok");
	return 0;
}
