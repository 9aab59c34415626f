/*
 * sqlite_key.c - the keys that records get which bring none, and those that are reserved before there is a record.
 *
 * A counter in the database is at or above every key that was ever given: SQLite's own where the table is
 * AUTOINCREMENT, else a row of rowfs_sequence. A reserved key must be durable before it is told, so the counter is
 * raised by a block of keys at a time, which the store hands out from memory:
 *
 * 1. A block is good for as long as the counter stands at its end: whoever raises the counter, another program too,
 * leaves it behind, so that keys never go down again.
 * 2. A create takes the next key of a good block, as a reservation would. It has used it up when its transaction is
 *    committed; until then the turn is its own, and a refused save uses up none.
 * 3. A crash loses what is left of a block, a proper end gives it back. No key is ever given twice.
 * 4. Who reads a snapshot sees which key would be next, and may find it taken when his turn has come.
 * 5. Blocks begin with one key and grow while they are used up: a single reservation leaves no gap.
 */
#include "sqlite.h"

#include <errno.h>

static int integer_of(struct conn *c, const struct model *m, enum statement statement, int64_t bound, int64_t *out,
		      struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, m, statement, NULL, &stmt, e);
	if (r)
		return r;
	if (bound)
		sqlite3_bind_int64(stmt, 1, bound);
	r = stmt_step(c, stmt, e);
	if (r > 0)
		*out = sqlite3_column_int64(stmt, 0);
	return r < 0 ? r : 0;
}

/* The first key that is above the counter and all rows. */
static int above_all(struct conn *c, const struct model *m, int64_t *out, struct err *e)
{
	if (!model_integer_key(m))
		return err_set(e, EBADMSG, "%s gives no keys: the document must name its %s", m->name, m->key->name);
	return integer_of(c, m, KEY_NEXT, 0, out, e);
}

/* What is left of the block begins there; at b->end nothing is. Rows may have come by SQL that names their keys. */
static int left_from(struct conn *c, const struct model *m, const struct key_block *b, int64_t *out, struct err *e)
{
	int64_t below = 0;
	int r = integer_of(c, m, KEY_BELOW, b->end, &below, e);
	int64_t next = b->next;
	*out = below >= next ? below + 1 : next;
	if (c == &c->store->writer && b->used > *out)
		*out = b->used;
	return r;
}

/* *of_block: it is the next one of the store's block. */
static int find_next(struct conn *c, const struct model *m, int64_t *next, bool *of_block, struct err *e)
{
	struct key_block *b = &c->store->blocks[m->index];
	int64_t left;
	int r = above_all(c, m, next, e);
	*of_block = false;
	if (r || b->next >= b->end || *next != b->end)
		return r;
	r = left_from(c, m, b, &left, e);
	if (r || left >= *next)
		return r;
	*next = left;
	*of_block = true;
	return 0;
}

static int no_keys_left(const struct model *m, struct err *e)
{
	return err_set(e, ENOSPC, "%s has no keys left: %lld is in use", m->name, (long long)KEY_MAX);
}

int store_next_key(struct conn *c, const struct model *m, struct value *key, struct err *e)
{
	int64_t next = 0;
	bool of_block;
	int r = find_next(c, m, &next, &of_block, e);
	if (!r && next > KEY_MAX)
		r = no_keys_left(m, e);
	if (!r)
		*key = value_integer(next);
	return r;
}

/* ---- what transactions do to a block ---- */

void key_used(struct store *s, const struct model *m, const struct value *key)
{
	struct key_block *b = &s->blocks[m->index];
	if (key->kind != VALUE_INTEGER || key->integer < b->next || key->integer >= b->end)
		return;
	if (key->integer >= b->used)
		b->used = key->integer + 1;
	s->blocks_used = true;
}

void keys_settle(struct store *s, bool committed)
{
	for (size_t i = 0; s->blocks_used && i < s->schema->nmodels; i++) {
		struct key_block *b = &s->blocks[i];
		if (committed && b->used > b->next)
			b->next = b->used;
		b->used = 0;
	}
	s->blocks_used = false;
}

/* ---- reserving ---- */

static int run_with_keys(struct conn *c, const struct model *m, enum statement statement, int64_t first, int64_t second,
			 struct err *e)
{
	stmt_auto *stmt = NULL;
	int r = conn_statement(c, m, statement, NULL, &stmt, e);
	if (r)
		return r;
	sqlite3_bind_int64(stmt, 1, first);
	if (second)
		sqlite3_bind_int64(stmt, 2, second);
	r = stmt_step(c, stmt, e);
	return r < 0 ? r : 0;
}

static int raise_counter(struct conn *c, const struct model *m, int64_t to, struct err *e)
{
	int r = run_with_keys(c, m, KEY_RAISE, to, 0, e);
	if (!r && sqlite3_changes(c->db) == 0)
		r = run_with_keys(c, m, KEY_ADD, to, 0, e);
	return r;
}

int txn_take_key(struct txn *t, const struct model *m, struct value *key, struct err *e)
{
	int64_t next = 0;
	bool of_block;
	int r = find_next(t->conn, m, &next, &of_block, e);
	if (!r && next > KEY_MAX)
		r = no_keys_left(m, e);
	if (!r && !of_block)
		r = raise_counter(t->conn, m, next, e);
	if (r)
		return r;
	*key = value_integer(next);
	if (of_block)
		key_used(t->store, m, key);
	return 0;
}

/* In the transaction: the next key of the good block, or else the first of *size that are taken from the counter. */
static int take_key(struct txn *t, const struct model *m, int64_t *key, int64_t *size, struct err *e)
{
	struct key_block *b = &t->store->blocks[m->index];
	bool of_block;
	int r = find_next(t->conn, m, key, &of_block, e);
	*size = 0;
	if (r)
		return r;
	if (of_block) {
		b->next = *key + 1;
		return 0;
	}
	if (*key > KEY_MAX)
		return no_keys_left(m, e);
	bool used_up = b->size && *key == b->end;
	*size = !used_up ? 1 : b->size * 2 < LIMIT_KEY_BLOCK ? b->size * 2 : LIMIT_KEY_BLOCK;
	if (*size > KEY_MAX + 1 - *key)
		*size = KEY_MAX + 1 - *key;
	return raise_counter(t->conn, m, *key + *size - 1, e);
}

typedef int begin_function(struct store *s, struct txn *t, struct err *e);

/* Only once the raised counter is durable. If it was raised again meanwhile the rest is lost. */
static void keep_block(struct store *s, const struct model *m, int64_t first, int64_t size, begin_function *begin)
{
	struct key_block *b = &s->blocks[m->index];
	struct txn t;
	err_auto ignored = ERR_INIT;
	int64_t next = 0;
	if (begin(s, &t, &ignored) < 0)
		return;
	if (above_all(t.conn, m, &next, &ignored) == 0 && next == first + size) {
		b->next = first + 1;
		b->end = next;
		b->size = size;
	}
	txn_rollback(&t);
}

static int reserve(struct store *s, const struct model *m, struct value *key, begin_function *begin, struct err *e)
{
	struct txn t;
	int64_t next = 0, size;
	int r = begin(s, &t, e);
	if (r)
		return r;
	r = take_key(&t, m, &next, &size, e);
	if (r || !size)
		txn_rollback(&t);
	else
		r = txn_commit(&t, e);
	if (r)
		return r;
	if (size)
		keep_block(s, m, next, size, begin);
	*key = value_integer(next);
	return 0;
}

int store_reserve_key(struct store *s, const struct model *m, struct value *key, struct err *e)
{
	return reserve(s, m, key, txn_begin, e);
}

int store_try_reserve_key(struct store *s, const struct model *m, struct value *key, struct err *e)
{
	return reserve(s, m, key, txn_try_begin, e);
}

/* ---- the end ---- */

static void return_block(struct conn *c, const struct model *m, const struct key_block *b)
{
	err_auto ignored = ERR_INIT;
	int64_t next = 0, left = 0;
	if (b->next >= b->end || above_all(c, m, &next, &ignored) < 0 || next != b->end)
		return;
	if (left_from(c, m, b, &left, &ignored) == 0 && left < b->end)
		run_with_keys(c, m, KEY_LOWER, left - 1, b->end - 1, &ignored);
}

void keys_return(struct store *s)
{
	struct txn t;
	err_auto ignored = ERR_INIT;
	bool any = false;
	for (size_t i = 0; s->blocks && i < s->schema->nmodels; i++)
		any |= s->blocks[i].next < s->blocks[i].end;
	if (!any || txn_begin(s, &t, &ignored) < 0)
		return;
	for (size_t i = 0; i < s->schema->nmodels; i++)
		return_block(t.conn, &s->schema->models[i], &s->blocks[i]);
	txn_commit(&t, &ignored);
}
