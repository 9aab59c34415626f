/*
 * transaction.c - .txn/: the names of transactions, and what is written to and read from them besides records.
 */
#include "transaction.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../hooks/stage.h"
#include "forget.h"
#include "transaction_parts.h"
#include "view.h"
#include "usage.h"

#define SHOWN ".hook-" /* and a number that nobody guesses */

/* With the lock. */
static struct transaction *find(struct transactions *all, uid_t uid, const char *name)
{
	struct transaction *t = all->first;

	while (t && (t->ended || (t->uid != uid && !t->shown) || strcmp(t->name, name) != 0))
		t = t->next;
	return t;
}

/* ---- .txn/ ---- */

static void inside_stat(const struct transaction *t, struct stat *st)
{
	mount_dir_stat(&t->inside, NODE_ROOT_INO, S_IFDIR | 0700, st);
	st->st_ino = mount_public_ino(&t->inside, NODE_ROOT_INO);
}

static int may_make(struct transactions *all, uid_t uid, const char *name, struct err *e)
{
	size_t n = 0;

	for (const struct transaction *t = all->first; t; t = t->next)
		n += !t->ended && !t->shown && t->uid == uid;
	if (find(all, uid, name))
		return -EEXIST;
	if (n >= LIMIT_TRANSACTIONS)
		return err_set(e, ENOSPC, "A user prepares at most %d transactions; rmdir some of .txn",
			       LIMIT_TRANSACTIONS);
	return 0;
}

/* With the lock. Known to the kernel with the reply. */
static int add(struct transactions *all, struct transaction *t)
{
	t->id = ++all->last_id;
	int rc = number_remember(all, t, NODE_ROOT_INO);
	if (rc == 0)
		transaction_append(all, t);
	return rc;
}

int transaction_make(struct mount *m, const struct actor *who, const char *name, struct stat *st, struct err *e)
{
	struct transactions *all = m->transactions;

	transactions_sweep(m);
	if (strlen(name) > LIMIT_NAME)
		return -ENAMETOOLONG;
	if (name[0] == '.')
		return err_set(e, EPERM, "The name of a transaction does not begin with a dot");
	struct transaction *t = transaction_new(m, who, name, e);
	int rc = t ? stage_new(&t->inside.stage, m->saver, false, e) : -ENOMEM;
	pthread_mutex_lock(&all->lock);
	if (rc == 0)
		rc = may_make(all, who->uid, name, e);
	if (rc == 0)
		rc = transactions_wait(m, e);
	if (rc == 0)
		rc = add(all, t);
	if (rc == 0)
		inside_stat(t, st);
	pthread_mutex_unlock(&all->lock);
	if (rc < 0 && t)
		transaction_free(t);
	return rc;
}

bool transaction_is_named(struct mount *m, const char *name)
{
	struct transactions *all = m->transactions;
	bool named = false;

	pthread_mutex_lock(&all->lock);
	for (const struct transaction *t = all->first; t && !named; t = t->next)
		named = !t->ended && strcmp(t->name, name) == 0;
	pthread_mutex_unlock(&all->lock);
	return named;
}

int transaction_drop(struct mount *m, const struct actor *who, const char *name)
{
	struct transactions *all = m->transactions;

	pthread_mutex_lock(&all->lock);
	struct transaction *t = find(all, who->uid, name);
	if (t) {
		t->ended = true;
		forget_name(m, "", mount_public_ino(&t->inside, NODE_ROOT_INO));
	}
	pthread_mutex_unlock(&all->lock);
	transactions_sweep(m);
	return t ? 0 : -ENOENT;
}

int transaction_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who,
		     struct arena *a, struct entry *out, struct err *e)
{
	struct transactions *all = m->transactions;

	if (name[0] == '.' && strncmp(name, SHOWN, strlen(SHOWN)) != 0)
		return view_find_in(m, dir, name, who, a, out, e);
	transactions_sweep(m);
	pthread_mutex_lock(&all->lock);
	const struct transaction *t = find(all, who->uid, name);
	if (t) {
		out->kind = ENTRY_SHOWN;
		inside_stat(t, &out->st);
	}
	pthread_mutex_unlock(&all->lock);
	return 0;
}

int transaction_enter(struct mount *m, const struct actor *who, const char *name, struct stat *st)
{
	struct transactions *all = m->transactions;

	pthread_mutex_lock(&all->lock);
	struct transaction *t = find(all, who->uid, name);
	int rc = t ? number_remember(all, t, NODE_ROOT_INO) : -ENOENT;
	if (rc == 0)
		inside_stat(t, st);
	pthread_mutex_unlock(&all->lock);
	return rc;
}

int transaction_list(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	struct transactions *all = l->m->transactions;

	(void)dir, (void)e;
	transactions_sweep(l->m);
	pthread_mutex_lock(&all->lock);
	for (const struct transaction *t = all->first; t; t = t->next) {
		struct stat st;

		if (t->ended || t->shown || t->uid != l->uid || t->id + LISTING_FIRST <= off)
			continue;
		inside_stat(t, &st);
		if (!listing_add(l, t->name, &st, t->id + LISTING_FIRST))
			break;
	}
	pthread_mutex_unlock(&all->lock);
	return 0;
}

/* ---- for programs of hooks ---- */

bool transaction_is_shown(const struct mount *m)
{
	return m->transaction && m->transaction->shown;
}

static void *show(void *data, struct stage *g, uid_t uid, gid_t gid, char *path, size_t size)
{
	struct mount *m = data;
	struct transactions *all = m->transactions;
	const struct actor program = {.uid = uid, .gid = gid};
	err_auto ignored = ERR_INIT;
	uint64_t random[2];
	char name[64];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return NULL;
	snprintf(name, sizeof(name), SHOWN "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
	struct transaction *t = transaction_new(m, &program, name, &ignored);
	if (!t)
		return NULL;
	t->shown = true;
	t->inside.stage = g;
	t->inside.uid = uid; /* who may write what the mount's user may */
	t->inside.gid = gid;
	snprintf(path, size, "%s/.txn/%s", m->directory, name);
	pthread_mutex_lock(&all->lock);
	t->id = ++all->last_id;
	transaction_append(all, t);
	pthread_mutex_unlock(&all->lock);
	return t;
}

static void hide(void *data, void *shown)
{
	struct mount *m = data;
	struct transaction *t = shown;

	pthread_mutex_lock(&m->transactions->lock);
	transaction_end(m, t);
	pthread_mutex_unlock(&m->transactions->lock);
	transactions_sweep(m);
}

void transactions_show(struct mount *m)
{
	const struct showcase showcase = {show, hide, m};

	saver_show_in(m->saver, &showcase);
}

/* ---- what is prepared ---- */

int transaction_save(struct mount *m, const struct actor *actor, const struct request *request, struct outcome *outcome,
		     struct arena *a, struct err *e)
{
	struct transaction *t = m->transaction;
	int rc = usage_hold(m->usages, t->uid, &t->held, transaction_size(t) + 2 * request->len, e);

	if (rc == 0)
		rc = stage_save(m->stage, actor, request, outcome, a, e);
	usage_settle(m->usages, t->uid, &t->held, transaction_size(t));
	return rc;
}

/* Lines that are staged, each counted before it comes. */
struct lines {
	struct mount *m;
	save_next *next;
	void *data;
	size_t answer; /* what the transaction holds besides what is staged */
};

static int next_counted(void *data, struct request *out, struct err *e)
{
	struct lines *l = data;
	struct transaction *t = l->m->transaction;
	int rc = l->next(l->data, out, e);

	if (rc <= 0)
		return rc;
	size_t size = l->answer + stage_held(l->m->stage) + 2 * out->len;
	return usage_hold(l->m->usages, t->uid, &t->held, size, e) < 0 ? -e->code : rc;
}

int transaction_save_stream(struct mount *m, const struct actor *actor, save_next *next, void *data, bool *blamed,
			    struct err *e)
{
	struct transaction *t = m->transaction;
	struct lines lines = {m, next, data, transaction_size(t) - stage_held(m->stage)};
	int rc = stage_save_stream(m->stage, actor, next_counted, &lines, blamed, e);

	usage_settle(m->usages, t->uid, &t->held, transaction_size(t));
	return rc;
}

/* ---- NAME/ctl and NAME/answer.json ---- */

enum { REPORT_LINE = 512 };

static int commit(struct mount *m, const struct actor *who, struct err *e)
{
	struct transaction *t = m->transaction;
	buf_auto answer = BUF_INIT;
	const struct actor owner = {.uid = t->uid, .gid = t->gid, .pid = who->pid};
	size_t lines = stage_size(m->stage) * REPORT_LINE, staged = stage_held(m->stage);
	size_t room = usage_room(m->usages, t->uid, &t->held, staged + lines, LIMIT_STAGED_BYTES);

	transaction_work(t, true);
	int rc = stage_commit(m->stage, who->uid == t->uid ? who : &owner, room, &answer, e);
	transaction_work(t, false);

	pthread_mutex_lock(&m->lock);
	if (answer.len) {
		buf_release(&t->answer);
		t->answer = answer;
		answer = (struct buf)BUF_INIT;
	}
	pthread_mutex_unlock(&m->lock);
	usage_settle(m->usages, t->uid, &t->held, transaction_size(t));
	return rc;
}

static int drop_itself(struct mount *m, const struct actor *who, struct err *e)
{
	(void)who, (void)e;
	pthread_mutex_lock(&m->transactions->lock);
	transaction_end(m, m->transaction);
	pthread_mutex_unlock(&m->transactions->lock);
	transactions_sweep(m);
	return 0;
}

static const struct {
	const char *word;
	int (*carry_out)(struct mount *m, const struct actor *who, struct err *e);
} commands[] = {{"commit", commit}, {"abort", drop_itself}};

static int control(struct mount *m, const struct actor *who, const char *data, size_t len, struct err *e)
{
	if (m->transaction->shown)
		return err_set(e, EPERM, "what is changed here is saved when the program has succeeded");
	while (len > 0 && strchr(" \t\r\n", data[len - 1]))
		len--;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strlen(commands[i].word) == len && memcmp(commands[i].word, data, len) == 0)
			return commands[i].carry_out(m, who, e);
	return err_set(e, EBADMSG, "ctl takes 'commit' or 'abort'");
}

int transaction_control(struct mount *m, const struct node *node, const struct actor *who, const char *data, size_t len,
			struct err *e)
{
	int rc = control(m, who, data, len, e);

	(void)node;
	if (rc < 0)
		mount_refused(m, who, NULL, "ctl", NULL, e);
	return rc;
}

int transaction_show_control(struct mount *m, const struct node *node, const struct actor *who, struct stat *st,
			     struct buf *out, struct err *e)
{
	buf_auto own = BUF_INIT;
	struct buf *text = out ? out : &own;

	(void)who, (void)e;
	if (transaction_ended(m))
		return -ENOENT;
	buf_printf(text, "%s %zu\n", stage_committed(m->stage) ? "committed" : "open", stage_size(m->stage));
	mount_text_stat(st, node_made(node->kind, 0), 0600, m->transaction->uid, text->len, &m->transaction->made);
	return 0;
}

int transaction_show_answer(struct mount *m, const struct node *node, const struct actor *who, struct stat *st,
			    struct buf *out, struct err *e)
{
	struct transaction *t = m->transaction;
	int rc = 0;

	(void)who;
	if (transaction_ended(m))
		return -ENOENT;
	pthread_mutex_lock(&m->lock);
	if (t->answer.len == 0)
		rc = -ENOENT;
	mount_text_stat(st, node_made(node->kind, 0), 0400, t->uid, t->answer.len, &t->made);
	if (out)
		buf_add(out, buf_text(&t->answer), t->answer.len);
	pthread_mutex_unlock(&m->lock);
	return rc == 0 && out && buf_failed(out) ? err_nomem(e) : rc;
}
