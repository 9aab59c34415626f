/*
 * after_hooks.c - names for the hooks of after_commit, and what becomes of recorded programs whose hook is gone.
 */
#include "after_hooks.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../store/json.h"
#include "../store/log.h"

static const char *name_of(struct after_hooks *a, const struct hook *h)
{
	buf_auto text = BUF_INIT;
	size_t n = 0;
	while (h->argv[n])
		n++;
	for (size_t i = 1; i <= n; i++) { /* as written: argv[0] may have been made absolute */
		buf_char(&text, i == 1 ? '[' : ',');
		json_write_string(&text, h->where[i].text, strlen(h->where[i].text));
	}
	buf_char(&text, ']');
	return buf_failed(&text) ? NULL : arena_copy(&a->arena, text.data, text.len);
}

static bool is_ours(const struct hook *h)
{
	return h->event == EVENT_AFTER_COMMIT && h->kind == HOOK_RUN;
}

static int read_names(struct after_hooks *a, bool *any, struct err *e)
{
	const struct hooks *hooks = a->saver->hooks;
	*any = false;
	a->names = arena_alloc(&a->arena, (hooks->n + 1) * sizeof *a->names);
	if (!a->names)
		return err_nomem(e);
	for (size_t i = 0; i < hooks->n; i++) {
		if (!is_ours(&hooks->all[i]))
			continue;
		*any = true;
		a->names[i] = name_of(a, &hooks->all[i]);
		if (!a->names[i])
			return err_nomem(e);
	}
	return 0;
}

const struct hook *after_hooks_find(const struct after_hooks *a, const char *model, const char *name)
{
	const struct hooks *hooks = a->saver->hooks;
	for (size_t i = 0; i < hooks->n && schema_model(a->saver->schema, model); i++) {
		const struct model *m = hooks->all[i].model;
		if (a->names[i] && strcmp(a->names[i], name) == 0 && (!m || strcmp(m->name, model) == 0))
			return &hooks->all[i];
	}
	return NULL;
}

const char *after_hooks_name(const struct after_hooks *a, const struct hook *h)
{
	return a->names[h - a->saver->hooks->all];
}

void after_hooks_release(struct after_hooks *a)
{
	arena_release(&a->arena);
}

/* ---- what earlier mounts left ---- */

static void report_held(struct after_hooks *a, const struct pending_group *g)
{
	err_auto told = ERR_INIT;
	err_set(
	    &told, ENOENT,
	    "after_commit run %.200s: mount.conf has no such hook of %s any more; %lld of its programs wait in .after/ "
	    "until it has one or they are removed",
	    g->hook, g->model, (long long)g->n);
	journal_add(a->saver->journal, geteuid(), 0, g->path, &told);
	log_warning("%s: %s", g->path, told.text);
}

static int compare_groups(struct after_hooks *a, struct txn *t, const struct pending_group *groups, struct err *e)
{
	int result = 0;
	for (const struct pending_group *g = groups; g && result == 0; g = g->next) {
		bool held = !after_hooks_find(a, g->model, g->hook);
		if (held)
			report_held(a, g);
		if (held ? !g->all_held : g->any_held)
			result = txn_pending_hold(t, g->model, g->hook, held, e);
	}
	return result < 0 ? result : txn_pending_hurry(t, e);
}

/* What earlier mounts left, compared with the hooks of this one. What failed is tried again soon. */
static int compare(struct after_hooks *a, struct err *e)
{
	arena_auto arena = ARENA_INIT;
	struct pending_group *groups;
	struct store *store = a->saver->store;
	struct txn t;
	struct conn *c = store_read_begin(store, e);
	if (!c)
		return -e->code;
	int result = store_pending_groups(c, &arena, &groups, e);
	store_read_end(c);
	if (result < 0 || !groups)
		return result;
	err_auto why = ERR_INIT;
	result = txn_begin(store, &t, &why);
	if (result < 0) /* a read-only mount leaves them alone */
		return result == -EROFS ? 0 : err_set(e, why.code, "%s", why.text);
	result = compare_groups(a, &t, groups, e);
	if (result == 0)
		return txn_commit(&t, e);
	txn_rollback(&t);
	return result;
}

int after_hooks_open(struct after_hooks *a, struct saver *s, struct err *e)
{
	bool any;
	struct pending_total total;
	a->saver = s;
	int result = read_names(a, &any, e);
	if (result == 0)
		result = store_pending_open(a->saver->store, any, e);
	struct conn *c = result == 0 ? store_read_begin(a->saver->store, e) : NULL;
	if (!c)
		return -e->code;
	result = store_pending_total(c, &total, e);
	store_read_end(c);
	return result == 0 && total.n ? compare(a, e) : result;
}
