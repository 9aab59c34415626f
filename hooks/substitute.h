/*
 * substitute.h - variables in documents: ${name}.
 */
#ifndef ROWFS_SUBSTITUTE_H
#define ROWFS_SUBSTITUTE_H

#include <jansson.h>

#include "../store/arena.h"
#include "../store/err.h"

/* The text with its variables as text, in the arena. NULL with a problem at "". */
const char *substitute_text(const json_t *variables, const char *text, struct arena *a, struct err *e);
/* All strings of *json, which may be replaced: one that is a variable alone becomes its value. */
int substitute_json(const json_t *variables, json_t **json, const char *pointer, struct arena *a, struct err *e);
/* The value at a path such as $.lines[0].id, borrowed; NULL: there is none. */
json_t *substitute_find(json_t *json, const char *path);

#endif
