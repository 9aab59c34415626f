/*
 * sqlite_hold.c - only one rowfs at a time saves to a database: two would run its jobs and after_commit programs twice.
 *
 * The hold is a lock of an open file description (F_OFD_SETLK) on the database itself, so that it is the same by every
 * path, and gone when the process is, however it ends. Its bytes lie behind all that SQLite reads, writes or locks.
 * Where it begins and ends tells others who holds it: the byte HOLD and as many as the process id behind it; the byte
 * before HOLD too, once the mount has ended and only programs are waited for.
 *
 * The descriptor is opened before SQLite's and closed after them: closing one takes SQLite's own locks away, which
 * belong to the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "sqlite.h"

#define HOLD ((off_t)1 << 56) /* no database is that long */

struct holder {
	long long pid;
	bool ending;
};

static int lock_bytes(int fd, int command, struct flock *lock)
{
	lock->l_type = F_WRLCK;
	lock->l_whence = SEEK_SET;
	lock->l_pid = 0;
	int rc = fcntl(fd, command, lock);
	return rc < 0 ? -errno : 0;
}

/* 1: it is ours; 0: *other has it. */
static int try_hold(int fd, struct holder *other)
{
	struct flock mine = {.l_start = HOLD, .l_len = getpid()}, found = {.l_start = HOLD, .l_len = 1};
	int rc = lock_bytes(fd, F_OFD_SETLK, &mine);
	if (rc != -EAGAIN && rc != -EACCES)
		return rc < 0 ? rc : 1;
	rc = lock_bytes(fd, F_OFD_GETLK, &found);
	if (rc == 0 && found.l_type != F_UNLCK) /* else it has just been released */
		*other = (struct holder){found.l_start + found.l_len - HOLD, found.l_start < HOLD};
	return rc;
}

/* umount(8) returns before the daemon has noticed, and that may still wait for jobs. */
static int wait_for(int fd, const char *path, struct err *e)
{
	static const struct timespec pause = {0, 20 * 1000 * 1000};
	struct holder other = {0, false};
	long long start = monotonic_ms();
	bool told = false;
	for (int rc; (rc = try_hold(fd, &other)) <= 0; nanosleep(&pause, NULL)) {
		if (rc < 0)
			return err_set(e, err_clamp(-rc), "%s can't be locked: %s", path, strerror(-rc));
		long long waited = monotonic_ms() - start;
		if (waited > (other.ending ? TIMEOUT_ENDING_MS : TIMEOUT_HELD_MS))
			return err_set(e, EBUSY,
				       "%s is mounted by another rowfs, process %lld; unmount that, or mount with -o "
				       "ro to read only",
				       path, other.pid);
		if (waited > TIMEOUT_HELD_MS && !told)
			log_info("waiting for the programs of process %lld, which had %s mounted", other.pid, path);
		told = waited > TIMEOUT_HELD_MS;
	}
	return 0;
}

int store_hold(struct store *s, struct err *e)
{
	const char *path = s->schema->database;
	s->hold_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
	if (s->hold_fd < 0) {
		int code = errno;
		bool readable = code != EISDIR && access(path, R_OK) == 0;
		return err_set(e, err_clamp(code), "%s can't be opened%s: %s%s", path, readable ? " for writing" : "",
			       strerror(code), readable ? "; mount with -o ro to read only" : "");
	}
	return wait_for(s->hold_fd, path, e);
}

/*
 * A save to a file that has been removed or replaced would be gone with the mount. As that can happen between looking
 * and the commit too, nothing is lost by not looking again for a millisecond.
 */
int conn_check_place(struct conn *c, struct err *e)
{
	int moved = 0;
	int64_t now = monotonic_ns();
	if (c->store->memory || now - c->in_place_ns < PLACE_NS)
		return 0;
	if (sqlite3_file_control(c->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) || !moved) {
		c->in_place_ns = now;
		return 0;
	}
	return err_set(e, EIO, "%s was moved, removed or replaced while it was mounted; put it back or mount again",
		       c->store->schema->database);
}

void store_hold_ending(int fd)
{
	struct flock before = {.l_start = HOLD - 1, .l_len = 1};
	if (fd >= 0)
		lock_bytes(fd, F_OFD_SETLK, &before);
}

void store_ending(struct store *s)
{
	store_hold_ending(s->hold_fd);
}

int store_hold_fd(const struct store *s)
{
	return s->hold_fd;
}

void store_let_go(struct store *s)
{
	if (s->hold_fd >= 0)
		close(s->hold_fd);
	s->hold_fd = -1;
}
