/*
 * history.c - the names and attributes of earlier versions.
 *
 * A version's name holds its time to the nanosecond, which no other version of the record has, so that names sort by
 * time and are found by it.
 */
#include "history.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "../store/json.h"

#define SECOND INT64_C(1000000000)

static void print_name(struct buf *out, const struct version *v)
{
	struct tm tm;
	time_t seconds = (time_t)(v->time_ns / SECOND);
	char text[40];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(out, "%s.%09dZ-%s.json", text, (int)(v->time_ns % SECOND), v->verb);
}

/* 0 where the name begins with no time. */
static int64_t time_of_name(const char *name)
{
	struct tm tm = {0};
	const char *end = strptime(name, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t ns = 0;

	if (!end || *end != '.')
		return 0;
	for (int i = 1; i <= 9; i++) {
		if (end[i] < '0' || end[i] > '9')
			return 0;
		ns = 10 * ns + (end[i] - '0');
	}
	return timegm(&tm) * SECOND + ns;
}

static void fill_stat(const struct mount *m, const struct model *model, const struct version *v, struct stat *st)
{
	struct timespec time = {v->time_ns / SECOND, v->time_ns % SECOND};

	mount_text_stat(st, node_history(NODE_VERSION, mount_number(m, model), v->serial), model->mode & 0444,
			v->owner == NO_OWNER ? m->uid : v->owner, v->size, &time);
	st->st_gid = m->gid;
}

/* ---- the records that have a history ---- */

/* A key as the name of a directory is that of its file without .json. */
static int key_of_name(const struct model *model, const char *name, struct arena *a, struct value *key)
{
	buf_auto file = BUF_INIT;

	buf_printf(&file, "%s.json", name);
	return buf_failed(&file) ? -ENOMEM : record_key(model, buf_text(&file), a, key);
}

static int name_of_key(const struct model *model, const struct value *key, struct buf *out)
{
	int rc = record_name(model, key, out);

	if (rc == 0)
		buf_resize(out, out->len - strlen(".json"));
	return rc;
}

int history_find_record(struct mount *m, const struct node *dir, const char *name, const struct actor *who,
			struct arena *a, struct entry *out, struct err *e)
{
	const struct model *model = mount_model(m, dir->model);
	struct value key;
	int64_t number;

	if (!model || key_of_name(model, name, a, &key) < 0)
		return 0;
	struct conn *c = mount_read(m, who->uid, e);
	int rc = c ? store_version_record(c, model, &key, &number, e) : -e->code;
	store_read_end(c);
	if (rc <= 0)
		return rc;
	out->kind = ENTRY_SHOWN;
	mount_dir_stat(m, node_history(NODE_VERSIONS, dir->model, number), S_IFDIR | 0555, &out->st);
	return 0;
}

int history_list_records(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	const struct model *model = mount_model(l->m, dir->model);
	int64_t number = off < LISTING_FIRST ? 0 : off - LISTING_FIRST;
	struct conn *c = model ? mount_read(l->m, l->uid, e) : NULL;
	bool room = true;
	int rc = 0;

	if (!c)
		return model ? -e->code : -ENOENT;
	while (room) {
		arena_auto a = ARENA_INIT;
		buf_auto name = BUF_INIT;
		struct value key;

		rc = store_version_next_record(c, model, number, &a, &number, &key, e);
		if (rc <= 0)
			break;
		struct stat st = {.st_ino = node_history(NODE_VERSIONS, dir->model, number), .st_mode = S_IFDIR};
		if (name_of_key(model, &key, &name) == 0)
			room = listing_add(l, buf_text(&name), &st, number + LISTING_FIRST);
	}
	store_read_end(c);
	return rc < 0 ? rc : 0;
}

/* ---- the versions of one ---- */

/* By record and time, or by serial with record 0; -ENOENT. */
static int get(struct mount *m, const struct model *model, const struct actor *who, int64_t record, int64_t number,
	       struct arena *a, struct version *out, struct err *e)
{
	struct conn *c = model ? mount_read(m, who->uid, e) : NULL;

	if (!c)
		return model ? -e->code : -ENOENT;
	int rc = store_version_get(c, model, record, number, a, out, e);
	store_read_end(c);
	return rc == 0 ? -ENOENT : rc < 0 ? rc : 0;
}

int history_find(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		 struct entry *out, struct err *e)
{
	const struct model *model = mount_model(m, dir->model);
	int64_t time = time_of_name(name);
	buf_auto again = BUF_INIT;
	struct version v;

	int rc = time > 0 ? get(m, model, who, dir->serial, time, a, &v, e) : -ENOENT;
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	print_name(&again, &v);
	if (strcmp(buf_text(&again), name) != 0)
		return 0;
	out->kind = ENTRY_SHOWN;
	fill_stat(m, model, &v, &out->st);
	return 0;
}

int history_list(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	const struct model *model = mount_model(l->m, dir->model);
	arena_auto a = ARENA_INIT;
	struct version *list;
	size_t n = 0;
	struct conn *c = model ? mount_read(l->m, l->uid, e) : NULL;

	if (!c)
		return model ? -e->code : -ENOENT;
	int rc =
	    store_version_list(c, model, dir->serial, off < LISTING_FIRST ? 0 : off - LISTING_FIRST, &a, &list, &n, e);
	store_read_end(c);
	for (size_t i = 0; i < n; i++) {
		buf_auto name = BUF_INIT;
		struct stat st;

		fill_stat(l->m, model, &list[i], &st);
		print_name(&name, &list[i]);
		if (!listing_add(l, buf_text(&name), &st, list[i].serial + LISTING_FIRST))
			break;
	}
	return rc;
}

int history_show(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		 struct err *e)
{
	const struct model *model = mount_model(m, node->model);
	arena_auto a = ARENA_INIT;
	struct version v;
	int rc = get(m, model, who, 0, node->serial, &a, &v, e);

	if (rc < 0)
		return rc;
	fill_stat(m, model, &v, st);
	if (out && v.text.kind == VALUE_TEXT)
		buf_add(out, v.text.text.data, v.text.text.len);
	return out && buf_failed(out) ? err_nomem(e) : 0;
}

int history_actor(struct mount *m, const struct node *node, const struct actor *who, struct buf *out, struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct version v;
	int rc = get(m, mount_model(m, node->model), who, 0, node->serial, &a, &v, e);

	if (rc < 0 || !v.known)
		return rc < 0 ? rc : -ENODATA;
	buf_printf(out, "{\"uid\":%lu,\"gid\":%lu,\"pid\":%ld,\"comm\":", (unsigned long)v.uid, (unsigned long)v.gid,
		   (long)v.pid);
	json_write_string(out, v.comm, strlen(v.comm));
	buf_char(out, '}');
	return buf_failed(out) ? err_nomem(e) : 0;
}
