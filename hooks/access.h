/*
 * access.h - may who saves do this to that row: the one place where a save asks.
 *
 * Only models with `owner` are asked about; elsewhere the modes of files and directories decide, before a save begins.
 * What a hook, a cascade or the job runner changes is exempt (change.exempt), and so are root and who mounted. An
 * embedded record is changed with its parent and belongs to whom that belongs to. What is read is filtered by the store
 * (store_read_as).
 */
#ifndef ROWFS_ACCESS_H
#define ROWFS_ACCESS_H

#include "change.h"

/* Whether none of this holds for the actor. */
bool access_unlimited(const struct saving *v);
/*
 * Once the stored row has been read: -EACCES, or for a record that the actor does not see what says that there is none:
 * -ENOENT where there must be one, -EEXIST where there must not, else -EACCES, for the name is taken.
 */
int access_stored(struct saving *v, const struct change *c, struct err *e);
/* Once a document is bound: -EACCES for a row that would not belong to whom it did, or a new one not to the actor. */
int access_incoming(struct saving *v, struct change *c, struct err *e);
/* Once pre_save hooks have run: they may have given the owner that the document did not name. */
int access_settled(struct saving *v, const struct change *c, struct err *e);
/* Whose a deleted record is to be: the actor's, or where it was never there for the actor its owner's. */
int access_keeper(struct saving *v, const struct change *c, uid_t *keeper, struct err *e);
/* As whom the database is asked about references and unique values of the change's row. */
uid_t access_viewer(const struct saving *v, const struct change *c);

#endif
