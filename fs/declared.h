/*
 * declared.h - everything that mount.conf declares, read and checked together: for every command.
 */
#ifndef ROWFS_DECLARED_H
#define ROWFS_DECLARED_H

#include "../hooks/hook.h"
#include "../store/conf.h"
#include "../store/model.h"

struct declared {
	struct conf conf;
	struct schema schema;
	struct hooks hooks;
};

#define DECLARED_INIT                                                                                                  \
	{                                                                                                              \
		0                                                                                                      \
	}
#define declared_auto __attribute__((cleanup(declared_release))) struct declared

/*
 * Reads the file and finds every mistake, those of SQL in hooks too (against an empty database in memory). 0; a
 * negative errno when it can't be read; -EBADMSG when there are mistakes, which stand in conf.
 */
int declared_read(struct declared *d, const char *path, struct err *e);
/*
 * After an error of the store, or of what is compiled on it: differences between tables and models become mistakes of
 * the conf, at the word that they are about, and *e counts those that it has. The code that stands in *e.
 */
int declared_differs(struct declared *d, struct err *e);
void declared_release(struct declared *d);

#endif
