/*
 * price.c - the smallest plugin that does something: a negative price is refused. For measuring what a plugin costs.
 */
#include <errno.h>
#include <stdlib.h>

#include <rowfs-plugin.h>

static int pre_save(void *self, const struct rowfs_host *host, struct rowfs_call *call, const struct rowfs_event *event)
{
	const char *price = host->new_value(call, "price");
	(void)self, (void)event;
	return price && atof(price) < 0 ? host->refuse(call, ERANGE, "The price must not be negative") : ROWFS_GO_ON;
}

static struct rowfs_plugin price = {.name = "price", .pre_save = pre_save};
ROWFS_REGISTER_PLUGIN(price)
