/*
 * transaction.h - .txn/: transactions that are being prepared, each the inside of a directory that looks as the mount.
 *
 * A number of something inside is known for as long as the kernel has looked it up; it holds the inside, which may
 * outlive its transaction. Locks: the table's is a leaf.
 */
#ifndef ROWFS_TRANSACTION_H
#define ROWFS_TRANSACTION_H

#include "dir.h"

int transactions_start(struct mount *m, struct err *e);
/* At the end of the mount: every inside goes, with what is open there. */
void transactions_stop(struct mount *m);

/* mkdir and rmdir in .txn. */
int transaction_make(struct mount *m, const struct actor *who, const char *name, struct stat *st, struct err *e);
int transaction_drop(struct mount *m, const struct actor *who, const char *name);

/* dir_lookup of NAME: the kernel knows it with the reply. -ENOENT. */
int transaction_enter(struct mount *m, const struct actor *who, const char *name, struct stat *st);
/* Owner and mode of the directory of which m is the inside. */
void transaction_owner(const struct mount *m, struct stat *st);

/* For programs of hooks: saver_show_in (hooks/save.h). */
void transactions_show(struct mount *m);
/* It is the one of a hook's program. */
bool transaction_is_shown(const struct mount *m);

/* The kernel is about to know the number; -ENFILE when it knows too many. */
int transaction_remember(struct mount *m, uint64_t ino);
void transaction_forget(struct mount *m, uint64_t public_ino, uint64_t lookups);
/* Whether anybody's that has not ended has the name. */
bool transaction_is_named(struct mount *m, const char *name);
/* What is left of a transaction behind whose directory the kernel knows, or knew, the number. */
enum transaction_use { TRANSACTION_FORGOTTEN, TRANSACTION_KNOWN, TRANSACTION_OPEN };
enum transaction_use transaction_use(struct mount *m, uint64_t root);

/* For tree.c. */
int transaction_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who,
		     struct arena *a, struct entry *out, struct err *e);
int transaction_list(struct listing *l, const struct node *dir, off_t off, struct err *e);
int transaction_control(struct mount *m, const struct node *node, const struct actor *who, const char *data, size_t len,
			struct err *e);
int transaction_show_control(struct mount *m, const struct node *node, const struct actor *who, struct stat *st,
			     struct buf *out, struct err *e);
int transaction_show_answer(struct mount *m, const struct node *node, const struct actor *who, struct stat *st,
			    struct buf *out, struct err *e);
/* mount_save() into the transaction of which m is the inside; also -ENOSPC (usage.h). */
int transaction_save(struct mount *m, const struct actor *actor, const struct request *request, struct outcome *outcome,
		     struct arena *a, struct err *e);
/* mount_save_stream() into it, the same. */
int transaction_save_stream(struct mount *m, const struct actor *actor, save_next *next, void *data, bool *blamed,
			    struct err *e);
/* "" or ".txn/NAME/", for messages. */
const char *transaction_path(const struct mount *m);
/* Nobody can use it any more. */
bool transaction_ended(const struct mount *m);

#endif
