/*
 * event.h - what a program is told: the event as one line of JSON, and its environment.
 */
#ifndef ROWFS_EVENT_H
#define ROWFS_EVENT_H

#include "../store/arena.h"
#include "../store/buf.h"
#include "program.h"
#include "save.h"

struct change;

struct event_object {
	const char *name; /* "pre_save", "job" */
	enum verb verb;
	const struct model *model;
	const struct value *key;
	const struct value *old, *row; /* NULL on create, delete */
	const struct actor *actor;
	const struct change *change; /* what it embeds; NULL: nothing is told of that */
	const char *txn;             /* its transaction as a directory; NULL: there is none */
};

struct event_object event_of(const char *name, const struct change *c, const struct actor *actor);
/* "newly_created" or "updated"; NULL for a delete. */
const char *event_put_type(enum verb verb);
/* The line without a line break. Failures are the buffer's. */
void event_write(struct buf *b, const struct event_object *event);
/*
 * The object from its line, as far as event_env needs it, with the fields that the model has now. Texts lie in the
 * arena; *actor is filled and borrowed.
 */
int event_read(struct event_object *event, struct actor *actor, const struct schema *s, const char *line,
	       struct arena *a, struct err *e);
/* NAME=VALUE..., NULL-terminated, in the arena. NULL: no memory. */
const char *const *event_env(struct arena *a, const struct event_object *event, const struct saver *s,
			     const struct user *user);

/* What does not depend on an event. */
const char *const *program_env(struct arena *a, const struct saver *s, const struct user *user);
/* Fills in environment, input and directory of a program that gets the event; its user is set. */
int event_program(struct program *p, struct arena *a, const struct event_object *event, const struct saver *s,
		  struct err *e);

#endif
