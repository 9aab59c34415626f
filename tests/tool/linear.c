/*
 * linear.c - is one record, which many processes read and save at once, what one register would be?
 *
 *     linear run FILE PROCESSES OPERATIONS SEED >history    makes the operations, writes down what they gave and when
 *     linear check <history                                 looks for an order that explains all of it
 *
 * A line of a history is PROCESS KIND BEGIN END A B: times of CLOCK_MONOTONIC in ns; kind r read A and B, w wrote both
 * in place, m by a file moved there, a and b merged that one field. Every value is written once. A save is what the
 * write(2) or rename(2) that tells its result does; a read is of the instant of its open(2).
 *
 * The search goes through the history in time. A configuration is what the record holds after some order of what has
 * begun: its two values, and which of the operations under way have had their effect. When one ends it must have had
 * it. No configuration left means that no order explains what was seen. (Lowe, Testing for Linearizability, 2016.)
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES_MAX = 16, TEXT_MAX = 8192 };

struct operation {
	int process;
	char kind;
	int64_t begin, end, a, b;
};

/* ---- running ---- */

struct worker {
	const char *file;
	char scratch[4096];
	int process;
	int64_t last; /* value */
	unsigned short random[3];
};

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void must(const struct worker *w, bool right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "linear: process %d: %s: %s\n", w->process, what, strerror(errno));
	exit(1);
}

/* Some blanks, so that the text is now and then more than a page. */
static int print_text(struct worker *w, const struct operation *o, char *out)
{
	int blanks = erand48(w->random) < 0.2 ? (int)(erand48(w->random) * 6000) : 0;
	if (o->kind == 'a' || o->kind == 'b')
		return sprintf(out, "{\"%c\": %" PRId64 "%*s}\n", o->kind, o->a, blanks, "");
	return sprintf(out, "{\"a\": %" PRId64 ",%*s \"b\": %" PRId64 "}\n", o->a, blanks, "", o->b);
}

static void read_record(struct worker *w, struct operation *o)
{
	char text[TEXT_MAX];
	o->begin = now_ns();
	int fd = open(w->file, O_RDONLY | O_CLOEXEC);
	o->end = now_ns();
	must(w, fd >= 0, "open to read");
	ssize_t n = read(fd, text, sizeof(text) - 1);
	must(w, n > 0, "read");
	close(fd);
	text[n] = '\0';
	const char *a = strstr(text, "\"a\":"), *b = strstr(text, "\"b\":");
	must(w, a && b && text[n - 1] == '\n', "what was read is no whole record");
	o->a = strtoll(a + 4, NULL, 10);
	o->b = strtoll(b + 4, NULL, 10);
}

static void write_record(struct worker *w, struct operation *o)
{
	char text[TEXT_MAX];
	int n = print_text(w, o, text), flags = o->kind == 'w' ? O_TRUNC : O_APPEND;
	int fd = open(w->file, O_WRONLY | O_CLOEXEC | flags);
	must(w, fd >= 0, "open to write");
	o->begin = now_ns();
	ssize_t written = write(fd, text, (size_t)n);
	o->end = now_ns();
	must(w, written == n, "write");
	must(w, close(fd) == 0, "close");
}

static void move_record(struct worker *w, struct operation *o)
{
	char text[TEXT_MAX];
	int n = print_text(w, o, text);
	int fd = open(w->scratch, O_WRONLY | O_CLOEXEC | O_CREAT | O_TRUNC, 0644);
	must(w, fd >= 0 && write(fd, text, (size_t)n) == n && close(fd) == 0, "scratch file");
	o->begin = now_ns();
	int result = rename(w->scratch, w->file);
	o->end = now_ns();
	must(w, result == 0, "rename");
}

static void operate(struct worker *w, struct operation *o)
{
	static const char kinds[] = "rrrrrwwmabab";
	*o = (struct operation){.process = w->process, .kind = kinds[(int)(erand48(w->random) * (sizeof(kinds) - 1))]};
	if (o->kind != 'r')
		o->a = o->b = ++w->last;
	(o->kind == 'r' ? read_record : o->kind == 'm' ? move_record : write_record)(w, o);
}

static void work(const char *file, int process, long n, long seed, struct operation *out)
{
	struct worker w = {.file = file, .process = process, .last = (process + 1) * INT64_C(1000000000)};
	snprintf(w.scratch, sizeof(w.scratch), "%s.%d", file, process);
	w.random[0] = (unsigned short)seed;
	w.random[1] = (unsigned short)process;
	for (long i = 0; i < n; i++)
		operate(&w, &out[i]);
}

static int run(const char *file, int processes, long n, long seed)
{
	size_t count = (size_t)processes * (size_t)n;
	struct operation *all =
	    mmap(NULL, count * sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, failed = 0;
	if (all == MAP_FAILED)
		return 1;
	for (int i = 0; i < processes; i++)
		if (fork() == 0) {
			work(file, i, n, seed, &all[i * n]);
			_exit(0);
		}
	while (wait(&status) > 0)
		failed |= status != 0;
	for (size_t i = 0; i < count; i++)
		printf("%d %c %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", all[i].process, all[i].kind,
		       all[i].begin, all[i].end, all[i].a, all[i].b);
	return failed;
}

/* ---- checking ---- */

struct configuration {
	int64_t a, b;
	unsigned done; /* bit of a process: its operation under way has had its effect */
};

struct set {
	struct configuration *of;
	size_t n, room;
};

/* The beginning or the end of an operation. */
struct happening {
	int64_t time;
	bool ends;
	const struct operation *o;
};

struct check {
	struct set now, next;
	const struct operation *under_way[PROCESSES_MAX];
	size_t most, overlaps;
};

/* False where it is known already. */
static bool set_add(struct set *s, struct configuration c)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->of[i].a == c.a && s->of[i].b == c.b && s->of[i].done == c.done)
			return false;
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->of = realloc(s->of, s->room * sizeof(*s->of));
		if (!s->of)
			abort();
	}
	s->of[s->n++] = c;
	return true;
}

/* Whether the operation can have its effect now, and what is then. */
static bool take_effect(const struct operation *o, struct configuration *c)
{
	if (o->kind == 'r' && (o->a != c->a || o->b != c->b))
		return false;
	if (o->kind == 'w' || o->kind == 'm' || o->kind == 'a')
		c->a = o->a;
	if (o->kind == 'w' || o->kind == 'm' || o->kind == 'b')
		c->b = o->b;
	c->done |= 1U << o->process;
	return true;
}

/* Whatever may have had its effect before the operation ends, in any order; then what is left without it. */
static void end_operation(struct check *k, const struct operation *o)
{
	unsigned bit = 1U << o->process;
	k->next.n = 0;
	for (size_t i = 0; i < k->now.n; i++) {
		struct configuration c = k->now.of[i];
		if (c.done & bit) {
			c.done &= ~bit;
			set_add(&k->next, c);
			continue;
		}
		for (int p = 0; p < PROCESSES_MAX; p++) {
			struct configuration after = c;
			if (k->under_way[p] && !(c.done & 1U << p) && take_effect(k->under_way[p], &after))
				set_add(&k->now, after);
		}
	}
	struct set ended = k->now;
	if (ended.n > k->most)
		k->most = ended.n;
	k->now = k->next;
	k->next = ended;
	k->under_way[o->process] = NULL;
}

static void begin_operation(struct check *k, const struct operation *o)
{
	for (int p = 0; p < PROCESSES_MAX; p++)
		if (k->under_way[p]) {
			k->overlaps++;
			break;
		}
	k->under_way[o->process] = o;
}

/* At the same instant beginnings come first: both orders may be then. */
static int compare(const void *left, const void *right)
{
	const struct happening *a = left, *b = right;
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return a->ends - b->ends;
}

static void tell(const struct happening *all, size_t at)
{
	printf("no order of the operations explains what this one gave:\n");
	for (size_t i = at > 40 ? at - 40 : 0; i <= at; i++)
		printf("  %" PRId64 " %s: process %d %c a=%" PRId64 " b=%" PRId64 "\n", all[i].time - all[0].time,
		       all[i].ends ? "end  " : "begin", all[i].o->process, all[i].o->kind, all[i].o->a, all[i].o->b);
}

static int check_history(const struct operation *of, size_t n)
{
	struct happening *all = calloc(2 * n + 1, sizeof(*all));
	struct check k = {0};
	if (!all)
		return 1;
	for (size_t i = 0; i < n; i++) {
		all[2 * i] = (struct happening){of[i].begin, false, &of[i]};
		all[2 * i + 1] = (struct happening){of[i].end, true, &of[i]};
	}
	qsort(all, 2 * n, sizeof(*all), compare);
	set_add(&k.now, (struct configuration){0});
	for (size_t i = 0; i < 2 * n; i++) {
		(all[i].ends ? end_operation : begin_operation)(&k, all[i].o);
		if (k.now.n == 0) {
			tell(all, i);
			exit(1);
		}
	}
	free(all);
	free(k.now.of);
	free(k.next.of);
	printf("%zu operations, %zu of them beside others: linearizable (at most %zu configurations)\n", n, k.overlaps,
	       k.most);
	return n > 0 && k.overlaps > 0 ? 0 : 1;
}

static int check(FILE *in)
{
	struct operation *all = NULL, o;
	size_t n = 0, room = 0;
	while (fscanf(in, "%d %c %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &o.process, &o.kind, &o.begin, &o.end,
		      &o.a, &o.b) == 6) {
		if (n == room) {
			room = room ? 2 * room : 1024;
			all = realloc(all, room * sizeof(*all));
		}
		if (!all || o.process < 0 || o.process >= PROCESSES_MAX || !strchr("rwmab", o.kind))
			return 2;
		all[n++] = o;
	}
	int result = check_history(all, n);
	free(all);
	return result;
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "run") == 0)
		return run(argv[2], atoi(argv[3]), atol(argv[4]), atol(argv[5]));
	if (argc == 2 && strcmp(argv[1], "check") == 0)
		return check(stdin);
	fprintf(stderr, "usage: linear run FILE PROCESSES OPERATIONS SEED >history; linear check <history\n");
	return 2;
}
