/*
 * relocate.c - requests that are no document: a key changes, a record goes to another model, a deleted one comes back,
 * two change places.
 */
#include <errno.h>
#include <string.h>

#include "../store/constraint.h"
#include "../store/limits.h"
#include "access.h"
#include "deleted.h"
#include "order.h"
#include "staged.h"
#include "tree.h"

/* The record that has the new key goes. For whoever looks at its name there is a later version of it. */
static int replace_target(struct order *o, const struct request *r, struct err *e)
{
	struct saving *v = &o->v;
	struct stamp stamp;
	struct change *c = change_new(v, r->model, REQUEST_DELETE, &r->new_key, e);
	if (!c || store_get(v->conn, r->model, &r->new_key, &v->arena, NULL, &stamp, e) < 0)
		return -e->code;
	c->makes_room = true;
	c->checksum = order_version(o, r->target_checksum);
	if (order_carry(o, c, e) < 0)
		return -e->code;
	if (!v->staged)
		return txn_keep_stamp(&v->txn, r->model, &r->new_key, &stamp, e);
	stage_keep_stamp(v->conn, r->model, &stamp);
	return 0;
}

/* The key changes; what had the new one goes, and its delete hooks run. */
static int change_name(struct order *o, const struct request *r, struct change **result, struct err *e)
{
	struct saving *v = &o->v;
	struct value *target = NULL;
	struct change *c = *result = change_new(v, r->model, REQUEST_PUT, &r->key, e);
	if (!c)
		return -e->code;
	if (value_equal(&r->key, &r->new_key)) {
		c->row = arena_alloc(&v->arena, r->model->nfields * sizeof *c->row);
		c->verb = VERB_REPLACE;
		if (!c->row)
			return err_nomem(e);
		c->row[r->model->key->index] = r->key;
		return 0;
	}
	c->new_key = r->new_key;
	c->checksum = order_version(o, r->checksum);
	if (saving_read(v, r->model, &r->new_key, &target, e) < 0)
		return -e->code;
	if (target && r->expect == EXPECT_NONE)
		return err_set(e, EEXIST, "%s exists already", record_path(&v->arena, r->model, &r->new_key));
	if (!target && r->expect == EXPECT_RECORD)
		return err_set(e, ENOENT, "%s does not exist", record_path(&v->arena, r->model, &r->new_key));
	if (target && replace_target(o, r, e) < 0)
		return -e->code;
	return order_carry(o, c, e);
}

static bool is_secret(const struct field *f)
{
	return f->write_only || f->hidden;
}

/*
 * What the document can't say goes along by name: what no file shows, to where none shows it either, and what only the
 * server sets.
 */
static int take_along(struct saving *v, struct change *c, const struct model *from, const struct value *row,
		      struct err *e)
{
	const struct model *m = c->model;
	c->along = arena_alloc(&v->arena, m->nfields * sizeof *c->along);
	if (!c->along)
		return err_nomem(e);
	for (size_t i = 0; i < m->nfields; i++) {
		const struct field *f = &m->fields[i], *same = model_field(from, f->name);
		char pointer[LIMIT_NAME + 2] = "/";
		strncat(pointer, f->name, LIMIT_NAME);
		if (f == m->key || !same || same->type != f->type || is_secret(same) != is_secret(f) ||
		    (field_in_file(f) && !f->read_only))
			continue;
		c->along[i] = &row[same->index];
		if (c->along[i]->kind != VALUE_NULL)
			constraint_check(f, c->along[i], pointer, e);
	}
	return e->code ? -e->code : 0;
}

static int move_record(struct order *o, const struct request *r, struct change **result, struct err *e)
{
	struct saving *v = &o->v;
	struct value *row = NULL;
	if (saving_read(v, r->model, &r->key, &row, e) < 0)
		return -e->code;
	if (!row)
		return err_set(e, ENOENT, "%s does not exist", record_path(&v->arena, r->model, &r->key));
	struct change *gone = change_new(v, r->model, REQUEST_DELETE, &r->key, e);
	struct change *c = *result = change_new(v, r->new_model, REQUEST_PUT, &r->new_key, e);
	if (!gone || !c)
		return -e->code;
	gone->old = row;
	if (access_stored(v, gone, e) < 0 || !(c->document = tree_document(v, r->model, &r->key, row, e)))
		return -e->code;
	if (take_along(v, c, r->model, row, e) < 0)
		return -e->code;
	c->expect = r->expect;
	c->checksum = order_version(o, r->target_checksum);
	c->trusted = c->exempt = r->trusted;
	if (order_carry(o, c, e) < 0)
		return -e->code;
	gone->checksum = order_version(o, r->checksum);
	return order_carry(o, gone, e);
}

/* A deleted record comes back, and what was kept of it goes. */
static int restore(struct order *o, const struct request *r, struct change **result, struct err *e)
{
	struct saving *v = &o->v;
	int64_t serial;
	struct change *c = *result = change_new(v, r->model, REQUEST_PUT, &r->new_key, e);
	if (!c || deleted_restore(v, r, c, &serial, e) < 0)
		return -e->code;
	c->expect = r->expect;
	c->checksum = order_version(o, r->checksum);
	if (order_carry(o, c, e) < 0)
		return -e->code;
	return v->staged ? stage_forget_deleted(v->conn, r->model, &r->key, e)
			 : txn_forget_deleted(&v->txn, r->model, serial, e);
}

/* ---- exchange ---- */

/* Its new key is taken until the other's row has gone, so that only the hooks run here. */
static int prepare_exchange(struct saving *v, struct change *c, size_t *at, size_t *first, struct err *e)
{
	if (!c || change_resolve(v, c, e) < 0 || change_add(v, c, e) < 0)
		return -e->code;
	*at = v->n - 1;
	return order_prepare(v, c, e) < 0 ? -e->code : order_prepare_deletes(v, *at, first, e);
}

static int set_aside(struct saving *v, struct change *c, struct err *e)
{
	const struct value key = c->key;
	return v->staged ? staged_set_aside(v, c, e) : txn_set_aside(&v->txn, c->model, &key, &v->arena, &c->key, e);
}

/* The rows: one steps aside for the other. */
static int apply_exchange(struct saving *v, struct change *const c[2], const size_t at[2], const size_t first[2],
			  const struct stamp stamps[2], struct err *e)
{
	const struct value key = c[0]->key;
	int result = set_aside(v, c[0], e);
	if (v->staged)
		stage_keep_stamp(v->conn, c[0]->model, &stamps[0]);
	if (result == 0)
		result = order_apply(v, at[1], first[1], v->n, e);
	if (v->staged)
		stage_keep_stamp(v->conn, c[0]->model, &stamps[1]);
	if (result == 0)
		result = order_apply(v, at[0], first[0], at[1], e);
	c[0]->key = key;
	if (result == 0 && (c[0]->handled || c[1]->handled))
		return err_set(e, ECANCELED, "%s can't exchange keys: a hook takes the place of the save",
			       c[0]->model->name);
	return result;
}

/* Numbers belong to the names, and their times go on from where they were. */
static int keep_stamp(struct saving *v, const struct model *m, const struct value *key, const struct stamp *before,
		      struct err *e)
{
	struct stamp now;
	if (store_get(v->conn, m, key, &v->arena, NULL, &now, e) < 0)
		return -e->code;
	if (now.mtime_ns <= before->ctime_ns)
		now.mtime_ns = before->ctime_ns + 1;
	if (now.ctime_ns < now.mtime_ns)
		now.ctime_ns = now.mtime_ns;
	now.serial = before->serial;
	return txn_keep_stamp(&v->txn, m, key, &now, e);
}

static int exchange(struct order *o, const struct request *r, struct change **result, struct err *e)
{
	struct saving *v = &o->v;
	const struct value keys[2] = {r->key, r->new_key};
	struct stamp stamps[2];
	struct change *c[2];
	size_t at[2], first[2];
	const char *const checksums[2] = {r->checksum, r->target_checksum};
	for (int i = 0; i < 2; i++) {
		if (store_get(v->conn, r->model, &keys[i], &v->arena, NULL, &stamps[i], e) < 0)
			return -e->code;
		c[i] = change_new(v, r->model, REQUEST_PUT, &keys[i], e);
		if (!c[i])
			return -e->code;
		c[i]->new_key = keys[1 - i];
		c[i]->checksum = order_version(o, checksums[i]);
	}
	*result = c[0];
	for (int i = 0; i < 2; i++)
		if (prepare_exchange(v, c[i], &at[i], &first[i], e) < 0)
			return -e->code;
	if (apply_exchange(v, c, at, first, stamps, e) < 0)
		return -e->code;
	for (int i = 0; i < 2 && !v->staged; i++)
		if (keep_stamp(v, r->model, &keys[i], &stamps[i], e) < 0)
			return -e->code;
	return 0;
}

int relocate(struct order *o, const struct request *r, struct change **result, struct err *e)
{
	if (r->kind == REQUEST_RESTORE)
		return restore(o, r, result, e);
	if (r->kind == REQUEST_EXCHANGE)
		return exchange(o, r, result, e);
	return (r->new_model && r->new_model != r->model ? move_record : change_name)(o, r, result, e);
}
