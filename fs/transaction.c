/*
 * transaction.c - .txn/: the insides of transactions, their names, and the numbers by which the kernel knows what is in
 * them.
 *
 * A transaction ends when it is dropped, by rmdir, ctl or after its time; its inside is freed when the kernel has
 * forgotten the last number in it, so whoever serves a request there may use it to the end. What has ended says ENOENT.
 */
#include "transaction.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../hooks/stage.h"
#include "../store/log.h"
#include "answered.h"
#include "handle.h"
#include "rejected.h"
#include "scratch.h"
#include "usage.h"
#include "view.h"

struct transaction {
	struct transaction *next;
	struct mount inside;
	int64_t id; /* place in listings */
	uid_t uid;  /* whose it is */
	gid_t gid;
	struct timespec made;
	int64_t used_ms; /* monotonic */
	bool ended, emptied;
	bool shown;                /* to a hook's program: found by its name alone, and not listed */
	size_t numbers;            /* that the kernel knows */
	size_t held;               /* of its user's memory (usage.h) */
	struct buf answer;         /* of the last commit; guarded by the inside's lock */
	char path[LIMIT_NAME + 8]; /* ".txn/NAME/" */
	char name[];
};

struct number {
	struct number *next;
	uint64_t public_ino, ino;
	struct transaction *of;
	uint64_t lookups;
};

struct transactions {
	pthread_mutex_t lock;
	struct transaction *first; /* in the order in which they were made; those that have ended too */
	int64_t last_id;
	struct number **buckets;
	size_t nbuckets, n;
};

enum { FIRST_BUCKETS = 64, REPORT_LINE = 512 };
#define SHOWN ".hook-" /* and a number that nobody guesses */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

const char *transaction_path(const struct mount *m)
{
	return m->transaction ? m->transaction->path : "";
}

bool transaction_ended(const struct mount *m)
{
	if (!m->transaction)
		return false;
	pthread_mutex_lock(&m->transactions->lock);
	bool ended = m->transaction->ended;
	pthread_mutex_unlock(&m->transactions->lock);
	return ended;
}

void transaction_owner(const struct mount *m, struct stat *st)
{
	const struct transaction *t = m->transaction;

	st->st_mode = S_IFDIR | 0700;
	st->st_uid = t->uid;
	st->st_gid = t->gid;
	st->st_mtim = st->st_ctim = st->st_atim = t->made;
}

/* ---- insides ---- */

static struct transaction *new_transaction(struct mount *outer, const struct actor *who, const char *name,
					   struct err *e)
{
	struct transaction *t = calloc(1, sizeof(*t) + strlen(name) + 1);

	if (!t) {
		err_nomem(e);
		return NULL;
	}
	t->inside = (struct mount){
	    .transaction = t,
	    .transactions = outer->transactions,
	    .conf = outer->conf,
	    .schema = outer->schema,
	    .hooks = outer->hooks,
	    .store = outer->store,
	    .saver = outer->saver,
	    .journal = outer->journal,
	    .usages = outer->usages,
	    .directory = outer->directory,
	    .read_only = outer->read_only,
	    .uid = outer->uid,
	    .gid = outer->gid,
	    .started = outer->started,
	    .changed = outer->changed,
	    .next_memory = 1,
	};
	pthread_mutex_init(&t->inside.lock, NULL);
	t->uid = who->uid;
	t->gid = who->gid;
	t->used_ms = now_ms();
	t->answer.limit = 2 * (size_t)LIMIT_STAGED_BYTES;
	clock_gettime(CLOCK_REALTIME, &t->made);
	strcpy(t->name, name);
	snprintf(t->path, sizeof(t->path), ".txn/%s/", name);
	return t;
}

static void free_transaction(struct transaction *t)
{
	handle_close_all(&t->inside);
	scratch_release_all(&t->inside);
	rejected_release_all(&t->inside);
	answered_release_all(&t->inside);
	stage_free(t->inside.stage);
	usage_settle(t->inside.usages, t->uid, &t->held, 0);
	pthread_mutex_destroy(&t->inside.lock);
	buf_release(&t->answer);
	free(t);
}

/* With the lock. Those that can go; the caller frees them. */
static struct transaction *take_ended(struct transactions *all)
{
	struct transaction *taken = NULL;

	for (struct transaction **at = &all->first; *at;) {
		struct transaction *t = *at;

		if (t->ended && t->numbers == 0) {
			*at = t->next;
			t->next = taken;
			taken = t;
		} else {
			at = &t->next;
		}
	}
	return taken;
}

static void free_taken(struct transaction *t)
{
	while (t) {
		struct transaction *next = t->next;

		free_transaction(t);
		t = next;
	}
}

/* With the lock. */
static void end_unused(struct mount *m)
{
	struct transactions *all = m->transactions;
	int64_t before = now_ms() - m->schema->transaction_timeout_ms;

	for (struct transaction *t = all->first; t; t = t->next) {
		if (t->ended || t->shown || t->used_ms > before)
			continue;
		t->ended = true;
		log_info(".txn/%s was not used for %lld s and is dropped", t->name,
			 m->schema->transaction_timeout_ms / 1000);
	}
}

/* In memory. */
static size_t size_of(struct transaction *t)
{
	pthread_mutex_lock(&t->inside.lock);
	size_t answer = t->answer.cap;
	pthread_mutex_unlock(&t->inside.lock);
	return stage_held(t->inside.stage) + answer;
}

/* With the lock, but not while the rows go, which a commit may hold up. */
static void empty_ended(struct transactions *all)
{
	struct transaction *t = all->first;

	while (t) {
		if (!t->ended || t->emptied) {
			t = t->next;
			continue;
		}
		t->emptied = true;
		t->numbers++; /* stays meanwhile */
		pthread_mutex_unlock(&all->lock);
		stage_abort(t->inside.stage);
		usage_settle(t->inside.usages, t->uid, &t->held, size_of(t));
		pthread_mutex_lock(&all->lock);
		t->numbers--;
		t = all->first;
	}
}

/* What has ended shows nothing more; what nobody knows any more goes. */
static void sweep(struct mount *m)
{
	struct transactions *all = m->transactions;

	pthread_mutex_lock(&all->lock);
	end_unused(m);
	empty_ended(all);
	struct transaction *taken = take_ended(all);
	pthread_mutex_unlock(&all->lock);
	free_taken(taken);
}

/* With the lock. */
static struct transaction *find(struct transactions *all, uid_t uid, const char *name)
{
	struct transaction *t = all->first;

	while (t && (t->ended || (t->uid != uid && !t->shown) || strcmp(t->name, name) != 0))
		t = t->next;
	return t;
}

/* ---- numbers ---- */

uint64_t mount_public_ino(const struct mount *m, uint64_t ino)
{
	if (!m->transaction)
		return ino;
	uint64_t x = ino + (uint64_t)m->transaction->id * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return node_inside(x ^ x >> 31);
}

/* With the lock. */
static struct number **number_at(struct transactions *all, uint64_t public_ino)
{
	struct number **at = &all->buckets[public_ino & (all->nbuckets - 1)];

	while (*at && (*at)->public_ino != public_ino)
		at = &(*at)->next;
	return at;
}

static void grow(struct transactions *all)
{
	size_t n = 2 * all->nbuckets;
	struct number **buckets = all->n < n ? NULL : calloc(n, sizeof(*buckets));

	if (!buckets)
		return;
	for (size_t i = 0; i < all->nbuckets; i++)
		while (all->buckets[i]) {
			struct number *each = all->buckets[i];

			all->buckets[i] = each->next;
			each->next = buckets[each->public_ino & (n - 1)];
			buckets[each->public_ino & (n - 1)] = each;
		}
	free(all->buckets);
	all->buckets = buckets;
	all->nbuckets = n;
}

/* With the lock. */
static int remember(struct transactions *all, struct transaction *t, uint64_t ino)
{
	uint64_t public_ino = mount_public_ino(&t->inside, ino);
	struct number **at = number_at(all, public_ino);

	if (*at && ((*at)->of != t || (*at)->ino != ino))
		return -ENFILE;
	if (!*at) {
		if (all->n >= LIMIT_TXN_NUMBERS)
			return -ENFILE;
		*at = calloc(1, sizeof(**at));
		if (!*at)
			return -ENOMEM;
		**at = (struct number){.public_ino = public_ino, .ino = ino, .of = t};
		all->n++;
		t->numbers++;
	}
	(*at)->lookups++;
	grow(all);
	return 0;
}

int transaction_remember(struct mount *m, uint64_t ino)
{
	if (!m->transaction)
		return 0;
	pthread_mutex_lock(&m->transactions->lock);
	int rc = remember(m->transactions, m->transaction, ino);
	pthread_mutex_unlock(&m->transactions->lock);
	return rc;
}

/* With the lock. */
static void forget(struct transactions *all, uint64_t public_ino, uint64_t lookups)
{
	struct number **at = number_at(all, public_ino), *each = *at;

	if (!each)
		return;
	each->lookups -= lookups < each->lookups ? lookups : each->lookups;
	if (each->lookups > 0)
		return;
	*at = each->next;
	each->of->numbers--;
	all->n--;
	free(each);
}

void transaction_forget(struct mount *m, uint64_t public_ino, uint64_t lookups)
{
	struct transactions *all = m->transactions;

	if (!node_is_inside(public_ino))
		return;
	pthread_mutex_lock(&all->lock);
	forget(all, public_ino, lookups);
	struct transaction *taken = take_ended(all);
	pthread_mutex_unlock(&all->lock);
	free_taken(taken);
}

struct mount *mount_enter(fuse_req_t req, fuse_ino_t *ino)
{
	struct mount *m = fuse_req_userdata(req);
	struct transactions *all = m->transactions;

	if (!node_is_inside(*ino))
		return m;
	pthread_mutex_lock(&all->lock);
	end_unused(m);
	struct number *n = *number_at(all, *ino);
	*ino = n ? n->ino : 0;
	if (n) {
		n->of->used_ms = now_ms();
		m = &n->of->inside;
	}
	pthread_mutex_unlock(&all->lock);
	return m;
}

/* ---- from start to end ---- */

int transactions_start(struct mount *m, struct err *e)
{
	struct transactions *all = calloc(1, sizeof(*all));
	struct number **buckets = calloc(FIRST_BUCKETS, sizeof(*buckets));

	if (!all || !buckets) {
		free(all);
		free(buckets);
		return err_nomem(e);
	}
	pthread_mutex_init(&all->lock, NULL);
	all->buckets = buckets;
	all->nbuckets = FIRST_BUCKETS;
	m->transactions = all;
	return 0;
}

void transactions_stop(struct mount *m)
{
	struct transactions *all = m->transactions;

	if (!all)
		return;
	for (size_t i = 0; i < all->nbuckets; i++)
		while (all->buckets[i]) {
			struct number *next = all->buckets[i]->next;

			free(all->buckets[i]);
			all->buckets[i] = next;
		}
	free_taken(all->first);
	free(all->buckets);
	pthread_mutex_destroy(&all->lock);
	free(all);
	m->transactions = NULL;
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

/* With the lock. Behind the others. */
static void append(struct transactions *all, struct transaction *t)
{
	struct transaction **at = &all->first;

	while (*at)
		at = &(*at)->next;
	*at = t;
}

/* With the lock. Known to the kernel with the reply. */
static int add(struct transactions *all, struct transaction *t)
{
	t->id = ++all->last_id;
	int rc = remember(all, t, NODE_ROOT_INO);
	if (rc == 0)
		append(all, t);
	return rc;
}

int transaction_make(struct mount *m, const struct actor *who, const char *name, struct stat *st, struct err *e)
{
	struct transactions *all = m->transactions;

	sweep(m);
	if (strlen(name) > LIMIT_NAME)
		return -ENAMETOOLONG;
	if (name[0] == '.')
		return err_set(e, EPERM, "The name of a transaction does not begin with a dot");
	struct transaction *t = new_transaction(m, who, name, e);
	int rc = t ? stage_new(&t->inside.stage, m->saver, false, e) : -ENOMEM;
	pthread_mutex_lock(&all->lock);
	if (rc == 0)
		rc = may_make(all, who->uid, name, e);
	if (rc == 0)
		rc = add(all, t);
	if (rc == 0)
		inside_stat(t, st);
	pthread_mutex_unlock(&all->lock);
	if (rc < 0 && t)
		free_transaction(t);
	return rc;
}

int transaction_drop(struct mount *m, const struct actor *who, const char *name)
{
	struct transactions *all = m->transactions;

	pthread_mutex_lock(&all->lock);
	struct transaction *t = find(all, who->uid, name);
	if (t)
		t->ended = true;
	pthread_mutex_unlock(&all->lock);
	sweep(m);
	return t ? 0 : -ENOENT;
}

int transaction_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who,
		     struct arena *a, struct entry *out, struct err *e)
{
	struct transactions *all = m->transactions;

	if (name[0] == '.' && strncmp(name, SHOWN, strlen(SHOWN)) != 0)
		return view_find_in(m, dir, name, who, a, out, e);
	sweep(m);
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
	int rc = t ? remember(all, t, NODE_ROOT_INO) : -ENOENT;
	if (rc == 0)
		inside_stat(t, st);
	pthread_mutex_unlock(&all->lock);
	return rc;
}

int transaction_list(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	struct transactions *all = l->m->transactions;

	(void)dir, (void)e;
	sweep(l->m);
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
	struct transaction *t = new_transaction(m, &program, name, &ignored);
	if (!t)
		return NULL;
	t->shown = true;
	t->inside.stage = g;
	t->inside.uid = uid; /* who may write what the mount's user may */
	t->inside.gid = gid;
	snprintf(path, size, "%s/.txn/%s", m->directory, name);
	pthread_mutex_lock(&all->lock);
	t->id = ++all->last_id;
	append(all, t);
	pthread_mutex_unlock(&all->lock);
	return t;
}

static void hide(void *data, void *shown)
{
	struct mount *m = data;
	struct transaction *t = shown;

	pthread_mutex_lock(&m->transactions->lock);
	t->ended = true;
	pthread_mutex_unlock(&m->transactions->lock);
	sweep(m);
}

void transactions_show(struct mount *m)
{
	const struct showcase showcase = {show, hide, m};

	saver_show_in(m->saver, &showcase);
}

/* ---- what it holds in memory ---- */

int transaction_save(struct mount *m, const struct actor *actor, const struct request *request, struct outcome *outcome,
		     struct arena *a, struct err *e)
{
	struct transaction *t = m->transaction;
	int rc = usage_hold(m->usages, t->uid, &t->held, size_of(t) + 2 * request->len, e);

	if (rc == 0)
		rc = stage_save(m->stage, actor, request, outcome, a, e);
	usage_settle(m->usages, t->uid, &t->held, size_of(t));
	return rc;
}

/* ---- NAME/ctl and NAME/answer.json ---- */

static int commit(struct mount *m, const struct actor *who, struct err *e)
{
	struct transaction *t = m->transaction;
	struct buf answer = {.limit = t->answer.limit};
	char path[sizeof(t->path) + 8];
	size_t lines = stage_size(m->stage) * REPORT_LINE, staged = stage_held(m->stage);
	size_t room = usage_room(m->usages, t->uid, &t->held, staged + lines, LIMIT_STAGED_BYTES);
	int rc = stage_commit(m->stage, who, room, &answer, e);

	pthread_mutex_lock(&m->lock);
	if (answer.len) {
		buf_release(&t->answer);
		t->answer = answer;
	}
	pthread_mutex_unlock(&m->lock);
	usage_settle(m->usages, t->uid, &t->held, size_of(t));
	snprintf(path, sizeof(path), "%sctl", t->path);
	if (rc < 0)
		journal_add(m->journal, who->uid, who->pid, path, e);
	return rc;
}

static int drop_itself(struct mount *m, const struct actor *who, struct err *e)
{
	(void)who, (void)e;
	pthread_mutex_lock(&m->transactions->lock);
	m->transaction->ended = true;
	pthread_mutex_unlock(&m->transactions->lock);
	sweep(m);
	return 0;
}

static const struct {
	const char *word;
	int (*carry_out)(struct mount *m, const struct actor *who, struct err *e);
} commands[] = {{"commit", commit}, {"abort", drop_itself}};

int transaction_control(struct mount *m, const struct node *node, const struct actor *who, const char *data, size_t len,
			struct err *e)
{
	(void)node;
	if (m->transaction->shown)
		return err_set(e, EPERM, "what is changed here is saved when the program has succeeded");
	while (len > 0 && strchr(" \t\r\n", data[len - 1]))
		len--;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strlen(commands[i].word) == len && memcmp(commands[i].word, data, len) == 0)
			return commands[i].carry_out(m, who, e);
	return err_set(e, EBADMSG, "ctl takes 'commit' or 'abort'");
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
