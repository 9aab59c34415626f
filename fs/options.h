/*
 * options.h - what the command line says of a mount.
 */
#ifndef ROWFS_OPTIONS_H
#define ROWFS_OPTIONS_H

#include <stdbool.h>

#include "mount.h"

struct options {
	const char *conf, *mountpoint; /* of argv */
	bool foreground, debug, read_only;
	struct fuse_args args; /* what libfuse is to know */
};

#define OPTIONS_INIT                                                                                                   \
	{                                                                                                              \
		.args = FUSE_ARGS_INIT(0, NULL)                                                                        \
	}

/* 0, or the exit code of the command, which has said why. */
int options_read(struct options *o, int argc, char **argv);
void options_release(struct options *o);

#endif
