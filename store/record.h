/*
 * record.h - between the text of a record and its row: checking a document against the model, and printing a row.
 *
 * A row is an array of model->nfields values in field order.
 */
#ifndef ROWFS_RECORD_H
#define ROWFS_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "arena.h"
#include "buf.h"
#include "err.h"
#include "model.h"

/* What a save is; `update` in mount.conf is VERB_REPLACE or VERB_PATCH. */
enum verb { VERB_CREATE, VERB_REPLACE, VERB_PATCH, VERB_DELETE, VERB_COUNT };
const char *verb_name(enum verb verb); /* "create" */

struct bind {
	const struct model *model;
	enum verb verb;          /* not VERB_DELETE */
	const struct value *old; /* the stored row; NULL on create */
	const struct value *key; /* the key of the file name; NULL: the document's or the next one (.new) */
	bool trusted; /* the server itself, a hook or the job runner: read-only and immutable fields may be set */
	struct timespec now;         /* for defaults */
	uid_t uid;                   /* for defaults */
	const struct value *deleted; /* on a create: the row that the key had until a moment ago; NULL: none */
	/* By field, what the record had in the model that it moves from; each may be NULL, and all of it. */
	const struct value *const *along;
	const char *pointer;    /* of the document inside a larger one; NULL: it is the whole */
	const struct field *by; /* of an embedded record: its reference to the parent; NULL: it is not embedded */
	struct value parent;    /* the parent's key; VALUE_NULL while it has none */
};

/*
 * The row that a document makes: type, required, min, max, enum, format, pattern, read-only, immutable, unknown
 * members, the key; every problem at once, in the order of the document's members, then missing ones in field order.
 * Defaults are filled in. For VERB_REPLACE an absent member gets its default or null, but hidden, write-only and
 * read-only fields and the key keep their value. For VERB_PATCH document is an RFC 7396 merge patch of the record's
 * shown members (null sets null). On a create, read-only members are ignored unless trusted. Members of has-many and
 * has-one relations are ignored, but an entry without a key is a problem with EPERM; of embeds-many and embeds-one only
 * the shape is judged. Fills row[0..nfields-1]; texts are borrowed from the document or lie in the arena; the key may
 * be VALUE_NULL when it is to be given by the store. A create with `deleted` takes absent hidden and write-only fields
 * from it, and members that say what it had as they were, read-only ones too; `along` is the same for what moves. What
 * only the database knows (references, unique, check) is store_check's.
 */
int record_bind(const struct bind *b, const json_t *document, struct value *row, struct arena *a, struct err *e);

/* The merge patch applied for hooks' `merge` answers and tests: bind with VERB_PATCH does the same by field. */

enum show {
	SHOW_FILE,   /* what the file has: neither hidden nor write-only */
	SHOW_EVENT,  /* what hooks get: hidden too, never write-only */
	SHOW_SECRETS /* what the file has not: for the table of deleted records alone */
};

/*
 * Prints the members "key first, then in declared order" of a row, without the braces, so that relations can follow:
 * record_open writes `{` and the fields, record_close `}`. indent is the depth of the object (0 for a file), or -1 for
 * one line. `except`, if not NULL, is left out (a child's reference to the parent it is shown in). record_open returns
 * the number of members written.
 */
size_t record_open(struct buf *b, const struct model *m, const struct value *row, enum show show, int indent,
		   const struct field *except);
/* `"NAME": ` of a further member, with the comma, line break and indentation it needs. */
void record_member(struct buf *b, const char *name, size_t before, int indent);
void record_close(struct buf *b, size_t members, int indent);

/* The member `_checksum` that closes the file of a model with `checksum in-file`. */
enum { CHECKSUM_SIZE = 65 }; /* 64 digits and a NUL */
#define CHECKSUM_MEMBER "_checksum"
#define CHECKSUM_XATTR  "user.rowfs.checksum" /* of every record; of a scratch file: of the version it may replace */
void record_checksum(struct buf *b, const char *checksum, size_t before);
/* How long the text of the other members may be, so that the file is no longer than LIMIT_RECORD, its newline included.
 */
size_t record_room(const struct model *m);

/*
 * The file name of a key (percent-encoding of / % control bytes and a leading dot, then ".json") and back.
 * record_name: -ENAMETOOLONG over LIMIT_NAME. record_key: -ENOENT where the name is not the canonical name of a key
 * (text lies in the arena); -ENAMETOOLONG. Names that do not end in .json or begin with a dot are no record names:
 * see record_is_name.
 */
bool record_is_name(const char *name);
/*
 * The same for a value of a field as the name of a directory, without ".json"; null is .null, an empty text .empty.
 * -ENOENT also for what the field can't have: an enum's other words, a stored value of another type.
 */
int record_value_name(const struct field *f, const struct value *v, struct buf *out);
int record_value(const struct field *f, const char *name, struct arena *a, struct value *out);
int record_name(const struct model *m, const struct value *key, struct buf *out);
int record_key(const struct model *m, const char *name, struct arena *a, struct value *key);

#endif
