/*
 * handle.c - reading and writing open files, and the save that a write, fsync or close asks for.
 */
#include "handle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "../hooks/composite.h"
#include "answered.h"
#include "export.h"
#include "import.h"
#include "scratch.h"
#include "usage.h"
#include "tree.h"

bool handle_writes(const struct handle *h)
{
	return (h->flags & O_ACCMODE) != O_RDONLY;
}

/* ---- saving ---- */

static struct request save_request(const struct handle *h)
{
	struct request r = {.kind = h->draft.mode == DRAFT_APPEND ? REQUEST_MERGE : REQUEST_PUT,
			    .model = h->model,
			    .key = h->key,
			    .text = buf_text(&h->draft.text),
			    .len = h->draft.text.len,
			    .checksum = *h->base ? h->base : NULL,
			    .judged = true}; /* else the draft would not ask for a save */

	if (h->kind == NODE_NEW)
		r.key = h->saved ? h->key : value_null();
	if (h->saved || (h->kind == NODE_RECORD && !h->unsaved))
		r.expect = EXPECT_RECORD;
	else if (h->flags & O_EXCL)
		r.expect = EXPECT_NONE;
	return r;
}

/* What .new answers to a read after its write. The save is done: what can't be read now is null, and no error. */
static void load_answer(struct mount *m, struct handle *h, const struct outcome *outcome)
{
	err_auto e = ERR_INIT;

	buf_reset(&h->text);
	h->answer_offset = -1;
	if (answer_print(m, h->model, outcome, h->opener.uid, &h->text, &e) < 0) {
		buf_reset(&h->text);
		buf_str(&h->text, "null\n");
	}
	usage_settle(m->usages, usage_payer(h), &h->bytes, usage_size(h));
}

static int after_save(struct mount *m, struct handle *h, const struct outcome *outcome, struct err *e)
{
	draft_saved(&h->draft);
	h->saved = true;
	if (*h->base)
		memcpy(h->base, outcome->checksum, sizeof(h->base));
	pthread_mutex_lock(&m->lock);
	h->unsaved = false;
	pthread_mutex_unlock(&m->lock);
	if (h->kind == NODE_RECORD && (h->flags & O_APPEND) && h->draft.mode != DRAFT_APPEND) {
		draft_release(&h->draft);
		draft_init(&h->draft, DRAFT_APPEND);
	}
	if (h->kind != NODE_NEW)
		return 0;
	if ((h->flags & O_ACCMODE) == O_RDWR)
		load_answer(m, h, outcome);
	return handle_set_key(h, &outcome->key, e);
}

static bool is_gone(struct mount *m, const struct handle *h)
{
	pthread_mutex_lock(&m->lock);
	bool gone = h->gone;
	pthread_mutex_unlock(&m->lock);
	return gone;
}

/* What became of the requests is read from the descriptor, also when one was refused. */
static int run_composite(struct mount *m, struct handle *h, const struct actor *actor, struct err *e)
{
	buf_release(&h->text);
	h->answer_offset = -1;
	size_t room = usage_room(m->usages, usage_payer(h), &h->bytes, usage_size(h), LIMIT_STAGED_BYTES);
	int rc = composite_run(m->saver, actor, buf_text(&h->draft.text), h->draft.text.len, room, &h->text, e);

	usage_settle(m->usages, usage_payer(h), &h->bytes, usage_size(h));
	if (rc < 0) {
		draft_refused(&h->draft, err_clamp(e->code));
		return rc;
	}
	draft_saved(&h->draft);
	return 0;
}

/*
 * What a descriptor may do is decided by who opened it: a program with more rights that writes to it, as its standard
 * output for example, does not lend them.
 */
static struct actor as_opener(const struct handle *h, const struct actor *writer)
{
	struct actor actor = h->opener;

	actor.pid = writer->pid;
	return actor;
}

static int save_draft(struct mount *m, struct handle *h, const struct actor *actor, struct err *e)
{
	struct request request = save_request(h);
	struct outcome outcome;
	arena_auto a = ARENA_INIT;
	int rc;

	if (h->kind == NODE_RUN)
		return run_composite(m, h, actor, e);
	if (is_gone(m, h)) {
		draft_saved(&h->draft);
		return 0;
	}
	rc = mount_save(m, actor, &request, &outcome, &a, e);
	if (rc < 0) {
		draft_refused(&h->draft, err_clamp(e->code));
		return rc;
	}
	mount_settled(m, actor, h->model, h->name, &outcome);
	return after_save(m, h, &outcome, e);
}

/* Notes a refusal the first time it is told; repetitions have nothing new to say. */
static void note(struct mount *m, struct handle *h, const struct actor *actor, int rc, bool repeated, struct err *e)
{
	if (rc < 0 && !repeated && h->kind == NODE_RUN)
		mount_refused(m, actor, NULL, h->name, NULL, e);
	else if (rc < 0 && !repeated)
		mount_refused_write(m, actor, h->model, h->name, &h->draft.text, e);
}

static int write_draft(struct mount *m, struct handle *h, const struct actor *actor, const char *data, size_t len,
		       int64_t offset, struct err *e)
{
	bool save_now = false;
	int before = h->draft.refused;

	/* The kernel takes the end from the size that some process saw last: that of the record or of another draft. */
	if ((h->flags & O_APPEND) && h->kind == NODE_RECORD)
		offset = (int64_t)h->draft.text.len;
	int rc = usage_count(m, h, len, e);
	if (rc == 0)
		rc = draft_write(&h->draft, data, len, offset, &save_now, e);

	h->told = false;
	if (rc == 0 && save_now)
		rc = save_draft(m, h, actor, e);
	note(m, h, actor, rc, before != 0 && h->draft.refused == before, e);
	handle_note_size(h);
	return rc;
}

static int write_scratch(struct mount *m, struct handle *h, const struct actor *actor, const char *data, size_t len,
			 int64_t offset, struct err *e)
{
	int rc = scratch_write(m, h->scratch, data, len, h->flags & O_APPEND ? -1 : offset, e);
	buf_auto name = BUF_INIT;

	if (rc == -ENOSPC) {
		const struct model *model = scratch_any_name(m, h->scratch, &name);
		if (model)
			mount_told_full(m, actor, model, buf_text(&name), rc, e);
	}
	return rc;
}

int handle_write(struct mount *m, struct handle *h, const struct actor *writer, const char *data, size_t len,
		 int64_t offset, struct err *e)
{
	struct actor actor = as_opener(h, writer);

	if (h->scratch)
		return write_scratch(m, h, &actor, data, len, offset, e);
	pthread_mutex_lock(&h->lock);
	int rc = h->import ? import_write(m, h->import, &actor, data, len, e)
			   : write_draft(m, h, &actor, data, len, offset, e);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

static int sync_draft(struct mount *m, struct handle *h, const struct actor *actor, struct err *e)
{
	if (h->kind == NODE_RUN && h->text.len) /* who reads the answer need not hear it again */
		return 0;
	bool save_now = false, repeated = h->draft.refused != 0 || h->told;
	int rc = draft_sync(&h->draft, &save_now, e);

	if (rc == 0 && save_now)
		rc = save_draft(m, h, actor, e);
	note(m, h, actor, rc, repeated, e);
	handle_note_size(h);
	h->told = rc < 0;
	return rc;
}

int handle_sync(struct mount *m, struct handle *h, const struct actor *writer, struct err *e)
{
	struct actor actor = as_opener(h, writer);

	if (h->scratch || !handle_writes(h) || tree_kind(h->kind)->write)
		return 0;
	pthread_mutex_lock(&h->lock);
	int rc = h->import ? import_sync(m, h->import, &actor, e) : sync_draft(m, h, &actor, e);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

/* What is appended stands behind the record: a size means both, and what is left of them is written as a whole. */
static int truncate_appended(struct mount *m, struct handle *h, int64_t size, struct err *e)
{
	struct draft whole;
	int rc;

	draft_init(&whole, DRAFT_ANYWHERE);
	rc = handle_show(m, h, &whole.text, NULL, e);
	if (rc == -ENOENT) {
		err_release(e);
		rc = 0;
	}
	buf_add(&whole.text, buf_text(&h->draft.text), h->draft.text.len);
	if (rc == 0 && buf_failed(&whole.text))
		rc = err_set(e, EFBIG, "A record holds at most %d bytes", LIMIT_RECORD);
	whole.refused = h->draft.refused;
	if (rc == 0 && (size_t)size != whole.text.len)
		rc = draft_truncate(&whole, size, e);
	if (rc < 0 || !whole.dirty) {
		draft_release(&whole);
		return rc;
	}
	draft_release(&h->draft);
	h->draft = whole;
	return 0;
}

int handle_truncate(struct mount *m, struct handle *h, int64_t size, struct err *e)
{
	int rc;

	if (h->scratch)
		return scratch_truncate(m, h->scratch, size, e);
	if (tree_kind(h->kind)->write)
		return 0;
	pthread_mutex_lock(&h->lock);
	h->told = false;
	if (h->import)
		rc = size ? -EPERM : (import_reset(h->import), 0);
	else if (h->draft.mode == DRAFT_APPEND && size > 0 && size <= LIMIT_RECORD)
		rc = truncate_appended(m, h, size, e);
	else if ((rc = size > 0 && size <= LIMIT_RECORD ? usage_count(m, h, (size_t)size, e) : 0) == 0)
		rc = draft_truncate(&h->draft, size, e);
	handle_note_size(h);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

/* ---- reading ---- */

/* Nobody is given a random key twice. */
static int print_uuid(struct handle *h, struct err *e)
{
	char uuid[40];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	value_uuid(now, uuid);
	buf_printf(&h->text, "%s\n", uuid);
	return buf_failed(&h->text) ? err_nomem(e) : 0;
}

/* A read of .new that nothing was written to takes the next key for good and prints it. */
static int reserve_key(struct mount *m, struct handle *h, struct err *e)
{
	if (h->model->key->default_kind == DEFAULT_UUID)
		return print_uuid(h, e);
	struct value key;
	int rc = mount_reserve_key(m, h->model, &key, e);

	if (rc < 0) {
		mount_refused(m, &h->opener, h->model, h->name, NULL, e);
		return rc;
	}
	buf_printf(&h->text, "%" PRId64 "\n", key.integer);
	return buf_failed(&h->text) ? err_nomem(e) : 0;
}

static void read_buf(const struct buf *from, size_t len, int64_t offset, struct buf *out)
{
	if (offset < 0 || (size_t)offset >= from->len)
		return;
	buf_add(out, from->data + offset, from->len - (size_t)offset < len ? from->len - (size_t)offset : len);
}

/* The answer of .new starts where the first read after the save asks: shells go on behind what they wrote, others seek.
 */
static int64_t answer_offset(struct handle *h, int64_t offset)
{
	if (h->answer_offset < 0 || offset < h->answer_offset)
		h->answer_offset = offset;
	return offset - h->answer_offset;
}

static int read_locked(struct mount *m, struct handle *h, size_t len, int64_t offset, struct buf *out, struct err *e)
{
	int rc = 0;

	if (h->kind == NODE_NEW && !h->saved && h->text.len == 0 && h->draft.text.len == 0)
		rc = reserve_key(m, h, e);
	if (rc < 0)
		return rc;
	if (h->kind == NODE_RECORD && handle_writes(h) && h->draft.mode != DRAFT_APPEND)
		read_buf(&h->draft.text, len, offset, out);
	else
		read_buf(&h->text, len,
			 (h->kind == NODE_NEW && h->saved) || h->kind == NODE_RUN ? answer_offset(h, offset) : offset,
			 out);
	return buf_failed(out) ? err_nomem(e) : 0;
}

int handle_read(struct mount *m, struct handle *h, size_t len, int64_t offset, struct buf *out, struct err *e)
{
	if (h->scratch) {
		if (!buf_reserve(out, len))
			return err_nomem(e);
		out->len = scratch_read(m, h->scratch, out->data, len, offset);
		return 0;
	}
	pthread_mutex_lock(&h->lock);
	int rc = h->export ? export_read(m, h->export, h->opener.uid, len, offset, out, e)
			   : read_locked(m, h, len, offset, out, e);
	pthread_mutex_unlock(&h->lock);
	return rc;
}
