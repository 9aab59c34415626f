/* session.h - what session.c and compare.c share. */
#ifndef SESSION_H
#define SESSION_H

#include "checker.h"

enum { SEEN_ROOM = 1 << 16 };

struct session {
	struct crew *crew;
	struct world world;
	sqlite3 *db;
	enum company company;
	bool verbose;
	long calls;
	struct {
		uint64_t ino; /* 0: free */
		int model, key;
	} seen[SEEN_ROOM]; /* whose inode numbers were whose */
	int nseen;
};

/* Whether the call gave what it must. */
bool answer_fits(struct session *s, const struct call *c, const struct expected *x, const struct got *got,
		 struct text *why);
bool number_is(struct text *why, const char *what, int64_t got, int64_t expected);
void result_print(struct text *out, int result);

#endif
