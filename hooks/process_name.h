/*
 * process_name.h - what the process that saves is called.
 */
#ifndef ROWFS_PROCESS_NAME_H
#define ROWFS_PROCESS_NAME_H

#include <sys/types.h>

enum { COMM_SIZE = 32 };

/* "rowfs" for 0, "" when it is gone; in UTF-8 whatever its bytes are. comm of COMM_SIZE bytes. From any thread. */
void process_name(pid_t pid, char *comm);

#endif
