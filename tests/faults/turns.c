/*
 * turns.c - turns KIND ERRNO once|always [FIRST [STEP [LOAD...]]]
 *
 * Has the FIRST call of KIND that the daemon makes under a load fail, then the one that is STEP further, until a load
 * meets none any more; STEP 0: so far apart that it is a dozen. The directory is a test's (tests/mount/faults.sh): mnt,
 * shop.db, and faults, which faults.so reads in the daemon.
 *
 * After each turn: no acknowledged save is missing, nothing else is there, no half of a transaction, the mount answers.
 * What is printed are the figures; a run that was stopped goes on with the FIRST that its last line names. Ends with 1
 * and a sentence, which says how to repeat it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"
#include "plan.h"
#include "turns.h"

/*
 * Passes in a row that end a loop: what threads do beside the load moves calls from one turn to another. Where others
 * use the machine a load may not be done in its time though nothing failed: it gets some more turns.
 */
enum { A_DOZEN = 12, PASSES = 3, MOST_PASSES = 100, SECONDS_A_CALL = 60, ANSWERING = 1000000 };

static struct plan {
	struct faults *faults;
	const char *kind, *error, *mode, *load;
	long nth, step;
} plan;

void fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(stderr, "turns %s %s %s %ld %ld %s: ", plan.kind, plan.error, plan.mode, plan.nth, plan.step,
		plan.load);
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

static void too_long(int signal)
{
	(void)signal;
	fail("a call does not return");
}

/* ---- what is acknowledged ---- */

static struct kept *kept_find(const struct turn *t, const char *model, long key)
{
	for (int i = 0; key != 0 && i < t->nkept; i++)
		if (t->kept[i].key == key && strcmp(t->kept[i].model, model) == 0)
			return (struct kept *)&t->kept[i];
	return NULL;
}

void kept_add(struct turn *t, const char *model, long key, const char *name)
{
	struct kept *k = kept_find(t, model, key);
	if (!k)
		k = &t->kept[t->nkept++];
	k->model = model;
	k->key = key;
	snprintf(k->name, sizeof k->name, "%s", name);
}

void kept_drop(struct turn *t, const char *model, long key)
{
	struct kept *k = kept_find(t, model, key);
	if (!k)
		fail("%s %ld is there, and was not acknowledged", model, key);
	*k = t->kept[--t->nkept];
}

const char *kept_name(const struct turn *t, const char *model, long key)
{
	struct kept *k = kept_find(t, model, key);
	return k ? k->name : NULL;
}

int kept_count(const struct turn *t, const char *model)
{
	int n = 0;
	for (int i = 0; i < t->nkept; i++)
		n += strcmp(t->kept[i].model, model) == 0;
	return n;
}

/* ---- what is stored ---- */

long number_of(struct turn *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *sql = sqlite3_vmprintf(format, args);
	va_end(args);
	sqlite3_stmt *statement = NULL;
	if (sqlite3_prepare_v2(t->db, sql, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
		fail("%s: %s", sql, sqlite3_errmsg(t->db));
	long number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_free(sql);
	return number;
}

static void must_be(struct turn *t, long expected, const char *what, const char *sql)
{
	long number = number_of(t, "%s", sql);
	if (number != expected)
		fail("%s: %ld, and not %ld", what, number, expected);
}

static void check_records(struct turn *t)
{
	must_be(t, kept_count(t, "plain"), "records of plain", "select count(*) from plain where id <> 1000000");
	must_be(t, kept_count(t, "orders"), "records of orders", "select count(*) from orders");
	must_be(t, 0, "records of plain without their line",
		"select count(*) from plain p where (select count(*) from plain_lines where plain_id = p.id) <> 1");
	must_be(t, 0, "records of orders without their line",
		"select count(*) from orders o where (select count(*) from orders_lines where orders_id = o.id) <> 1");
	for (int i = 0; i < t->nkept; i++)
		if (number_of(t, "select count(*) from %s where name = '%s' and (id = %ld or %ld = 0)",
			      t->kept[i].model, t->kept[i].name, t->kept[i].key, t->kept[i].key) != 1)
			fail("%s %ld, %s, is missing", t->kept[i].model, t->kept[i].key, t->kept[i].name);
}

/* What a save's hooks did is there once, and nothing of a save that was refused. */
static void check_hooks(struct turn *t)
{
	static const char *const left[] = {"trail", "staged", "seen", "notices"};
	for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
		long there = number_of(t, "select count(*) from %s where name between '%ld-' and '%ld.'", left[i],
				       t->number, t->number);
		if (there != t->nsaved)
			fail("%s has %ld of the %d saves that were acknowledged", left[i], there, t->nsaved);
		for (int j = 0; j < t->nsaved; j++)
			if (number_of(t, "select count(*) from %s where name = '%s'", left[i], t->saved[j]) != 1)
				fail("%s of %s is missing", left[i], t->saved[j]);
	}
}

/* ---- one turn ---- */

bool within(double seconds, bool (*true_by_now)(struct turn *t), struct turn *t)
{
	struct timespec begin, now, pause = {0, 1000000};
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (!true_by_now(t)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9 > seconds)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static bool answers(struct turn *t)
{
	char text[128];
	int fd = open("mnt/plain/1000000.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int len = snprintf(text, sizeof text, "{\"name\": \"still %ld\", \"plain_lines\": [{\"qty\": 1}]}", t->number);
	bool done = fd >= 0 && write(fd, text, (size_t)len) == len;
	return fd >= 0 && close(fd) == 0 && done;
}

static bool cleared(struct turn *t)
{
	char path[128];
	while (t->nkept > 0) {
		struct kept *k = &t->kept[t->nkept - 1];
		long key = k->key ? k->key : number_of(t, "select id from %s where name = '%s'", k->model, k->name);
		snprintf(path, sizeof path, "mnt/%s/%ld.json", k->model, key);
		if (unlink(path) < 0)
			return false;
		t->nkept--;
	}
	return true;
}

/* Or each turn would list those of all before it, and need more calls than the one before: no run would pass. */
static void forget_deleted(struct turn *t)
{
	if (sqlite3_exec(t->db, "delete from rowfs_deleted", NULL, NULL, NULL) != SQLITE_OK)
		fail("what is kept of deleted records can't be dropped: %s", sqlite3_errmsg(t->db));
}

/* Returns how many calls there were; more than were to pass where one failed. */
static long take_turn(const struct load *load, struct turn *t)
{
	t->nkept = t->nsaved = 0;
	t->finished = false;
	if (load->before)
		load->before(t);
	faults_arm(plan.faults, plan.kind, plan.nth, plan.error, plan.mode);
	load->run(t);
	long seen = faults_off(plan.faults);
	if (!within(60, answers, t))
		fail("the mount does not answer: %s", strerror(errno));
	if (load->after)
		load->after(t);
	check_records(t);
	check_hooks(t);
	if (!within(20, cleared, t))
		fail("a record can't be removed: %s", strerror(errno));
	forget_deleted(t);
	return seen;
}

/* ---- all turns ---- */

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void next_keys(struct turn *t)
{
	t->number++;
	t->key += KEYS_A_TURN;
}

static void all_turns(const struct load *load, long first, struct turn *t)
{
	double begin = seconds();
	long turns = 0, met = 0, seen = 0;
	plan.load = load->name;
	if (plan.step == 0) {
		plan.nth = LONG_MAX;
		next_keys(t);
		plan.step = take_turn(load, t) / A_DOZEN + 1;
	}
	plan.nth = first;
	for (int passed = 0; passed < PASSES || !t->finished; turns++, plan.nth += plan.step) {
		next_keys(t);
		alarm(SECONDS_A_CALL * 4);
		seen = take_turn(load, t);
		met += seen >= plan.nth;
		passed = seen < plan.nth ? passed + 1 : 0;
		if (passed == MOST_PASSES && !t->finished)
			fail("nothing failed, and yet the load was not done");
	}
	alarm(0);
	printf("%s, %s %s %s: %ld turns by %ld, in %ld of them a call failed, the last met %ld calls; %.1f ms a turn\n",
	       load->name, plan.kind, plan.error, plan.mode, turns, plan.step, met, seen,
	       (seconds() - begin) * 1000 / (double)turns);
	fflush(stdout);
}

static bool chosen(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	static struct turn t;
	if (argc < 4) {
		fprintf(stderr, "usage: turns KIND ERRNO once|always [FIRST [STEP [LOAD...]]]\n");
		return 2;
	}
	plan = (struct plan){faults_map("faults"), argv[1], argv[2], argv[3], "", 1, 1};
	long first = argc > 4 ? atol(argv[4]) : 1;
	t.no_memory = strcmp(plan.kind, "malloc") == 0;
	signal(SIGALRM, too_long);
	if (sqlite3_open("shop.db", &t.db) != SQLITE_OK || sqlite3_busy_timeout(t.db, 20000) != SQLITE_OK)
		fail("%s", sqlite3_errmsg(t.db));
	t.number = t.key =
	    number_of(&t, "select coalesce(max(cast(substr(name, 7) as integer)), 0) from plain where id = 1000000");
	if (!answers(&t))
		fail("the mount does not answer: %s", strerror(errno));
	for (const struct load *load = loads; load->name; load++) {
		plan.step = argc > 5 ? atol(argv[5]) : 1;
		if (chosen(load->name, argv + (argc > 6 ? 6 : argc)))
			all_turns(load, first, &t);
	}
	sqlite3_close(t.db);
	return 0;
}
