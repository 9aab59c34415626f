/*
 * client.c - the processes that do the work, one slice at an order.
 *
 * An order and its result lie in memory shared with bench.c; a byte through a pipe starts the slice and another ends
 * it. A client whose order pipe is closed ends. Two clients never save the same record.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum {
	SAVES_MAX = 4000, /* in a slice: saves that are not durable would fill the disk's queue for the next side */
	STOCK_MIN = 50,   /* records to delete that make a slice worth while */
	STOCK_MAKE = 300,
	FRESH_SET = 64, /* records of each client in a directory for renames */
	READ_AGAIN_SET = 1000
};

static long random_below(struct client *c, long n)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return n > 0 ? (long)(c->random % (uint64_t)n) : 0;
}

static long created_key(const struct client *c, long n)
{
	return c->side->first_created + n * CLIENTS_MAX + c->index;
}

/* No two clients ever write the same revision, so that no save is equal to what is stored. */
static long next_revision(struct client *c)
{
	return ++c->revision * CLIENTS_MAX + c->index;
}

static long choose_key(struct client *c, enum op op)
{
	long clients = c->desk->order.clients, n;
	switch (op) {
	case OP_CREATE:
		return created_key(c, c->created_next);
	case OP_DELETE:
		return created_key(c, c->deleted_next);
	case OP_READ_AGAIN:
		return 1 + random_below(c, c->records < READ_AGAIN_SET ? c->records : READ_AGAIN_SET);
	default:
		n = c->desk->order.directory[0] ? FRESH_SET : c->records / clients;
		return 1 + c->index + clients * random_below(c, n);
	}
}

static int save(struct client *c, enum op op, const struct document *d)
{
	int result = c->side->ops->save[op](c, d);
	if (result)
		return result;
	c->created_next += op == OP_CREATE;
	c->deleted_next += op == OP_DELETE;
	return 0;
}

static int read_record(struct client *c, long key, long expected)
{
	long revision = c->side->ops->read(c, key);
	if (revision < 0)
		return (int)revision;
	return expected >= 0 && revision != expected ? -ESTALE : 0;
}

/* One operation and what it took: of a save and read, the read. */
static int operate(struct client *c, enum op op, uint64_t *took)
{
	struct document d = {.key = choose_key(c, op), .revision = next_revision(c)};
	c->desk->result.key = d.key;
	int result = 0;
	if (op == OP_READ_AFTER_SAVE)
		result = save(c, op, &d);
	uint64_t start = clock_now();
	if (!result && (op == OP_READ_AFTER_SAVE || op == OP_READ_AGAIN))
		result = read_record(c, d.key, op == OP_READ_AFTER_SAVE ? d.revision : -1);
	else if (!result)
		result = save(c, op, &d);
	*took = clock_now() - start;
	return result;
}

/* Makes records to delete when there are few, in a slice of its own. */
static int prepare_stock(struct client *c)
{
	int result = 0;
	bool short_of = c->created_next - c->deleted_next < STOCK_MIN;
	for (int i = 0; i < STOCK_MAKE && short_of && !result; i++)
		result = save(c, OP_CREATE, &(struct document){choose_key(c, OP_CREATE), next_revision(c)});
	return result;
}

static int prepare_set(struct client *c)
{
	int result = 0;
	struct document d = {.key = 1 + c->index};
	for (int i = 0; i < FRESH_SET && !result; i++, d.key += c->desk->order.clients)
		result = c->side->ops->save[OP_CREATE](c, &d);
	return result;
}

/* How many operations a slice may have; the records to delete must last for all slices to come. */
static long most_in_slice(const struct client *c)
{
	const struct order *o = &c->desk->order;
	if (o->op != OP_DELETE)
		return o->op == OP_READ_AGAIN ? LONG_MAX : SAVES_MAX;
	long stock = c->created_next - c->deleted_next, part = stock / o->portion;
	return part < STOCK_MIN ? STOCK_MIN : part;
}

/* An operation that ends after the slice does not count, lest a client that waits long stretches the slice for all. */
static int work_on_records(struct client *c)
{
	const struct order *o = &c->desk->order;
	struct result *r = &c->desk->result;
	long most = most_in_slice(c);
	int result = 0;
	r->begin = r->end = clock_now();
	for (uint64_t end = r->begin + o->nanoseconds; !result && r->end < end && r->done < most;) {
		uint64_t took = 0;
		result = operate(c, o->op, &took);
		histogram_add(&r->latency, took);
		uint64_t now = clock_now();
		if (now > end && r->done)
			break;
		r->end = now;
		r->busy += took;
		r->done++;
	}
	return result;
}

/* ls is always complete, as is every slice of no time; ls -l and cat * of very many records end with the slice. */
static int work_on_lists(struct client *c)
{
	const struct order *o = &c->desk->order;
	struct result *r = &c->desk->result;
	uint64_t start = clock_now(), end = start + o->nanoseconds, now = start;
	bool whole = o->op == OP_LIST || !o->nanoseconds;
	long result = 0;
	while (result >= 0 && (now < end || now == start)) {
		uint64_t before = now;
		result = c->side->ops->list(c, o->op, whole ? 0 : start + 5 * o->nanoseconds);
		now = clock_now();
		if (whole && result >= 0 && result < c->records)
			result = -ENODATA;
		if (result >= 0)
			r->done += result;
		histogram_add(&r->latency, now - before);
	}
	r->begin = start;
	r->end = now;
	return result < 0 ? (int)result : 0;
}

static void work(struct client *c)
{
	struct desk *desk = c->desk;
	struct result *r = &desk->result;
	*r = (struct result){0};
	sched_setaffinity(0, sizeof desk->order.cpus, &desk->order.cpus);
	if (c->side->ops->enter)
		r->error = c->side->ops->enter(c, desk->order.directory);
	if (!r->error && desk->order.prepare)
		r->error = desk->order.op == OP_DELETE ? prepare_stock(c) : prepare_set(c);
	else if (!r->error)
		r->error = op_lists(desk->order.op) ? work_on_lists(c) : work_on_records(c);
	r->created = c->created_next;
	r->deleted = c->deleted_next;
}

static int run_client(struct client *c, int orders, int results)
{
	char byte = 0;
	int result = c->side->ops->attach(c);
	c->desk->result.error = result;
	if (write(results, &byte, 1) != 1 || result)
		return 1;
	while (read(orders, &byte, 1) == 1) {
		work(c);
		if (write(results, &byte, 1) != 1)
			break;
	}
	c->side->ops->detach(c);
	return 0;
}

static int start_worker(struct worker *w, struct client *c)
{
	int orders[2], results[2];
	w->desk = mmap(NULL, sizeof *w->desk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w->desk == MAP_FAILED || pipe2(orders, O_CLOEXEC))
		return -errno;
	if (pipe2(results, O_CLOEXEC))
		return -errno;
	c->desk = w->desk;
	w->pid = fork();
	if (!w->pid) {
		/* Without closing all else, other clients' pipes would stay open; 3 and up are only pipes here. */
		for (int fd = 3; fd < 1024; fd++)
			if (fd != orders[0] && fd != results[1])
				close(fd);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(run_client(c, orders[0], results[1]));
	}
	close(orders[0]);
	close(results[1]);
	w->orders = orders[1];
	w->results = results[0];
	return w->pid < 0 ? -errno : 0;
}

static int wait_for(const struct worker *w)
{
	char byte;
	return read(w->results, &byte, 1) == 1 ? w->desk->result.error : -ECHILD;
}

int crew_start(struct crew *crew, const struct side *side, long records, size_t n)
{
	struct client *c = calloc(1, sizeof *c);
	int result = c ? 0 : -ENOMEM;
	*crew = (struct crew){.side = side};
	for (size_t i = 0; i < n && !result; i++) {
		*c = (struct client){.side = side, .records = records, .index = (int)i};
		c->random = 88172645463325252ull + i * 7919;
		crew->n++;
		result = start_worker(&crew->workers[i], c);
		if (!result)
			result = wait_for(&crew->workers[i]);
	}
	free(c);
	if (result)
		fprintf(stderr, "bench: %s: %s: %s\n", side->name, side->path, strerror(-result));
	return result;
}

static int work_together(struct crew *crew, const struct order *order)
{
	int result = 0;
	for (int i = 0; i < order->clients; i++)
		crew->workers[i].desk->order = *order;
	for (int i = 0; i < order->clients; i++)
		if (write(crew->workers[i].orders, "", 1) != 1)
			result = -errno;
	for (int i = 0; i < order->clients; i++) {
		int error = wait_for(&crew->workers[i]);
		if (error)
			fprintf(stderr, "bench: %s: %s of key %ld: %s\n", crew->side->name, op_names[order->op],
				crew->workers[i].desk->result.key, strerror(-error));
		result = result ? result : error;
	}
	return result;
}

/* Of a read after a save only the read counts: what one client would reach if the saves took no time. */
static double rate_of(const struct crew *crew, const struct order *order)
{
	uint64_t begin = UINT64_MAX, end = 0, busy = 0;
	long done = 0;
	for (int i = 0; i < order->clients; i++) {
		const struct result *r = &crew->workers[i].desk->result;
		begin = r->begin < begin ? r->begin : begin;
		end = r->end > end ? r->end : end;
		busy += r->busy;
		done += r->done;
	}
	uint64_t time = order->op == OP_READ_AFTER_SAVE ? busy : end - begin;
	return end > begin && time ? (double)done * 1e9 / (double)time : 0;
}

int crew_work(struct crew *crew, const struct order *order, double *rate, struct histogram *latency)
{
	int result = 0;
	if (order->op == OP_DELETE || order->directory[0]) {
		struct order preparation = *order;
		preparation.prepare = true;
		result = work_together(crew, &preparation);
	}
	result = result ? result : work_together(crew, order);
	*rate = result ? 0 : rate_of(crew, order);
	for (int i = 0; i < order->clients; i++)
		histogram_merge(latency, &crew->workers[i].desk->result.latency);
	return result;
}

long crew_growth(const struct crew *crew)
{
	long growth = 0;
	for (size_t i = 0; i < crew->n; i++)
		growth += crew->workers[i].desk->result.created - crew->workers[i].desk->result.deleted;
	return growth;
}

void crew_stop(struct crew *crew)
{
	for (size_t i = 0; i < crew->n; i++) {
		struct worker *w = &crew->workers[i];
		if (w->pid <= 0)
			continue;
		close(w->orders);
		waitpid(w->pid, NULL, 0);
		close(w->results);
		munmap(w->desk, sizeof *w->desk);
	}
	crew->n = 0;
}
