/*
 * power.h - the entries that power.so writes and tool/power reads.
 */
#ifndef ROWFS_POWER_H
#define ROWFS_POWER_H

enum { POWER_WRITE = 1, POWER_SYNC };

/* Behind a POWER_WRITE stand the len bytes that were there before. */
struct power_entry {
	long op, inode, at, len;
};

#endif
