/*
 * stranger.c - a plugin that asks for a version that does not exist.
 */
#include <rowfs-plugin.h>

static struct rowfs_plugin stranger = {.name = "stranger"};

const struct rowfs_plugin *rowfs_plugin_init(void);
const struct rowfs_plugin *rowfs_plugin_init(void)
{
	stranger._struct_size = sizeof stranger;
	stranger._api_version = ROWFS_PLUGIN_API_VERSION + 1;
	return &stranger;
}
