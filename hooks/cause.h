/*
 * cause.h - further saves and deletes that hooks ask for: changes of the same transaction, with hooks of their own.
 */
#ifndef ROWFS_CAUSE_H
#define ROWFS_CAUSE_H

#include "change.h"

/* For carry.c to carry out after the hook: behind what was caused before. -EPROTO over LIMIT_HOOK_DEPTH. */
int cause(struct saving *v, struct change *by, struct change *c, struct err *e);

/*
 * The same by path, "tracks/3.json", or "tracks/.new" for the next key. REQUEST_PUT and REQUEST_MERGE take a document,
 * borrowed; REQUEST_DELETE takes none. hook is named in every message, with the path.
 */
int cause_request(struct saving *v, struct change *by, const char *hook, enum request_kind kind, const char *path,
		  json_t *document, struct err *e);

/* The model and key that a path stands for. The key is VALUE_NULL for .new. -ECANCELED when it names no record. */
int cause_path(struct saving *v, const char *hook, const char *path, const struct model **model, struct value *key,
	       struct err *e);

/* After c is resolved: -ECANCELED when a hook saves the record that is being saved, which would be overwritten. */
int cause_check(const struct change *c, struct err *e);

/*
 * Why what a hook asked for is refused, with the hook and the path in front. Returns the negative code, which is never
 * ENOENT: rm -f would take that for success.
 */
int cause_refused(const struct change *c, const struct err *why, struct err *e);

#endif
