/*
 * default.h - the value of a field that a document leaves out.
 */
#ifndef ROWFS_DEFAULT_H
#define ROWFS_DEFAULT_H

#include "record.h"

/* Null where the field has no default; text lies in the arena or in the schema. */
int default_value(const struct bind *b, const struct field *f, struct arena *a, struct value *out, struct err *e);

#endif
