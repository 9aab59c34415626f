/*
 * report.c - the table on standard output and the same figures as one JSON document.
 *
 * A ratio is the median of the ratios of each round, because the sides of a round ran next to each other.
 * Goals are printed for information; nothing passes or fails here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

const char *const op_names[OP_COUNT] = {
    [OP_CREATE] = "create",         [OP_UPDATE] = "update",
    [OP_RENAME] = "rename-over",    [OP_READ_AFTER_SAVE] = "read-after-save",
    [OP_READ_AGAIN] = "read-again", [OP_LIST] = "ls",
    [OP_LIST_STAT] = "ls-l",        [OP_LIST_READ] = "cat",
    [OP_DELETE] = "delete",
};

/* What is to be reached, pinned; records 0: at any number. */
static const struct goal {
	enum op op;
	long records;
	int clients;
	const char *durability, *text;
} goals[] = {
    {OP_CREATE, 0, 1, "full", "sqlite 0.62"},     {OP_UPDATE, 0, 1, "full", "sqlite 0.68"},
    {OP_UPDATE, 0, 1, "normal", "sqlite 0.30"},   {OP_UPDATE, 0, 8, "full", "one 3.0"},
    {OP_RENAME, 0, 1, "full", "fsync 1.4"},       {OP_LIST, 1000000, 1, NULL, "ext4 0.9"},
    {OP_LIST_STAT, 1000000, 1, NULL, "ext4 1.0"},
};

static const char *goal_of(const struct report *r, const struct row *row)
{
	for (size_t i = 0; i < sizeof goals / sizeof *goals; i++) {
		const struct goal *g = &goals[i];
		if (g->op == row->op && g->clients == row->mode.clients && row->mode.pinned &&
		    (!g->records || g->records == row->records) &&
		    (!g->durability || !strcmp(g->durability, r->durability)))
			return g->text;
	}
	return "";
}

static double rate_of(const struct cell *c)
{
	double rates[ROUNDS_MAX];
	memcpy(rates, c->rates, sizeof rates);
	return median(rates, c->rounds);
}

static double ratio_of(const struct cell *a, const struct cell *b)
{
	double ratios[ROUNDS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < a->rounds && i < b->rounds; i++)
		if (b->rates[i] > 0)
			ratios[n++] = a->rates[i] / b->rates[i];
	return median(ratios, n);
}

/* What an operation of one client takes longer than on the other side, in microseconds. */
static double extra_of(const struct cell *a, const struct cell *b)
{
	double extra[ROUNDS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < a->rounds && i < b->rounds; i++)
		if (a->rates[i] > 0 && b->rates[i] > 0)
			extra[n++] = 1e6 / a->rates[i] - 1e6 / b->rates[i];
	return median(extra, n);
}

static json_t *cell_json(const struct cell *c)
{
	double low = c->rounds ? c->rates[0] : 0, high = low;
	for (size_t i = 1; i < c->rounds; i++) {
		low = c->rates[i] < low ? c->rates[i] : low;
		high = c->rates[i] > high ? c->rates[i] : high;
	}
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:I}", "per_second", rate_of(c), "lowest", low, "highest", high,
			 "p50_us", histogram_percentile(&c->latency, 0.5) / 1000, "p99_us",
			 histogram_percentile(&c->latency, 0.99) / 1000, "rounds", (json_int_t)c->rounds);
}

static json_t *section(struct report *r, const char *name)
{
	json_t *array = json_object_get(r->json, name);
	if (!array && !json_object_set_new(r->json, name, json_array()))
		array = json_object_get(r->json, name);
	return array;
}

static const char compared[] =
    "rowfs      open, write and close a file; answers when the commit is durable (--durability)\n"
    "sqlite     one prepared statement a transaction on a plain table in WAL mode at the same durability: no times, "
    "no\n"
    "           counter of keys, no check, no file\n"
    "ext4+sync  the same calls on files, with fsync of the file and, for a new name, of the directory\n"
    "ext4       without\n"
    "Ratios are medians of rounds in which all take turns. pin: clients and daemon on one CPU; free: on any.\n";

int report_init(struct report *r, const char *durability, const char *program, const char *disk)
{
	struct utsname host;
	char date[32];
	time_t now = time(NULL);
	struct tm tm;
	uname(&host);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	r->durability = durability;
	r->json = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s}", "version", 1, "date", date, "kernel",
			    host.release, "machine", host.machine, "disk", disk, "sqlite", sqlite3_libversion(), "cpus",
			    (int)sysconf(_SC_NPROCESSORS_ONLN), "durability", durability, "program", program);
	printf("Linux %s, %ld CPUs, SQLite %s, %s\n", host.release, sysconf(_SC_NPROCESSORS_ONLN), sqlite3_libversion(),
	       disk);
	fputs(compared, stdout);
	return r->json ? 0 : -ENOMEM;
}

void report_section(const char *title)
{
	printf("\n%s\n", title);
	fflush(stdout);
}

void report_heading(void)
{
	printf("%-15s %-7s %9s %9s %9s %9s | %7s %7s %7s %6s | %8s %8s  %s\n", "records/s", "clients", "rowfs",
	       "sqlite", "ext4+sync", "ext4", "/sqlite", "/e.sync", "/ext4", "/one", "p50 us", "p99 us", "goal");
}

static void print_number(double value, int width, const char *fmt)
{
	if (value > 0)
		printf(fmt, width, value);
	else
		printf("%*s", width, "-");
}

static void print_row(const struct report *r, const struct row *row, const double *rates, const double *ratios)
{
	char clients[16];
	snprintf(clients, sizeof clients, "%d %s", row->mode.clients, row->mode.pinned ? "pin" : "free");
	printf("%-15s %-7s", op_names[row->op], clients);
	for (size_t i = 0; i < row->nsides; i++)
		print_number(rates[i], 10, "%*.0f");
	printf(" |");
	for (size_t i = 1; i < row->nsides; i++)
		print_number(ratios[i], 8, "%*.2f");
	print_number(ratio_of(&row->cells[0], &row->one_client), 7, "%*.2f");
	printf(" |");
	print_number(histogram_percentile(&row->cells[0].latency, 0.5) / 1000, 9, "%*.1f");
	print_number(histogram_percentile(&row->cells[0].latency, 0.99) / 1000, 9, "%*.1f");
	printf("  %s\n", goal_of(r, row));
	fflush(stdout);
}

void report_row(struct report *r, struct row *row)
{
	double rates[SIDES_MAX] = {0}, ratios[SIDES_MAX] = {0};
	json_t *sides = json_object(), *against = json_object();
	for (size_t i = 0; i < row->nsides; i++) {
		const char *name = row->sides[i].name;
		rates[i] = rate_of(&row->cells[i]);
		ratios[i] = i ? ratio_of(&row->cells[0], &row->cells[i]) : 0;
		if (row->cells[i].rounds)
			json_object_set_new(sides, name, cell_json(&row->cells[i]));
		if (ratios[i] > 0)
			json_object_set_new(against, name, json_real(ratios[i]));
	}
	if (row->one_client.rounds)
		json_object_set_new(against, "one client", json_real(ratio_of(&row->cells[0], &row->one_client)));
	json_array_append_new(section(r, "operations"),
			      json_pack("{s:s, s:I, s:i, s:b, s:o, s:o, s:s}", "operation", op_names[row->op],
					"records", (json_int_t)row->records, "clients", row->mode.clients, "pinned",
					row->mode.pinned, "sides", sides, "ratios", against, "goal", goal_of(r, row)));
	print_row(r, row, rates, ratios);
}

void report_hooks(struct report *r, struct row *row)
{
	for (size_t i = 0; i < row->nsides; i++) {
		double rate = rate_of(&row->cells[i]), ratio = ratio_of(&row->cells[i], &row->cells[0]);
		double cost = extra_of(&row->cells[i], &row->cells[0]);
		printf("%-15s %-7s %9.0f/s  %8.1f us a save  %+8.1f us  %6.2f of no hook\n", row->sides[i].name,
		       "1 pin", rate, rate > 0 ? 1e6 / rate : 0, cost, ratio);
		json_t *figures = cell_json(&row->cells[i]);
		json_object_set_new(figures, "hook", json_string(row->sides[i].name));
		json_object_set_new(figures, "cost_us", json_real(cost));
		json_object_set_new(figures, "ratio", json_real(ratio));
		json_array_append_new(section(r, "hooks"), figures);
	}
	fflush(stdout);
}

void report_figure(struct report *r, const char *name, long records, double value, const char *unit, const char *goal)
{
	printf("%-40s %10.2f %s%s%s\n", name, value, unit, *goal ? "   goal " : "", goal);
	fflush(stdout);
	json_array_append_new(section(r, "figures"),
			      json_pack("{s:s, s:I, s:f, s:s, s:s}", "name", name, "records", (json_int_t)records,
					"value", value, "unit", unit, "goal", goal));
}

int report_write(struct report *r, const char *path)
{
	int result = json_dump_file(r->json, path, JSON_INDENT(2) | JSON_REAL_PRECISION(8)) ? -EIO : 0;
	if (result)
		fprintf(stderr, "bench: %s can't be written\n", path);
	else
		printf("\nthe same as JSON: %s\n", path);
	json_decref(r->json);
	return result;
}
