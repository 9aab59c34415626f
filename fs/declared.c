/*
 * declared.c - reads mount.conf to the end, so that all mistakes are told at once.
 */
#include "declared.h"

#include <errno.h>

#include "../hooks/answer.h"
#include "../store/describe.h"
#include "../store/store.h"

/* SQL is compiled against tables that are right by definition; whether the real ones are is found at the mount. */
static int try_sql(struct declared *d, struct err *e)
{
	struct store *store;
	int rc = store_open_memory(&store, &d->schema, e);

	if (rc == 0)
		rc = hooks_prepare(&d->hooks, &d->conf, store, &d->schema, e);
	if (rc == 0 || d->conf.nmistakes > 0)
		store_close(store);
	return rc;
}

int declared_read(struct declared *d, const char *path, struct err *e)
{
	int rc = conf_read(&d->conf, path, e);

	if (rc == 0)
		rc = describe_missing_fields(&d->conf, e);
	if (rc == 0)
		rc = schema_read(&d->schema, &d->conf, e);
	size_t before = d->conf.nmistakes;
	if (rc == 0)
		rc = hooks_read(&d->hooks, &d->conf, &d->schema, e);
	if (rc == 0 && d->conf.nmistakes == before) /* a hook with a mistake may be the one that is looked for */
		answers_check(&d->hooks, &d->conf, &d->schema);
	if (rc == 0 && d->conf.nmistakes == 0)
		rc = try_sql(d, e);
	if (d->conf.nmistakes == 0)
		return rc;
	err_release(e);
	return err_set(e, EBADMSG, "%s has %zu %s", path, d->conf.nmistakes,
		       d->conf.nmistakes == 1 ? "mistake" : "mistakes");
}

void declared_release(struct declared *d)
{
	hooks_release(&d->hooks);
	schema_release(&d->schema);
	conf_release(&d->conf);
}
