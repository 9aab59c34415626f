/*
 * draft.h - the unsaved bytes of one descriptor, and the rules that say when they are a save.
 *
 * Pure logic without files, locks or the store: the caller carries out the save that a call asks for and tells the
 * draft how it went with draft_saved or draft_refused. CONTRACT in one drawing:
 *
 *     IN_ORDER   empty at the start, written from 0 on: the write that completes the object asks for the save
 *     ANYWHERE   loaded, or written out of order: fsync and close ask for it when the text is one complete object
 *     APPEND     bytes behind an existing record: each write that completes an object asks for a merge
 *
 *     IN_ORDER --write elsewhere, truncate to n>0--> ANYWHERE
 *     any      --truncate to 0-----------------------> IN_ORDER, empty
 */
#ifndef ROWFS_DRAFT_H
#define ROWFS_DRAFT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../store/buf.h"
#include "../store/err.h"
#include "../store/json.h"

enum draft_mode { DRAFT_IN_ORDER, DRAFT_ANYWHERE, DRAFT_APPEND };

struct draft {
	enum draft_mode mode;
	struct buf text;       /* what the descriptor has written; of APPEND only the object in work */
	struct json_scan scan; /* of IN_ORDER and APPEND, as far as text goes */
	bool dirty;            /* written to since it was opened or last saved */
	bool emptied;          /* the file is to be written anew, and was not saved since */
	int refused;           /* errno of the last refusal, repeated until the text starts anew */
};

/* An empty draft. */
void draft_init(struct draft *d, enum draft_mode mode);
void draft_release(struct draft *d);

/*
 * Takes a write. Returns 0 or a negative errno: EBADMSG when the text can no longer become one object or more than one
 * stands in this write, EFBIG over LIMIT_RECORD, the earlier refusal when this write continues a refused text. *save is
 * set to true when d->text is now to be saved (as a merge in mode DRAFT_APPEND).
 */
int draft_write(struct draft *d, const char *data, size_t len, int64_t offset, bool *save, struct err *e);
/* fsync and close: the same results; EBADMSG for an incomplete text, every time. */
int draft_sync(struct draft *d, bool *save, struct err *e);
/* ftruncate. EFBIG. */
int draft_truncate(struct draft *d, int64_t size, struct err *e);

/* Whether it holds what no save has taken: bytes, or that the file is to be written anew. */
bool draft_unsaved(const struct draft *d);

void draft_saved(struct draft *d);
void draft_refused(struct draft *d, int code);

#endif
