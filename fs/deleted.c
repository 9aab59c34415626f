/*
 * deleted.c - what MODEL/.deleted/ is made of: rows of the store's table of deleted records.
 *
 * A file here belongs to who deleted the record, and only they and root see it. Nothing writes it; moving it onto a
 * record name brings the record back (name.c), removing it forgets it.
 */
#include "deleted.h"

#include <errno.h>

static void fill_stat(const struct mount *m, const struct model *model, const struct deleted *d, struct stat *st)
{
	struct stamp stamp = {d->serial, d->time_ms * 1000000, d->time_ms * 1000000, d->uid};

	mount_record_stat(m, model, &stamp, d->size, st);
	st->st_ino = node_deleted(mount_number(m, model), d->serial);
	st->st_mode = S_IFREG | 0400;
}

/* By key, or by the serial with key NULL; -ENOENT. */
static int get(struct mount *m, const struct model *model, const struct value *key, int64_t serial, struct arena *a,
	       struct deleted *out, struct err *e)
{
	struct conn *c = model ? mount_read(m, VIEW_ALL, e) : NULL;

	if (!c)
		return model ? -e->code : -ENOENT;
	int rc = store_get_deleted(c, model, key, serial, a, out, e);
	store_read_end(c);
	return rc == 0 ? -ENOENT : rc < 0 ? rc : 0;
}

int deleted_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		 struct entry *out, struct err *e)
{
	const struct model *model = mount_model(m, dir->model);
	struct deleted d;
	int rc = model && record_is_name(name) ? record_key(model, name, a, &out->key) : -ENOENT;

	if (rc == 0)
		rc = get(m, model, &out->key, 0, a, &d, e);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (who->uid != 0 && who->uid != d.uid)
		return 0;
	out->kind = ENTRY_DELETED;
	fill_stat(m, model, &d, &out->st);
	return 0;
}

/* An offset is made as a record's. */
int deleted_list(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	const struct model *model = mount_model(l->m, dir->model);
	arena_auto a = ARENA_INIT;
	struct deleted *kept;
	size_t n = 0;
	struct conn *c = model ? mount_read(l->m, VIEW_ALL, e) : NULL;

	if (!c)
		return model ? -e->code : -ENOENT;
	int rc = store_list_deleted(c, model, off < LISTING_FIRST ? 0 : off - LISTING_FIRST, l->uid, &a, &kept, &n, e);
	store_read_end(c);
	for (size_t i = 0; i < n; i++) {
		buf_auto name = BUF_INIT;
		struct stat st;

		fill_stat(l->m, model, &kept[i], &st);
		int named = record_name(model, &kept[i].key, &name);
		if (named == -ENOMEM)
			return err_nomem(e);
		if (named == 0 && !listing_add(l, buf_text(&name), &st, kept[i].serial + LISTING_FIRST))
			break;
	}
	return rc;
}

int deleted_show(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		 struct err *e)
{
	const struct model *model = mount_model(m, node->model);
	arena_auto a = ARENA_INIT;
	struct deleted d;
	int rc = get(m, model, NULL, node->serial, &a, &d, e);

	(void)who;
	if (rc < 0)
		return rc;
	fill_stat(m, model, &d, st);
	if (out && d.text.kind == VALUE_TEXT)
		buf_add(out, d.text.text.data, d.text.text.len);
	return out && buf_failed(out) ? err_nomem(e) : 0;
}

int deleted_remove(struct mount *m, const struct node *node, const struct actor *who, struct err *e)
{
	if (m->transaction) {
		err_set(e, EPERM, "what is kept of deleted records is forgotten outside of transactions");
		mount_refused(m, who, mount_model(m, node->model), ".deleted", NULL, e);
		return -EPERM;
	}
	return store_forget_deleted(m->store, mount_model(m, node->model), node->serial, e);
}
