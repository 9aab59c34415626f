/*
 * describe.h - from tables that are there to mount.conf: `rowfs init`, and models that do not write their fields.
 */
#ifndef ROWFS_DESCRIBE_H
#define ROWFS_DESCRIBE_H

#include <stdio.h>

#include "conf.h"
#include "err.h"

/*
 * Prints a mount.conf for all tables and views of the database, which `rowfs check` finds right. What can't be a model,
 * or can only be read, is told in a comment. -ENOENT, -EACCES, -EIO.
 */
int describe_database(const char *path, FILE *to, struct err *e);

/*
 * Gives each model of the conf that has no `fields` those of its table, as if they were written there. What is wrong
 * with a table is a mistake at the model's name; a model without a table stays as it is. Before schema_read.
 */
int describe_missing_fields(struct conf *c, struct err *e);

#endif
