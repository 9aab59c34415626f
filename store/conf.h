/*
 * conf.h - the syntax of mount.conf: directives, words and blocks, each word with its place, and the list of mistakes.
 *
 * One directive a line, a superset of scfg: a name and words separated by blanks; a word may be quoted with "..." or
 * '...' (inside "...", \" and \\ and \n; inside '...', nothing) and then span lines; an optional { block }; # starts a
 * comment where a word could start. A directive ends at the end of its line, at ; or at the } that closes its block,
 * and one may follow { on the same line. A backslash outside quotes takes the next character literally.
 * What the directives mean is read by schema.h and hooks/hook.h, which report through conf_mistake.
 */
#ifndef ROWFS_CONF_H
#define ROWFS_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "arena.h"
#include "buf.h"
#include "err.h"

struct word {
	const char *text; /* NUL-terminated, without quotes */
	bool quoted;
	int line, column; /* 1-based, column in bytes, of its first character (the quote, if quoted) */
	int length;       /* bytes it takes in the file on its first line, for the caret's underline */
};

struct directive {
	struct word *words; /* words[0] is its name; nwords >= 1 */
	size_t nwords;
	bool has_block;
	struct directive *children; /* first of the block */
	struct directive *next;
};

struct mistake {
	int line, column, length;
	char *text;
};

struct conf {
	char *path;      /* as given */
	char *directory; /* of path, absolute; relative paths in the file start here */
	char *text;      /* the whole file */
	size_t len;
	struct directive *directives;
	bool completed; /* by conf_insert */
	struct mistake *mistakes;
	size_t nmistakes;
	struct arena arena;
};

#define CONF_INIT                                                                                                      \
	{                                                                                                              \
		0                                                                                                      \
	}
#define conf_auto __attribute__((cleanup(conf_release))) struct conf

/*
 * Reads the file. Mistakes of syntax are listed in c->mistakes and what could be read is kept, so that meaning can be
 * checked too. Returns 0 even then; a negative errno with *e when the file can't be read, is too large (EFBIG) or has a
 * NUL byte or invalid UTF-8 (EBADMSG, named with line and column as a mistake when possible).
 */
int conf_read(struct conf *c, const char *path, struct err *e);
/* The same from memory; path is only for messages. For tests and fuzzing. */
int conf_parse(struct conf *c, const char *path, const char *text, size_t len, struct err *e);
void conf_release(struct conf *c);

/* Directives that rowfs has written itself: *out lies in the conf's arena, all its words stand at the place of `at`. */
int conf_insert(struct conf *c, const struct word *at, const char *text, size_t len, struct directive **out,
		struct err *e);

/* The file as it is in force: its text, or, where conf_insert has added to it, all of it printed anew. */
void conf_print(const struct conf *c, struct buf *b);

/* Adds a mistake at the word (NULL: line 1, column 1). */
void conf_mistake(struct conf *c, const struct word *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same for the word that stands there, of which only the place is known. */
void conf_mistake_at(struct conf *c, int line, int column, const char *text);
/*
 * The same for a word that is none of the known ones: "unknown WHAT 'WORD'", with "; did you mean 'NEAREST'?" when one
 * is near (Damerau-Levenshtein distance of at most 2, or 1 for words of up to 4 letters).
 */
void conf_unknown(struct conf *c, const struct word *at, const char *what, const char *const *known, size_t nknown);
/*
 * Prints all mistakes sorted by place, each as FILE:LINE:COLUMN: error: TEXT, then the line and a caret with ~ to the
 * word's end below it. Tabs in the line stay tabs in the caret's line.
 */
void conf_print_mistakes(struct conf *c, FILE *to);

/* Words of the directive after its name. */
static inline size_t directive_args(const struct directive *d)
{
	return d->nwords - 1;
}
/* An absolute path for a word, relative to the conf's directory; in the conf's arena. NULL: no memory. */
const char *conf_path(struct conf *c, const struct word *w);
/* Whole word as a number, or a time such as 30s, 10m, 2h, 7d, 500ms (milliseconds). False: it is none. */
bool word_integer(const struct word *w, long long *out);
bool word_duration(const struct word *w, long long *ms);

#endif
