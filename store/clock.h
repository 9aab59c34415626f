/*
 * clock.h - what time it is, and waits by the clock that nobody sets.
 */
#ifndef ROWFS_CLOCK_H
#define ROWFS_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* Since 1970 (CLOCK_REALTIME): for what is stored or shown. It may be set, forward and back. */
int64_t realtime_ns(void);
int64_t realtime_ms(void);

/* Since the start of the machine (CLOCK_MONOTONIC): for how long something takes. */
int64_t monotonic_ns(void);
int64_t monotonic_ms(void);

/* For pthread_cond_timedwait(3) on a condition of clock_cond_init(). */
struct timespec monotonic_at(int64_t ms);

/* A condition that is waited for by the monotonic clock. */
void clock_cond_init(pthread_cond_t *c);

#endif
