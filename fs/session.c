/*
 * session.c - one mount from its start to its end: daemon, threads, signals, a clean stop.
 *
 * The order of the start matters. The process forks first, because SQLite's locks do not survive fork(2); the child
 * opens the database, mounts, and tells its parent through a pipe when the kernel has said hello, so that the command
 * returns when the mount answers, with the right exit code, and messages still reach the terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../hooks/program.h"
#include "../store/clock.h"
#include "../store/log.h"
#include "answered.h"
#include "by.h"
#include "await.h"
#include "command.h"
#include "declared.h"
#include "events.h"
#include "forget.h"
#include "handle.h"
#include "mount.h"
#include "ops.h"
#include "options.h"
#include "rejected.h"
#include "repeat.h"
#include "scratch.h"
#include "serve.h"
#include "stale.h"
#include "transaction.h"
#include "usage.h"

/* ---- daemon ---- */

/* In the parent: waits for the child's exit code, or for its end. */
static int wait_for_child(int fd)
{
	unsigned char code;
	ssize_t n;

	do
		n = read(fd, &code, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? code : EXIT_SYSTEM;
}

/* Returns in the child with *fd to report to, or ends the parent with the child's code. */
static int become_daemon(int *fd)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return EXIT_SYSTEM;
	fflush(NULL);
	switch (fork()) {
	case -1:
		return EXIT_SYSTEM;
	case 0:
		close(ends[0]);
		*fd = ends[1];
		setsid();
		return 0;
	default:
		close(ends[1]);
		_exit(wait_for_child(ends[0]));
	}
}

static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	log_to_syslog();
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

static void report(struct mount *m, unsigned char code)
{
	if (m->ready_fd < 0)
		return;
	if (code == 0)
		leave_terminal();
	while (write(m->ready_fd, &code, 1) < 0 && errno == EINTR)
		;
	close(m->ready_fd);
	m->ready_fd = -1;
}

static void mount_is_ready(struct mount *m)
{
	report(m, 0); /* a daemon is quiet on the terminal: what follows is for its log */
	log_info("mounted %s on %s%s", m->schema->database, m->directory, m->read_only ? ", read-only" : "");
}

/* ---- the parts, in the order they start; they stop in the opposite one ---- */

static void rows_committed(void *data, const bool *models)
{
	struct mount *m = data;
	int64_t now = realtime_ns();

	for (size_t i = 0; i < m->schema->nmodels; i++)
		if (models[i])
			m->changed[i] = now;
	events_wake(m);
	struct runner *runner = m->runner;
	if (runner)
		runner_wake(runner, models);
	await_wake(m);
}

/* One time for each model's directory, and one for what has no model. */
static int start_clocks(struct mount *m, struct err *e)
{
	m->changed = malloc((m->schema->nmodels + 1) * sizeof(*m->changed));
	if (!m->changed)
		return err_nomem(e);
	for (size_t i = 0; i <= m->schema->nmodels; i++)
		m->changed[i] = realtime_ns();
	m->started_ms = monotonic_ms();
	return 0;
}

/* What the mount hides is no secret where others read the database itself. */
static void tell_who_reads(const struct schema *s)
{
	struct stat st;
	bool hides = false;

	for (size_t i = 0; i < s->nmodels; i++)
		hides |= s->models[i].restricted;
	if (hides && stat(s->database, &st) == 0 && st.st_mode & S_IROTH)
		log_info("%s can be read by every user (mode %03o), with all that 'visible owner' hides", s->database,
			 (unsigned)st.st_mode & 0777);
}

static int open_parts(struct mount *m, struct declared *d, struct err *e)
{
	int rc = start_clocks(m, e);

	if (rc == 0)
		rc = store_open(&m->store, m->schema, m->read_only ? STORE_READ_ONLY : 0, e);
	if (rc == 0)
		rc = events_start(m, e);
	if (rc == 0)
		rc = hooks_prepare(m->hooks, &d->conf, m->store, m->schema, e);
	if (rc == 0 && d->conf.nmistakes)
		rc = -EBADMSG;
	if (rc == 0)
		rc = transactions_start(m, e);
	if (rc == 0 && (journal_new(&m->journal) < 0 || usages_new(&m->usages) < 0))
		rc = err_nomem(e);
	if (rc == 0)
		rc = await_start(m, e);
	if (rc == 0)
		rc = saver_new(&m->saver, m->schema, m->hooks, m->store, m->journal, m->directory, e);
	if (rc == 0)
		tell_who_reads(m->schema);
	if (rc == 0)
		transactions_show(m);
	return rc;
}

/* Jobs and after_commit programs use the mount: they start when it is about to answer. */
static int start_jobs(struct mount *m, struct err *e)
{
	if (m->read_only)
		return 0;
	struct runner *runner;
	if (repeat_start(m, e) < 0)
		return -e->code;
	store_on_commit(m->store, rows_committed, m);
	int rc = runner_start(&runner, m->saver, e);
	if (rc == 0)
		m->runner = runner;
	return rc < 0 ? rc : saver_start(m->saver, e);
}

static void close_parts(struct mount *m)
{
	struct runner *runner = m->runner;

	m->runner = NULL; /* its last saves wake nobody */
	if (runner)
		runner_stop(runner);
	saver_free(m->saver);
	handle_close_all(m);
	transactions_stop(m);
	forget_free(m);
	await_free(m);
	repeat_free(m);
	scratch_release_all(m);
	rejected_release_all(m);
	answered_release_all(m);
	by_release_all(m);
	journal_free(m->journal);
	usages_free(m->usages);
	store_close(m->store);
	events_free(m);
	free((void *)m->changed);
}

/* ---- signals ---- */

/*
 * TERM, INT and HUP are blocked in every thread and waited for by one: libfuse's own handlers lose a signal that
 * another thread gets, or that comes just before its main thread goes to sleep.
 */
struct stopper {
	struct mount *mount;
	struct serving *serving;
	pthread_t thread;
	atomic_bool ended;
};

static sigset_t stop_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return set;
}

static void *wait_for_stop(void *data)
{
	struct stopper *s = data;
	sigset_t set = stop_signals();
	int signal;

	sigwait(&set, &signal);
	struct runner *runner = s->mount->runner;
	if (runner && !s->ended) { /* jobs that run may need the mount to end well */
		log_info("waiting for jobs that run");
		runner_drain(runner);
	}
	if (!s->ended)
		forget_stop(s->mount); /* while requests are served that it may wait for */
	serving_stop(s->serving);
	return NULL;
}

static int stopper_start(struct stopper *s)
{
	return pthread_create(&s->thread, NULL, wait_for_stop, s) ? -EAGAIN : 0;
}

static void stopper_end(struct stopper *s)
{
	s->ended = true;
	pthread_kill(s->thread, SIGTERM); /* wakes sigwait when nobody sent a signal */
	pthread_join(s->thread, NULL);
}

static int serve(struct mount *m, struct fuse_session *session)
{
	struct stopper stopper = {.mount = m};
	int rc = serving_new(&stopper.serving, m, session);

	if (rc == 0)
		rc = stopper_start(&stopper);
	if (rc == 0) {
		rc = serving_run(stopper.serving);
		stopper_end(&stopper);
	}
	serving_free(stopper.serving);
	return rc < 0 ? EXIT_SYSTEM : 0;
}

static int run_session(struct mount *m, struct fuse_session *session)
{
	err_auto e = ERR_INIT;
	int rc;

	if ((!m->read_only && forget_start(m, session, &e) < 0) || start_jobs(m, &e) < 0) {
		command_complain(&e);
		events_end(m);
		return EXIT_SYSTEM;
	}
	rc = serve(m, session);
	forget_stop(m);
	await_stop(m);
	repeat_end(m);
	store_ending(m->store);
	events_end(m);
	log_info("unmounting %s", m->directory);
	return rc;
}

static int mount_and_run(struct mount *m, struct options *o)
{
	struct fuse_session *session = fuse_session_new(&o->args, &ops_table, sizeof(ops_table), m);
	int rc = EXIT_MOUNT;

	if (!session)
		return EXIT_USAGE;
	if (fuse_session_mount(session, m->directory) == 0) {
		rc = run_session(m, session);
		fuse_session_unmount(session);
		repeat_stop(m);
	}
	fuse_session_destroy(session);
	return rc;
}

/* Threads come and go with the load; what they freed goes back to the system. */
static void keep_memory_small(void)
{
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 256 << 10);
	mallopt(M_TOP_PAD, 1 << 20); /* a heap grows by a system call; the pages come when they are touched */
}

static bool asks_group(const struct schema *s)
{
	bool asks = false;

	for (size_t i = 0; i < s->nmodels; i++) {
		const struct model *m = &s->models[i];
		asks |= m->owned && !(m->mode & S_IWGRP) != !(m->mode & S_IWOTH);
	}
	return asks;
}

static int run_mount(struct options *o, struct declared *d, const char *directory, int ready_fd)
{
	err_auto e = ERR_INIT;
	struct mount m = {.conf = &d->conf,
			  .schema = &d->schema,
			  .hooks = &d->hooks,
			  .directory = directory,
			  .read_only = o->read_only,
			  .uid = geteuid(),
			  .gid = getegid(),
			  .asks_group = asks_group(&d->schema),
			  .ready = mount_is_ready,
			  .ready_fd = ready_fd,
			  .next_memory = 1};
	sigset_t stop = stop_signals();
	int code;

	keep_memory_small();
	program_init();
	pthread_sigmask(SIG_BLOCK, &stop, NULL); /* before any thread */
	pthread_mutex_init(&m.lock, NULL);
	if (open_parts(&m, d, &e) == 0) {
		code = mount_and_run(&m, o);
	} else {
		declared_differs(d, &e);
		conf_print_mistakes(&d->conf, stderr);
		command_complain(&e);
		code = e.code == EBADMSG ? EXIT_USAGE : EXIT_SYSTEM;
	}
	close_parts(&m);
	pthread_mutex_destroy(&m.lock);
	report(&m, (unsigned char)code);
	return code;
}

static char *mountpoint_path(const char *mountpoint)
{
	struct stat st;

	stale_release(mountpoint);
	char *path = realpath(mountpoint, NULL);
	if (path && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))) {
		free(path);
		path = NULL;
		errno = ENOTDIR;
	}
	if (!path)
		fprintf(stderr, "rowfs: %s: %s\n", mountpoint, strerror(errno));
	return path;
}

static int prepare_and_run(struct options *o)
{
	declared_auto d = DECLARED_INIT;
	err_auto e = ERR_INIT;
	char *directory = mountpoint_path(o->mountpoint);
	int ready_fd = -1, rc;

	if (!directory)
		return EXIT_MOUNT;
	rc = declared_read(&d, o->conf, &e);
	conf_print_mistakes(&d.conf, stderr);
	if (rc < 0)
		command_complain(&e), rc = EXIT_USAGE;
	if (rc == 0 && !o->foreground)
		rc = become_daemon(&ready_fd);
	if (rc == 0)
		rc = run_mount(o, &d, directory, ready_fd);
	free(directory);
	return rc;
}

int command_mount(int argc, char **argv)
{
	struct options o = OPTIONS_INIT;
	int rc = options_read(&o, argc, argv);

	if (rc == 0)
		rc = prepare_and_run(&o);
	options_release(&o);
	return rc;
}
