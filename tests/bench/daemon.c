/*
 * daemon.c - the rowfs under test: its mount.conf, its process, its mount.
 *
 * The program is a black box in the foreground, in its own process group. It dies with the benchmark.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static const uint64_t second = 1000000000, patience = 20 * 1000000000ull, tick = 50000;

const struct hook_variant hook_variants[HOOK_VARIANTS] = {
    {"no hook", "hook_none", ""},
    {"check", "hook_check", "    on pre_save check \":price >= 0\" \"The price must not be negative\"\n"},
    {"sql", "hook_sql", "    on post_save sql \"UPDATE totals SET saves = saves + 1 WHERE id = 1\"\n"},
    {"enqueue", "hook_enqueue", "    on after_commit enqueue jobs record_id=:id\n"},
    {"plugin", "hook_plugin", "    on pre_save plugin build/plugin/price.so\n"},
    {"pipe", "hook_pipe", "    on pre_save pipe build/tool/answer\n"},
    {"run /bin/true", "hook_run", "    on pre_save run /bin/true\n"},
};

static int write_conf(const struct daemon *d, const char *durability)
{
	FILE *conf = fopen(d->conf, "we");
	if (!conf)
		return -errno;
	fprintf(conf, "store \"sqlite:%s\"\ndurability %s\n\n", d->database, durability);
	fprintf(conf, "model records {\n    fields {\n%s    }\n}\n", document_fields);
	for (size_t i = 0; i < HOOK_VARIANTS; i++)
		fprintf(conf, "model %s {\n    fields {\n%s    }\n%s}\n", hook_variants[i].model, document_fields,
			hook_variants[i].line);
	fprintf(conf,
		"model totals {\n    fields {\n        id integer key\n        saves integer default 0\n    }\n}\n"
		"queue jobs {\n    fields {\n        record_id integer required\n    }\n}\n");
	return fclose(conf) ? -errno : 0;
}

/* work/build: where this program and those of its hooks were built. */
static int link_build(const char *work)
{
	char self[PATH_SIZE], path[PATH_SIZE];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0)
		return -errno;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(path, sizeof path, "%s/build", work);
	return symlink(self, path) && errno != EEXIST ? -errno : 0;
}

int daemon_init(struct daemon *d, const char *program, const char *work, const char *durability)
{
	*d = (struct daemon){.program = program};
	snprintf(d->conf, sizeof d->conf, "%s/mount.conf", work);
	snprintf(d->mount, sizeof d->mount, "%s/mnt", work);
	snprintf(d->database, sizeof d->database, "%s/rowfs.db", work);
	snprintf(d->log, sizeof d->log, "%s/rowfs.log", work);
	if (mkdir(d->mount, 0755) && errno != EEXIST)
		return -errno;
	int result = link_build(work);
	return result ? result : write_conf(d, durability);
}

static void run_program(const struct daemon *d)
{
	sigset_t none;
	sigemptyset(&none);
	int log = open(d->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (log >= 0 && dup2(log, 1) >= 0 && dup2(log, 2) >= 0)
		execl(d->program, d->program, d->conf, d->mount, "-f", (char *)NULL);
	_exit(127);
}

static void print_log(const struct daemon *d)
{
	char line[1024];
	FILE *log = fopen(d->log, "re");
	while (log && fgets(line, sizeof line, log))
		fprintf(stderr, "    %s", line);
	if (log)
		fclose(log);
}

/* True once the process has ended; it is reaped then. */
static bool ended(struct daemon *d, int *status)
{
	if (waitpid(d->pid, status, WNOHANG) != d->pid)
		return false;
	d->pid = 0;
	return true;
}

static bool wait_for_end(struct daemon *d, uint64_t limit, int *status)
{
	for (uint64_t end = clock_now() + limit; clock_now() < end; sleep_ns(20 * tick))
		if (ended(d, status))
			return true;
	return false;
}

static int wait_for_answer(struct daemon *d, uint64_t start)
{
	char path[PATH_SIZE + 16];
	struct stat st;
	int status;
	snprintf(path, sizeof path, "%s/records", d->mount);
	while (stat(path, &st)) {
		if (ended(d, &status) || clock_now() - start > patience)
			return -ECHILD;
		sleep_ns(tick);
	}
	d->answers_ns = clock_now() - start;
	DIR *directory = opendir(path);
	if (!directory)
		return -errno;
	struct dirent *entry;
	while ((entry = readdir(directory)) && entry->d_name[0] == '.')
		;
	d->first_entry_ns = clock_now() - start;
	closedir(directory);
	return 0;
}

int daemon_start(struct daemon *d)
{
	uint64_t start = clock_now();
	d->pid = fork();
	if (!d->pid)
		run_program(d);
	int result = d->pid < 0 ? -errno : wait_for_answer(d, start);
	if (result) {
		fprintf(stderr, "bench: %s %s %s -f does not answer; it said:\n", d->program, d->conf, d->mount);
		print_log(d);
		daemon_stop(d);
	}
	return result;
}

static int run_fusermount(const struct daemon *d, const char *option)
{
	int status = -1;
	pid_t pid = fork();
	if (!pid) {
		execlp("fusermount3", "fusermount3", option, d->mount, (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status ? 0 : -EBUSY;
}

int daemon_stop(struct daemon *d)
{
	int status = 0;
	if (!d->pid)
		return 0;
	if (run_fusermount(d, "-u"))
		kill(d->pid, SIGTERM);
	if (wait_for_end(d, 15 * second, &status)) {
		if (status) {
			fprintf(stderr, "bench: rowfs ended with wait status %d at unmount; it said:\n", status);
			print_log(d);
		}
		return status ? -EIO : 0;
	}
	fprintf(stderr, "bench: rowfs is still there 15 s after the unmount and is killed; it said:\n");
	print_log(d);
	kill(d->pid, SIGKILL);
	wait_for_end(d, 5 * second, &status);
	run_fusermount(d, "-uz");
	return -ETIMEDOUT;
}
