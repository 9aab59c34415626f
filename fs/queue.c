/*
 * queue.c - logs, the files that are waited for, and the switch that pauses a queue.
 */
#include "queue.h"

#include <errno.h>
#include <string.h>

#include "../hooks/job.h"
#include "../hooks/job_log.h"
#include "../hooks/job_state.h"

/* ---- the job that something stands beside ---- */

static void stat_beside(const struct mount *m, const struct model *model, enum node_kind kind,
			const struct stamp *stamp, int64_t size, struct stat *st)
{
	mount_record_stat(m, model, stamp, (size_t)size, st);
	st->st_ino = node_beside(kind, mount_number(m, model), stamp->serial);
	st->st_mode &= ~(mode_t)0222;
}

/* ---- KEY.log ---- */

static int log_stat(struct mount *m, const struct model *model, const struct value *key, uid_t viewer, struct stat *st,
		    struct err *e)
{
	struct stamp stamp;
	int64_t size = 0;
	arena_auto a = ARENA_INIT;
	struct conn *c = mount_read_once(m, model, viewer, e);

	if (!c)
		return -e->code;
	int rc = store_get(c, model, key, &a, NULL, &stamp, e);
	store_read_end(c);
	if (rc == 0)
		rc = job_log_size(runner_logs(m->runner), m->store, model, key, &size, e);
	if (rc == 0)
		stat_beside(m, model, NODE_LOG, &stamp, size, st);
	return rc;
}

int queue_find_log(struct mount *m, const char *name, uid_t viewer, struct arena *a, struct entry *out, struct err *e)
{
	static const char log[] = ".log", json[] = ".json";
	size_t len = strlen(name), tail = sizeof(log) - 1;
	struct value key;

	if (len <= tail || name[0] == '.' || strcmp(name + len - tail, log) != 0)
		return 0;
	const char *record = arena_printf(a, "%.*s%s", (int)(len - tail), name, json);
	int rc = record ? record_key(out->model, record, a, &key) : err_nomem(e);
	if (rc == 0)
		rc = log_stat(m, out->model, &key, viewer, &out->st, e);
	if (rc == 0)
		out->kind = ENTRY_SHOWN;
	if (rc != -ENOENT && rc != -ENAMETOOLONG)
		return rc < 0 ? rc : 1;
	err_release(e);
	return 0;
}

int queue_show_log(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
		   struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct value key;
	int rc = mount_key(m, node, &a, &key, e);

	(void)out; /* queue_read_log reads it as it grows */
	return rc < 0 ? rc : log_stat(m, mount_model(m, node->model), &key, who->uid, st, e);
}

int queue_read_log(struct mount *m, const struct node *node, size_t size, off_t off, struct buf *out, struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct value key;
	int rc = mount_key(m, node, &a, &key, e);

	if (rc < 0)
		return rc;
	return job_log_read(runner_logs(m->runner), m->store, mount_model(m, node->model), &key, off, size, out, e);
}

/* ---- .wait ---- */

static bool has_ended(const struct model *queue, const struct value *row)
{
	const struct value *status = &row[queue->queue->fields[QUEUE_STATUS]->index];

	return status->kind != VALUE_TEXT ||
	       (strcmp(status->text.data, "queued") != 0 && strcmp(status->text.data, "running") != 0);
}

/* The job's text is appended once it has ended. */
static int awaited(struct mount *m, const struct model *model, const struct value *key, uid_t viewer, struct stat *st,
		   struct buf *out, struct err *e)
{
	arena_auto a = ARENA_INIT;
	struct stamp stamp;
	size_t before = out->len;
	struct value *row = arena_alloc(&a, model->nfields * sizeof(*row));
	struct conn *c = row ? mount_read(m, viewer, e) : NULL;

	if (!c)
		return row ? -e->code : err_nomem(e);
	int rc = store_get(c, model, key, &a, row, &stamp, e);
	if (rc == 0 && has_ended(model, row))
		rc = store_show(c, model, key, out, NULL, e);
	store_read_end(c);
	if (rc == 0)
		stat_beside(m, model, NODE_AWAITED, &stamp, (int64_t)(out->len - before), st);
	return rc;
}

int queue_find_awaited(struct mount *m, const struct node *dir, const char *name, const struct actor *who,
		       struct arena *a, struct entry *out, struct err *e)
{
	const struct model *model = mount_model(m, dir->model);
	buf_auto text = BUF_INIT;
	struct value key;
	int rc = model && model->queue && record_is_name(name) ? record_key(model, name, a, &key) : -ENOENT;

	if (rc == 0)
		rc = awaited(m, model, &key, who->uid, &out->st, &text, e);
	return dir_found(out, ENTRY_SHOWN, rc, e);
}

int queue_show_awaited(struct mount *m, const struct node *node, const struct actor *who, struct stat *st,
		       struct buf *out, struct err *e)
{
	buf_auto own = BUF_INIT;
	arena_auto a = ARENA_INIT;
	struct value key;
	int rc = mount_key(m, node, &a, &key, e);

	return rc < 0 ? rc : awaited(m, mount_model(m, node->model), &key, who->uid, st, out ? out : &own, e);
}

/* ---- .info/paused ---- */

void queue_print_paused(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e)
{
	struct conn *c = mount_read(m, uid, e);
	bool paused;

	if (!c)
		return;
	if (queue_paused(c, model, &paused, e) == 0)
		buf_str(out, paused ? "1\n" : "0\n");
	store_read_end(c);
}

static int set_paused(struct mount *m, const struct model *model, const char *data, size_t size, struct err *e)
{
	bool newline = size == 2 && data[1] == '\n';

	if ((size != 1 && !newline) || (data[0] != '0' && data[0] != '1'))
		return err_set(e, EBADMSG, "%s/.info/paused takes 0 or 1", model->name);
	return runner_pause(m->runner, m->saver, model, data[0] == '1', e);
}

int queue_write_paused(struct mount *m, const struct node *node, const struct actor *who, const char *data, size_t size,
		       struct err *e)
{
	const struct model *model = mount_model(m, node->model);
	int rc = set_paused(m, model, data, size, e);

	if (rc < 0)
		mount_refused(m, who, model, ".info/paused", NULL, e);
	return rc;
}
