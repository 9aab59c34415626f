/*
 * hook.h - the hooks that mount.conf declares, in the order they run.
 *
 * The table of events in hook.c says what each may do; rowfs-hooks(5) tells the same.
 */
#ifndef ROWFS_HOOK_H
#define ROWFS_HOOK_H

#include <stdbool.h>
#include <stdio.h>

#include "../store/model.h"
#include "../store/record.h"
#include "../store/store.h"
#include "bounds.h"

enum event {
	EVENT_PRE_SAVE,
	EVENT_PRE_DELETE,
	EVENT_APPLY,
	EVENT_POST_SAVE,
	EVENT_POST_DELETE,
	EVENT_BEFORE_COMMIT,
	EVENT_AFTER_COMMIT,
	EVENT_COUNT
};
const char *event_name(enum event event);

enum hook_kind { HOOK_SQL, HOOK_CHECK, HOOK_RUN, HOOK_PIPE, HOOK_PLUGIN, HOOK_ENQUEUE, HOOK_KIND_COUNT };

/* FIELD=VALUE of enqueue: a literal, or a parameter of the event. */
struct assignment {
	const struct field *field;
	struct value literal;
	const char *parameter; /* "owner_id", "old_total", "key"; NULL: the literal */
};

struct user;
struct plugin;
struct hook {
	enum event event;
	unsigned verbs; /* bits 1 << enum verb */
	enum hook_kind kind;
	const struct model *model; /* NULL: every model */
	const char **argv;         /* run, pipe, plugin: the words; argv[0] is absolute when it holds a / */
	const struct user *user;   /* as USER; NULL: the daemon's */
	struct bounds bounds;      /* run, pipe */
	size_t instance;           /* pipe: those of the same words share one, numbered from 0 */
	struct plugin *plugin;     /* the same for plugin */
	const char *sql;           /* sql and check: its text */
	const char *message;       /* check */
	const struct model *queue; /* enqueue */
	struct assignment *assignments;
	size_t nassignments;
	long long timeout_ms;
	struct sql *prepared;      /* by hooks_prepare; for hooks of every model one per model, see prepared_for */
	struct sql **prepared_for; /* by model index */
	const struct word *where;  /* its kind's word in mount.conf */
};

/* How the program of a queue runs. */
struct queue_program {
	const struct user *user; /* NULL: the daemon's */
	struct bounds bounds;
};

struct hooks {
	struct hook *all; /* in the order they run: those of every model first, then each model's */
	size_t n;
	size_t ninstances; /* of pipe */
	struct plugin **plugins;
	size_t nplugins;
	struct queue_program *queues; /* by model index */
	struct arena arena;
};

/* Reads all `on` directives; mistakes go to conf_mistake. -ENOMEM. */
int hooks_read(struct hooks *h, struct conf *c, const struct schema *s, struct err *e);
/* Compiles the SQL of all hooks on the store; what does not compile is a mistake of the conf at its word. */
int hooks_prepare(struct hooks *h, struct conf *c, struct store *store, const struct schema *s, struct err *e);
/* The same where models have mistakes, on a store without tables: only what is wrong whatever tables there are. */
int hooks_try(const struct hooks *h, struct conf *c, struct store *empty, struct err *e);
void hooks_release(struct hooks *h);
/* -EPERM when a program is to run as a user that only root could run it as. */
int hooks_check_users(const struct hooks *h, const struct schema *s, struct err *e);

/* The next hook at or after *at for the event, verb and model; NULL at the end. *at starts at 0. */
const struct hook *hooks_next(const struct hooks *h, enum event event, enum verb verb, const struct model *m,
			      size_t *at);
/* `rowfs check`: one line per model, event and hook, in the order they run. */
void hooks_print(const struct hooks *h, const struct schema *s, FILE *to);

#endif
