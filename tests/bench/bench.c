/*
 * bench.c - `make bench`: rowfs beside raw SQLite and plain ext4 files, in one run.
 *
 * Every row of the table is a few rounds; in each round every side works for a short slice in turn, so that what
 * changes in the machine meanwhile changes all of them alike. At the end the number of records on every side is
 * compared with the saves that succeeded.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

enum { MOUNTS = 5 };

static bool wanted(const struct bench *b, const char *name)
{
	return !b->options.only || !strcmp(b->options.only, name);
}

/* SIGINT and SIGTERM are blocked, so that an interrupted run unmounts and tidies up. */
static bool interrupted(void)
{
	sigset_t set;
	return !sigpending(&set) && (sigismember(&set, SIGINT) || sigismember(&set, SIGTERM));
}

/* ---- rows ---- */

/* The clients bind themselves; the daemon's threads are bound here, each time, as some may be new. */
static void bind_daemon(const struct bench *b, const struct mode *mode)
{
	if (b->daemon.pid)
		pin_process(b->daemon.pid, mode->pinned ? &b->pinned : &b->free);
}

static bool takes_part(const struct crew *crew, enum op op)
{
	bool reads = op_lists(op) || op == OP_READ_AFTER_SAVE || op == OP_READ_AGAIN;
	return crew->n && !(reads && crew->side->saves_only) && !interrupted();
}

/*
 * Waits while the disk is slower than usual: what one side left to it, or another program writes, must not be paid for
 * by the side that is next. A disk that stays slow is waited for no longer than a row may take.
 */
static void settle(struct bench *b, uint64_t deadline)
{
	double took;
	while ((took = place_sync_time(b, 5)) > 2 * b->sync_time && clock_now() < deadline && !interrupted())
		sleep_ns(20000000);
	if (took > 0 && (took < b->sync_time || !b->sync_time))
		b->sync_time = took;
}

static int run_slice(struct bench *b, struct crew *crew, struct cell *cell, struct order *order, uint64_t deadline)
{
	const struct side *side = crew->side;
	bool saves = !op_lists(order->op) && order->op != OP_READ_AGAIN;
	if (!takes_part(crew, order->op))
		return 0;
	if (saves)
		settle(b, deadline);
	order->directory[0] = '\0';
	int result = order->op == OP_RENAME && side->fresh ? place_make(b, order->directory) : 0;
	result = result ? result : crew_work(crew, order, &cell->rates[cell->rounds], &cell->latency);
	cell->rounds += !result;
	if (saves && !side->sync && side->ops == &files_ops)
		syncfs(b->directory);
	return result;
}

/* Runs the rounds of a row; as many rows of the same operation follow as rows_left says. */
static int run_row(struct bench *b, struct row *row, struct crew *crews, size_t rows_left)
{
	size_t rounds = row->rounds;
	uint64_t slice = (uint64_t)(b->options.seconds * 1e9 / (double)rounds), start = clock_now();
	uint64_t deadline = start + 3 * rounds * slice * row->nsides;
	struct order order = {.op = row->op, .nanoseconds = slice};
	order.cpus = row->mode.pinned ? b->pinned : b->free;
	bind_daemon(b, &row->mode);
	/* Slices of complete listings may be long: then fewer rounds do. */
	for (size_t round = 0; round < rounds && (round < 2 || clock_now() < deadline); round++) {
		int result = 0;
		order.portion = (long)(rounds - round + rows_left * rounds);
		order.clients = row->mode.clients;
		/* Each round begins with another side, so that none is always behind the same one. */
		for (size_t n = 0; n < row->nsides && !result; n++) {
			size_t i = (round + n) % row->nsides;
			result = run_slice(b, &crews[i], &row->cells[i], &order, deadline);
		}
		order.clients = 1;
		if (!result && row->mode.clients > 1)
			result = run_slice(b, &crews[SIDE_ROWFS], &row->one_client, &order, deadline);
		if (result)
			return result;
	}
	return interrupted() ? -EINTR : 0;
}

/* The first saves let the write-ahead log grow, which costs more than all later ones: they are not measured. */
static int warm_up(struct bench *b)
{
	struct order order = {.op = OP_UPDATE, .clients = 1, .nanoseconds = b->options.quick ? 150000000 : 400000000};
	double rate;
	int result = 0;
	struct histogram *latency = calloc(1, sizeof *latency);
	order.cpus = b->free;
	for (size_t i = 0; i < PEERS_COUNT && latency && !result; i++)
		if (takes_part(&b->crews[i], OP_UPDATE))
			result = crew_work(&b->crews[i], &order, &rate, latency);
	free(latency);
	return latency ? result : -ENOMEM;
}

static int run_operations(struct bench *b)
{
	static const struct mode modes[] = {{1, true}, {1, false}, {8, true}, {8, false}};
	static const size_t nmodes = sizeof modes / sizeof *modes;
	int result = 0;
	struct row *row = malloc(sizeof *row);
	for (enum op op = 0; op < OP_COUNT && row && !result; op++) {
		for (size_t i = 0; i < nmodes && !result && wanted(b, op_names[op]); i++) {
			if (!(modes[i].pinned ? b->options.pinned : b->options.free))
				continue;
			*row = (struct row){.op = op, .records = b->records, .mode = modes[i], .sides = b->sides};
			row->nsides = PEERS_COUNT;
			row->rounds = b->options.rounds;
			result = run_row(b, row, b->crews, nmodes - 1 - i);
			if (!result)
				report_row(&b->report, row);
		}
	}
	free(row);
	return row ? result : -ENOMEM;
}

/* What a hook adds is a few microseconds, and the disk's time wanders by more within a second: many short rounds. */
enum { HOOK_ROUNDS = 8 };

static int run_hooks(struct bench *b)
{
	struct row *row = calloc(1, sizeof *row);
	long records = b->records;
	int result = row ? 0 : -ENOMEM;
	b->records = HOOK_RECORDS;
	for (size_t i = 0; i < HOOK_VARIANTS && !result; i++)
		result = crew_start(&b->hook_crews[i], &b->hooks[i], HOOK_RECORDS, 1);
	if (!result) {
		report_section(
		    "What a hook adds to an update by one client, durability as above. check: an expression; sql: "
		    "changes a\nrow of another model; enqueue: a row of a queue; plugin: a C function; pipe: a "
		    "question to a running C program");
		row->op = OP_UPDATE;
		row->mode = (struct mode){1, true};
		row->sides = b->hooks;
		row->nsides = HOOK_VARIANTS;
		row->rounds = HOOK_ROUNDS * b->options.rounds;
		result = run_row(b, row, b->hook_crews, 0);
	}
	if (!result)
		report_hooks(&b->report, row);
	for (size_t i = 0; i < HOOK_VARIANTS; i++)
		crew_stop(&b->hook_crews[i]);
	b->records = records;
	free(row);
	return result;
}

/* ---- mount time, memory ---- */

static int run_mounts(struct bench *b)
{
	double answers[MOUNTS], first[MOUNTS], raw[MOUNTS];
	for (size_t i = 0; i < MOUNTS; i++) {
		int result = daemon_start(&b->daemon);
		result = result ? result : daemon_stop(&b->daemon);
		if (result)
			return result;
		answers[i] = (double)b->daemon.answers_ns / 1e6;
		first[i] = (double)b->daemon.first_entry_ns / 1e6;
		uint64_t start = clock_now();
		document_query(b->sides[SIDE_SQLITE].path, "SELECT id FROM records LIMIT 1");
		raw[i] = (double)(clock_now() - start) / 1e6;
	}
	report_figure(&b->report, "process start until the mount answers", b->records, median(answers, MOUNTS), "ms",
		      "");
	report_figure(&b->report, "process start until the first entry", b->records, median(first, MOUNTS), "ms",
		      "10 at 1,000,000");
	report_figure(&b->report, "raw SQLite, open until the first row", b->records, median(raw, MOUNTS), "ms", "");
	return 0;
}

static int run_memory(struct bench *b)
{
	struct histogram *latency = calloc(1, sizeof *latency);
	struct order order = {.op = OP_LIST_STAT, .clients = 1, .cpus = b->free};
	double rate = 0;
	int result = latency ? crew_work(&b->crews[SIDE_ROWFS], &order, &rate, latency) : -ENOMEM;
	free(latency);
	if (result)
		return result;
	pid_t pid = b->daemon.pid;
	report_figure(&b->report, "one complete ls -l, seconds", b->records,
		      rate > 0 ? (double)b->crews[SIDE_ROWFS].workers[0].desk->result.done / rate : 0, "s", "");
	report_figure(&b->report, "resident memory after it", b->records, (double)process_kib(pid, "VmRSS") / 1024,
		      "MiB", "16");
	report_figure(&b->report, "  of it anonymous", b->records, (double)process_kib(pid, "RssAnon") / 1024, "MiB",
		      "");
	report_figure(&b->report, "highest resident memory", b->records, (double)process_kib(pid, "VmHWM") / 1024,
		      "MiB", "");
	return 0;
}

/* ---- the whole ---- */

static int run_beside_each_other(struct bench *b)
{
	long growth[PEERS_COUNT] = {0};
	int result = 0;
	for (size_t i = b->options.without_rowfs; i < PEERS_COUNT && !result; i++)
		result = crew_start(&b->crews[i], &b->sides[i], b->records, CLIENTS_MAX);
	/* Memory first: what a save needs is no part of it. */
	if (!result && b->daemon.pid && wanted(b, "memory"))
		result = run_memory(b);
	result = result ? result : warm_up(b);
	report_heading();
	result = result ? result : run_operations(b);
	for (size_t i = 0; i < PEERS_COUNT; i++) {
		growth[i] = crew_growth(&b->crews[i]);
		crew_stop(&b->crews[i]);
	}
	if (!result && b->daemon.pid && b->records == b->options.sizes[0] && wanted(b, "hooks"))
		result = run_hooks(b);
	int stopped = daemon_stop(&b->daemon);
	result = result ? result : stopped;
	return result ? result : verify(b, growth);
}

static int run_size(struct bench *b, long records)
{
	char title[128];
	snprintf(title, sizeof title, "%ld records, durability %s", records, b->options.durability);
	report_section(title);
	int result = prepare(b, records);
	if (!result && !b->options.without_rowfs && wanted(b, "mount"))
		result = run_mounts(b);
	if (!result && !b->options.without_rowfs)
		result = daemon_start(&b->daemon);
	return result ? result : run_beside_each_other(b);
}

static int set_up(struct bench *b)
{
	sigset_t blocked;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (sched_getaffinity(0, sizeof b->free, &b->free))
		return -errno;
	int cpu = 0;
	while (!CPU_ISSET(cpu, &b->free))
		cpu++;
	CPU_ZERO(&b->pinned);
	CPU_SET(cpu, &b->pinned);
	int result = place_init(b);
	return result ? result : report_init(&b->report, b->options.durability, b->options.program, place_disk(b));
}

static int run(struct bench *b)
{
	int result = set_up(b);
	if (result) {
		fprintf(stderr, "bench: %s: %s\n", b->work, strerror(-result));
		return result;
	}
	b->sync_time = place_sync_time(b, 100);
	report_figure(&b->report, "fdatasync of 4 KiB", 0, b->sync_time, "us", "");
	for (size_t i = 0; i < b->options.nsizes && !result; i++)
		result = run_size(b, b->options.sizes[i]);
	daemon_stop(&b->daemon);
	place_remove(b);
	int written = report_write(&b->report, b->options.json);
	return result ? result : written;
}

static const char usage[] =
    "usage: bench [OPTION...]\n"
    "  --pin               only with clients and daemon on one CPU (for comparing)\n"
    "  --free              only without (what a user sees); default: both\n"
    "  --quick             about 20 s: 1,000 records, pinned, short rounds\n"
    "  --only NAME         one row: create update rename-over read-after-save read-again ls ls-l cat delete\n"
    "                      mount memory hooks\n"
    "  --seconds S         for one side of one row (0.6)\n"
    "  --records N,N       default 1000,100000 and, with BENCH_LARGE=1 in the environment, 1000000\n"
    "  --durability WORD   of rowfs and raw SQLite: full, normal or off\n"
    "  --rowfs FILE        the program (build/rowfs)\n"
    "  --without-rowfs     the other sides alone\n"
    "  --work DIRECTORY    where the work directory is made, on a real disk (/var/tmp)\n"
    "  --json FILE         where the figures go (build/bench.json)\n";

enum {
	OPTION_PIN = 1,
	OPTION_FREE,
	OPTION_QUICK,
	OPTION_SECONDS,
	OPTION_RECORDS,
	OPTION_WITHOUT,
	OPTION_HELP,
	OPTION_TEXT
};

static const struct option long_options[] = {
    {"pin", no_argument, NULL, OPTION_PIN},
    {"free", no_argument, NULL, OPTION_FREE},
    {"quick", no_argument, NULL, OPTION_QUICK},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"records", required_argument, NULL, OPTION_RECORDS},
    {"without-rowfs", no_argument, NULL, OPTION_WITHOUT},
    {"help", no_argument, NULL, OPTION_HELP},
    {"only", required_argument, NULL, OPTION_TEXT},
    {"durability", required_argument, NULL, OPTION_TEXT + 1},
    {"rowfs", required_argument, NULL, OPTION_TEXT + 2},
    {"work", required_argument, NULL, OPTION_TEXT + 3},
    {"json", required_argument, NULL, OPTION_TEXT + 4},
    {0},
};

static void read_sizes(struct options *o, const char *text)
{
	char *end = NULL;
	for (o->nsizes = 0; o->nsizes < SIZES_MAX; text = end + 1) {
		long n = strtol(text, &end, 10);
		if (n < CLIENTS_MAX)
			break;
		o->sizes[o->nsizes++] = n;
		if (*end != ',')
			break;
	}
}

static void read_option(struct options *o, int option)
{
	const char **texts[] = {&o->only, &o->durability, &o->program, &o->parent, &o->json};
	if (option >= OPTION_TEXT)
		*texts[option - OPTION_TEXT] = optarg;
	else if (option == OPTION_SECONDS)
		o->seconds = atof(optarg);
	else if (option == OPTION_RECORDS)
		read_sizes(o, optarg);
	o->free = o->free && option != OPTION_PIN;
	o->pinned = o->pinned && option != OPTION_FREE;
	o->quick = o->quick || option == OPTION_QUICK;
	o->without_rowfs = o->without_rowfs || option == OPTION_WITHOUT;
}

/* False when the words make no sense. */
static bool complete_options(struct options *o)
{
	const char *large = getenv("BENCH_LARGE");
	if (o->quick)
		o->free = false;
	if (!o->seconds)
		o->seconds = o->quick ? 0.12 : 0.6;
	o->rounds = o->quick ? 6 : 20;
	if (!o->nsizes)
		read_sizes(o, o->quick ? "1000" : large && *large == '1' ? "1000,100000,1000000" : "1000,100000");
	bool known = !o->only || !strcmp(o->only, "mount") || !strcmp(o->only, "memory") || !strcmp(o->only, "hooks");
	for (enum op op = 0; op < OP_COUNT; op++)
		known = known || !strcmp(o->only, op_names[op]);
	const char *d = o->durability;
	return known && o->nsizes && o->seconds > 0 && (o->pinned || o->free) &&
	       (!strcmp(d, "full") || !strcmp(d, "normal") || !strcmp(d, "off"));
}

int main(int argc, char **argv)
{
	struct bench *b = calloc(1, sizeof *b);
	if (!b)
		return 1;
	struct options *o = &b->options;
	*o = (struct options){.program = "build/rowfs", .json = "build/bench.json", .durability = "full"};
	o->parent = "/var/tmp";
	o->pinned = o->free = true;
	int option, result = 0;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1 && !result)
		if (option == '?' || option == OPTION_HELP)
			result = 2;
		else
			read_option(o, option);
	if (!result && (optind < argc || !complete_options(o)))
		result = 2;
	if (result)
		fputs(usage, stderr);
	else
		result = run(b) ? 1 : 0;
	free(b);
	return result;
}
