/*
 * hook_program.c - reads what run, pipe and plugin are followed by, and `as`; finds out which hooks share an instance.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "hook_read.h"
#include "plugin.h"
#include "program.h"

int hook_read_program(struct hook_reader *r, const struct word *words, size_t n, struct hook *h)
{
	if (!*words[0].text) {
		conf_mistake(r->conf, &words[0], "the name of the %s is empty",
			     h->kind == HOOK_PLUGIN ? "plugin" : "program");
		return 0;
	}
	h->argv = arena_alloc(&r->hooks->arena, (n + 1) * sizeof *h->argv);
	if (!h->argv)
		return err_nomem(r->e);
	for (size_t i = 0; i < n; i++)
		h->argv[i] = words[i].text;
	if (strchr(words[0].text, '/'))
		h->argv[0] = conf_path(r->conf, &words[0]);
	return h->argv[0] ? 0 : err_nomem(r->e);
}

/* ---- as ---- */

static int fill_user(struct arena *a, const struct passwd *pw, struct user *user)
{
	gid_t *groups = NULL;
	int n = 0;
	getgrouplist(pw->pw_name, pw->pw_gid, NULL, &n);
	groups = arena_alloc(a, (size_t)n * sizeof *groups);
	if (!groups || getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0)
		return -1;
	*user = (struct user){
	    .name = arena_copy(a, pw->pw_name, strlen(pw->pw_name)),
	    .uid = pw->pw_uid,
	    .gid = pw->pw_gid,
	    .groups = groups,
	    .ngroups = (size_t)n,
	    .home = arena_copy(a, pw->pw_dir, strlen(pw->pw_dir)),
	};
	return user->name && user->home ? 0 : -1;
}

int hook_read_as(struct hook_reader *r, const struct directive *d, const struct user **out)
{
	const struct passwd *pw = directive_args(d) == 1 ? getpwnam(d->words[1].text) : NULL;
	if (directive_args(d) != 1) {
		conf_mistake(r->conf, &d->words[0], "as is followed by the name of a user");
	} else if (!pw) {
		conf_mistake(r->conf, &d->words[1], "there is no user '%s'", d->words[1].text);
	} else {
		struct user *user = arena_alloc(&r->hooks->arena, sizeof *user);
		if (!user || fill_user(&r->hooks->arena, pw, user) < 0)
			return err_nomem(r->e);
		*out = user;
	}
	return 0;
}

/* ---- queues ---- */

static int read_queue(struct hook_reader *r, const struct model *m, struct queue_program *q)
{
	int result = 0;
	q->bounds = default_bounds;
	for (const struct directive *d = m->conf->children; d && result == 0; d = d->next) {
		const char *name = d->words[0].text;
		bool as = strcmp(name, "as") == 0;
		if (!as && !bounds_has(name))
			continue;
		if (!m->queue->argv)
			conf_mistake(r->conf, &d->words[0], "'%s' needs 'run': there is no program", name);
		result = as ? hook_read_as(r, d, &q->user) : bounds_read(&q->bounds, d, r->conf, &r->hooks->arena);
	}
	return result < 0 ? err_nomem(r->e) : 0;
}

int hook_read_queues(struct hook_reader *r)
{
	const struct schema *s = r->schema;
	int result = 0;
	r->hooks->queues = arena_alloc(&r->hooks->arena, s->nmodels * sizeof *r->hooks->queues);
	if (!r->hooks->queues && s->nmodels)
		return err_nomem(r->e);
	for (size_t i = 0; i < s->nmodels && result == 0; i++)
		if (s->models[i].queue && s->models[i].conf)
			result = read_queue(r, &s->models[i], &r->hooks->queues[i]);
	return result;
}

/* ---- sharing ---- */

static bool same_words(const char **a, const char **b)
{
	for (; *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return *a == *b;
}

static bool same_user(const struct user *a, const struct user *b)
{
	return !a || !b ? a == b : a->uid == b->uid;
}

/* An earlier hook of the kind with the same words; a mistaken one has none. */
static const struct hook *find_same(const struct hooks *hooks, const struct hook *h)
{
	for (size_t i = 0; i < hooks->n; i++) {
		const struct hook *other = &hooks->all[i];
		if (other->kind == h->kind && other->argv && same_words(other->argv, h->argv) &&
		    same_user(other->user, h->user) && bounds_equal(&other->bounds, &h->bounds))
			return other;
	}
	return NULL;
}

void hook_share(struct hooks *hooks, struct hook *h)
{
	const struct hook *same = find_same(hooks, h);
	h->instance = same ? same->instance : hooks->ninstances++;
}

static int add_plugin(struct hooks *hooks, struct plugin *p, struct err *e)
{
	struct plugin **all = arena_alloc(&hooks->arena, (hooks->nplugins + 1) * sizeof(struct plugin *));
	if (!all) {
		plugin_close(p);
		return err_nomem(e);
	}
	if (hooks->nplugins)
		memcpy(all, hooks->plugins, hooks->nplugins * sizeof(struct plugin *));
	all[hooks->nplugins++] = p;
	hooks->plugins = all;
	return 0;
}

int hook_read_plugin(struct hook_reader *r, const struct word *words, size_t n, struct hook *h)
{
	int result = hook_read_program(r, words, n, h);
	if (result < 0 || !h->argv)
		return result;
	const struct hook *same = find_same(r->hooks, h);
	if (same) {
		h->plugin = same->plugin;
		return 0;
	}
	result = plugin_open(&h->plugin, r, words, n);
	if (!h->plugin)
		return result;
	return add_plugin(r->hooks, h->plugin, r->e) < 0 ? -ENOMEM : result;
}

/* ---- before the mount ---- */

static int check_user(const struct user *user, const char *what, int line, struct err *e)
{
	if (!user || geteuid() == 0 || user->uid == geteuid())
		return 0;
	return err_set(e, EPERM, "only root can run programs as another user (%s %d)", what, line);
}

int hooks_check_users(const struct hooks *hooks, const struct schema *s, struct err *e)
{
	int result = 0;
	for (size_t i = 0; i < hooks->n && result == 0; i++)
		result = check_user(hooks->all[i].user, "line", hooks->all[i].where->line, e);
	for (size_t i = 0; i < s->nmodels && result == 0; i++)
		if (s->models[i].queue && s->models[i].conf)
			result =
			    check_user(hooks->queues[i].user, "the queue in line", s->models[i].conf->words[0].line, e);
	return result;
}
