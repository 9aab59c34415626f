/*
 * plugin.h - shared objects that plugin hooks name: loaded and configured while mount.conf is read, called in the
 * transaction, one call at a time.
 */
#ifndef ROWFS_HOOKS_PLUGIN_H
#define ROWFS_HOOKS_PLUGIN_H

#include "change.h"
#include "hook_read.h"

struct plugin;

/* Loads the file of words[0] and gives it the n - 1 words KEY=VALUE behind. Mistakes go to the conf; *out is NULL then.
 */
int plugin_open(struct plugin **out, struct hook_reader *r, const struct word *words, size_t n);
void plugin_close(struct plugin *p); /* NULL is fine */
/* Whether it has a function for the event. */
bool plugin_has(const struct plugin *p, enum event event);
/* When the mount starts. */
int plugin_ready(struct plugin *p, struct err *e);

int act_plugin(struct saving *v, const struct hook *h, struct change *c, struct err *e);

#endif
