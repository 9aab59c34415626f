/*
 * coprocess.h - a program that keeps running and answers one event after another, one line of JSON each way.
 *
 * It is started by the first question, and again by the next one when it has ended. Questions wait for each other. A
 * turn to ask is a leaf in the order of locks: nothing is waited for in it but the program, least of all the store's
 * write transaction; who has that already may ask.
 */
#ifndef ROWFS_COPROCESS_H
#define ROWFS_COPROCESS_H

#include <jansson.h>

#include "save.h"

struct coprocess;

/* One for each instance of pipe hooks, none started. Also after a failure they are to be freed. */
int coprocesses_new(struct saver *s, struct err *e);
/* Closes their inputs, so that they can end; TERM after TIMEOUT_TERM_MS, then KILL. */
void coprocesses_free(struct saver *s);

/*
 * line ends with its line break. timeout_ms is for the turn and for the answer, each. The answer, a JSON object, is the
 * caller's; its version is checked. Refusals are those of a program that died, took longer, wrote too much or what is
 * no answer; it is ended then.
 */
int coprocess_ask(struct coprocess *c, const struct buf *line, long long timeout_ms, json_t **answer, struct err *e);
const char *coprocess_name(const struct coprocess *c); /* for messages */

#endif
