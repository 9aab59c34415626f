/*
 * act.h - carrying out one hook for one change, by its kind.
 */
#ifndef ROWFS_ACT_H
#define ROWFS_ACT_H

#include "../store/arena.h"
#include "../store/buf.h"
#include "../store/model.h"
#include "hook.h"
#include "program.h"

struct saving;
struct change;

/* What a name behind : stands for. */
enum parameter_kind {
	PARAMETER_KEY,
	PARAMETER_VERB,
	PARAMETER_UID,
	PARAMETER_GID,
	PARAMETER_NOW,
	PARAMETER_NEW,  /* :new_FIELD */
	PARAMETER_OLD,  /* :old_FIELD */
	PARAMETER_FIELD /* :FIELD, and :$FIELD where a check names it */
};
struct parameter {
	enum parameter_kind kind;
	const struct field *field; /* of the last three, and the model's key */
	enum field_type type;
};
/* False: the model's hooks have no parameter of the name. */
bool parameter_find(const struct model *m, const char *name, struct parameter *out);

/* The statement of a check: the expression over a row whose columns are the model's fields. */
void check_write(struct buf *b, const struct model *m, const char *expression);

/*
 * Runs the hook. A refusal is ECANCELED or what the program names. A pre_save hook may have bound an edit to the
 * change; what it caused stands in v->caused, for the caller to carry.
 */
int act(struct saving *v, const struct hook *h, struct change *c, struct err *e);

/* Those that run programs. */
int act_run(struct saving *v, const struct hook *h, struct change *c, struct err *e);
int act_pipe(struct saving *v, const struct hook *h, struct change *c, struct err *e);

/* `started` and `ended` of a program that saves wait for; data is a struct waiting. */
void session_started(void *data, pid_t id);
void session_ended(void *data, pid_t id);

/* 0 when the program ended well, else why it refuses: ETIMEDOUT, ECANCELED or the errno its first line names. */
int program_verdict(const struct program *p, const struct program_result *r, struct err *e);

#endif
