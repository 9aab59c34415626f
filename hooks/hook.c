/*
 * hook.c - reads the `on` directives of mount.conf into the list of hooks.
 *
 * The tables say which verbs an event happens for, which kinds it allows and what each kind is followed by; everything
 * else is a mistake at its word. A directive with several events becomes one hook for each.
 */
#include <errno.h>
#include <string.h>

#include "../store/limits.h"
#include "act.h"
#include "hook.h"
#include "hook_read.h"
#include "plugin.h"
#include "program.h"

#define BIT(n)       (1U << (n))
#define COUNT(array) (sizeof(array) / sizeof *(array))

enum {
	VERBS_SAVE = BIT(VERB_CREATE) | BIT(VERB_REPLACE) | BIT(VERB_PATCH),
	VERBS_DELETE = BIT(VERB_DELETE),
	VERBS_ALL = VERBS_SAVE | VERBS_DELETE,
	KINDS_ALL = BIT(HOOK_KIND_COUNT) - 1,
	KINDS_AFTER =
	    BIT(HOOK_RUN) | BIT(HOOK_ENQUEUE), /* the transaction is over: nothing to refuse, nothing to change */
};

static const struct event_info {
	const char *name;
	unsigned verbs, kinds;
} events[EVENT_COUNT] = {
    [EVENT_PRE_SAVE] = {"pre_save", VERBS_SAVE, KINDS_ALL},
    [EVENT_PRE_DELETE] = {"pre_delete", VERBS_DELETE, KINDS_ALL},
    [EVENT_APPLY] = {"apply", VERBS_ALL, KINDS_ALL},
    [EVENT_POST_SAVE] = {"post_save", VERBS_SAVE, KINDS_ALL},
    [EVENT_POST_DELETE] = {"post_delete", VERBS_DELETE, KINDS_ALL},
    [EVENT_BEFORE_COMMIT] = {"before_commit", VERBS_ALL, KINDS_ALL},
    [EVENT_AFTER_COMMIT] = {"after_commit", VERBS_ALL, KINDS_AFTER},
};

static const struct {
	const char *name;
	unsigned verbs;
} verb_words[] = {
    {"create", BIT(VERB_CREATE)}, {"replace", BIT(VERB_REPLACE)},
    {"patch", BIT(VERB_PATCH)},   {"update", BIT(VERB_REPLACE) | BIT(VERB_PATCH)},
    {"delete", BIT(VERB_DELETE)},
};

static hook_read_kind read_sql, read_check;

static const struct {
	const char *name, *usage;
	size_t least, most;
	hook_read_kind *read;
} kinds[HOOK_KIND_COUNT] = {
    [HOOK_SQL] = {"sql", "sql \"STATEMENTS\"", 1, 1, read_sql},
    [HOOK_CHECK] = {"check", "check \"EXPRESSION\" \"MESSAGE\"", 2, 2, read_check},
    [HOOK_RUN] = {"run", "run PROGRAM ARGUMENT...", 1, (size_t)-1, hook_read_program},
    [HOOK_PIPE] = {"pipe", "pipe PROGRAM ARGUMENT...", 1, (size_t)-1, hook_read_program},
    [HOOK_PLUGIN] = {"plugin", "plugin FILE.so KEY=VALUE...", 1, (size_t)-1, hook_read_plugin},
    [HOOK_ENQUEUE] = {"enqueue", "enqueue QUEUE FIELD=VALUE...", 1, (size_t)-1, hook_read_enqueue},
};

const char *event_name(enum event event)
{
	return events[event].name;
}

/* ---- kinds ---- */

static int read_sql(struct hook_reader *r, const struct word *words, size_t n, struct hook *h)
{
	(void)r, (void)n;
	h->sql = words[0].text;
	return 0;
}

static int read_check(struct hook_reader *r, const struct word *words, size_t n, struct hook *h)
{
	(void)r, (void)n;
	h->sql = words[0].text;
	h->message = words[1].text;
	return 0;
}

/* ---- one directive ---- */

static int find_event(struct hook_reader *r, const struct word *w)
{
	const char *names[EVENT_COUNT];
	for (int i = 0; i < EVENT_COUNT; i++) {
		names[i] = events[i].name;
		if (strcmp(w->text, names[i]) == 0)
			return i;
	}
	conf_unknown(r->conf, w, "event", names, EVENT_COUNT);
	return -1;
}

/* The events of "pre_save,pre_delete" as bits; 0 after a mistake. */
static int read_events(struct hook_reader *r, const struct word *w, unsigned *out)
{
	bool wrong = false;
	unsigned found = 0;
	for (const char *at = w->text; at; at = *at ? at + 1 : NULL) {
		const char *end = strchrnul(at, ',');
		struct word part = *w;
		part.column += (int)(at - w->text);
		part.length = (int)(end - at);
		part.text = arena_copy(&r->hooks->arena, at, (size_t)(end - at));
		if (!part.text)
			return err_nomem(r->e);
		int event = find_event(r, &part);
		wrong |= event < 0;
		found |= event < 0 ? 0 : BIT(event);
		at = end;
	}
	*out = wrong ? 0 : found;
	return 0;
}

static unsigned find_verbs(const struct word *w)
{
	for (size_t i = 0; i < COUNT(verb_words); i++)
		if (strcmp(w->text, verb_words[i].name) == 0)
			return verb_words[i].verbs;
	return 0;
}

static unsigned verbs_of(unsigned of_events)
{
	unsigned verbs = 0;
	for (int i = 0; i < EVENT_COUNT; i++)
		verbs |= of_events & BIT(i) ? events[i].verbs : 0;
	return verbs;
}

/* Moves *at behind the verbs. */
static unsigned read_verbs(struct hook_reader *r, const struct directive *d, size_t *at, unsigned of_events)
{
	unsigned verbs = 0;
	for (unsigned more; *at < d->nwords && (more = find_verbs(&d->words[*at])); (*at)++) {
		verbs |= more;
		if (of_events && !(more & verbs_of(of_events)))
			conf_mistake(r->conf, &d->words[*at], "no %s happens at %s", d->words[*at].text,
				     d->words[1].text);
	}
	return verbs ? verbs : VERBS_ALL;
}

static int find_kind(struct hook_reader *r, const struct directive *d, size_t at)
{
	const char *names[HOOK_KIND_COUNT + COUNT(verb_words)];
	if (at >= d->nwords) {
		conf_mistake(r->conf, &d->words[0],
			     "on EVENT VERB... is followed by sql, check, run, pipe, plugin or enqueue");
		return -1;
	}
	for (int i = 0; i < HOOK_KIND_COUNT; i++) {
		names[i] = kinds[i].name;
		if (strcmp(d->words[at].text, names[i]) == 0)
			return i;
	}
	for (size_t i = 0; i < COUNT(verb_words); i++)
		names[HOOK_KIND_COUNT + i] = verb_words[i].name;
	conf_unknown(r->conf, &d->words[at], "verb or kind of hook", names, COUNT(names));
	return -1;
}

static long long default_timeout(enum event event)
{
	return event == EVENT_AFTER_COMMIT ? TIMEOUT_AFTER_MS : TIMEOUT_HOOK_MS;
}

static int read_timeout(struct hook_reader *r, const struct directive *d, struct hook *h)
{
	if (directive_args(d) != 1 || !word_duration(&d->words[1], &h->timeout_ms) || h->timeout_ms <= 0)
		conf_mistake(r->conf, &d->words[0], "timeout is followed by a time such as 10s");
	return 0;
}

static void unknown_option(struct hook_reader *r, const struct word *name)
{
	const char *options[16] = {"timeout", "as"};
	size_t n = 2 + bounds_names(options + 2, COUNT(options) - 2);
	conf_unknown(r->conf, name, "option of a hook", options, n);
}

static int read_option(struct hook_reader *r, const struct directive *d, struct hook *h)
{
	const char *name = d->words[0].text;
	bool timeout = strcmp(name, "timeout") == 0, as = strcmp(name, "as") == 0;
	if (!timeout && !as && !bounds_has(name)) {
		unknown_option(r, &d->words[0]);
		return 0;
	}
	if (h->kind != HOOK_RUN && h->kind != HOOK_PIPE) {
		conf_mistake(r->conf, &d->words[0], "only a program %s",
			     timeout ? "has a timeout"
			     : as    ? "runs as a user"
				     : "has bounds");
		return 0;
	}
	if (timeout)
		return read_timeout(r, d, h);
	return as ? hook_read_as(r, d, &h->user) : bounds_read(&h->bounds, d, r->conf, &r->hooks->arena);
}

static int read_options(struct hook_reader *r, const struct directive *d, struct hook *h)
{
	int result = 0;
	for (const struct directive *o = d->children; o && result == 0; o = o->next)
		result = read_option(r, o, h);
	return result < 0 ? err_nomem(r->e) : 0;
}

static int add_hook(struct hook_reader *r, const struct hook *h)
{
	struct hooks *hooks = r->hooks;
	if (hooks->n == r->room) {
		size_t room = r->room ? 2 * r->room : 16;
		struct hook *all = arena_alloc(&hooks->arena, room * sizeof *all);
		if (!all)
			return err_nomem(r->e);
		if (hooks->n)
			memcpy(all, hooks->all, hooks->n * sizeof *all);
		hooks->all = all;
		r->room = room;
	}
	hooks->all[hooks->n++] = *h;
	return 0;
}

static int add_events(struct hook_reader *r, const struct directive *d, struct hook h, unsigned of_events,
		      unsigned verbs)
{
	long long given = h.timeout_ms;
	for (int i = 0; i < EVENT_COUNT; i++) {
		if (!(of_events & BIT(i)))
			continue;
		h.event = i;
		h.verbs = verbs & events[i].verbs;
		h.timeout_ms = given ? given : default_timeout(i);
		if (!(events[i].kinds & BIT(h.kind)))
			conf_mistake(r->conf, h.where,
				     "%s can't do anything at %s: the transaction is over; run and enqueue can",
				     kinds[h.kind].name, events[i].name);
		if (h.plugin && events[i].kinds & BIT(HOOK_PLUGIN) && !plugin_has(h.plugin, i))
			conf_mistake(r->conf, h.where + 1, "%s has no function for %s", h.where[1].text,
				     events[i].name);
		if (!h.verbs)
			conf_mistake(r->conf, &d->words[1], "%s happens for none of these verbs", events[i].name);
		if (add_hook(r, &h) < 0)
			return err_nomem(r->e);
	}
	return 0;
}

static int read_on(struct hook_reader *r, const struct directive *d, const struct model *m)
{
	unsigned of_events = 0;
	size_t at = 2;
	if (d->nwords < 2) {
		conf_mistake(r->conf, &d->words[0], "on is followed by an event, verbs, and what to do");
		return 0;
	}
	int result = read_events(r, &d->words[1], &of_events);
	if (result < 0)
		return result;
	unsigned verbs = read_verbs(r, d, &at, of_events);
	int kind = find_kind(r, d, at);
	if (kind < 0)
		return 0;
	struct hook h = {.kind = kind, .model = m, .where = &d->words[at], .bounds = default_bounds};
	size_t args = d->nwords - at - 1;
	if (args < kinds[kind].least || args > kinds[kind].most)
		conf_mistake(r->conf, h.where, "usage: %s", kinds[kind].usage);
	else
		result = kinds[kind].read(r, &d->words[at + 1], args, &h);
	if (result == 0)
		result = read_options(r, d, &h);
	if (result == 0 && h.kind == HOOK_PIPE && h.argv)
		hook_share(r->hooks, &h);
	if (h.kind == HOOK_PLUGIN && !h.plugin)
		return result; /* a mistake has been told */
	return result < 0 ? result : add_events(r, d, h, of_events, verbs);
}

static int read_block(struct hook_reader *r, const struct directive *first, const struct model *m)
{
	int result = 0;
	for (const struct directive *d = first; d && result == 0; d = d->next)
		if (strcmp(d->words[0].text, "on") == 0)
			result = read_on(r, d, m);
	return result;
}

int hooks_read(struct hooks *h, struct conf *c, const struct schema *s, struct err *e)
{
	struct hook_reader r = {.hooks = h, .conf = c, .schema = s, .e = e};
	*h = (struct hooks){0};
	int result = read_block(&r, c->directives, NULL);
	for (size_t i = 0; i < s->nmodels && result == 0; i++)
		if (s->models[i].conf)
			result = read_block(&r, s->models[i].conf->children, &s->models[i]);
	return result < 0 ? result : hook_read_queues(&r);
}

void hooks_release(struct hooks *h)
{
	for (size_t i = 0; i < h->nplugins; i++)
		plugin_close(h->plugins[i]);
	arena_release(&h->arena);
	*h = (struct hooks){0};
}

/* ---- looking up ---- */

const struct hook *hooks_next(const struct hooks *h, enum event event, enum verb verb, const struct model *m,
			      size_t *at)
{
	while (*at < h->n) {
		const struct hook *hook = &h->all[(*at)++];
		if (hook->event == event && hook->verbs & BIT(verb) && (!hook->model || hook->model == m))
			return hook;
	}
	return NULL;
}

/* Quoted again where it must be. */
static void print_word(const char *text, FILE *to)
{
	if (*text && !strpbrk(text, " \t\r\n;{}#'\"\\")) {
		fputs(text, to);
		return;
	}
	fputc('"', to);
	for (; *text; text++)
		if (*text == '\n')
			fputs("\\n", to);
		else
			fprintf(to, strchr("\"\\", *text) ? "\\%c" : "%c", *text);
	fputc('"', to);
}

static void print_more(const char *text, FILE *to)
{
	fputc(' ', to);
	print_word(text, to);
}

/* A time, a user and bounds that are not the default. */
static void print_block(const struct hook *h, FILE *to)
{
	bool program = h->kind == HOOK_RUN || h->kind == HOOK_PIPE;
	bool timed = program && h->timeout_ms != default_timeout(h->event);
	bool bounded = program && !bounds_equal(&h->bounds, &default_bounds);
	if (!timed && !h->user && !bounded)
		return;
	fprintf(to, " {");
	if (timed)
		fprintf(to, " timeout %lldms%s", h->timeout_ms, h->user || bounded ? ";" : "");
	if (h->user)
		fprintf(to, " as %s%s", h->user->name, bounded ? ";" : "");
	if (bounded)
		bounds_print(&h->bounds, to);
	fprintf(to, " }");
}

static void print_hook(const struct hook *h, const struct model *m, FILE *to)
{
	fprintf(to, "%s: %s", m->name, events[h->event].name);
	for (int verb = 0; verb < VERB_COUNT; verb++)
		if (h->verbs & BIT(verb))
			fprintf(to, " %s", verb_name(verb));
	fprintf(to, " %s", kinds[h->kind].name);
	if (h->sql)
		print_more(h->sql, to);
	if (h->message)
		print_more(h->message, to);
	for (size_t i = 0; h->argv && h->argv[i]; i++)
		print_more(h->argv[i], to);
	print_block(h, to);
	if (h->queue)
		fprintf(to, " %s", h->queue->name);
	for (size_t i = 0; i < h->nassignments; i++) {
		const struct assignment *a = &h->assignments[i];
		buf_auto literal = BUF_INIT;
		value_plain(&literal, a->field->type, &a->literal);
		fprintf(to, " %s=%s", a->field->name, a->parameter ? ":" : "");
		print_word(a->parameter ? a->parameter : buf_text(&literal), to);
	}
	fputc('\n', to);
}

void hooks_print(const struct hooks *h, const struct schema *s, FILE *to)
{
	for (size_t i = 0; i < s->nmodels; i++)
		for (int event = 0; event < EVENT_COUNT; event++)
			for (size_t j = 0; j < h->n; j++)
				if (h->all[j].event == (enum event)event &&
				    (!h->all[j].model || h->all[j].model == &s->models[i]))
					print_hook(&h->all[j], &s->models[i], to);
}
