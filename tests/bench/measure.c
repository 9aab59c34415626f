/*
 * measure.c - clock, medians, histograms, pinning.
 *
 * A histogram's bucket is the exponent of the duration and its next five bits, so percentiles are exact to 3 %.
 */
#include "measure.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FINE_BITS = 5 };
_Static_assert(1 << FINE_BITS == HISTOGRAM_FINE, "a bucket's bits");

uint64_t clock_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void sleep_ns(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
	nanosleep(&ts, NULL);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double median(double *values, size_t n)
{
	if (!n)
		return 0;
	qsort(values, n, sizeof *values, compare_doubles);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static size_t bucket_of(uint64_t ns)
{
	if (ns < HISTOGRAM_FINE)
		return (size_t)ns;
	int exponent = 63 - __builtin_clzll(ns);
	size_t fine = (size_t)(ns >> (exponent - FINE_BITS)) & (HISTOGRAM_FINE - 1);
	size_t bucket = (size_t)(exponent - FINE_BITS + 1) * HISTOGRAM_FINE + fine;
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The middle of the bucket. */
static double bucket_value(size_t bucket)
{
	if (bucket < HISTOGRAM_FINE)
		return (double)bucket;
	size_t shift = bucket / HISTOGRAM_FINE - 1;
	uint64_t fine = HISTOGRAM_FINE + bucket % HISTOGRAM_FINE;
	return ((double)fine + 0.5) * (double)(1ull << shift);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->counts[bucket_of(ns)]++;
	h->total++;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->counts[i] += from->counts[i];
	to->total += from->total;
}

double histogram_percentile(const struct histogram *h, double share)
{
	double wanted = share * (double)h->total, seen = 0;
	if (!h->total)
		return 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->counts[i];
		if (seen >= wanted && seen > 0)
			return bucket_value(i);
	}
	return bucket_value(HISTOGRAM_BUCKETS - 1);
}

int pin_process(pid_t pid, const cpu_set_t *cpus)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		return -errno;
	int result = 0;
	for (struct dirent *entry; (entry = readdir(tasks));) {
		pid_t task = atoi(entry->d_name);
		/* A thread may end between the listing and the call. */
		if (task > 0 && sched_setaffinity(task, sizeof *cpus, cpus) && errno != ESRCH)
			result = -errno;
	}
	closedir(tasks);
	return result;
}

long process_kib(pid_t pid, const char *name)
{
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *status = fopen(path, "re");
	if (!status)
		return -1;
	long kib = -1;
	size_t len = strlen(name);
	while (kib < 0 && fgets(line, sizeof line, status))
		if (!strncmp(line, name, len) && line[len] == ':')
			kib = atol(line + len + 1);
	fclose(status);
	return kib;
}
