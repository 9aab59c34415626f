/*
 * constraint.h - what a field demands of a value beyond its type: min, max, enum, format, pattern.
 */
#ifndef ROWFS_CONSTRAINT_H
#define ROWFS_CONSTRAINT_H

#include "err.h"
#include "model.h"

/* Adds a problem at the pointer for the first demand that the value doesn't meet; null meets all. */
int constraint_check(const struct field *f, const struct value *v, const char *pointer, struct err *e);

#endif
