/*
 * actor_call.c - how each call is made: a function per kind, which gives what the system call gave or a negative errno.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "actor.h"

static void directory_of(const struct actor *a, const struct call *c, int model, char *out, size_t size)
{
	char txn[40] = "";

	if (c->txn)
		snprintf(txn, sizeof(txn), "/.txn/t%d_%d", names_worker(), c->txn);
	snprintf(out, size, "%s%s%s%s", a->mount, txn, model < 0 ? "" : "/", model < 0 ? "" : models[model].name);
}

static int outcome(long result)
{
	return result < 0 ? -errno : (int)result;
}

/* ---- descriptors ---- */

static int do_open(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	int fd = open(a->path, c->flags | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return -errno;
	if (a->slots[c->slot] >= 0) /* in a crowd nobody knows which calls succeed */
		close(a->slots[c->slot]);
	a->slots[c->slot] = fd;
	return 0;
}

static int do_close(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	int rc = outcome(close(a->slots[c->slot]));

	a->slots[c->slot] = -1;
	return rc;
}

static int do_dup(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	a->slots[c->slot2] = dup(a->slots[c->slot]);
	return a->slots[c->slot2] < 0 ? -errno : 0;
}

static int do_dup_close(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	int fd = dup(a->slots[c->slot]);

	return fd < 0 ? -errno : outcome(close(fd));
}

/* All that it has inherited it closes, the one asked for first. */
static void end_child(struct actor *a, const struct call *c)
{
	int rc = outcome(close(a->slots[c->slot]));

	for (int i = 0; i < SLOTS; i++)
		if (i != c->slot && a->slots[i] >= 0)
			close(a->slots[i]);
	_exit(-rc);
}

static int do_child_close(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		end_child(a, c);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

static int do_write(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	if (c->kind == CALL_PWRITE)
		return outcome(pwrite(a->slots[c->slot], a->desk->payload, c->len, c->offset));
	return outcome(write(a->slots[c->slot], a->desk->payload, c->len));
}

static int do_read(struct actor *a, const struct call *c, struct got *got)
{
	ssize_t n;

	if (c->kind == CALL_PREAD)
		n = pread(a->slots[c->slot], got->data, c->len, c->offset);
	else
		n = read(a->slots[c->slot], got->data, c->len);
	got->len = n > 0 ? (size_t)n : 0;
	return outcome(n);
}

static int do_seek(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	return outcome(lseek(a->slots[c->slot], c->offset, c->flags));
}

static int do_ftruncate(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	return outcome(ftruncate(a->slots[c->slot], c->offset));
}

static int do_fallocate(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	return outcome(fallocate(a->slots[c->slot], 0, c->offset, 100));
}

static int do_fsync(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	return outcome(c->flags ? fdatasync(a->slots[c->slot]) : fsync(a->slots[c->slot]));
}

static int do_fstat(struct actor *a, const struct call *c, struct got *got)
{
	return outcome(fstat(a->slots[c->slot], &got->st));
}

/* ---- names ---- */

static int do_stat(struct actor *a, const struct call *c, struct got *got)
{
	(void)c;
	return outcome(lstat(a->path, &got->st));
}

static int do_truncate(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	return outcome(truncate(a->path, c->offset));
}

static int do_rename(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	return outcome(renameat2(AT_FDCWD, a->path, AT_FDCWD, a->path2, (unsigned)c->flags));
}

static int do_link(struct actor *a, const struct call *c, struct got *got)
{
	(void)c, (void)got;
	return outcome(link(a->path, a->path2));
}

static int do_symlink(struct actor *a, const struct call *c, struct got *got)
{
	(void)c, (void)got;
	return outcome(symlink(a->desk->payload, a->path));
}

static int do_readlink(struct actor *a, const struct call *c, struct got *got)
{
	(void)c;
	ssize_t n = readlink(a->path, got->data, sizeof(got->data));

	got->len = n > 0 ? (size_t)n : 0;
	return outcome(n);
}

static int do_unlink(struct actor *a, const struct call *c, struct got *got)
{
	(void)c, (void)got;
	return outcome(unlink(a->path));
}

static int do_mkdir(struct actor *a, const struct call *c, struct got *got)
{
	(void)c, (void)got;
	return outcome(mkdir(a->path, 0755));
}

static int do_chmod(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	return outcome(chmod(a->path, (mode_t)c->flags));
}

static int do_chown(struct actor *a, const struct call *c, struct got *got)
{
	(void)c, (void)got;
	return outcome(lchown(a->path, geteuid(), getegid()));
}

static int do_times(struct actor *a, const struct call *c, struct got *got)
{
	struct timespec t = {c->offset / 1000000000, c->offset % 1000000000};

	(void)got;
	return outcome(utimensat(AT_FDCWD, a->path, (struct timespec[2]){t, t}, AT_SYMLINK_NOFOLLOW));
}

static int do_access(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	return outcome(access(a->path, c->flags));
}

static int do_setxattr(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	return outcome(setxattr(a->path, "user.test", a->desk->payload, c->len, 0));
}

static int do_getxattr(struct actor *a, const struct call *c, struct got *got)
{
	(void)c;
	ssize_t n = getxattr(a->path, "user.test", got->data, sizeof(got->data));

	got->len = n > 0 ? (size_t)n : 0;
	return outcome(n);
}

static int do_removexattr(struct actor *a, const struct call *c, struct got *got)
{
	(void)c, (void)got;
	return outcome(removexattr(a->path, "user.test"));
}

/* ---- whole files ---- */

static int do_cat(struct actor *a, const struct call *c, struct got *got)
{
	int fd = open(a->path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (got->len + c->len < sizeof(got->data) && (n = read(fd, got->data + got->len, c->len)) > 0)
		got->len += (size_t)n;
	int rc = n < 0 ? -errno : (int)got->len;
	return close(fd) < 0 && rc >= 0 ? -errno : rc;
}

static int map(int fd, struct got *got)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		return 0;
	char *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	memcpy(got->data, bytes, (size_t)st.st_size);
	bytes[0] = '!'; /* the process's own */
	munmap(bytes, (size_t)st.st_size);
	got->len = (size_t)st.st_size;
	return (int)got->len;
}

static int do_map(struct actor *a, const struct call *c, struct got *got)
{
	int fd = open(a->path, O_RDONLY | O_CLOEXEC), rc;

	(void)c;
	if (fd < 0)
		return -errno;
	rc = map(fd, got);
	return close(fd) < 0 ? -errno : rc;
}

static int do_send(struct actor *a, const struct call *c, struct got *got)
{
	int fd = open(a->path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = fstat(fd, &got->st) < 0 ? -errno : outcome(sendfile(a->slots[c->slot], fd, NULL, 65536));
	close(fd);
	return rc;
}

static int do_map_shared(struct actor *a, const struct call *c, struct got *got)
{
	int fd = open(a->path, O_RDWR | O_CLOEXEC), rc = 0;

	(void)c, (void)got;
	if (fd < 0)
		return -errno;
	void *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		rc = -errno;
	else
		munmap(bytes, 4096);
	close(fd);
	return rc;
}

static int do_list(struct actor *a, const struct call *c, struct got *got)
{
	struct dirent *entry;
	DIR *d;

	directory_of(a, c, c->model, a->path, sizeof(a->path));
	if (!(d = opendir(a->path)))
		return -errno;
	while ((errno = 0, entry = readdir(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			got->len += (size_t)sprintf(got->data + got->len, "%s\n", entry->d_name);
	int rc = -errno;
	closedir(d);
	return rc;
}

static int do_statfs(struct actor *a, const struct call *c, struct got *got)
{
	struct statvfs st;

	(void)c, (void)got;
	return statvfs(a->mount, &st) < 0 ? -errno : (int)(st.f_files - st.f_ffree);
}

/* ---- transactions ---- */

static void set_txn_path(struct actor *a, const struct call *c, const char *name)
{
	directory_of(a, c, -1, a->path, sizeof(a->path));
	strcat(a->path, name);
}

static int do_make(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	set_txn_path(a, c, "");
	return outcome(mkdir(a->path, 0777));
}

static int do_drop(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	set_txn_path(a, c, "");
	return outcome(rmdir(a->path));
}

static int do_state(struct actor *a, const struct call *c, struct got *got)
{
	struct call whole = {.len = 4096};

	set_txn_path(a, c, "/ctl");
	return do_cat(a, &whole, got);
}

/* And what became of each change. */
static int do_commit(struct actor *a, const struct call *c, struct got *got)
{
	const char *word = c->flags ? "abort\n" : "commit\n";
	struct call whole = {.len = 65536};
	int fd, rc;

	set_txn_path(a, c, "/ctl");
	if ((fd = open(a->path, O_WRONLY | O_TRUNC | O_CLOEXEC)) < 0)
		return -errno;
	rc = write(fd, word, strlen(word)) < 0 ? -errno : 0;
	close(fd);
	set_txn_path(a, c, "/answer.json");
	if (rc == 0 && !c->flags)
		rc = do_cat(a, &whole, got);
	return rc > 0 ? 0 : rc;
}

static int do_reserve(struct actor *a, const struct call *c, struct got *got)
{
	struct call whole = {.len = 4096};

	directory_of(a, c, c->model, a->path, sizeof(a->path));
	strcat(a->path, "/.new");
	int rc = do_cat(a, &whole, got);
	return rc > 0 ? 0 : rc;
}

/* ---- places in a model's directory ---- */

static void set_link_path(const struct actor *a, const struct call *c, int value, char path[ACTOR_PATH])
{
	struct field_place place = value_field();
	const struct field *f = &models[place.model].fields[place.field];
	char name[32], directory[ACTOR_PATH];

	directory_of(a, c, place.model, directory, sizeof(directory));
	value_name(model_number(f->references), value, name);
	snprintf(path, ACTOR_PATH, "%.400s/.by/%s/%s/%s", directory, f->name, name,
		 name_of(place.model, c->name)->text);
}

static int do_value(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	set_link_path(a, c, c->flags, a->path);
	set_link_path(a, c, (int)c->offset, a->path2);
	return outcome(rename(a->path, a->path2));
}

static int do_import(struct actor *a, const struct call *c, struct got *got)
{
	(void)got;
	directory_of(a, c, c->model, a->path, sizeof(a->path));
	strcat(a->path, "/.import");
	int fd = open(a->path, O_WRONLY | O_CLOEXEC), rc;
	if (fd < 0)
		return -errno;
	rc = write(fd, a->desk->payload, c->len) < 0 ? -errno : 0;
	int closed = outcome(close(fd));
	return rc < 0 ? rc : closed;
}

static int (*const doings[CALL_KINDS])(struct actor *, const struct call *, struct got *) = {
    [CALL_OPEN] = do_open,
    [CALL_CLOSE] = do_close,
    [CALL_DUP_CLOSE] = do_dup_close,
    [CALL_CHILD_CLOSE] = do_child_close,
    [CALL_FSYNC] = do_fsync,
    [CALL_DUP] = do_dup,
    [CALL_WRITE] = do_write,
    [CALL_PWRITE] = do_write,
    [CALL_READ] = do_read,
    [CALL_PREAD] = do_read,
    [CALL_SEEK] = do_seek,
    [CALL_SEND] = do_send,
    [CALL_FTRUNCATE] = do_ftruncate,
    [CALL_FALLOCATE] = do_fallocate,
    [CALL_FSTAT] = do_fstat,
    [CALL_STAT] = do_stat,
    [CALL_TRUNCATE] = do_truncate,
    [CALL_RENAME] = do_rename,
    [CALL_LINK] = do_link,
    [CALL_SYMLINK] = do_symlink,
    [CALL_READLINK] = do_readlink,
    [CALL_UNLINK] = do_unlink,
    [CALL_MKDIR] = do_mkdir,
    [CALL_LIST] = do_list,
    [CALL_CHMOD] = do_chmod,
    [CALL_CHOWN] = do_chown,
    [CALL_TIMES] = do_times,
    [CALL_SETXATTR] = do_setxattr,
    [CALL_GETXATTR] = do_getxattr,
    [CALL_REMOVEXATTR] = do_removexattr,
    [CALL_MAP] = do_map,
    [CALL_CAT] = do_cat,
    [CALL_MAP_SHARED] = do_map_shared,
    [CALL_STATFS] = do_statfs,
    [CALL_ACCESS] = do_access,
    [CALL_MAKE] = do_make,
    [CALL_DROP] = do_drop,
    [CALL_STATE] = do_state,
    [CALL_COMMIT] = do_commit,
    [CALL_RESERVE] = do_reserve,
    [CALL_VALUE] = do_value,
    [CALL_IMPORT] = do_import,
};

static void set_path(const struct actor *a, const struct call *c, int model, int name, char path[ACTOR_PATH])
{
	directory_of(a, c, model, path, ACTOR_PATH);
	strcat(path, "/");
	strcat(path, name_of(model, name)->text);
}

int actor_do(struct actor *a, const struct call *c, struct got *got)
{
	set_path(a, c, c->model, c->name, a->path);
	set_path(a, c, c->model2, c->name2, a->path2);
	got->len = 0;
	return doings[c->kind](a, c, got);
}
