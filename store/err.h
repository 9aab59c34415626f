/*
 * err.h - why something was refused: an errno, one sentence, and the problems of a document.
 *
 * A function that can fail takes `struct err *e` last and returns 0 or a negative errno. It fills *e once, where the
 * reason is known, and leaves it untouched on success, so that calls chain with ||. The first error stays: err_set on
 * a filled err changes nothing but still returns the code that stands there. Memory for problems is owned by the err.
 */
#ifndef ROWFS_ERR_H
#define ROWFS_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* One problem of a document. */
struct problem {
	char *pointer;    /* JSON pointer of the member (RFC 6901), "" for the whole document */
	char *text;       /* a sentence without the pointer: "must be an integer" */
	int line, column; /* 1-based, bytes; 0 where unknown */
};

enum { ERR_CHECKSUM = 65 };

struct err {
	int code;       /* positive errno; 0: no error */
	char text[512]; /* one sentence a user can act on */
	struct problem *problems;
	size_t nproblems;                                   /* kept in problems */
	size_t ntold;                                       /* of err_problem, kept or not */
	char supplied[ERR_CHECKSUM], current[ERR_CHECKSUM]; /* of a record that has changed; else "" */
};

#define ERR_INIT                                                                                                       \
	{                                                                                                              \
		0                                                                                                      \
	}
#define err_auto __attribute__((cleanup(err_end))) struct err

/* Sets code and sentence unless *e is filled already. Returns the negative code that stands in *e. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_nomem(struct err *e);
/* -EBUSY: the record at the path has the current checksum, the save was meant for the supplied one. */
int err_checksum(struct err *e, const char *path, const char *supplied, const char *current);

/*
 * Adds a problem of a document; the sentence of *e is made of the first one ("/units: is required") plus "(and N
 * more)". The code is that of the first problem, but EBADMSG wins over any other. Returns the negative code in *e. At
 * most LIMIT_PROBLEMS are kept, all are counted in the sentence.
 */
int err_problem(struct err *e, int code, const char *pointer, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * Adds to *e what *from says of a part of the document: its problems, each pointer behind `pointer`, or its sentence
 * where it has none. *from is released. Returns the negative code in *e.
 */
int err_graft(struct err *e, struct err *from, const char *pointer);

/* Frees what *e owns and empties it, for use again. */
void err_release(struct err *e);
/* The same at the end of its scope; what was never filled owns nothing. */
static inline void err_end(struct err *e)
{
	if (e->code)
		err_release(e);
}

/* Moves from into *to, which is released first; *from is empty afterwards. */
void err_take(struct err *to, struct err *from);

/*
 * A known errno for any number that comes from outside (hooks, exit codes, libraries): unknown, negative, EINTR,
 * ESTALE, EXDEV, EINVAL, ENOSYS and anything above 511 (where the kernel drops the reply) become EIO.
 */
int err_clamp(int code);

/* "ENOSPC" to ENOSPC and back; 0 and NULL where unknown. Only names that a save may answer with are known. */
int err_by_name(const char *name, size_t len);
const char *err_name(int code);

#endif
