/*
 * tree.h - a record and what it embeds: a change whose children are changes.
 *
 * The tree has all embedded records, also those that stay as they are (`changed` is false). It is read from the
 * database, then a document is laid over it; a hook's answer may be laid over it again. save.c decides when its changes
 * happen.
 */
#ifndef ROWFS_TREE_H
#define ROWFS_TREE_H

#include "../store/buf.h"
#include "change.h"

int tree_append(struct saving *v, struct family *family, struct change *c, struct err *e);
/* A record that the parent embeds: as it is stored, or with old NULL a new one. NULL: no memory. */
struct change *tree_child(struct saving *v, struct change *parent, const struct relation *relation, struct value *old,
			  struct err *e);
/* The record goes, and what it embeds; what was never stored is forgotten. */
void tree_let_go(struct change *c);
/* The record stays as it is stored. */
void tree_keep(struct change *c);

/* Reads what the record embeds by v->conn; it stays as it is, or goes when c is a delete. */
int tree_read(struct saving *v, struct change *c, struct err *e);
/* What a member that the document does not have, or only in part, means for what is embedded. */
enum lay {
	LAY_PUT,   /* there are none; a record is as its entry says */
	LAY_MERGE, /* they stay; an only child's entry is a merge patch, a list is as in LAY_PUT */
	LAY_EDIT   /* they stay, at every level; a record is as its entry says */
};
/*
 * Lays the members of the document over the tree: entries are matched by key, what is not in a list goes. Adds all
 * problems to *e, which may have some of c's own; *e decides about the result.
 */
int tree_bind(struct saving *v, struct change *c, const json_t *document, enum lay lay, bool trusted, struct err *e);
/* Gives new records their keys and those of their parents, and sets `changed` of all below c. */
int tree_settle(struct saving *v, struct change *c, struct err *e);
/* All three for the change's document; *e may have problems of c's own row. */
int tree_resolve(struct saving *v, struct change *c, struct err *e);
/* For the answer of a hook of c. */
int tree_edit(struct saving *v, struct change *c, const json_t *document, struct err *e);
/* Whether the files that a row is part of, which has been saved by its own file, have become too long by it. */
int tree_check_above(struct saving *v, const struct model *m, const struct value *row, struct err *e);
/* True where one of the embedded records changes. */
bool tree_changed(const struct change *c);
/* True when both trees have the same records, stored alike. */
bool tree_same(const struct change *a, const struct change *b);
/* False where a key of a new embedded record has been taken since it was given. */
bool tree_fits(struct saving *v, const struct change *c);
/*
 * What the file shows of its fields and of what it embeds, as a document for another model: without keys that are given
 * anew, and without members that have nothing. NULL with *e; the saving keeps it.
 */
json_t *tree_document(struct saving *v, const struct model *m, const struct value *key, struct value *row,
		      struct err *e);
/* An object with the row, old or new, and what it embeds; the record must have it. `except` as in record_open. */
void tree_write(struct buf *b, const struct change *c, bool old, enum show show, int indent,
		const struct field *except);

#endif
