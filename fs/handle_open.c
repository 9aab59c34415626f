/*
 * handle_open.c - open files begin and end: what each kind starts with, and the lists in which they stand.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "export.h"
#include "handle.h"
#include "import.h"
#include "scratch.h"
#include "usage.h"

static struct handle *new_handle(enum node_kind kind, uint64_t ino, const struct model *model, int flags,
				 const struct actor *actor)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	*h = (struct handle){.kind = kind, .ino = ino, .model = model, .flags = flags};
	if (actor)
		h->opener = *actor;
	pthread_mutex_init(&h->lock, NULL);
	draft_init(&h->draft, DRAFT_IN_ORDER);
	return h;
}

static void free_handle(struct handle *h)
{
	draft_release(&h->draft);
	buf_release(&h->text);
	pthread_mutex_destroy(&h->lock);
	free(h->key_text);
	free(h->name);
	free(h);
}

/* Takes the handle. */
static int enlist(struct mount *m, struct handle *h, struct handle **out, struct err *e)
{
	bool is_name = h->kind == NODE_RECORD && (handle_writes(h) || h->unsaved);
	struct handle **head = is_name ? &m->handles : &m->others;
	int rc = usage_count(m, h, 0, e);

	if (rc < 0) {
		free_handle(h);
		return rc;
	}
	*out = h;
	pthread_mutex_lock(&m->lock);
	h->next = *head;
	h->link = head;
	if (h->next)
		h->next->link = &h->next;
	*head = h;
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static void delist(struct mount *m, struct handle *h)
{
	pthread_mutex_lock(&m->lock);
	if (h->link)
		*h->link = h->next;
	if (h->link && h->next)
		h->next->link = h->link;
	usage_forget(m, h);
	pthread_mutex_unlock(&m->lock);
}

void handle_close(struct mount *m, struct handle *h)
{
	if (!h)
		return;
	delist(m, h);
	scratch_put(m, h->scratch);
	import_close(h->import);
	export_close(h->export);
	events_close(m, h->events);
	free_handle(h);
}

bool handle_any(struct mount *m)
{
	pthread_mutex_lock(&m->lock);
	bool any = m->handles || m->others;
	pthread_mutex_unlock(&m->lock);
	return any;
}

void handle_close_all(struct mount *m)
{
	while (m->handles)
		handle_close(m, m->handles);
	while (m->others)
		handle_close(m, m->others);
}

int handle_set_key(struct handle *h, const struct value *key, struct err *e)
{
	if (key->kind != VALUE_TEXT) {
		h->key = *key;
		return 0;
	}
	char *copy = malloc(key->text.len + 1);
	if (!copy)
		return err_nomem(e);
	memcpy(copy, key->text.data, key->text.len);
	copy[key->text.len] = '\0';
	free(h->key_text);
	h->key_text = copy;
	h->key = value_text(copy, key->text.len);
	return 0;
}

int handle_show(struct mount *m, const struct handle *h, struct buf *out, char *checksum, struct err *e)
{
	struct conn *c = checksum ? mount_read(m, h->opener.uid, e) : mount_read_once(m, h->model, h->opener.uid, e);

	if (!c)
		return -e->code;
	int rc = store_show(c, h->model, &h->key, out, NULL, e);
	if (rc == 0 && checksum)
		rc = store_checksum(c, h->model, &h->key, checksum, e);
	store_read_end(c);
	return rc;
}

/*
 * The kernel has just found the name for who opens it, and the save asks again. But so it finds a name that was never
 * saved, whose descriptor may have been closed since.
 */
static int must_exist(struct mount *m, const struct handle *h, struct err *e)
{
	buf_auto text = BUF_INIT;

	return h->model->restricted || m->unsaved_found ? handle_show(m, h, &text, NULL, e) : 0;
}

/*
 * What the descriptor starts with: nothing, the stored text, or the stored text behind which is appended. Who may read
 * it saves what he makes of that text, and of no later one.
 */
static int load(struct mount *m, struct handle *h, struct err *e)
{
	char *base = (h->flags & O_ACCMODE) == O_RDWR ? h->base : NULL;

	if (h->unsaved)
		return 0;
	if (handle_writes(h) && (h->flags & O_TRUNC))
		return must_exist(m, h, e);
	if (handle_writes(h) && (h->flags & O_APPEND)) {
		draft_init(&h->draft, DRAFT_APPEND);
		return handle_show(m, h, &h->text, base, e);
	}
	if (!handle_writes(h))
		return handle_show(m, h, &h->text, NULL, e);
	draft_init(&h->draft, DRAFT_ANYWHERE);
	return handle_show(m, h, &h->draft.text, base, e);
}

void handle_note_size(struct handle *h)
{
	h->size = handle_writes(h) && draft_unsaved(&h->draft) ? (int64_t)h->draft.text.len : -1;
}

int handle_open_record(struct mount *m, const struct actor *actor, const struct model *model, const struct value *key,
		       const char *name, uint64_t ino, int flags, bool record, struct handle **out, struct err *e)
{
	struct handle *h = new_handle(NODE_RECORD, ino, model, flags, actor);
	int rc;

	if (!h)
		return err_nomem(e);
	h->unsaved = !record;
	h->name = strdup(name);
	rc = h->name ? handle_set_key(h, key, e) : err_nomem(e);
	if (rc == 0)
		rc = load(m, h, e);
	if (rc < 0) {
		free_handle(h);
		return rc;
	}
	handle_note_size(h);
	return enlist(m, h, out, e);
}

int handle_open_scratch(struct mount *m, struct scratch *s, int flags, struct handle **out, struct err *e)
{
	struct handle *h = new_handle(NODE_MEMORY, s->ino, NULL, flags, NULL);

	if (!h)
		return err_nomem(e);
	h->scratch = s;
	return enlist(m, h, out, e);
}

int handle_open_text(struct mount *m, const struct actor *actor, enum node_kind kind, uint64_t ino, int flags,
		     struct buf *text, struct handle **out, struct err *e)
{
	struct handle *h = new_handle(kind, ino, NULL, flags, actor);

	if (!h)
		return err_nomem(e);
	h->text = *text;
	*text = (struct buf)BUF_INIT;
	return enlist(m, h, out, e);
}

int handle_open_new(struct mount *m, const struct actor *actor, enum node_kind kind, const struct model *model,
		    uint64_t ino, int flags, struct handle **out, struct err *e)
{
	struct handle *h = new_handle(kind, ino, model, flags, actor);

	if (!h)
		return err_nomem(e);
	h->name = strdup(kind == NODE_RUN ? ".txn/.run" : ".new");
	if (!h->name) {
		free_handle(h);
		return err_nomem(e);
	}
	return enlist(m, h, out, e);
}

int handle_open_events(struct mount *m, struct event_reader *events, uint64_t ino, int flags, struct handle **out,
		       struct err *e)
{
	struct handle *h = new_handle(NODE_EVENTS, ino, NULL, flags, NULL);

	if (!h)
		return err_nomem(e);
	h->events = events;
	return enlist(m, h, out, e);
}

int handle_open_lines(struct mount *m, const struct actor *actor, enum node_kind kind, const struct model *model,
		      uint64_t ino, int flags, struct handle **out, struct err *e)
{
	struct handle *h = new_handle(kind, ino, model, flags, actor);
	int rc = !h                    ? err_nomem(e)
		 : kind == NODE_IMPORT ? import_open(model, &h->import, e)
				       : export_open(model, &h->export, e);

	if (rc < 0 && h)
		free_handle(h);
	if (rc < 0)
		return rc;
	return enlist(m, h, out, e);
}
