/*
 * deleted.c - what MODEL/.deleted/ is made of: rows of the store's table of deleted records.
 *
 * A file here belongs to who deleted the record, and only they and root see it. Nothing writes it; moving it onto a
 * record name brings the record back (name.c), removing it forgets it.
 */
#include "deleted.h"

#include <errno.h>

void deleted_stat(const struct mount *m, const struct model *model, const struct deleted *d, struct stat *st)
{
	struct stamp stamp = {d->serial, d->time_ms * 1000000, d->time_ms * 1000000};

	mount_record_stat(m, model, &stamp, d->size, st);
	st->st_ino = node_deleted(mount_number(m, model), d->serial);
	st->st_mode = S_IFREG | 0400;
	st->st_uid = d->uid;
}

/* By key, or by the serial with key NULL; -ENOENT. */
static int get(struct mount *m, const struct model *model, const struct value *key, int64_t serial, struct arena *a,
	       struct deleted *out, struct err *e)
{
	struct conn *c = model ? store_read_begin(m->store, e) : NULL;

	if (!c)
		return model ? -e->code : -ENOENT;
	int rc = store_get_deleted(c, model, key, serial, a, out, e);
	store_read_end(c);
	return rc == 0 ? -ENOENT : rc < 0 ? rc : 0;
}

int deleted_find(struct mount *m, const struct node *dir, const char *name, uid_t uid, struct arena *a,
		 struct entry *out, struct err *e)
{
	const struct model *model = mount_model(m, dir->model);
	struct deleted d;
	int rc = model && record_is_name(name) ? record_key(model, name, a, &out->key) : -ENOENT;

	if (rc == 0)
		rc = get(m, model, &out->key, 0, a, &d, e);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (uid != 0 && uid != d.uid)
		return 0;
	out->kind = ENTRY_DELETED;
	deleted_stat(m, model, &d, &out->st);
	return 0;
}

int deleted_stat_node(struct mount *m, const struct node *node, struct stat *st, struct err *e)
{
	const struct model *model = mount_model(m, node->model);
	arena_auto a = ARENA_INIT;
	struct deleted d;
	int rc = get(m, model, NULL, node->serial, &a, &d, e);

	if (rc == 0)
		deleted_stat(m, model, &d, st);
	return rc;
}

int deleted_print(struct mount *m, const struct node *node, struct buf *out, struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct deleted d;
	int rc = get(m, mount_model(m, node->model), NULL, node->serial, &a, &d, e);

	if (rc == 0 && d.text.kind == VALUE_TEXT)
		buf_add(out, d.text.text.data, d.text.text.len);
	return rc == 0 && buf_failed(out) ? err_nomem(e) : rc;
}

int deleted_forget(struct mount *m, const struct entry *entry, struct err *e)
{
	struct node node = node_decode(entry->st.st_ino);

	return store_forget_deleted(m->store, mount_model(m, node.model), node.serial, e);
}
