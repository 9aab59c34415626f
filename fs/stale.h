/*
 * stale.h - the mount that a killed daemon has left.
 */
#ifndef ROWFS_STALE_H
#define ROWFS_STALE_H

/* Unmounts it where there is one, and says so. What fails is found when the mountpoint is used. */
void stale_release(const char *mountpoint);

#endif
