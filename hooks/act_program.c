/*
 * act_program.c - hooks that are programs: run, one process for each event, and pipe, one that answers them all.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "act.h"
#include "reply.h"
#include "change.h"
#include "coprocess.h"
#include "event.h"
#include "stage.h"

/* ---- how a program ends ---- */

/* The first word of the first line may name an errno. */
static int refuse_by_status(const char *name, const struct program_result *r, struct err *e)
{
	const char *line = buf_text(&r->err);
	while (isspace((unsigned char)*line))
		line++;
	int len = (int)strcspn(line, "\r\n"), word = (int)strcspn(line, " :\t\r\n");
	int code = err_by_name(line, (size_t)word);
	if (code) {
		word += (int)strspn(line + word, " :\t");
		line += word;
		len -= word;
	}
	if (len > 0)
		return err_set(e, code ? code : ECANCELED, "%.*s", len, line);
	return err_set(e, code ? code : ECANCELED, "%s ended with status %d", name, r->status);
}

int program_verdict(const struct program *p, const struct program_result *r, struct err *e)
{
	const char *name = program_name(p);
	bool seconds = p->timeout_ms % 1000 == 0;
	if (r->timed_out)
		return err_set(e, ETIMEDOUT, "%s took longer than %lld %s", name,
			       seconds ? p->timeout_ms / 1000 : p->timeout_ms, seconds ? "s" : "ms");
	if (r->too_much)
		return err_set(e, ECANCELED, "%s wrote more than %zu bytes to its standard output", name,
			       program_output(p));
	if (r->stopped)
		return err_set(e, ECANCELED, "%s was ended because the mount ends", name);
	if (r->signal)
		return err_set(e, ECANCELED, "%s was ended by signal %d (%s)", name, r->signal, strsignal(r->signal));
	return r->status == 0 ? 0 : refuse_by_status(name, r, e);
}

/* ---- sessions ---- */

void session_started(void *data, pid_t id)
{
	struct waiting *w = data;
	struct session *s = &w->session;
	pthread_mutex_lock(&w->saver->sessions_lock);
	*s = (struct session){id, w->saver->sessions, &w->saver->sessions};
	if (s->next)
		s->next->link = &s->next;
	w->saver->sessions = s;
	pthread_mutex_unlock(&w->saver->sessions_lock);
}

void session_ended(void *data, pid_t id)
{
	struct waiting *w = data;
	struct session *s = &w->session;
	(void)id;
	pthread_mutex_lock(&w->saver->sessions_lock);
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	pthread_mutex_unlock(&w->saver->sessions_lock);
}

/* ---- the transaction as a directory ---- */

/* Nothing is made of it before the program looks. */
struct shown {
	struct stage *stage;
	void *directory;
	const char *path; /* NULL: there is none */
};

static int show(struct saving *v, const struct hook *h, struct shown *s, struct err *e)
{
	const struct showcase *showcase = &v->saver->showcase;
	char path[PATH_MAX];
	if (!showcase->show)
		return 0;
	int result =
	    v->open ? stage_new_inside(&s->stage, v->saver, &v->txn, e) : stage_new(&s->stage, v->saver, true, e);
	if (result < 0)
		return result;
	if (h->kind == HOOK_PIPE)
		stage_never_wait(s->stage);
	uid_t uid = h->user ? h->user->uid : geteuid();
	gid_t gid = h->user ? h->user->gid : getegid();
	s->directory = showcase->show(showcase->data, s->stage, uid, gid, path, sizeof path);
	s->path = s->directory ? arena_copy(&v->arena, path, strlen(path)) : NULL;
	return s->path ? 0 : err_nomem(e);
}

/* What the program has staged there becomes part of the save, if it has succeeded. */
static int hide(struct saving *v, struct shown *s, struct change *c, bool keep, const char *name, struct err *e)
{
	if (!s->stage)
		return 0;
	int result = stage_take(s->stage, keep, v, c, name, e);
	if (s->directory)
		v->saver->showcase.hide(v->saver->showcase.data, s->directory);
	else
		stage_free(s->stage);
	s->stage = NULL;
	return result;
}

/* ---- run and pipe ---- */

static int run(struct saving *v, const struct hook *h, struct change *c, struct shown *shown, struct err *e)
{
	err_auto why = ERR_INIT;
	struct waiting waiting = {.saver = v->saver};
	struct event_object event = event_of(event_name(h->event), c, v->actor);
	struct program_result r;
	struct program p = {
	    .argv = h->argv,
	    .user = h->user,
	    .bounds = &h->bounds,
	    .timeout_ms = h->timeout_ms,
	    .started = session_started,
	    .ended = session_ended,
	    .data = &waiting,
	    .wake_fd = -1,
	};
	event.txn = shown->path;
	if (event_program(&p, &v->arena, &event, v->saver, e) < 0)
		return err_nomem(e);
	int result = program_run(&p, &r, &why);
	if (result < 0)
		return err_set(e, result == -ENOMEM ? ENOMEM : ECANCELED, "%s", why.text);
	result = program_verdict(&p, &r, e);
	if (result == 0)
		result = hide(v, shown, c, true, program_name(&p), e);
	if (result == 0)
		result = reply_read(v, h, c, program_name(&p), &r.out, e);
	program_result_release(&r);
	return result;
}

static int ask(struct saving *v, const struct hook *h, struct change *c, struct shown *shown, struct err *e)
{
	buf_auto line = BUF_INIT;
	json_scope *answer = NULL;
	struct event_object event = event_of(event_name(h->event), c, v->actor);
	struct coprocess *program = v->saver->coprocesses[h->instance];
	event.txn = shown->path;
	event_write(&line, &event);
	buf_char(&line, '\n');
	if (buf_failed(&line))
		return err_nomem(e);
	int result = coprocess_ask(program, &line, h->timeout_ms, &answer, e);
	v->too_early = shown->stage && stage_would_wait(shown->stage);
	if (v->too_early)
		return err_set(e, EDEADLK, "%s needs the transaction", coprocess_name(program));
	if (result == 0)
		result = hide(v, shown, c, true, coprocess_name(program), e);
	return result < 0 ? result : reply_take(v, h, c, coprocess_name(program), answer, e);
}

static int act_program(struct saving *v, const struct hook *h, struct change *c,
		       int (*start)(struct saving *, const struct hook *, struct change *, struct shown *,
				    struct err *),
		       struct err *e)
{
	struct shown shown = {NULL, NULL, NULL};
	int result = show(v, h, &shown, e);
	if (result == 0)
		result = start(v, h, c, &shown, e);
	hide(v, &shown, c, false, NULL, e);
	return result;
}

int act_run(struct saving *v, const struct hook *h, struct change *c, struct err *e)
{
	return act_program(v, h, c, run, e);
}

int act_pipe(struct saving *v, const struct hook *h, struct change *c, struct err *e)
{
	return act_program(v, h, c, ask, e);
}
