/*
 * by.h - MODEL/.by/FIELD/VALUE/: links to the records whose field has the value.
 *
 * Fields are those that store_finds_by tells; values and links have numbers that are hashes. What such a number stands
 * for is remembered from the look-up that gave it to the kernel until the kernel forgets it; listings give the same
 * numbers and remember nothing. All functions take mount.lock.
 */
#ifndef ROWFS_FS_BY_H
#define ROWFS_FS_BY_H

#include "dir.h"

/* What a number stands for: a value of a field, or the link to a record that has it. Texts in an arena. */
struct by_node {
	enum node_kind kind; /* NODE_BY_VALUE or NODE_BY_LINK */
	const struct model *model;
	const struct field *field;
	struct value value;
	struct value key; /* of a link */
};

/* ---- by_table.c ---- */

/* The number that it has unless another thing with that number is in use. */
uint64_t by_number(const struct mount *m, const struct by_node *n);
/* The kernel gets the entry, an ENTRY_BY, once more: sets its number for good. -ENOMEM. */
int by_hold(struct mount *m, struct entry *entry);
/* The kernel forgets what it got so often; other numbers than these are none of it. */
void by_forget(struct mount *m, uint64_t ino, uint64_t lookups);
/* False for a number that the kernel has not. */
bool by_get(struct mount *m, const struct node *node, struct arena *a, struct by_node *out);

/* Where a listing of values stands, while the directory is open: an offset has no room for a text. */
struct by_place {
	struct by_place *next, **link; /* in mount.by_places */
	struct arena arena;
	struct value *values; /* that the last request has listed; the first one is number `first` */
	size_t n, room;
	int64_t first;
};
int by_place_open(struct mount *m, struct by_place **out);
void by_place_close(struct mount *m, struct by_place *place); /* NULL is fine */

void by_release_all(struct mount *m);

/* ---- by.c: of the table in tree.c ---- */

int by_find_field(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		  struct entry *out, struct err *e);
int by_list_fields(struct listing *l, const struct node *dir, off_t off, struct err *e);
int by_find_value(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		  struct entry *out, struct err *e);
int by_list_values(struct listing *l, const struct node *dir, off_t off, struct err *e);
int by_find_link(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		 struct entry *out, struct err *e);
int by_list_links(struct listing *l, const struct node *dir, off_t off, struct err *e);
/* The text is the link's target. */
int by_show_link(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		 struct err *e);

/*
 * A rename into a VALUE/: from another value of the same field, under the same name, it is a merge patch of the field,
 * saved only while the field still has the value it is moved from, else -ENOENT. Any other is -EPERM.
 */
int by_move(struct mount *m, fuse_req_t req, uint64_t parent, const char *name, uint64_t new_parent,
	    const char *new_name, struct err *e);

#endif
