/*
 * declared.c - reads mount.conf to the end, so that all mistakes are told at once.
 */
#include "declared.h"

#include <errno.h>

#include "../hooks/answer.h"
#include "../store/describe.h"
#include "../store/store.h"

/* SQL is compiled against tables that are right by definition; whether the real ones are is found at the mount. */
static int compile_sql(struct declared *d, struct err *e)
{
	struct store *store;
	int rc = store_open_memory(&store, &d->schema, e);

	if (rc < 0)
		return rc;
	rc = store_borrow(store, e);
	if (rc == 0)
		rc = hooks_prepare(&d->hooks, &d->conf, store, &d->schema, e);
	store_close(store);
	return rc;
}

static int try_sql(struct declared *d, struct err *e)
{
	const struct schema none = SCHEMA_INIT;
	struct store *store;
	int rc = store_open_memory(&store, &none, e);

	if (rc < 0)
		return rc;
	rc = hooks_try(&d->hooks, &d->conf, store, e);
	store_close(store);
	return rc;
}

static int count_mistakes(const struct declared *d, const char *advice, struct err *e)
{
	size_t n = d->conf.nmistakes;

	err_release(e);
	return err_set(e, EBADMSG, "%s has %zu %s%s", d->conf.path, n, n == 1 ? "mistake" : "mistakes", advice);
}

int declared_read(struct declared *d, const char *path, struct err *e)
{
	int rc = conf_read(&d->conf, path, e);

	if (rc == 0)
		rc = describe_missing_fields(&d->conf, e);
	if (rc == 0)
		rc = schema_read(&d->schema, &d->conf, e);
	const bool tables = d->conf.nmistakes == 0; /* they can be made */
	if (rc == 0)
		rc = checks_compile(&d->schema, &d->conf, e);
	size_t before = d->conf.nmistakes;
	if (rc == 0)
		rc = hooks_read(&d->hooks, &d->conf, &d->schema, e);
	if (rc == 0 && d->conf.nmistakes == before) /* a hook with a mistake may be the one that is looked for */
		answers_check(&d->hooks, &d->conf, &d->schema);
	if (rc == 0)
		rc = tables ? compile_sql(d, e) : try_sql(d, e);
	return d->conf.nmistakes && rc != -ENOMEM ? count_mistakes(d, "", e) : rc;
}

int declared_differs(struct declared *d, struct err *e)
{
	char advice[] = "; `rowfs check --sql` prints the statements that change the tables";

	if (e->code != EBADMSG || e->nproblems == 0)
		return d->conf.nmistakes ? count_mistakes(d, "", e) : -e->code;
	for (size_t i = 0; i < e->nproblems; i++)
		conf_mistake_at(&d->conf, e->problems[i].line, e->problems[i].column, e->problems[i].text);
	return count_mistakes(d, advice, e);
}

void declared_release(struct declared *d)
{
	hooks_release(&d->hooks);
	schema_release(&d->schema);
	conf_release(&d->conf);
}
