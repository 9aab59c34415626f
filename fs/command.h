/*
 * command.h - the words of the command line. Exit codes are mount(8)'s: 0, 1 usage or configuration, 2 system, 32 mount
 * failed.
 */
#ifndef ROWFS_COMMAND_H
#define ROWFS_COMMAND_H

enum { EXIT_USAGE = 1, EXIT_SYSTEM = 2, EXIT_MOUNT = 32 };

/* argv starts behind the command's word. */
int command_check(int argc, char **argv);
int command_init(int argc, char **argv);
int command_graph(int argc, char **argv);
int command_schema(int argc, char **argv);
/* rowfs CONF MOUNTPOINT [-f] [-d] [-o OPT[,OPT...]] */
int command_mount(int argc, char **argv);

/* Prints "rowfs: SENTENCE" and problems to standard error. */
struct err;
void command_complain(const struct err *e);

#endif
