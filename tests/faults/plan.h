/*
 * plan.h - telling faults.so, in the daemon, what shall fail.
 */
#ifndef ROWFS_FAULT_PLAN_H
#define ROWFS_FAULT_PLAN_H

struct faults;

/* The file, made where it is not there. All of them end the program with 2 and a sentence where something is wrong. */
struct faults *faults_map(const char *path);

/* The nth call of the kind from now on, by the names that tool/fault takes. */
void faults_arm(struct faults *f, const char *kind, long nth, const char *error, const char *mode);

/* Nothing fails any more; returns how many calls there were. */
long faults_off(struct faults *f);

#endif
