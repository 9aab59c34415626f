/*
 * view.c - what the files that rowfs makes hold.
 */
#include "view.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../hooks/after.h"
#include "../store/json.h"
#include "../store/log.h"
#include "deleted.h"

static void print_schema(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e)
{
	(void)uid, (void)e;
	schema_json(out, m->schema, model);
}

static void print_meta(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e)
{
	(void)m, (void)uid, (void)e;
	schema_meta(out, model);
}

static int count(struct mount *m, const struct model *model, int64_t *n, struct err *e)
{
	struct conn *c = store_read_begin(m->store, e);

	if (!c)
		return -e->code;
	int rc = store_count(c, model, n, e);
	store_read_end(c);
	return rc;
}

static void print_count(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e)
{
	int64_t n;

	(void)uid;
	if (count(m, model, &n, e) == 0)
		buf_printf(out, "%" PRId64 "\n", n);
}

static void print_errors(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e)
{
	(void)model, (void)e;
	journal_print(m->journal, uid, out);
}

static void print_status(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e)
{
	struct timespec now;

	(void)model;
	clock_gettime(CLOCK_MONOTONIC, &now);
	buf_printf(out, "version %s\ndatabase %s\nmounted %s, %s\nup %lld s\n", ROWFS_VERSION, m->schema->database,
		   m->directory, m->read_only ? "read-only" : "read-write",
		   (long long)(now.tv_sec - m->started.tv_sec));
	for (size_t i = 0; i < m->schema->nmodels; i++) {
		const struct model *each = &m->schema->models[i];
		int64_t n;

		if (count(m, each, &n, e) < 0)
			return;
		buf_printf(out, "%s %s: %" PRId64 " %s\n", each->queue ? "queue" : "model", each->name, n,
			   n == 1 ? "record" : "records");
	}
	after_print_status(m->saver, uid, uid == 0 || uid == m->uid, out, e);
}

static void print_conf(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e)
{
	(void)model, (void)uid, (void)e;
	buf_add(out, m->conf->text, m->conf->len);
}

static const struct view views[] = {
    {NODE_NEW, NODE_MODEL, ".new", S_IFREG | 0644, NULL},
    {NODE_INFO, NODE_MODEL, ".info", S_IFDIR | 0555, NULL},
    {NODE_DELETED, NODE_MODEL, ".deleted", S_IFDIR | 01777, NULL},
    {NODE_SCHEMA, NODE_INFO, "schema.json", S_IFREG | 0444, print_schema},
    {NODE_META, NODE_INFO, "meta.json", S_IFREG | 0444, print_meta},
    {NODE_COUNT, NODE_INFO, "count", S_IFREG | 0444, print_count},
    {NODE_REJECTED, NODE_MODEL, ".rejected", S_IFDIR | 0755, NULL},
    {NODE_ANSWER, NODE_MODEL, ".answer", S_IFDIR | 0755, NULL},
    {NODE_ERRORS, NODE_ROOT, ".errors", S_IFREG | 0444, print_errors},
    {NODE_AFTER, NODE_ROOT, ".after", S_IFDIR | 0700, NULL},
    {NODE_ROOT_INFO, NODE_ROOT, ".info", S_IFDIR | 0555, NULL},
    {NODE_STATUS, NODE_ROOT_INFO, "status", S_IFREG | 0444, print_status},
    {NODE_CONF, NODE_ROOT_INFO, "mount.conf", S_IFREG | 0444, print_conf},
    {NODE_ROOT_SCHEMA, NODE_ROOT_INFO, "schema.json", S_IFREG | 0444, print_schema},
};

#define NVIEWS (sizeof(views) / sizeof(views[0]))

const struct view *view_find(enum node_kind parent, const char *name)
{
	for (size_t i = 0; i < NVIEWS; i++)
		if (views[i].parent == parent && strcmp(views[i].name, name) == 0)
			return &views[i];
	return NULL;
}

const struct view *view_of(enum node_kind kind)
{
	for (size_t i = 0; i < NVIEWS; i++)
		if (views[i].kind == kind)
			return &views[i];
	return NULL;
}

const struct view *view_at(enum node_kind parent, size_t index)
{
	for (size_t i = 0; i < NVIEWS; i++)
		if (views[i].parent == parent && index-- == 0)
			return &views[i];
	return NULL;
}

int view_print(struct mount *m, const struct node *node, uid_t uid, struct buf *out, struct err *e)
{
	const struct view *v = view_of(node->kind);

	if (node->kind == NODE_KEPT)
		return deleted_print(m, node, out, e);
	if (!v || !v->print)
		return 0;
	v->print(m, mount_model(m, node->model), uid, out, e);
	if (e->code)
		return -e->code;
	return buf_failed(out) ? err_nomem(e) : 0;
}
