/*
 * future.c - a plugin for a rowfs that is yet to come: its structure is longer than ours.
 */
#include <rowfs-plugin.h>

static int post_save(void *self, const struct rowfs_host *host, struct rowfs_call *call,
		     const struct rowfs_event *event)
{
	(void)self, (void)event;
	return host->put(call, "log/.new", "{\"what\": \"future\"}");
}

static struct {
	struct rowfs_plugin plugin;
	void *more;
} future = {.plugin = {.name = "future", .post_save = post_save}};

const struct rowfs_plugin *rowfs_plugin_init(void);
const struct rowfs_plugin *rowfs_plugin_init(void)
{
	future.plugin._struct_size = sizeof future;
	future.plugin._api_version = ROWFS_PLUGIN_API_VERSION;
	return &future.plugin;
}
