/*
 * handle_name.c - what the open files say about names: those that were never saved, and the sizes of drafts.
 */
#include "handle.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_unsaved(const struct handle *h)
{
	return h->kind == NODE_RECORD && h->unsaved && !h->gone;
}

static bool is_for(const struct mount *m, const struct handle *h, uid_t viewer)
{
	return !h->model->owned || h->opener.uid == viewer || store_sees_all(m->store, viewer);
}

static bool has_name(const struct handle *h, const struct model *model, const char *name)
{
	return is_unsaved(h) && h->model == model && strcmp(h->name, name) == 0;
}

/* Of several that have the number one whose name was never saved: the others' records may be gone. */
static struct handle *find_open(const struct mount *m, struct handle *head, const struct model *model, const char *name,
				uint64_t ino, uid_t viewer)
{
	struct handle *found = NULL;

	for (struct handle *h = head; h && !(found && is_unsaved(found)); h = h->next)
		if ((name ? has_name(h, model, name) : h->kind == NODE_RECORD && h->ino == ino) &&
		    is_for(m, h, viewer) && (!found || is_unsaved(h)))
			found = h;
	return found;
}

bool handle_find(struct mount *m, const struct model *model, const char *name, uint64_t ino, uid_t viewer,
		 struct arena *a, struct open_name *out)
{
	bool found;

	pthread_mutex_lock(&m->lock);
	struct handle *h = find_open(m, m->handles, model, name, ino, viewer);
	if (!h && !name)
		h = find_open(m, m->others, NULL, NULL, ino, viewer);
	found = h != NULL;
	if (h) {
		*out = (struct open_name){.ino = h->ino,
					  .model = h->model,
					  .named = is_unsaved(h),
					  .uid = h->opener.uid,
					  .name = arena_copy(a, h->name, strlen(h->name))};
		found = out->name && value_copy(a, &h->key, &out->key) == 0;
	}
	pthread_mutex_unlock(&m->lock);
	return found;
}

bool handle_remove_unsaved(struct mount *m, const struct model *model, const char *name, uid_t viewer)
{
	bool found = false;

	pthread_mutex_lock(&m->lock);
	for (struct handle *h = m->handles; h; h = h->next)
		if (has_name(h, model, name) && is_for(m, h, viewer))
			h->gone = found = true;
	pthread_mutex_unlock(&m->lock);
	return found;
}

/* The kernel names threads. Whether they are one process's is asked only where there is a draft of the file. */
static bool same_process(pid_t a, pid_t b)
{
	char path[64];

	if (a == b)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)a, (int)b);
	return a > 0 && b > 0 && access(path, F_OK) == 0;
}

int64_t handle_draft_size(struct mount *m, const struct model *model, const struct value *key, pid_t pid)
{
	int64_t size = -1;

	pthread_mutex_lock(&m->lock);
	for (struct handle *h = m->handles; h && size < 0; h = h->next)
		if (h->size >= 0 && h->model == model && h->kind == NODE_RECORD && !h->gone &&
		    value_equal(&h->key, key) && same_process(h->opener.pid, pid))
			size = h->size;
	pthread_mutex_unlock(&m->lock);
	return size;
}

int64_t handle_length(struct handle *h)
{
	int64_t length = -1;

	if (h->kind != NODE_RECORD)
		return -1;
	pthread_mutex_lock(&h->lock);
	if (!handle_writes(h))
		length = (int64_t)h->text.len;
	else if (h->draft.mode != DRAFT_APPEND)
		length = (int64_t)h->draft.text.len;
	pthread_mutex_unlock(&h->lock);
	return length;
}
