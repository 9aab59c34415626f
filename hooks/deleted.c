/*
 * deleted.c - keeps what a save deletes, and gives it back.
 *
 * What a create may take from the deleted row is bind.c's; here is only found which row that is. A restored record is
 * bound as the server's own document, for it holds what no user may write.
 */
#include <errno.h>

#include "../store/json.h"
#include "../store/limits.h"
#include "access.h"
#include "deleted.h"
#include "staged.h"

int deleted_keep(struct saving *v, const struct change *c, struct err *e)
{
	if (c->verb != VERB_DELETE || !c->changed || c->forget || (v->staged && !v->staged->keeps))
		return 0;
	uid_t keeper, before;
	if (access_keeper(v, c, &keeper, e) < 0)
		return -e->code;
	before = store_view_as(v->conn, keeper);
	int result = v->staged ? stage_keep_deleted(v->conn, c->model, &c->key, keeper, e)
			       : txn_keep_deleted(&v->txn, c->model, &c->key, keeper, e);
	store_view_as(v->conn, before);
	return result;
}

static int read_object(const struct value *text, json_t **out)
{
	if (text->kind != VALUE_TEXT)
		return -EBADMSG;
	int result = json_read_value(text->text.data, text->text.len, JSON_ALLOW_NUL, out);
	return result == 0 && !json_is_object(*out) ? -EBADMSG : result;
}

/* All that is kept, as one document. NULL on failure. */
static json_t *document_of(struct saving *v, const struct model *m, const struct deleted *d, struct err *e)
{
	json_t *document = NULL;
	json_scope *secrets = NULL;
	int result = read_object(&d->text, &document);
	if (result == 0)
		result = read_object(&d->secrets, &secrets);
	if (result == 0 && json_object_update(document, secrets) < 0)
		result = -ENOMEM;
	if (result == 0)
		return saving_keep(v, document, e) < 0 ? NULL : document;
	json_decref(document);
	if (result == -ENOMEM)
		err_nomem(e);
	else
		err_set(e, EIO, "what is kept of the deleted %s can't be read", record_path(&v->arena, m, &d->key));
	return NULL;
}

/* A value that another program stored need not be of the field's type. */
static struct value raw_value(const json_t *json)
{
	if (json_is_string(json))
		return value_text(json_string_value(json), json_string_length(json));
	if (json_is_real(json))
		return value_real(json_real_value(json));
	return json_is_integer(json) ? value_integer(json_integer_value(json)) : value_null();
}

static struct value *row_of(struct saving *v, const struct model *m, const struct deleted *d, json_t *document,
			    struct err *e)
{
	struct value *row = arena_alloc(&v->arena, m->nfields * sizeof *row);
	for (size_t i = 0; row && i < m->nfields; i++) {
		err_auto why = ERR_INIT;
		const json_t *json = json_object_get(document, m->fields[i].name);
		int result = value_from_json(m->fields[i].type, json, "", &v->arena, &row[i], &why);
		if (result == -ENOMEM)
			row = NULL;
		else if (result < 0)
			row[i] = raw_value(json);
	}
	if (row)
		row[m->key->index] = d->key;
	else
		err_nomem(e);
	return row;
}

/* What was deleted before it is not taken up again by a create. */
static int64_t horizon_ms(const struct saving *v)
{
	return v->now.tv_sec * INT64_C(1000) + v->now.tv_nsec / 1000000 - TIMEOUT_AGAIN_MS;
}

/* Of .new the document may tell it; the next key is nobody's: VALUE_NULL. */
static int known_key(struct saving *v, const struct change *c, struct value *key, struct err *e)
{
	err_auto wrong = ERR_INIT;
	const struct field *f = c->model->key;
	*key = c->key;
	if (key->kind != VALUE_NULL)
		return 0;
	int result = value_from_json(f->type, json_object_get(c->document, f->name), "", &v->arena, key, &wrong);
	return result == -ENOMEM ? err_nomem(e) : 0;
}

int deleted_recall(struct saving *v, struct change *c, struct err *e)
{
	struct deleted d;
	struct value key;
	if (c->old || c->deleted || c->along || c->trusted)
		return 0;
	if (known_key(v, c, &key, e) < 0)
		return -e->code;
	if (key.kind == VALUE_NULL)
		return 0;
	if (v->staged && staged_recall(v, c, &key, e) != 0)
		return -e->code;
	if (!store_deleted_since(v->saver->store, c->model, horizon_ms(v)))
		return 0;
	int result = store_get_deleted(v->conn, c->model, &key, 0, &v->arena, &d, e);
	if (result <= 0 || d.uid != v->actor->uid || d.time_ms < horizon_ms(v))
		return result < 0 ? result : 0;
	json_t *document = document_of(v, c->model, &d, e);
	c->deleted = document ? row_of(v, c->model, &d, document, e) : NULL;
	return c->deleted ? 0 : -e->code;
}

int deleted_restore(struct saving *v, const struct request *r, struct change *c, int64_t *serial, struct err *e)
{
	struct deleted d;
	int result = store_get_deleted(v->conn, r->model, &r->key, 0, &v->arena, &d, e);
	if (result < 0)
		return result;
	if (result == 0 || (v->actor->uid != 0 && v->actor->uid != d.uid))
		return err_set(e, ENOENT, "no deleted %s is kept", record_path(&v->arena, r->model, &r->key));
	json_t *document = document_of(v, r->model, &d, e);
	c->deleted = document ? row_of(v, r->model, &d, document, e) : NULL;
	if (!c->deleted)
		return -e->code;
	json_object_del(document, r->model->key->name);
	json_object_del(document, CHECKSUM_MEMBER); /* of a version that is no more */
	c->document = document;
	c->trusted = true;
	*serial = d.serial;
	return 0;
}
