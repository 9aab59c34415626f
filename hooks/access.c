/*
 * access.c - the stored owner and the incoming one.
 */
#include "access.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

bool access_unlimited(const struct saving *v)
{
	return store_sees_all(v->saver->store, v->actor->uid);
}

static bool is_free(const struct saving *v, const struct change *c)
{
	return !c->model->owned || c->exempt || c->relation || access_unlimited(v);
}

static bool may_write(const struct saving *v, const struct model *m)
{
	return m->mode & (v->actor->in_group ? S_IWGRP : S_IWOTH);
}

static int say_unseen(struct saving *v, const struct change *c, struct err *e)
{
	const char *path = record_path(&v->arena, c->model, &c->key);
	bool needed = c->expect == EXPECT_RECORD || c->kind == REQUEST_DELETE || c->new_key.kind != VALUE_NULL;
	if (c->makes_room)
		return err_set(e, EACCES, "%s is the name of another user's record", path);
	if (needed)
		return err_set(e, ENOENT, "%s does not exist", path);
	if (c->expect == EXPECT_NONE)
		return err_set(e, EEXIST, "%s exists already", path);
	return err_set(e, EACCES, "%s is the name of another user's record", path);
}

int access_stored(struct saving *v, const struct change *c, struct err *e)
{
	uid_t owner;
	if (is_free(v, c) || !c->old)
		return 0;
	int result = store_owner(v->conn, c->model, c->old, &owner, e);
	if (result < 0 || owner == v->actor->uid)
		return result;
	if (c->model->restricted)
		return say_unseen(v, c, e);
	if (may_write(v, c->model))
		return 0;
	return err_set(e, EACCES, "%s belongs to another user", record_path(&v->arena, c->model, &c->key));
}

/* ---- the incoming owner ---- */

/* The field that says whose the row is: the owner, or the reference to the parent. NULL: of several, none is set. */
static const struct field *deciding(const struct model *m, const struct value *row)
{
	const struct ownership *o = &m->ownership;
	if (o->field)
		return o->field;
	for (size_t i = 0; i < o->nparents; i++)
		if (o->nparents == 1 || row[o->parents[i].by->index].kind != VALUE_NULL)
			return o->parents[i].by;
	return NULL;
}

static int refuse(struct saving *v, const struct change *c, const char *what, struct err *e)
{
	const struct field *f = deciding(c->model, c->row);
	const char *pointer = f ? arena_printf(&v->arena, "/%s", f->name) : "";
	return err_problem(e, EACCES, pointer ? pointer : "", "%s", what);
}

/* A reference that leads nowhere is the database's to tell. */
static bool leads_nowhere(struct saving *v, const struct change *c)
{
	err_auto ignored = ERR_INIT;
	struct value *to = NULL;
	const struct field *f = deciding(c->model, c->row);
	return f && f->references && c->row[f->index].kind != VALUE_NULL &&
	       saving_read(v, f->references, &c->row[f->index], &to, &ignored) == 0 && !to;
}

static bool is_empty(const struct change *c)
{
	const struct field *f = deciding(c->model, c->row);
	return !f || c->row[f->index].kind == VALUE_NULL;
}

int access_incoming(struct saving *v, struct change *c, struct err *e)
{
	uid_t owner, before = v->actor->uid;
	c->unowned = false;
	if (is_free(v, c))
		return 0;
	int result = store_owner(v->conn, c->model, c->row, &owner, e);
	if (result == 0 && c->old)
		result = store_owner(v->conn, c->model, c->old, &before, e);
	if (result < 0 || owner == before)
		return result;
	if (owner == NO_OWNER && leads_nowhere(v, c))
		return 0;
	if (c->old)
		return refuse(v, c, "would make it another user's record, which only root and who mounted may do", e);
	c->unowned = is_empty(c);
	return c->unowned ? 0 : refuse(v, c, "names another user; a new record must belong to who makes it", e);
}

int access_settled(struct saving *v, const struct change *c, struct err *e)
{
	if (!c->unowned || !is_empty(c))
		return 0;
	return refuse(
	    v, c,
	    v->staged ? "is empty; in a transaction a new record must name who makes it, for hooks run at the commit"
		      : "is empty; a new record must belong to who makes it",
	    e);
}

int access_keeper(struct saving *v, const struct change *c, uid_t *keeper, struct err *e)
{
	uid_t owner;
	*keeper = v->actor->uid;
	if (!c->model->restricted || access_unlimited(v))
		return 0;
	int result = store_owner(v->conn, c->model, c->old, &owner, e);
	if (result == 0)
		*keeper = owner == NO_OWNER ? geteuid() : owner;
	return result;
}

uid_t access_viewer(const struct saving *v, const struct change *c)
{
	return c->exempt || c->edited ? VIEW_ALL : v->actor->uid;
}
