/*
 * usage.h - how much of the daemon's memory each user holds: what is open, scratch files, refused texts, transactions.
 *
 * One account for each user, shared by the mount and all that is inside it. Thread-safe; its lock is a leaf.
 */
#ifndef ROWFS_USAGE_H
#define ROWFS_USAGE_H

#include <stddef.h>
#include <sys/types.h>

#include "../store/err.h"

struct mount;
struct handle;
struct usages;

int usages_new(struct usages **out);
void usages_free(struct usages *u);

/*
 * Something of the user holds `bytes` now, where it held *held, which is set. -ENOSPC over LIMIT_HELD_BYTES of the user
 * or LIMIT_HELD_TOTAL of all, and nothing is changed then. To hold less, or nothing, always works.
 */
int usage_hold(struct usages *u, uid_t uid, size_t *held, size_t bytes, struct err *e);
/* The same for what is there already, whatever the limits say. */
void usage_settle(struct usages *u, uid_t uid, size_t *held, size_t bytes);
/* Holds `base` bytes and as much of `wish` as there is room for, which is returned; usage_settle ends it. */
size_t usage_room(struct usages *u, uid_t uid, size_t *held, size_t base, size_t wish);

/* The handle's texts are counted anew, with `more` bytes that are about to come; -ENOSPC, also over LIMIT_OPEN_FILES.
 */
int usage_count(struct mount *m, struct handle *h, size_t more, struct err *e);
/* Whom they are counted for. */
uid_t usage_payer(const struct handle *h);
/* What the handle's texts hold. */
size_t usage_size(const struct handle *h);
/* The handle closes. */
void usage_forget(struct mount *m, struct handle *h);

#endif
