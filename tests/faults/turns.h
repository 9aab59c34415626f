/*
 * turns.h - a load on a mount while a call of its daemon fails: what it does, and what it was told has happened.
 *
 * A load notes what is acknowledged (kept_*) and checks what it reads without an error; turns.c has calls fail under it
 * and compares what is stored with what was acknowledged. Names are of one turn: no two turns write the same.
 */
#ifndef ROWFS_TURNS_H
#define ROWFS_TURNS_H

#include <sqlite3.h>
#include <stdbool.h>

enum { NAME_SIZE = 32, KEPT_MAX = 32, TEXT_SIZE = 1 << 16, KEYS_A_TURN = 16 };

/* A record that must be there: of which key nobody was told where it is 0. */
struct kept {
	const char *model;
	long key;
	char name[NAME_SIZE];
};

struct turn {
	sqlite3 *db;
	long number, key; /* the first of KEYS_A_TURN that are this turn's */
	struct kept kept[KEPT_MAX];
	int nkept;
	char saved[KEPT_MAX][NAME_SIZE]; /* every name that was saved in a model with hooks, in order */
	int nsaved;
	bool finished;  /* the load did all that it had to */
	bool no_memory; /* that is what fails: what programs log may be lost */
};

struct load {
	const char *name;
	void (*before)(struct turn *t); /* while nothing fails; may be NULL */
	void (*run)(struct turn *t);    /* a call fails */
	void (*after)(struct turn *t);  /* nothing fails any more; may be NULL */
};

extern const struct load loads[];

/* Ends the program with a sentence. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

void kept_add(struct turn *t, const char *model, long key, const char *name);
void kept_drop(struct turn *t, const char *model, long key);
const char *kept_name(const struct turn *t, const char *model, long key);
int kept_count(const struct turn *t, const char *model);

/* One number from the database, which another program may have locked for a moment. */
long number_of(struct turn *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Waits for it SECONDS long; false if it never was. */
bool within(double seconds, bool (*true_by_now)(struct turn *t), struct turn *t);

#endif
