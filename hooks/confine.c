/*
 * confine.c - setrlimit, prctl and Landlock.
 *
 * Landlock's rights are those of its third version (Linux 6.2): before it a file could be truncated that could not be
 * written. Headers and C libraries are older than that, so numbers stand here.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../store/limits.h"

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define READS (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FILES                                                                                                          \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |                   \
	 LANDLOCK_ACCESS_FS_TRUNCATE)
#define EVERYTHING ((1ULL << 15) - 1)

enum { NEEDED_VERSION = 3 };

/* Programs write there, and nothing is changed by it. */
static const char *const sinks[] = {"/dev/null", "/dev/zero", "/dev/full"};

static long landlock_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

bool confine_supported(void)
{
	return landlock_version() >= NEEDED_VERSION;
}

/* ---- Landlock ---- */

static int allow(int ruleset, const char *path, __u64 rights)
{
	struct landlock_path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
	struct stat st;
	int result = 0;

	if (rule.parent_fd < 0)
		return -errno;
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rights &= FILES;
	rule.allowed_access = rights;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		result = -errno;
	close(rule.parent_fd);
	return result;
}

static int make_ruleset(struct confinement *c, const struct bounds *b, struct err *e)
{
	const struct landlock_ruleset_attr attributes = {.handled_access_fs = EVERYTHING};
	const char *path = "/";

	c->ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
	if (c->ruleset < 0)
		return err_set(e, errno, "the kernel does not confine the program: %s", strerror(errno));
	int result = allow(c->ruleset, path, READS);
	for (size_t i = 0; i < b->npaths && result == 0; i++)
		result = allow(c->ruleset, path = b->paths[i], EVERYTHING);
	if (result < 0)
		return err_set(e, -result, "confine %s: %s", path, strerror(-result));
	for (size_t i = 0; i < sizeof sinks / sizeof *sinks; i++)
		allow(c->ruleset, sinks[i], LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
	return 0;
}

/* ---- resource limits ---- */

/* Programs that are built with sanitizers reserve more than any limit. */
static long long memory_limit(const struct bounds *b)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return b->memory == default_bounds.memory ? (long long)RLIM_INFINITY : b->memory;
#else
	return b->memory;
#endif
}

/* A program without a time-out keeps running, and uses time without doing wrong. */
static long long cpu_limit(const struct bounds *b, long long timeout_ms)
{
	long long ms = b->cpu_ms ? b->cpu_ms : timeout_ms;

	if (b->cpu_ms == 0 && timeout_ms && ms < LIMIT_PROGRAM_CPU_S * 1000LL)
		ms = LIMIT_PROGRAM_CPU_S * 1000LL;
	return ms ? (ms + 999) / 1000 : (long long)RLIM_INFINITY;
}

/* Never more than the daemon may have itself. */
static struct rlimit lowered(int resource, long long wanted, long long grace)
{
	struct rlimit now, limit = {(rlim_t)wanted, (rlim_t)wanted};

	if (wanted != (long long)RLIM_INFINITY)
		limit.rlim_max += (rlim_t)grace;
	if (getrlimit(resource, &now) < 0)
		return limit;
	if (limit.rlim_max > now.rlim_max)
		limit.rlim_max = now.rlim_max;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	return limit;
}

int confine_prepare(struct confinement *c, const struct bounds *b, long long timeout_ms, struct err *e)
{
	const struct {
		int resource;
		long long wanted, grace;
	} limits[CONFINE_LIMITS] = {
	    {RLIMIT_CPU, cpu_limit(b, timeout_ms), 1}, /* SIGXCPU tells more than SIGKILL */
	    {RLIMIT_DATA, memory_limit(b), 0},
	    {RLIMIT_NOFILE, b->files, 0},
	    {RLIMIT_NPROC, b->processes, 0},
	    {RLIMIT_CORE, 0, 0}, /* an event may hold what nobody else shall read */
	};

	*c = (struct confinement){.no_new_privileges = !b->new_privileges || b->confined, .ruleset = -1};
	for (int i = 0; i < CONFINE_LIMITS; i++) {
		c->limits[i].resource = limits[i].resource;
		c->limits[i].limit = lowered(limits[i].resource, limits[i].wanted, limits[i].grace);
	}
	int result = b->confined ? make_ruleset(c, b, e) : 0;
	if (result < 0)
		confine_release(c);
	return result;
}

void confine_release(struct confinement *c)
{
	if (c->ruleset >= 0)
		close(c->ruleset);
	c->ruleset = -1;
}

int confine_writing(const struct confinement *c)
{
	if (c->no_new_privileges && syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return c->ruleset < 0 ? 0 : (int)syscall(SYS_landlock_restrict_self, c->ruleset, 0);
}

int confine_use(const struct confinement *c)
{
	for (int i = 0; i < CONFINE_LIMITS; i++)
		if (syscall(SYS_prlimit64, 0, c->limits[i].resource, &c->limits[i].limit, NULL) < 0)
			return -1;
	return 0;
}
