/*
 * daemon.c - the rowfs that is checked: a fresh directory, its mount.conf, its process.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checker.h"

static void write_model(FILE *conf, const struct model *m)
{
	fprintf(conf, "model %s {\n\tfields {\n\t\t%s %s\n", m->name, m->key.name, m->key.rules);
	for (size_t i = 0; i < m->nfields; i++)
		fprintf(conf, "\t\t%s %s\n", m->fields[i].name, m->fields[i].rules);
	fprintf(conf, "\t}\n%s}\n", m->options ? m->options : "");
}

static int write_conf(const struct daemon *d)
{
	FILE *conf = fopen(d->conf, "we");

	if (!conf)
		return -errno;
	fprintf(conf, "store \"sqlite:%s\"\ndurability off\n", d->database);
	for (int i = 0; i < MODELS; i++)
		write_model(conf, &models[i]);
	return fclose(conf) ? -errno : 0;
}

static void run_program(const struct daemon *d)
{
	int log = open(d->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (log >= 0 && dup2(log, 1) >= 0 && dup2(log, 2) >= 0)
		execl(d->program, d->program, d->conf, d->mount, "-f", (char *)NULL);
	_exit(127);
}

static bool ended(struct daemon *d, int *status)
{
	if (d->pid == 0 || waitpid(d->pid, status, WNOHANG) != d->pid)
		return false;
	d->pid = 0;
	return true;
}

static int wait_for_mount(struct daemon *d)
{
	char path[PATH_SIZE + 16];
	struct stat st;
	int status;

	snprintf(path, sizeof(path), "%s/items", d->mount);
	for (int i = 0; i < 5000 && stat(path, &st) < 0; i++) {
		if (ended(d, &status))
			return -ECHILD;
		usleep(2000);
	}
	return stat(path, &st) < 0 ? -ETIMEDOUT : 0;
}

int daemon_start(struct daemon *d, const char *program, const char *directory)
{
	*d = (struct daemon){.program = program};
	snprintf(d->directory, sizeof(d->directory), "%s/checker.XXXXXX", directory);
	if (!mkdtemp(d->directory))
		return -errno;
	snprintf(d->mount, sizeof(d->mount), "%s/mnt", d->directory);
	snprintf(d->database, sizeof(d->database), "%s/shop.db", d->directory);
	snprintf(d->conf, sizeof(d->conf), "%s/mount.conf", d->directory);
	snprintf(d->log, sizeof(d->log), "%s/rowfs.log", d->directory);
	if (mkdir(d->mount, 0755) < 0 || write_conf(d) < 0)
		return -errno;
	d->pid = fork();
	if (d->pid == 0)
		run_program(d);
	return d->pid < 0 ? -errno : wait_for_mount(d);
}

static void run_fusermount(const struct daemon *d, const char *option)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("fusermount3", "fusermount3", option, d->mount, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

/* Refusals are the checker's daily bread; a sanitizer's words or a failed assertion are not. */
static bool suspicious(const struct daemon *d)
{
	static const char *const words[] = {"Sanitizer", "runtime error", "Assertion", "leaked"};
	FILE *log = fopen(d->log, "re");
	char line[4096];
	bool found = false;

	while (log && fgets(line, sizeof(line), log))
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strstr(line, words[i])) {
				fprintf(stderr, "the daemon says: %s", line);
				found = true;
			}
	if (log)
		fclose(log);
	return found;
}

static void remove_directory(const struct daemon *d)
{
	char command[PATH_SIZE + 40];

	snprintf(command, sizeof(command), "rm -rf --one-file-system '%s'", d->directory);
	if (system(command) != 0)
		fprintf(stderr, "checker: %s stays\n", d->directory);
}

int daemon_stop(struct daemon *d)
{
	int status = 0;

	run_fusermount(d, "-u");
	for (int i = 0; i < 10000 && d->pid != 0 && !ended(d, &status); i++)
		usleep(2000);
	if (d->pid != 0) {
		kill(d->pid, SIGKILL);
		waitpid(d->pid, &status, 0);
		run_fusermount(d, "-uz");
		d->pid = 0;
		status = -1;
	}
	if (!suspicious(d) && status == 0) {
		remove_directory(d);
		return 0;
	}
	fprintf(stderr, "checker: rowfs ended with wait status %d; %s stays\n", status, d->log);
	return -EIO;
}
