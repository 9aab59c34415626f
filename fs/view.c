/*
 * view.c - what the files that rowfs makes hold.
 */
#include "view.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../hooks/after.h"
#include "../hooks/job_show.h"
#include "../store/clock.h"
#include "../store/json.h"
#include "../store/log.h"
#include "import.h"
#include "queue.h"
#include "scratch.h"
#include "tree.h"

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

static int count(struct mount *m, const struct model *model, uid_t viewer, int64_t *n, struct err *e)
{
	struct conn *c = mount_read(m, viewer, e);

	if (!c)
		return -e->code;
	int rc = store_count(c, model, n, e);
	store_read_end(c);
	return rc;
}

static void print_count(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e)
{
	int64_t n;

	if (count(m, model, uid, &n, e) == 0)
		buf_printf(out, "%" PRId64 "\n", n);
}

static void print_errors(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e)
{
	(void)model, (void)e;
	journal_print(m->journal, uid, out);
}

static void print_name(const struct scratch_name *n, struct buf *out)
{
	buf_printf(out, "scratch file %s/", n->model->name);
	for (const char *c = n->name; *c; c++)
		buf_char(out, (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c);
	buf_char(out, '\n');
}

/* The names that the viewer gave, newest first; root and who mounted see all but those of users who have their own. */
static void print_scratch(struct mount *m, uid_t viewer, struct buf *out)
{
	bool all = viewer == 0 || viewer == m->uid;

	pthread_mutex_lock(&m->lock);
	for (const struct scratch_name *n = m->scratch_names; n; n = n->next)
		if (n->uid == viewer || (all && !n->model->owned))
			print_name(n, out);
	pthread_mutex_unlock(&m->lock);
}

static void print_status(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e)
{
	(void)model;
	buf_printf(out, "version %s\ndatabase %s\nmounted %s, %s\nup %lld s\n", ROWFS_VERSION, m->schema->database,
		   m->directory, m->read_only ? "read-only" : "read-write",
		   (long long)(monotonic_ms() - m->started_ms) / 1000);
	for (size_t i = 0; i < m->schema->nmodels; i++) {
		const struct model *each = &m->schema->models[i];
		int64_t n;

		if (count(m, each, uid, &n, e) < 0)
			return;
		buf_printf(out, "%s %s: %" PRId64 " %s\n", each->queue ? "queue" : "model", each->name, n,
			   n == 1 ? "record" : "records");
		bool shown = !each->restricted || store_sees_all(m->store, uid);
		if (each->queue && shown && queue_print_status(m->store, each, out, e) < 0)
			return;
	}
	print_scratch(m, uid, out);
	import_print(m, out);
	after_print_status(m->saver, uid, uid == 0 || uid == m->uid, out, e);
}

/* Figures are of all users' records. */
static void print_metrics(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e)
{
	bool restricted = false;

	(void)model;
	for (size_t i = 0; i < m->schema->nmodels; i++)
		restricted |= m->schema->models[i].restricted;
	if (restricted && !store_sees_all(m->store, uid))
		buf_str(out,
			"# Some records are visible to their owners alone: only root and who mounted get figures.\n");
	else
		metrics_print(m->saver, out, e);
}

static void print_conf(struct mount *m, const struct model *model, uid_t uid, struct buf *out, struct err *e)
{
	(void)model, (void)uid, (void)e;
	conf_print(m->conf, out);
}

#define FILE_MODE (S_IFREG | 0444)

static const struct view views[] = {
    {NODE_NEW, NODE_MODEL, ".new", S_IFREG, false, NULL},
    {NODE_INFO, NODE_MODEL, ".info", S_IFDIR | 0555, false, NULL},
    {NODE_DELETED, NODE_MODEL, ".deleted", S_IFDIR | 01777, false, NULL},
    {NODE_BY, NODE_MODEL, ".by", S_IFDIR | 0755, false, NULL},
    {NODE_HISTORY, NODE_MODEL, ".history", S_IFDIR | 0555, false, NULL},
    {NODE_VERSIONS, NODE_NONE, "", S_IFDIR | 0555, false, NULL}, /* its attributes; it is found by key */
    {NODE_IMPORT, NODE_MODEL, ".import", S_IFREG | 0200, false, NULL},
    {NODE_EXPORT, NODE_MODEL, ".export", FILE_MODE, false, NULL},
    {NODE_WAIT, NODE_MODEL, ".wait", S_IFDIR | 0555, true, NULL},
    {NODE_SCHEMA, NODE_INFO, "schema.json", FILE_MODE, false, print_schema},
    {NODE_META, NODE_INFO, "meta.json", FILE_MODE, false, print_meta},
    {NODE_COUNT, NODE_INFO, "count", FILE_MODE, false, print_count},
    {NODE_PAUSED, NODE_INFO, "paused", S_IFREG | 0644, true, queue_print_paused},
    {NODE_REJECTED, NODE_MODEL, ".rejected", S_IFDIR | 0755, false, NULL},
    {NODE_ANSWER, NODE_MODEL, ".answer", S_IFDIR | 0755, false, NULL},
    {NODE_ERRORS, NODE_ROOT, ".errors", FILE_MODE, false, print_errors},
    {NODE_EVENTS, NODE_ROOT, ".events", FILE_MODE, false, NULL},
    {NODE_TXN, NODE_ROOT, ".txn", S_IFDIR | 01777, false, NULL},
    {NODE_RUN, NODE_TXN, ".run", S_IFREG | 0666, false, NULL},
    {NODE_CTL, NODE_INSIDE, "ctl", S_IFREG | 0600, false, NULL},
    {NODE_TXN_ANSWER, NODE_INSIDE, "answer.json", S_IFREG | 0400, false, NULL},
    {NODE_AFTER, NODE_ROOT, ".after", S_IFDIR | 0700, false, NULL},
    {NODE_ROOT_INFO, NODE_ROOT, ".info", S_IFDIR | 0555, false, NULL},
    {NODE_STATUS, NODE_ROOT_INFO, "status", FILE_MODE, false, print_status},
    {NODE_METRICS, NODE_ROOT_INFO, "metrics.prom", FILE_MODE, false, print_metrics},
    {NODE_CONF, NODE_ROOT_INFO, "mount.conf", FILE_MODE, false, print_conf},
    {NODE_ROOT_SCHEMA, NODE_ROOT_INFO, "schema.json", FILE_MODE, false, print_schema},
};

#define NVIEWS (sizeof(views) / sizeof(views[0]))

static bool stands_in(const struct view *v, const struct mount *m, const struct node *dir)
{
	const struct model *model = v->of_queue ? mount_model(m, dir->model) : NULL;

	return v->parent == dir->kind && (!v->of_queue || (model && model->queue));
}

const struct view *view_find(const struct mount *m, const struct node *dir, const char *name)
{
	for (size_t i = 0; i < NVIEWS; i++)
		if (strcmp(views[i].name, name) == 0 && stands_in(&views[i], m, dir))
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

/* The index-th view in a made directory; NULL at the end. */
static const struct view *view_at(const struct mount *m, const struct node *dir, size_t index)
{
	for (size_t i = 0; i < NVIEWS; i++)
		if (stands_in(&views[i], m, dir) && index-- == 0)
			return &views[i];
	return NULL;
}

static void model_stat(const struct mount *m, const struct model *model, struct stat *st)
{
	mount_dir_stat(m, node_made(NODE_MODEL, mount_number(m, model)), S_IFDIR | model->dir_mode, st);
}

/* Files that come and go. */
static int find_inside(struct mount *m, const struct view *v, const struct actor *who, struct entry *out, struct err *e)
{
	struct node node = {.kind = v->kind};
	int rc = tree_kind(v->kind)->show(m, &node, who, &out->st, NULL, e);

	return dir_found(out, ENTRY_SHOWN, rc, e);
}

static bool list_inside(struct listing *l, off_t first, off_t off)
{
	const struct node inside = {.kind = NODE_INSIDE};
	const struct view *v;

	for (size_t i = off > first ? (size_t)(off - first) : 0; (v = view_at(l->m, &inside, i)); i++) {
		const struct actor who = {.uid = l->uid};
		struct entry entry = {0};
		err_auto ignored = ERR_INIT;

		if (find_inside(l->m, v, &who, &entry, &ignored) == 0 && entry.kind != ENTRY_NONE &&
		    !listing_add(l, v->name, &entry.st, first + (off_t)i + 1))
			return false;
	}
	return true;
}

/* What a transaction has of its models' own: what else there is tells of the mount, or leads to it. */
static bool is_inside_too(enum node_kind kind)
{
	static const enum node_kind kinds[] = {NODE_NEW,   NODE_INFO,     NODE_SCHEMA, NODE_META,
					       NODE_COUNT, NODE_REJECTED, NODE_ANSWER, NODE_DELETED,
					       NODE_BY,    NODE_HISTORY,  NODE_IMPORT, NODE_EXPORT};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i] == kind)
			return true;
	return false;
}

int view_find_in(struct mount *m, const struct node *dir, const char *name, const struct actor *who, struct arena *a,
		 struct entry *out, struct err *e)
{
	bool inside = dir->kind == NODE_ROOT && m->transaction;
	const struct node within = {.kind = inside ? NODE_INSIDE : dir->kind, .model = dir->model};
	const struct view *v = view_find(m, &within, name);
	const struct model *model = dir->kind == NODE_ROOT ? schema_model(m->schema, name) : NULL;

	(void)a;
	if (v && inside)
		return find_inside(m, v, who, out, e);
	if (v && m->transaction && !is_inside_too(v->kind))
		return 0;
	if (v && v->kind == NODE_HISTORY && !mount_model(m, dir->model)->keeps_history)
		return 0;
	if (v) {
		out->kind = ENTRY_MADE;
		struct node node = {.kind = v->kind, .model = dir->model};
		mount_dir_stat(m, node_made(v->kind, dir->model), mount_made_mode(m, &node), &out->st);
	} else if (model && !model->hidden) {
		out->kind = ENTRY_MADE;
		model_stat(m, model, &out->st);
	}
	return 0;
}

int view_list_root(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	const struct schema *schema = l->m->schema;

	(void)dir, (void)e;
	for (size_t i = off > 2 ? (size_t)off - 2 : 0; i < schema->nmodels; i++) {
		const struct model *model = &schema->models[i];
		struct stat st;

		model_stat(l->m, model, &st);
		if (!model->hidden && !listing_add(l, model->name, &st, (off_t)i + LISTING_FIRST))
			return 0;
	}
	if (l->m->transaction)
		list_inside(l, (off_t)schema->nmodels + LISTING_FIRST, off);
	return 0;
}

int view_list(struct listing *l, const struct node *dir, off_t off, struct err *e)
{
	const struct view *v;

	(void)e;
	for (size_t i = off > 2 ? (size_t)off - 2 : 0; (v = view_at(l->m, dir, i)); i++) {
		struct stat st = {.st_ino = node_made(v->kind, dir->model), .st_mode = v->mode};

		if (!listing_add(l, v->name, &st, (off_t)i + LISTING_FIRST))
			break;
	}
	return 0;
}

int view_show(struct mount *m, const struct node *node, const struct actor *who, struct stat *st, struct buf *out,
	      struct err *e)
{
	const struct view *v = view_of(node->kind);
	const struct model *model = mount_model(m, node->model);
	buf_auto own = BUF_INIT;
	struct buf *text = out ? out : &own;

	if (!model && node->model)
		return -ENOENT;
	if (v->print)
		v->print(m, model, who->uid, text, e);
	if (e->code)
		return -e->code;
	mount_dir_stat(m, node_made(node->kind, node->model), mount_made_mode(m, node), st);
	mount_stat_size(st, text->len);
	return buf_failed(text) ? err_nomem(e) : 0;
}
