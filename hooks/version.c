/*
 * version.c - versions of records: the one that a save is for, who makes the next, and texts that come back.
 */
#include <errno.h>
#include <string.h>

#include "../store/json.h"
#include "event.h"
#include "version.h"
#include "process_name.h"

/* ---- checksums ---- */

/* As the actor sees the record: a child that he does not see is not in his file. */
static int checksum_for(struct saving *v, bool exempt, const struct model *m, const struct value *key, char *out,
			struct err *e)
{
	uid_t before = store_view_as(v->conn, exempt ? VIEW_ALL : v->actor->uid);
	int result = store_checksum(v->conn, m, key, out, e);
	store_view_as(v->conn, before);
	return result;
}

static int check_one(struct saving *v, const struct change *c, const char *supplied, const char *current, struct err *e)
{
	if (!supplied || strcmp(supplied, current) == 0)
		return 0;
	return err_checksum(e, record_path(&v->arena, c->model, &c->key), supplied, current);
}

/* Whoever says which version of the record a save was made for must be right, however it is said. */
int version_check(struct saving *v, const struct change *c, struct err *e)
{
	char current[CHECKSUM_SIZE];
	const char *member = c->relation ? NULL : json_string_value(json_object_get(c->document, CHECKSUM_MEMBER));
	if (!c->old || (!c->checksum && !member))
		return 0;
	int result = checksum_for(v, c->exempt, c->model, &c->key, current, e);
	if (result == 0)
		result = check_one(v, c, c->checksum, current, e);
	return result ? result : check_one(v, c, member, current, e);
}

static int check_record(struct saving *v, bool exempt, const struct model *m, const struct value *key,
			const char *supplied, struct err *e)
{
	char current[CHECKSUM_SIZE];
	if (!supplied)
		return 0;
	err_auto why = ERR_INIT;
	int result = checksum_for(v, exempt, m, key, current, &why);
	if (result < 0)
		return result == -ENOENT ? 0 : err_set(e, -result, "%s", why.text);
	return strcmp(current, supplied) == 0 ? 0 : err_checksum(e, record_path(&v->arena, m, key), supplied, current);
}

int version_check_request(struct saving *v, const struct request *r, struct err *e)
{
	const struct value *key = r->kind == REQUEST_RESTORE ? &r->new_key : &r->key;
	int result = check_record(v, r->trusted, r->model, key, r->checksum, e);
	return result < 0 ? result
			  : check_record(v, r->trusted, r->new_model ? r->new_model : r->model, &r->new_key,
					 r->target_checksum, e);
}

/* Where no transaction is open a snapshot has found that nothing changes. */
int version_sum(struct saving *v, const struct change *c, const char *supplied, char out[CHECKSUM_SIZE], struct err *e)
{
	err_auto why = ERR_INIT;
	out[0] = '\0';
	if (!supplied || c->verb == VERB_DELETE)
		return 0;
	if (!v->open && !v->staged) {
		snprintf(out, CHECKSUM_SIZE, "%s", supplied);
		return 0;
	}
	int result = checksum_for(v, c->exempt, c->model, change_key(c), out, &why);
	return result < 0 && result != -ENOENT ? err_set(e, -result, "%s", why.text) : 0;
}

/* ---- writing ---- */

int version_begin(struct saving *v, const struct change *c, struct err *e)
{
	char comm[COMM_SIZE];
	const struct value *key = change_key(c);
	if (!c->changed || !c->model->keeps_history || v->staged)
		return 0;
	process_name(v->actor->pid, comm);
	struct version by = {.verb = verb_name(c->verb),
			     .known = true,
			     .uid = v->actor->uid,
			     .gid = v->actor->gid,
			     .pid = v->actor->pid,
			     .comm = comm};
	v->versions = true;
	int result = txn_version_begin(&v->txn, c->model, key, &by, e);
	if (result == 0 && !value_equal(key, &c->key))
		result = txn_version_begin(&v->txn, c->model, &c->key, &by, e);
	return result;
}

int versions_end(struct saving *v, struct err *e)
{
	const struct schema *schema = v->saver->schema;
	int result = 0;
	for (size_t i = 0; v->versions && i < schema->nmodels && result == 0; i++)
		if (schema->models[i].keeps_history)
			result = txn_versions_end(&v->txn, &schema->models[i], e);
	return result;
}

/* ---- restoring ---- */

static bool has_guarded_fields(const struct model *m)
{
	for (size_t i = 0; i < m->nfields; i++)
		if (&m->fields[i] != m->key && (m->fields[i].read_only || m->fields[i].immutable))
			return true;
	for (size_t i = 0; i < m->nrelations; i++)
		if (relation_embeds(&m->relations[i]) && has_guarded_fields(m->relations[i].child))
			return true;
	return false;
}

/* A version's text is what json_write makes of it. */
int version_recall(struct saving *v, struct change *c, struct err *e)
{
	buf_auto text = BUF_INIT;
	if (!c->model->keeps_history || c->kind != REQUEST_PUT || c->trusted || c->relation || !c->document ||
	    c->key.kind == VALUE_NULL || !has_guarded_fields(c->model))
		return 0;
	json_write(&text, c->document, 0);
	buf_char(&text, '\n');
	if (buf_failed(&text))
		return err_nomem(e);
	int found = store_is_version(v->conn, c->model, &c->key, text.data, text.len, e);
	c->restores = found > 0;
	return found < 0 ? found : 0;
}
