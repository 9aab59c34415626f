/*
 * clock.c - what time it is.
 */
#include "clock.h"

static int64_t ns_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t realtime_ns(void)
{
	return ns_of(CLOCK_REALTIME);
}

int64_t realtime_ms(void)
{
	return realtime_ns() / 1000000;
}

int64_t monotonic_ns(void)
{
	return ns_of(CLOCK_MONOTONIC);
}

int64_t monotonic_ms(void)
{
	return monotonic_ns() / 1000000;
}

struct timespec monotonic_at(int64_t ms)
{
	return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

/* In glibc neither of these can fail. */
void clock_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(c, &monotonic);
	pthread_condattr_destroy(&monotonic);
}
