/*
 * measure.h - what the benchmark measures with: a monotonic clock, medians, latency histograms, CPU pinning, /proc.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t clock_now(void);
void sleep_ns(uint64_t ns);

/* Sorts the values; 0 without any. */
double median(double *values, size_t n);

/* Counts of durations in buckets about 3 % wide, so that those of many clients add up in little memory. */
enum { HISTOGRAM_FINE = 32, HISTOGRAM_BUCKETS = 40 * HISTOGRAM_FINE };
struct histogram {
	uint32_t counts[HISTOGRAM_BUCKETS];
	uint64_t total;
};

void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *to, const struct histogram *from);
/* The duration in nanoseconds that the share (0.99) of all stays under; 0 while empty. */
double histogram_percentile(const struct histogram *h, double share);

/* Binds every thread of the process to the CPUs. 0 or a negative errno. */
int pin_process(pid_t pid, const cpu_set_t *cpus);
/* A KiB figure of /proc/PID/status, such as "VmRSS"; -1 where there is none. */
long process_kib(pid_t pid, const char *name);

#endif
