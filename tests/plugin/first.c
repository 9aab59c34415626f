/*
 * first.c - a plugin built with the first header, first/rowfs-plugin.h: a binary of long ago.
 */
#include "first/rowfs-plugin.h"

static int post_save(void *self, const struct rowfs_host *host, struct rowfs_call *call,
		     const struct rowfs_event *event)
{
	(void)self;
	if (host->_struct_size < sizeof(struct rowfs_host) || event->_struct_size < sizeof(struct rowfs_event))
		return host->refuse(call, 0, "rowfs has forgotten something");
	if (!host->read(call, "orders/1.json", NULL))
		return host->refuse(call, 0, "the order can't be read");
	return host->put(call, "log/.new", "{\"what\": \"first\"}");
}

/* What lies behind is no part of it: a rowfs that reads too far calls it. */
static struct {
	struct rowfs_plugin plugin;
	void *trap;
} first = {{.name = "first", .post_save = post_save}, (void *)1};

ROWFS_REGISTER_PLUGIN(first.plugin)
