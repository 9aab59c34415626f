/*
 * faults.h - what tool/fault tells faults.so, in a file that both map.
 */
#ifndef ROWFS_FAULTS_H
#define ROWFS_FAULTS_H

enum fault_kind {
	FAULT_NONE,
	FAULT_MALLOC,
	FAULT_READ,
	FAULT_WRITE,
	FAULT_SYNC,
	FAULT_TRUNCATE,
	FAULT_OPEN,
	FAULT_LOCK,
	FAULT_THREAD,
	FAULT_PROCESS,
	FAULT_KINDS
};

struct faults {
	int kind;           /* calls of this kind are counted, and the nth fails */
	int always;         /* and all that follow it */
	int error;          /* with this errno */
	long nth, seen;     /* calls so far */
	long clock_seconds; /* the daemon's real-time clock is so much ahead */
};

#endif
