/*
 * records.c - the names in MODEL/: records, then scratch files.
 *
 * A record's offset in a listing is its serial plus LISTING_FIRST, so a listing is a walk over an index from there, in
 * a snapshot of its own for each request; a record that is there throughout appears exactly once, whatever else comes
 * and goes. Scratch files follow, by their own serials behind OFFSET_SCRATCH.
 */
#include "records.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "handle.h"
#include "queue.h"
#include "scratch.h"
#include "view.h"

#define OFFSET_SCRATCH (INT64_C(1) << 62)

/* ---- finding a name ---- */

static int find_record(struct mount *m, const char *name, uid_t viewer, struct arena *a, struct entry *out,
		       struct err *e)
{
	buf_auto text = BUF_INIT;
	struct open_name open_name;
	struct stamp stamp;
	struct conn *c;
	int rc;

	c = mount_read_once(m, out->model, viewer, e);
	if (!c)
		return -e->code;
	rc = store_show(c, out->model, &out->key, &text, &stamp, e);
	store_read_end(c);
	if (rc == 0) {
		out->kind = ENTRY_RECORD;
		mount_record_stat(m, out->model, &stamp, text.len, &out->st);
		return 0;
	}
	if (rc != -ENOENT)
		return rc;
	err_release(e);
	if (handle_find(m, out->model, name, 0, viewer, a, &open_name)) {
		out->kind = ENTRY_UNSAVED;
		m->unsaved_found = true;
		mount_dir_stat(m, open_name.ino, mount_record_mode(out->model), &out->st);
		if (out->model->owned)
			out->st.st_uid = open_name.uid;
	}
	return 0;
}

static void find_scratch(struct mount *m, const char *name, uid_t viewer, struct entry *out)
{
	struct scratch *s = scratch_find(m, out->model, name, viewer);

	if (!s)
		return;
	out->kind = ENTRY_SCRATCH;
	scratch_stat(m, s, &out->st);
	scratch_put(m, s);
}

int records_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		 struct entry *out, struct err *e)
{
	int64_t size;
	int rc;

	out->model = mount_model(m, dir->model);
	if (!out->model)
		return -ENOENT;
	if (view_find(m, dir, name))
		return view_find_in(m, dir, name, who, a, out, e);
	out->record_name = record_is_name(name);
	if (!out->record_name && out->model->queue && !m->stage &&
	    (rc = queue_find_log(m, name, who->uid, a, out, e)) != 0)
		return rc < 0 ? rc : 0;
	if (!out->record_name) {
		find_scratch(m, name, who->uid, out);
		return 0;
	}
	rc = record_key(out->model, name, a, &out->key);
	out->valid = rc == 0;
	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = find_record(m, name, who->uid, a, out, e);
	size =
	    rc == 0 && out->kind != ENTRY_NONE && who->pid ? handle_draft_size(m, out->model, &out->key, who->pid) : -1;
	if (size >= 0)
		out->st.st_size = size;
	return rc;
}

/* ---- listing ---- */

static int list_records_from(struct listing *l, struct cursor *cursor, const struct model *model, bool *full,
			     struct err *e)
{
	buf_auto name = BUF_INIT;
	struct value key;
	int64_t serial;
	int rc;

	while ((rc = cursor_next(cursor, &key, &serial, e)) > 0) {
		struct stat st = {.st_ino = mount_record_ino(l->m, model, serial), .st_mode = S_IFREG};

		buf_reset(&name);
		rc = record_name(model, &key, &name);
		if (rc == -ENOMEM)
			return err_nomem(e);
		if (rc < 0) /* it has no file */
			continue;
		*full = !listing_add(l, buf_text(&name), &st, serial + LISTING_FIRST);
		if (*full)
			return 0;
	}
	return rc;
}

static int list_records(struct listing *l, const struct model *model, off_t off, bool *full, struct err *e)
{
	struct conn *c = mount_read(l->m, l->uid, e);
	struct cursor *cursor = NULL;

	if (!c)
		return -e->code;
	int rc = cursor_open(&cursor, c, model, off < LISTING_FIRST ? -1 : off - LISTING_FIRST, e);
	if (rc == 0)
		rc = list_records_from(l, cursor, model, full, e);
	cursor_close(cursor);
	store_read_end(c);
	return rc;
}

static void list_scratch(struct listing *l, const struct model *model, off_t off)
{
	int64_t after = off >= OFFSET_SCRATCH ? off - OFFSET_SCRATCH : -1;
	buf_auto name = BUF_INIT;
	struct stat st;

	while (scratch_next(l->m, model, l->uid, &after, &name, &st)) {
		if (!listing_add(l, buf_text(&name), &st, OFFSET_SCRATCH + after))
			return;
		buf_reset(&name);
	}
}

int records_list(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	const struct model *model = mount_model(l->m, dir->model);
	bool full = false;
	int rc = 0;

	if (!model)
		return -ENOENT;
	if (off < OFFSET_SCRATCH)
		rc = list_records(l, model, off, &full, e);
	if (rc == 0 && !full)
		list_scratch(l, model, off);
	return rc;
}
