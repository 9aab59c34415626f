/*
 * stale.c - takes away the mount that a killed daemon has left.
 *
 * Every call on such a mountpoint is answered with ENOTCONN, so that nothing can be mounted there. Only a dead mount of
 * rowfs itself is taken away: what another filesystem left is its owner's.
 */
#include "stale.h"

#include <errno.h>
#include <mntent.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../store/buf.h"
#include "../store/log.h"

enum { MOST_STACKED = 16 };

extern char **environ;

static bool is_dead(const char *path)
{
	struct stat st;
	int rc = stat(path, &st);

	if (rc < 0 && errno == ECONNABORTED) /* it died while it was asked */
		rc = stat(path, &st);
	return rc < 0 && errno == ENOTCONN;
}

/* The path as the kernel lists it: realpath(3) looks at the last component, which is dead. */
static int listed_path(const char *mountpoint, struct buf *out)
{
	char *copy = strdup(mountpoint), *slash, *parent;

	if (!copy)
		return -ENOMEM;
	for (size_t len = strlen(copy); len > 1 && copy[len - 1] == '/';)
		copy[--len] = 0;
	slash = strrchr(copy, '/');
	if (slash)
		*slash = 0;
	parent = realpath(!slash ? "." : *copy ? copy : "/", NULL);
	if (parent)
		buf_printf(out, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, slash ? slash + 1 : copy);
	free(parent);
	free(copy);
	return parent && !buf_failed(out) ? 0 : -ENOENT;
}

static bool is_rowfs(const char *path)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	char line[8192];
	struct mntent entry;
	bool found = false;

	while (mounts && getmntent_r(mounts, &entry, line, sizeof(line)))
		if (strcmp(entry.mnt_dir, path) == 0)
			found = strcmp(entry.mnt_type, "fuse.rowfs") == 0; /* the last one is on top */
	if (mounts)
		endmntent(mounts);
	return found;
}

/* Without privileges as the one who mounted. */
static bool detach(const char *path)
{
	char *argv[] = {"fusermount3", "-uzq", "--", (char *)path, NULL};
	pid_t pid;
	int status;

	if (umount2(path, MNT_DETACH) == 0)
		return true;
	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
		return false;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return status == 0;
}

void stale_release(const char *mountpoint)
{
	for (int i = 0; i < MOST_STACKED && is_dead(mountpoint); i++) {
		buf_auto path = BUF_INIT;

		if (listed_path(mountpoint, &path) < 0 || !is_rowfs(buf_text(&path)) || !detach(buf_text(&path)))
			return;
		log_info("took away the mount that a killed rowfs left on %s", buf_text(&path));
	}
}
