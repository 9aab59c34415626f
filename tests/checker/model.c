/*
 * model.c - what each call must do, in the words of sections 3, 4 and 10 of the contract.
 *
 * A function per kind of call, in a table. skip is for calls that stand for nothing in this world: a trace from which
 * calls were cut out still runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checker.h"

static bool writes(const struct handle *h)
{
	return (h->flags & O_ACCMODE) != O_RDONLY;
}

static bool reads(const struct handle *h)
{
	return (h->flags & O_ACCMODE) != O_WRONLY;
}

/* ---- opening ---- */

static int new_file(const struct end *e)
{
	static const int results[] = {
	    [NAME_INVALID] = -EBADMSG, [NAME_DIGITS] = -EACCES, [NAME_LONG] = -ENAMETOOLONG, [NAME_NONE] = 0};
	return results[e->n->kind];
}

static struct handle *open_handle(struct world *w, const struct call *c, const struct end *e)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	*h = (struct handle){.holders = 1,
			     .actor = c->actor,
			     .model = c->model,
			     .key = e->n->key,
			     .flags = c->flags,
			     .born = w->records[c->model][e->n->key].born,
			     .order = ++w->opened};
	w->slots[c->slot] = h;
	return h;
}

static void expect_open(struct world *w, const struct call *c, struct expected *x)
{
	struct end e = end_find(w, c->model, c->name);

	x->skip = w->slots[c->slot] || end_is_symlink(&e);
	if (x->skip)
		return;
	x->result = e.is != IS_NOTHING ? 0 : c->flags & O_CREAT ? new_file(&e) : end_absent(&e);
	if (e.is != IS_NOTHING && (c->flags & O_CREAT) && (c->flags & O_EXCL))
		x->result = -EEXIST;
	if (x->result < 0)
		return;
	struct handle *h = open_handle(w, c, &e);
	if (e.n->kind == NAME_RECORD) {
		draft_open(w, h, e.is == IS_RECORD);
		return;
	}
	h->scratch = e.scratch ? e.scratch : world_add_scratch(w, c->model, c->name, 0644);
	scratch_hold(h->scratch);
	if (c->flags & O_TRUNC)
		scratch_resize(h->scratch, 0);
}

struct handle *call_handle(struct world *w, const struct call *c, struct expected *x)
{
	struct handle *h = w->slots[c->slot];

	x->skip = !h || h->actor != c->actor;
	return x->skip ? NULL : h;
}

static int note_refusal(struct world *w, const struct handle *h, int rc)
{
	if (rc < 0)
		w->records[h->model][h->key].refused = true;
	return rc;
}

static int sync_handle(struct world *w, struct handle *h)
{
	return h->scratch ? 0 : note_refusal(w, h, draft_sync(w, h));
}

static void expect_close(struct world *w, const struct call *c, struct expected *x)
{
	struct handle *h = call_handle(w, c, x);

	if (!h)
		return;
	x->result = sync_handle(w, h);
	handle_drop(w, c->slot);
}

/* A duplicate goes, here or at the end of a child: the descriptor stays. fsync gives the same. */
static void expect_sync(struct world *w, const struct call *c, struct expected *x)
{
	struct handle *h = call_handle(w, c, x);

	if (h)
		x->result = sync_handle(w, h);
}

/* A child that ends closes all that it has inherited. */
static void expect_child(struct world *w, const struct call *c, struct expected *x)
{
	expect_sync(w, c, x);
	for (int t = 0; t <= TXNS && !x->skip; t++) {
		struct world *each = world_in(world_root(w), t);
		for (int i = 0; i < SLOTS; i++)
			if (i != c->slot && each->slots[i] && each->slots[i]->actor == c->actor &&
			    (!t || each->state == TXN_OPEN))
				sync_handle(each, each->slots[i]);
	}
}

static void expect_dup(struct world *w, const struct call *c, struct expected *x)
{
	struct handle *h = call_handle(w, c, x);

	if (!h)
		return;
	x->skip = w->slots[c->slot2];
	if (x->skip)
		return;
	h->holders++;
	w->slots[c->slot2] = h;
}

/* ---- bytes ---- */

static int write_handle(struct world *w, struct handle *h, const char *data, size_t len, int64_t offset)
{
	int rc;

	if (!h->scratch) {
		rc = note_refusal(w, h, draft_write(w, h, data, len, offset));
		return rc < 0 ? rc : (int)len;
	}
	if (h->flags & O_APPEND)
		offset = (int64_t)h->scratch->data.len;
	if (len > 0) {
		text_write(&h->scratch->data, data, len, (size_t)offset);
		h->scratch->times_set = false;
	}
	return (int)len;
}

int handle_write(struct world *w, struct handle *h, const char *data, size_t len)
{
	int rc = write_handle(w, h, data, len, h->position);

	if (rc <= 0)
		return rc;
	if (!(h->flags & O_APPEND))
		h->position += rc;
	else
		h->position = h->scratch ? (off_t)h->scratch->data.len : -1;
	return rc;
}

static void expect_write(struct world *w, const struct call *c, struct expected *x)
{
	struct handle *h = call_handle(w, c, x);

	if (!h)
		return;
	if (!writes(h))
		x->result = -EBADF;
	else if (c->kind == CALL_PWRITE)
		x->result = write_handle(w, h, c->data, c->len, c->offset);
	else if (h->position < 0 && !(h->flags & O_APPEND))
		x->skip = true;
	else
		x->result = handle_write(w, h, c->data, c->len);
}

static const struct text *content(const struct handle *h)
{
	if (h->scratch)
		return &h->scratch->data;
	return writes(h) && h->mode != APPEND ? &h->draft : &h->pinned;
}

static void read_into(const struct handle *h, size_t len, int64_t offset, struct text *out)
{
	const struct text *t = content(h);

	text_resize(out, 0);
	if (offset < (int64_t)t->len)
		text_add(out, t->data + offset, t->len - (size_t)offset < len ? t->len - (size_t)offset : len);
}

static void expect_read(struct world *w, const struct call *c, struct expected *x)
{
	struct handle *h = call_handle(w, c, x);

	if (!h)
		return;
	if (!reads(h)) {
		x->result = -EBADF;
		return;
	}
	x->skip = c->kind == CALL_READ && h->position < 0;
	if (x->skip)
		return;
	read_into(h, c->len, c->kind == CALL_READ ? h->position : c->offset, &x->bytes);
	x->wants = WANTS_BYTES;
	x->result = (int)x->bytes.len;
	if (c->kind == CALL_READ)
		h->position += x->result;
}

static void expect_seek(struct world *w, const struct call *c, struct expected *x)
{
	struct handle *h = call_handle(w, c, x);
	int64_t base = 0;

	if (!h)
		return;
	x->skip =
	    (c->flags == SEEK_CUR && h->position < 0) || (c->flags == SEEK_END && !h->scratch && h->mode == APPEND);
	if (x->skip)
		return;
	if (c->flags == SEEK_CUR)
		base = h->position;
	if (c->flags == SEEK_END)
		base = (int64_t)content(h)->len;
	x->result = base + c->offset < 0 ? -EINVAL : (int)(base + c->offset);
	if (x->result >= 0)
		h->position = x->result;
}

static void expect_ftruncate(struct world *w, const struct call *c, struct expected *x)
{
	struct handle *h = call_handle(w, c, x);

	if (!h)
		return;
	if (!writes(h))
		x->result = -EINVAL;
	else if (h->scratch)
		scratch_resize(h->scratch, c->offset);
	else
		x->result = draft_truncate(w, h, c->offset);
}

static void expect_fallocate(struct world *w, const struct call *c, struct expected *x)
{
	struct handle *h = call_handle(w, c, x);

	if (h)
		x->result = writes(h) ? -EOPNOTSUPP : -EBADF;
}

/* ---- another program changes rows ---- */

static int update_row(struct world *w, const struct call *c, struct record *r)
{
	struct datum *value = &r->row.values[c->slot];
	struct datum now = {INTEGER, c->offset, NULL};

	if (models[c->model].fields[c->slot].type == STRING)
		now = (struct datum){STRING, 0, c->data};
	if (datum_equal(value, &now))
		return -1;
	datum_set(value, &now);
	record_changed(w, c->model, c->name);
	return 0;
}

/* The columns that have no default in the table are null, or c->offset where they must not be. */
static int insert_row(struct world *w, const struct call *c, struct record *r)
{
	const struct model *m = &models[c->model];

	r->there = true;
	r->mtime = 0;
	for (size_t i = 0; i < m->nfields; i++) {
		struct datum value = m->fields[i].fallback;
		if (m->fields[i].required && value.kind == NOTHING)
			value = (struct datum){INTEGER, c->offset, NULL};
		datum_set(&r->row.values[i], &value);
	}
	record_changed(w, c->model, c->name);
	return 0;
}

static void expect_sql(struct world *w, const struct call *c, struct expected *x)
{
	struct record *r = &w->records[c->model][c->name];
	int rc;

	x->skip = r->there == (c->flags == 1);
	if (x->skip)
		return;
	if (c->flags == 1)
		rc = insert_row(w, c, r);
	else if (c->flags == 0)
		rc = update_row(w, c, r);
	else
		rc = save_delete(w, c->model, c->name);
	x->skip = rc < 0;
}

static void (*const expectations[CALL_KINDS])(struct world *, const struct call *, struct expected *) = {
    [CALL_OPEN] = expect_open,           [CALL_CLOSE] = expect_close,         [CALL_DUP_CLOSE] = expect_sync,
    [CALL_CHILD_CLOSE] = expect_child,   [CALL_FSYNC] = expect_sync,          [CALL_DUP] = expect_dup,
    [CALL_WRITE] = expect_write,         [CALL_PWRITE] = expect_write,        [CALL_READ] = expect_read,
    [CALL_PREAD] = expect_read,          [CALL_SEEK] = expect_seek,           [CALL_SEND] = expect_send,
    [CALL_FTRUNCATE] = expect_ftruncate, [CALL_FALLOCATE] = expect_fallocate, [CALL_FSTAT] = expect_fstat,
    [CALL_STAT] = expect_stat,           [CALL_TRUNCATE] = expect_truncate,   [CALL_RENAME] = expect_rename,
    [CALL_LINK] = expect_link,           [CALL_SYMLINK] = expect_symlink,     [CALL_READLINK] = expect_readlink,
    [CALL_UNLINK] = expect_unlink,       [CALL_MKDIR] = expect_mkdir,         [CALL_LIST] = expect_list,
    [CALL_CHMOD] = expect_attributes,    [CALL_CHOWN] = expect_attributes,    [CALL_TIMES] = expect_attributes,
    [CALL_SETXATTR] = expect_setxattr,   [CALL_GETXATTR] = expect_getxattr,   [CALL_REMOVEXATTR] = expect_getxattr,
    [CALL_MAP] = expect_whole,           [CALL_CAT] = expect_whole,           [CALL_MAP_SHARED] = expect_map_shared,
    [CALL_STATFS] = expect_statfs,       [CALL_ACCESS] = expect_access,       [CALL_SQL] = expect_sql,
    [CALL_MAKE] = expect_make,           [CALL_DROP] = expect_drop,           [CALL_COMMIT] = expect_commit,
    [CALL_STATE] = expect_state,         [CALL_RESERVE] = expect_reserve,     [CALL_VALUE] = expect_value,
    [CALL_IMPORT] = expect_import,
};

/* What was open when its transaction ended. */
static void expect_any_close(struct world *w, const struct call *c, struct expected *x)
{
	const struct handle *h = call_handle(w, c, x);

	if (!h)
		return;
	x->any = true;
	w->records[h->model][h->key].refused = w->records[h->model][h->key].refused || !h->scratch;
	handle_drop(w, c->slot);
}

/* It shows what is stored, and nothing changes it. */
static void expect_committed(struct world *w, const struct call *c, struct expected *x)
{
	static const bool looks[CALL_KINDS] = {[CALL_STAT] = true, [CALL_LIST] = true,     [CALL_CAT] = true,
					       [CALL_MAP] = true,  [CALL_READLINK] = true, [CALL_GETXATTR] = true};

	if (c->kind == CALL_CLOSE)
		expect_any_close(w, c, x);
	else if (looks[c->kind])
		expectations[c->kind](w, c, x);
	else
		x->skip = true;
}

void model_expect(struct world *w, const struct call *c, struct expected *x)
{
	struct world *at = world_in(w, c->txn);

	*x = (struct expected){0};
	if (c->txn && at->state == TXN_NONE && c->kind == CALL_CLOSE)
		expect_any_close(at, c, x);
	else if (c->txn && at->state == TXN_COMMITTED && c->kind != CALL_DROP && c->kind != CALL_STATE)
		expect_committed(at, c, x);
	else if (c->txn && at->state == TXN_NONE && c->kind != CALL_MAKE)
		x->skip = true;
	else
		expectations[c->kind](at, c, x);
	staging_refresh(w);
}
