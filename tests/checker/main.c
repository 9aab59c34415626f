/*
 * main.c - checker [--ops N] [--seed N] [--seeds N] [--workers N [--crowd]] [--figures] [--program FILE]
 * [--directory DIR] [--verbose] [--whole]
 *
 * Runs N operations for each of the seeds, counted from the first. A difference ends it: the trace is run again and
 * again with parts left out until nothing more can go (unless --whole), and what is left is printed. Exit status 1
 * then. The same seed gives the same operations. With several workers, each works on its own records of one mount at
 * the same time as the others, or with --crowd all on the same ones; what differs then is told but not cut down, for it
 * may not come again. With --figures what the daemon holds is printed ten times.
 */
#include <dirent.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checker.h"

enum { AUDIT_EVERY = 500, RUNS_MAX = 400 };

struct options {
	char program[PATH_MAX], directory[PATH_MAX];
	uint64_t seed;
	int seeds, workers;
	long ops;
	bool verbose, whole, crowd, figures;
};

struct trace {
	struct call *calls;
	size_t n, room;
};

static void trace_add(struct trace *t, const struct call *c)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 1024;
		t->calls = realloc(t->calls, t->room * sizeof(*t->calls));
		if (!t->calls)
			abort();
	}
	t->calls[t->n++] = *c;
}

static void trace_release(struct trace *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->calls[i].data);
	free(t->calls);
	*t = (struct trace){0};
}

/* ---- one seed ---- */

static bool mount(struct daemon *d, const struct options *o)
{
	if (daemon_start(d, o->program, o->directory) == 0)
		return true;
	fprintf(stderr, "checker: %s does not mount; its log is %s\n", o->program, d->log);
	return false;
}

static bool unmount(struct daemon *d, struct text *why)
{
	if (daemon_stop(d) == 0)
		return true;
	text_str(why, why->len ? "" : "the daemon did not end as it should");
	return false;
}

static long memory_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status) && sscanf(line, "VmRSS: %ld", &kib) != 1)
		;
	if (status)
		fclose(status);
	return kib;
}

static int descriptors(pid_t pid)
{
	char path[64];
	int n = -2; /* the dots */

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *all = opendir(path);
	while (all && readdir(all))
		n++;
	if (all)
		closedir(all);
	return n;
}

static void tell_figures(const struct daemon *d, long calls)
{
	printf("after %ld operations: %ld KiB, %d descriptors\n", calls, memory_kib(d->pid), descriptors(d->pid));
	fflush(stdout);
}

static bool run_calls(struct session *s, const struct daemon *d, const struct options *o, uint64_t seed,
		      struct trace *trace, struct text *why)
{
	struct generator g = {.state = seed * 0x2545f4914f6cdd1du + 1};
	bool right = true;

	for (long i = 1; right && i <= o->ops; i++) {
		struct call c;
		generate(&g, session_world(s), &c);
		trace_add(trace, &c);
		right = session_call(s, &c, why);
		if (right && (i % AUDIT_EVERY == 0 || i == o->ops))
			right = session_audit(s, why);
		if (o->figures && i % (o->ops / 10 + 1) == 0)
			tell_figures(d, i);
	}
	if (o->figures)
		tell_figures(d, o->ops);
	generator_release(&g);
	return right;
}

static bool run_session(const struct daemon *d, const struct options *o, uint64_t seed, struct trace *trace,
			struct text *why, long *calls)
{
	struct session *s = session_start(d, o->workers <= 1 ? ALONE : o->crowd ? CROWD : BESIDE, o->verbose);

	if (!s)
		return false;
	bool right = run_calls(s, d, o, seed, trace, why);
	*calls += session_calls(s);
	return session_end(s, why) && right;
}

/* ---- making a trace small ---- */

/* Whether the calls that are kept still show a difference; *last is the one that does. */
static bool differs(const struct options *o, const struct trace *t, const bool *kept, bool audit, bool verbose,
		    size_t *last, struct text *why)
{
	struct daemon daemon;
	struct session *s = mount(&daemon, o) ? session_start(&daemon, ALONE, verbose) : NULL;
	struct text ignored = {0};
	bool right = true;

	if (!s)
		return false;
	for (size_t i = 0; right && i < t->n; i++) {
		if (!kept[i])
			continue;
		*last = i;
		right = session_call(s, &t->calls[i], why);
	}
	if (!right && t->calls[*last].kind != t->calls[t->n - 1].kind && !audit)
		right = true; /* another difference */
	if (right && audit)
		right = session_audit(s, why);
	if (!right)
		text_str(&ignored, "known");
	bool ended = session_end(s, right ? why : &ignored);
	ended = unmount(&daemon, &ignored) && ended;
	right = right && (ended || !audit);
	text_release(&ignored);
	return !right;
}

/* Leaves out a part and takes it back when the difference has gone with it. */
static bool try_without(const struct options *o, const struct trace *t, bool *kept, bool audit, size_t from, size_t to)
{
	bool *fewer = malloc(t->n);
	struct text why = {0};
	size_t last = 0, n = 0;

	memcpy(fewer, kept, t->n);
	for (size_t i = from; i < to; i++) {
		n += fewer[i];
		fewer[i] = false;
	}
	bool gone = n > 0 && differs(o, t, fewer, audit, false, &last, &why);
	for (size_t i = last + 1; gone && !audit && i < t->n; i++)
		fewer[i] = false;
	if (gone)
		memcpy(kept, fewer, t->n);
	free(fewer);
	text_release(&why);
	return gone;
}

static void minimise(const struct options *o, const struct trace *t, bool *kept, bool audit)
{
	int runs = 0;
	bool any = true;

	for (size_t size = t->n / 2 + 1; size > 0 && runs < RUNS_MAX; size = any && size == 1 ? 1 : size / 2) {
		any = false;
		for (size_t at = t->n; at > 0 && runs<RUNS_MAX; at = at> size ? at - size : 0) {
			bool something = false;
			for (size_t i = at > size ? at - size : 0; i < at; i++)
				something = something || kept[i];
			if (!something)
				continue;
			runs++;
			any = try_without(o, t, kept, audit, at > size ? at - size : 0, at) || any;
		}
	}
}

static void tell(const struct options *o, uint64_t seed, const struct trace *t, const struct text *why)
{
	bool *kept = malloc(t->n), audit = false;
	struct text line = {0}, again = {0};
	size_t last = 0;

	memset(kept, true, t->n);
	printf("DIFFERENCE at operation %zu of --seed %llu --ops %ld\n  ", t->n, (unsigned long long)seed, o->ops);
	call_print(&t->calls[t->n - 1], &line);
	printf("%s\n  %s\n", line.data, why->data);
	fflush(stdout);
	audit = strstr(why->data, "in the audit") || strstr(why->data, "the row") || strstr(why->data, "the daemon");
	if (!o->whole && differs(o, t, kept, audit, false, &last, &again)) {
		minimise(o, t, kept, audit);
		printf("The shortest trace found:\n");
		text_clear(&again);
		differs(o, t, kept, audit, true, &last, &again);
		printf("  %s\n", again.len ? again.data : "the difference comes and goes");
	}
	text_release(&line);
	text_release(&again);
	free(kept);
}

/* On a mount of its own. */
static bool run_alone(const struct options *o, uint64_t seed, long *calls)
{
	struct daemon daemon;
	struct trace trace = {0};
	struct text why = {0};
	bool right;

	if (!mount(&daemon, o))
		return false;
	right = run_session(&daemon, o, seed, &trace, &why, calls);
	right = unmount(&daemon, &why) && right;
	if (!right)
		tell(o, seed, &trace, &why);
	trace_release(&trace);
	text_release(&why);
	return right;
}

/* ---- several at once, on one mount and the same tables, each with keys and names of its own ---- */

static int work(const struct daemon *d, const struct options *o, uint64_t seed, int number)
{
	struct trace trace = {0};
	struct text why = {0};
	long calls = 0;

	names_choose(o->crowd ? 0 : number);
	if (run_session(d, o, seed, &trace, &why, &calls))
		return 0;
	printf("DIFFERENCE of worker %d at operation %zu of --seed %llu --ops %ld --workers %d\n  %s\n", number,
	       trace.n, (unsigned long long)seed - (uint64_t)number, o->ops, o->workers, why.data);
	for (size_t i = trace.n > 30 ? trace.n - 30 : 0; i < trace.n; i++) {
		text_clear(&why);
		call_print(&trace.calls[i], &why);
		printf("  %s\n", why.data);
	}
	fflush(stdout);
	return 1;
}

/* What a crowd has left: files say what the tables say. */
static bool look_after(const struct daemon *d, const struct options *o, struct text *why)
{
	struct session *s = session_start(d, ALONE, o->verbose);

	if (!s)
		return false;
	session_load(s);
	bool right = session_audit(s, why);
	return session_end(s, why) && right;
}

static bool run_together(const struct options *o, uint64_t seed, long *calls)
{
	struct daemon daemon;
	struct text why = {0};
	bool right = true;
	int status;

	if (!mount(&daemon, o))
		return false;
	fflush(stdout);
	for (int i = 0; i < o->workers; i++)
		if (fork() == 0)
			_exit(work(&daemon, o, seed + (uint64_t)i, i));
	for (int i = 0; i < o->workers; i++)
		right = wait(&status) > 0 && status == 0 && right;
	if (right && o->crowd)
		right = look_after(&daemon, o, &why);
	right = unmount(&daemon, &why) && right;
	if (why.len)
		printf("%s\n", why.data);
	text_release(&why);
	*calls += o->ops * o->workers;
	return right;
}

static void set_path(char whole[PATH_MAX], const char *path)
{
	if (realpath(path, whole))
		return;
	perror(path);
	exit(2);
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
	    {"ops", required_argument, NULL, 'n'},
	    {"seed", required_argument, NULL, 's'},
	    {"seeds", required_argument, NULL, 'S'},
	    {"program", required_argument, NULL, 'p'},
	    {"directory", required_argument, NULL, 'd'},
	    {"verbose", no_argument, NULL, 'v'},
	    {"crowd", no_argument, NULL, 'c'},
	    {"workers", required_argument, NULL, 'W'},
	    {"whole", no_argument, NULL, 'w'},
	    {"figures", no_argument, NULL, 'm'},
	    {NULL, 0, NULL, 0},
	};
	const char *program = "build/rowfs", *directory = "build";
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'n':
			o->ops = atol(optarg);
			break;
		case 's':
			o->seed = strtoull(optarg, NULL, 0);
			break;
		case 'S':
			o->seeds = atoi(optarg);
			break;
		case 'c':
			o->crowd = true;
			break;
		case 'W':
			o->workers = atoi(optarg);
			break;
		case 'p':
			program = optarg;
			break;
		case 'd':
			directory = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'w':
			o->whole = true;
			break;
		case 'm':
			o->figures = true;
			break;
		default:
			exit(2);
		}
	}
	set_path(o->program, program);
	set_path(o->directory, directory);
}

int main(int argc, char **argv)
{
	struct options o = {.seed = 1, .seeds = 1, .workers = 1, .ops = 20000};
	long calls = 0;

	parse(&o, argc, argv);
	names_choose(0);
	for (int i = 0; i < o.seeds; i++)
		if (!(o.workers > 1 ? run_together : run_alone)(&o, o.seed + (uint64_t)i, &calls))
			return 1;
	printf("%ld calls, %d seed%s from %llu, no difference\n", calls, o.seeds, o.seeds == 1 ? "" : "s",
	       (unsigned long long)o.seed);
	return 0;
}
