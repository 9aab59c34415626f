/*
 * generate.c - what to do next: calls drawn from tables of chances, and the documents that they write.
 *
 * A descriptor that is open for writing has a plan, the text that is still to be written to it; most writes take a
 * piece of it. Everything follows from the state of one generator of numbers and from the world as it should be.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checker.h"
#include "generate.h"

uint64_t draw(struct generator *g)
{
	uint64_t z = (g->state += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

int below(struct generator *g, int n)
{
	return (int)(draw(g) % (uint64_t)n);
}

bool chance(struct generator *g, int percent)
{
	return below(g, 100) < percent;
}

/* ---- calls ---- */

struct call *generate_push(struct generator *g, enum call_kind kind)
{
	struct call *c = &g->queue[g->queued++];

	*c = (struct call){.kind = kind, .txn = g->txn, .actor = chance(g, 70) ? 0 : below(g, ACTORS)};
	return c;
}

void generate_data(struct call *c, const void *data, size_t len)
{
	c->data = malloc(len + 1);
	if (!c->data)
		abort();
	memcpy(c->data, len ? data : "", len);
	c->data[len] = '\0';
	c->len = len;
}

int generate_key(struct generator *g)
{
	return chance(g, 85) ? below(g, 3) : below(g, KEYS);
}

static int any_scratch(struct generator *g)
{
	return KEYS + below(g, 6);
}

static int any_name(struct generator *g)
{
	int p = below(g, 100);

	return p < 60 ? generate_key(g) : p < 92 ? any_scratch(g) : KEYS + 6 + below(g, NAMES - KEYS - 6);
}

static void any_file(struct generator *g, struct call *c)
{
	c->model = below(g, MODELS);
	c->name = any_name(g);
}

static int free_slot(const struct world *w)
{
	for (int i = 0; i < w->nslots; i++)
		if (!w->slots[w->first_slot + i])
			return w->first_slot + i;
	return -1;
}

static int used_slot(struct generator *g, const struct world *w)
{
	int first = below(g, w->nslots);

	for (int i = 0; i < w->nslots; i++)
		if (w->slots[w->first_slot + (first + i) % w->nslots])
			return w->first_slot + (first + i) % w->nslots;
	return -1;
}

static struct call *push_slot(struct generator *g, struct world *w, enum call_kind kind)
{
	int slot = used_slot(g, w);
	struct call *c;

	if (slot < 0)
		return NULL;
	c = generate_push(g, kind);
	c->slot = slot;
	c->actor = w->slots[slot]->actor;
	return c;
}

static void plan(struct generator *g, struct world *w, int slot, int model, int name, int flags)
{
	const struct name *n = name_of(model, name);
	bool append = (flags & O_APPEND) && !(flags & O_TRUNC);

	make_document(g, w, model, n->kind == NAME_RECORD ? n->key : generate_key(g), append, &g->plans[slot]);
}

/* ---- one draw each; nothing is queued where it can't be ---- */

static void gen_open(struct generator *g, struct world *w)
{
	static const int flags[] = {O_WRONLY | O_CREAT | O_TRUNC,
				    O_WRONLY | O_CREAT | O_TRUNC,
				    O_WRONLY | O_CREAT | O_TRUNC,
				    O_RDONLY,
				    O_RDONLY,
				    O_RDWR,
				    O_RDWR,
				    O_WRONLY,
				    O_WRONLY | O_APPEND | O_CREAT,
				    O_WRONLY | O_APPEND | O_CREAT,
				    O_RDWR | O_APPEND,
				    O_RDWR | O_CREAT,
				    O_WRONLY | O_CREAT | O_EXCL,
				    O_RDWR | O_CREAT | O_TRUNC,
				    O_WRONLY | O_TRUNC,
				    O_RDONLY | O_CREAT,
				    O_WRONLY | O_CREAT,
				    O_RDWR | O_CREAT | O_EXCL,
				    O_WRONLY | O_APPEND | O_CREAT | O_TRUNC,
				    O_RDWR | O_APPEND | O_CREAT | O_EXCL,
				    O_RDONLY | O_TRUNC,
				    O_RDWR | O_TRUNC | O_CREAT | O_EXCL};
	int slot = free_slot(w);
	struct call *c;

	if (slot < 0)
		return;
	c = generate_push(g, CALL_OPEN);
	any_file(g, c);
	c->slot = slot;
	c->flags = flags[below(g, sizeof(flags) / sizeof(flags[0]))];
	plan(g, w, slot, c->model, c->name, c->flags);
}

static void push_piece(struct generator *g, struct world *w, int slot, int actor, size_t len)
{
	struct text *p = &g->plans[slot];
	struct call *c = generate_push(g, CALL_WRITE);

	(void)w;
	c->slot = slot;
	c->actor = actor;
	if (len > p->len)
		len = p->len;
	generate_data(c, p->data, len);
	memmove(p->data, p->data + len, p->len - len);
	p->len -= len;
}

static void gen_write(struct generator *g, struct world *w)
{
	int slot = used_slot(g, w);
	struct handle *h = slot < 0 ? NULL : w->slots[slot];

	if (!h)
		return;
	if (g->plans[slot].len == 0)
		plan(g, w, slot, h->model, h->scratch ? scratch_name(w, h->scratch, h->model) : h->key, h->flags);
	push_piece(g, w, slot, h->actor,
		   chance(g, 60) ? g->plans[slot].len : (size_t)below(g, 1 + (int)g->plans[slot].len));
}

static void gen_pwrite(struct generator *g, struct world *w)
{
	struct call *c = push_slot(g, w, CALL_PWRITE);
	struct text t = {0};

	if (!c)
		return;
	const struct handle *h = w->slots[c->slot];
	make_document(g, w, h->model, h->scratch ? generate_key(g) : h->key, false, &t);
	if (chance(g, 30))
		t.len = t.len ? (size_t)below(g, (int)t.len) : 0;
	c->offset = chance(g, 60)   ? 0
		    : chance(g, 50) ? (int64_t)(h->scratch ? h->scratch->data.len : h->draft.len)
				    : below(g, 80);
	if (chance(g, 1) && !h->scratch)
		c->offset = RECORD_MAX - below(g, 100);
	generate_data(c, t.data, t.len);
	text_release(&t);
}

static void gen_read(struct generator *g, struct world *w)
{
	struct call *c = push_slot(g, w, chance(g, 50) ? CALL_READ : CALL_PREAD);

	if (!c)
		return;
	c->len = chance(g, 50) ? 65536 : (size_t)below(g, 60);
	c->offset = below(g, 60);
}

static void gen_seek(struct generator *g, struct world *w)
{
	static const int whence[] = {SEEK_SET, SEEK_SET, SEEK_CUR, SEEK_END};
	struct call *c = push_slot(g, w, CALL_SEEK);

	if (!c)
		return;
	c->flags = whence[below(g, 4)];
	c->offset = chance(g, 60) ? 0 : below(g, 40) - (c->flags == SEEK_SET ? 0 : 20);
}

/* Often followed by a new text from the beginning. */
static void gen_ftruncate(struct generator *g, struct world *w)
{
	struct call *c = push_slot(g, w, CALL_FTRUNCATE);

	if (!c)
		return;
	const struct handle *h = w->slots[c->slot];
	c->offset = chance(g, 50) ? 0 : chance(g, 30) ? (int64_t)(h->scratch ? 5 : h->draft.len) : below(g, 80);
	if (c->offset == 0 && chance(g, 70)) {
		struct call *seek = generate_push(g, CALL_SEEK);
		seek->slot = c->slot;
		seek->actor = c->actor;
		text_clear(&g->plans[c->slot]);
	}
}

static void gen_sync(struct generator *g, struct world *w)
{
	static const enum call_kind kinds[] = {CALL_FSYNC, CALL_FSYNC, CALL_DUP_CLOSE,
					       CALL_CLOSE, CALL_CLOSE, CALL_CLOSE};
	struct call *c = push_slot(g, w, chance(g, 2) ? CALL_CHILD_CLOSE : kinds[below(g, 6)]);

	if (c)
		c->flags = below(g, 2);
}

static void gen_dup(struct generator *g, struct world *w)
{
	int slot = free_slot(w);
	struct call *c = slot < 0 ? NULL : push_slot(g, w, CALL_DUP);

	if (c)
		c->slot2 = slot;
}

static void gen_send(struct generator *g, struct world *w)
{
	struct call *c = push_slot(g, w, CALL_SEND);

	if (!c)
		return;
	any_file(g, c);
}

static void gen_slot(struct generator *g, struct world *w)
{
	struct call *c = push_slot(g, w, chance(g, 90) ? CALL_FSTAT : CALL_FALLOCATE);

	if (c)
		c->offset = below(g, 50);
}

static void gen_rename(struct generator *g, struct world *w)
{
	struct call *c = generate_push(g, CALL_RENAME);

	(void)w;
	any_file(g, c);
	c->model2 = chance(g, 70) ? c->model : below(g, MODELS);
	c->name2 = any_name(g);
	c->flags = chance(g, 20) ? RENAME_NOREPLACE : chance(g, 12) ? RENAME_EXCHANGE : 0;
}

static void gen_link(struct generator *g, struct world *w)
{
	gen_rename(g, w);
	g->queue[g->queued - 1].kind = CALL_LINK;
	g->queue[g->queued - 1].flags = 0;
}

/* As editors save: a temporary file, then rename. */
static void gen_replace(struct generator *g, struct world *w)
{
	int slot = free_slot(w), model = below(g, MODELS), key = generate_key(g), actor = below(g, ACTORS);
	struct call *c;

	if (slot < 0)
		return;
	c = generate_push(g, CALL_OPEN);
	c->slot = slot;
	c->actor = actor;
	c->model = model;
	c->name = any_scratch(g);
	c->flags = O_WRONLY | O_CREAT | O_TRUNC;
	make_document(g, w, model, key, false, &g->plans[slot]);
	push_piece(g, w, slot, actor, g->plans[slot].len);
	c = generate_push(g, CALL_CLOSE);
	c->slot = slot;
	c->actor = actor;
	struct call *r = generate_push(g, chance(g, 85) ? CALL_RENAME : CALL_LINK);
	r->model = r->model2 = model;
	r->name = g->queue[g->queued - 4].name;
	r->name2 = key;
}

/* As a shell saves: `>` or `>>`. */
void generate_echo(struct generator *g, struct world *w, int model, int key)
{
	int slot = free_slot(w), actor = below(g, ACTORS);
	bool append = chance(g, 30);
	struct call *c;

	if (slot < 0)
		return;
	c = generate_push(g, CALL_OPEN);
	c->slot = slot;
	c->actor = actor;
	c->model = model;
	c->name = key;
	c->flags = O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC);
	make_document(g, w, model, key, append, &g->plans[slot]);
	if (chance(g, 30))
		push_piece(g, w, slot, actor, (size_t)below(g, 1 + (int)g->plans[slot].len));
	push_piece(g, w, slot, actor, g->plans[slot].len);
	c = generate_push(g, CALL_CLOSE);
	c->slot = slot;
	c->actor = actor;
	struct call *s = generate_push(g, CALL_STAT);
	s->model = model;
	s->name = key;
	struct call *r = generate_push(g, CALL_CAT);
	r->model = model;
	r->name = key;
	r->len = 4096;
}

static void gen_echo(struct generator *g, struct world *w)
{
	generate_echo(g, w, below(g, MODELS), generate_key(g));
}

static void gen_named(struct generator *g, struct world *w)
{
	static const enum call_kind kinds[] = {
	    CALL_STAT,     CALL_STAT,     CALL_STAT,        CALL_CAT,   CALL_CAT,        CALL_MAP,
	    CALL_ACCESS,   CALL_READLINK, CALL_TRUNCATE,    CALL_CHMOD, CALL_CHOWN,      CALL_TIMES,
	    CALL_SETXATTR, CALL_GETXATTR, CALL_REMOVEXATTR, CALL_MKDIR, CALL_MAP_SHARED, CALL_SYMLINK};
	struct call *c = generate_push(g, kinds[below(g, sizeof(kinds) / sizeof(kinds[0]))]);
	static const int modes[] = {F_OK, R_OK, W_OK, R_OK | W_OK};

	(void)w;
	any_file(g, c);
	c->len = chance(g, 80) ? 4096 : 7;
	c->offset = c->kind == CALL_TIMES ? (int64_t)(draw(g) % 2000000000000000000u) : below(g, 40);
	c->flags = c->kind == CALL_ACCESS ? modes[below(g, 4)] : 0600 | below(g, 0100);
	if (c->kind == CALL_SYMLINK)
		generate_data(c, "nobody@nowhere.1:2", 18);
	if (c->kind == CALL_SETXATTR)
		generate_data(c, "abcdefghij", 1 + (size_t)below(g, 9));
}

static void gen_unlink(struct generator *g, struct world *w)
{
	(void)w;
	any_file(g, generate_push(g, CALL_UNLINK));
}

static void gen_list(struct generator *g, struct world *w)
{
	struct call *c = generate_push(g, chance(g, 80) ? CALL_LIST : CALL_STATFS);

	(void)w;
	c->model = below(g, MODELS);
	if (c->kind == CALL_STATFS)
		c->txn = 0;
}

static void gen_sql(struct generator *g, struct world *w)
{
	static const int columns[MODELS] = {1, 1, 0, 0, 1}; /* a number, or carts.title */
	struct call *c = generate_push(g, CALL_SQL);

	w = world_root(w);
	c->txn = 0;
	c->model = below(g, MODELS);
	c->name = generate_key(g);
	c->flags = !w->records[c->model][c->name].there ? 1 : chance(g, 80) ? 0 : 2;
	c->slot = columns[c->model];
	c->offset = below(g, 50);
	generate_data(c, "by another", 1 + (size_t)below(g, 9));
}

static const struct {
	int chances;
	void (*generate)(struct generator *g, struct world *w);
} draws[] = {
    {14, gen_open},       {16, gen_write}, {6, gen_pwrite}, {8, gen_read},         {4, gen_seek},
    {6, gen_ftruncate},   {14, gen_sync},  {2, gen_dup},    {2, gen_send},         {5, gen_slot},
    {8, gen_rename},      {3, gen_link},   {5, gen_echo},   {5, gen_replace},      {12, gen_named},
    {4, gen_unlink},      {3, gen_list},   {1, gen_sql},    {1, generate_reserve}, {3, generate_value},
    {3, generate_import},
};

void generate(struct generator *g, struct world *w, struct call *c)
{
	struct world *at;

	while (g->taken == g->queued) {
		size_t i = 0;
		int n = below(g, 125);

		g->taken = g->queued = 0;
		g->txn = chance(g, 45) ? 1 + below(g, TXNS) : 0;
		at = world_in(w, g->txn);
		if (g->txn && (at->state != TXN_OPEN ? chance(g, 20) : chance(g, 4))) {
			generate_transaction(g, at);
			continue;
		}
		if (at->state == TXN_OPEN && chance(g, 6)) {
			generate_conflict(g, at);
			continue;
		}
		while (n >= draws[i].chances)
			n -= draws[i++].chances;
		draws[i].generate(g, at);
	}
	*c = g->queue[g->taken++];
}

void generator_release(struct generator *g)
{
	for (int i = 0; i < SLOTS; i++)
		text_release(&g->plans[i]);
	while (g->taken < g->queued)
		free(g->queue[g->taken++].data);
}
