/*
 * hook_sql.c - compiles the SQL of hooks; what does not compile is a mistake of mount.conf at its word.
 *
 * While the models have mistakes their tables can't be made, and nobody knows what a name in SQL stands for. What is
 * wrong with SQL whatever names mean is told even so, beside all other mistakes.
 */
#include <errno.h>
#include <string.h>

#include "act.h"
#include "hook.h"

static bool is_known(void *model, const char *name)
{
	struct parameter unused;
	return parameter_find(model, name, &unused);
}

static int prepare_for(struct hook *h, struct conf *c, struct store *store, const struct model *m, struct sql **out,
		       struct err *e)
{
	err_auto why = ERR_INIT;
	buf_auto text = BUF_INIT;
	if (h->kind == HOOK_CHECK)
		check_write(&text, m, h->sql);
	else
		buf_str(&text, h->sql);
	if (buf_failed(&text))
		return err_nomem(e);
	int result = sql_prepare(store, buf_text(&text), is_known, (void *)m, out, &why);
	if (result == -EBADMSG) {
		conf_mistake(c, h->where + 1, "%s%s%s", h->model ? "" : m->name, h->model ? "" : ": ", why.text);
		return 0;
	}
	return result < 0 ? err_set(e, -result, "%s", why.text) : 0;
}

static int prepare_all(struct hooks *all, struct hook *h, struct conf *c, struct store *store, const struct schema *s,
		       struct err *e)
{
	h->prepared_for = arena_alloc(&all->arena, s->nmodels * sizeof *h->prepared_for);
	int result = h->prepared_for ? 0 : err_nomem(e);
	for (size_t i = 0; i < s->nmodels && result == 0; i++)
		result = prepare_for(h, c, store, &s->models[i], &h->prepared_for[i], e);
	return result;
}

int hooks_prepare(struct hooks *h, struct conf *c, struct store *store, const struct schema *s, struct err *e)
{
	int result = 0;
	for (size_t i = 0; i < h->n && result == 0; i++) {
		struct hook *hook = &h->all[i];
		if (!hook->sql)
			continue;
		result = hook->model ? prepare_for(hook, c, store, hook->model, &hook->prepared, e)
				     : prepare_all(h, hook, c, store, s, e);
	}
	return result;
}

/* ---- without tables ---- */

/* What SQLite says of names, which may be right once the models are. */
static bool is_about_names(const char *why)
{
	return strncmp(why, "no such ", strlen("no such ")) == 0 || strstr(why, " has no column named ");
}

static bool has_mistake(const struct conf *c, int first, int last)
{
	for (size_t i = 0; i < c->nmistakes; i++)
		if (c->mistakes[i].line >= first && c->mistakes[i].line <= last)
			return true;
	return false;
}

/* Then all parameters are known. */
static bool fields_are_right(const struct conf *c, const struct model *m)
{
	const struct directive *d = m->conf ? m->conf->children : NULL;
	while (d && strcmp(d->words[0].text, "fields") != 0)
		d = d->next;
	if (!d)
		return false;
	int last = d->words[0].line;
	for (const struct directive *field = d->children; field; field = field->next)
		last = field->words[field->nwords - 1].line;
	return !has_mistake(c, d->words[0].line, last);
}

static int try_hook(const struct hook *h, struct conf *c, struct store *empty, struct err *e)
{
	err_auto why = ERR_INIT;
	buf_auto text = BUF_INIT;
	struct sql *unused;
	bool fields = h->model && fields_are_right(c, h->model);
	buf_printf(&text, h->kind == HOOK_CHECK ? "SELECT (%s\n)" : "%s", h->sql);
	if (buf_failed(&text))
		return err_nomem(e);
	int result = sql_prepare(empty, buf_text(&text), fields ? is_known : NULL, (void *)h->model, &unused, &why);
	if (result == -EBADMSG && !is_about_names(why.text))
		conf_mistake(c, h->where + 1, "%s", why.text);
	return result == -ENOMEM ? err_nomem(e) : 0;
}

int hooks_try(const struct hooks *h, struct conf *c, struct store *empty, struct err *e)
{
	int result = 0;
	for (size_t i = 0; i < h->n && result == 0; i++)
		if (h->all[i].sql)
			result = try_hook(&h->all[i], c, empty, e);
	return result;
}
