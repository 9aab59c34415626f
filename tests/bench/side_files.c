/*
 * side_files.c - records as files in a directory: those of a rowfs mount, and plain files on the disk.
 *
 * The system calls are what `echo > f`, write-file-atomic, cat, rm, ls -U and ls -l make. With `sync` a save also makes
 * the file and its directory durable, which a save on rowfs is when it returns.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

static void name_of(char name[64], long key)
{
	snprintf(name, 64, "%ld.json", key);
}

static int files_attach(struct client *c)
{
	c->files.directory = open(c->side->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return c->files.directory < 0 ? -errno : 0;
}

static int files_enter(struct client *c, const char *directory)
{
	int fd = open(*directory ? directory : c->side->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(c->files.directory);
	c->files.directory = fd;
	return 0;
}

static void files_detach(struct client *c)
{
	close(c->files.directory);
}

static int sync_directory(struct client *c)
{
	return c->side->sync && fsync(c->files.directory) ? -errno : 0;
}

/* The errors of write, fsync and close all count: a save may be refused at each. */
static int write_file(struct client *c, const char *name, int flags, const struct document *d)
{
	size_t len = document_print(d, c->text);
	int file = openat(c->files.directory, name, O_WRONLY | O_CLOEXEC | flags, 0644), result = 0;
	if (file < 0)
		return -errno;
	ssize_t written = write(file, c->text, len);
	if (written != (ssize_t)len)
		result = written < 0 ? -errno : -EIO;
	if (!result && c->side->sync && fsync(file))
		result = -errno;
	if (close(file) && !result)
		result = -errno;
	return result;
}

static int files_create(struct client *c, const struct document *d)
{
	char name[64];
	name_of(name, d->key);
	int result = write_file(c, name, O_CREAT | O_TRUNC, d);
	return result ? result : sync_directory(c);
}

static int files_update(struct client *c, const struct document *d)
{
	char name[64];
	name_of(name, d->key);
	return write_file(c, name, O_TRUNC, d);
}

static int files_rename(struct client *c, const struct document *d)
{
	char name[64], temporary[96];
	name_of(name, d->key);
	snprintf(temporary, sizeof temporary, "%s.%d%06ld", name, c->index + 1, d->revision % 1000000);
	int result = write_file(c, temporary, O_CREAT | O_EXCL, d);
	if (!result && renameat(c->files.directory, temporary, c->files.directory, name))
		result = -errno;
	return result ? result : sync_directory(c);
}

static int files_delete(struct client *c, const struct document *d)
{
	char name[64];
	name_of(name, d->key);
	return unlinkat(c->files.directory, name, 0) ? -errno : sync_directory(c);
}

/* As cat reads: until read returns 0. */
static long read_file(struct client *c, int directory, const char *name)
{
	int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	size_t len = 0;
	ssize_t n;
	while ((n = read(file, c->text + len, sizeof c->text - 1 - len)) > 0)
		len += (size_t)n;
	long result = n < 0 ? -errno : 0;
	close(file);
	c->text[len] = '\0';
	return result;
}

static long files_read(struct client *c, long key)
{
	char name[64];
	name_of(name, key);
	long result = read_file(c, c->files.directory, name);
	return result ? result : document_revision(c->text);
}

static long visit(struct client *c, int directory, enum op op, const char *name)
{
	struct stat st;
	if (op == OP_LIST_STAT)
		return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
	return op == OP_LIST_READ ? read_file(c, directory, name) : 0;
}

static long files_list(struct client *c, enum op op, uint64_t deadline)
{
	DIR *directory = opendir(c->side->path);
	if (!directory)
		return -errno;
	long n = 0, result = 0;
	struct dirent *entry;
	errno = 0;
	while (!result && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		result = visit(c, dirfd(directory), op, entry->d_name);
		n++;
		if (deadline && n % 64 == 0 && clock_now() > deadline)
			break;
		errno = 0;
	}
	if (!result && !entry && errno)
		result = -errno;
	closedir(directory);
	return result ? result : n;
}

const struct side_ops files_ops = {
    .attach = files_attach,
    .enter = files_enter,
    .detach = files_detach,
    .save = {[OP_CREATE] = files_create,
	     [OP_UPDATE] = files_update,
	     [OP_RENAME] = files_rename,
	     [OP_READ_AFTER_SAVE] = files_update,
	     [OP_DELETE] = files_delete},
    .read = files_read,
    .list = files_list,
};
