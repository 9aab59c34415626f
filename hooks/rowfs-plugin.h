/*
 * rowfs-plugin.h - hooks written in C, that run inside rowfs and inside the transaction of a save. See rowfs-plugin(3).
 *
 * Structures only grow at their end. A plugin that was built with an older header goes on working, and one built with a
 * newer header works where it looks at _struct_size before it uses what came later.
 */
#ifndef ROWFS_PLUGIN_H
#define ROWFS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ROWFS_PLUGIN_API_VERSION 1

/* What a function of an event returns; any negative number refuses. */
#define ROWFS_GO_ON   0
#define ROWFS_HANDLED 1 /* apply only: the row is not to be changed */

/* One call of one function, valid while it runs. */
struct rowfs_call;

/* What happens. Texts are valid while the function runs. */
struct rowfs_event {
	uint64_t _struct_size;
	const char *event;    /* "pre_save" */
	const char *verb;     /* "create", "replace", "patch" or "delete" */
	const char *put_type; /* "newly_created" or "updated"; NULL on a delete */
	const char *model;
	const char *key;   /* as plain text */
	uint32_t uid, gid; /* who saves */
	int32_t pid;       /* 0: rowfs itself */
};

/*
 * What rowfs does for a plugin. Texts that it returns are valid until the function that asked returns. Where an int is
 * returned, 0 is success and -1 a failure, after which the save is refused with the reason, whatever the function does.
 * A path is "tracks/3.json", or "tracks/.new" for put.
 */
struct rowfs_host {
	uint64_t _struct_size;
	int32_t _api_version;
	/* A field as plain text; NULL where it is null, write-only or none, and where there is no such record. */
	const char *(*old_value)(struct rowfs_call *call, const char *field);
	const char *(*new_value)(struct rowfs_call *call, const char *field);
	/* The whole event as JSON, as programs get it; len may be NULL. NULL is a failure. */
	const char *(*event_json)(struct rowfs_call *call, size_t *len);
	/* pre_save: the members of the object replace the fields of the new record. */
	int (*edit)(struct rowfs_call *call, const char *json);
	/* A record as this transaction has made it, as its file shows it; NULL without one. */
	const char *(*read)(struct rowfs_call *call, const char *path, size_t *len);
	/* Further saves and deletions, hooks included; done when they return. */
	int (*put)(struct rowfs_call *call, const char *path, const char *json);
	int (*merge)(struct rowfs_call *call, const char *path, const char *json);
	int (*remove)(struct rowfs_call *call, const char *path);
	/* Refuses with an errno, 0 being ECANCELED, and a sentence. Returns -1, so that a function can return it. */
	int (*refuse)(struct rowfs_call *call, int code, const char *sentence);
};

typedef int rowfs_event_function(void *self, const struct rowfs_host *host, struct rowfs_call *call,
				 const struct rowfs_event *event);

/* A NULL stands for nothing to be done, but name is required. */
struct rowfs_plugin {
	uint64_t _struct_size; /* these two by ROWFS_REGISTER_PLUGIN */
	int32_t _api_version;
	const char *name;
	/* Once for each set of words in mount.conf: what the other functions get as self. NULL is a failure. */
	void *(*load)(const struct rowfs_host *host, struct rowfs_call *call);
	/* Each KEY=VALUE of mount.conf; without this function there may be none. host->refuse tells of a mistake. */
	int (*config)(void *self, const struct rowfs_host *host, struct rowfs_call *call, const char *key,
		      const char *value);
	void (*unload)(void *self);
	rowfs_event_function *pre_save;
	rowfs_event_function *pre_delete;
	rowfs_event_function *apply;
	rowfs_event_function *post_save;
	rowfs_event_function *post_delete;
	rowfs_event_function *before_commit;
	/* After the configuration, when the mount starts and rowfs has its last process: threads and files belong here.
	 */
	int (*ready)(void *self, const struct rowfs_host *host, struct rowfs_call *call);
};

/* rowfs finds a plugin by this function. */
#define ROWFS_REGISTER_PLUGIN(plugin)                                                                                  \
	__attribute__((visibility("default"))) const struct rowfs_plugin *rowfs_plugin_init(void);                     \
	const struct rowfs_plugin *rowfs_plugin_init(void)                                                             \
	{                                                                                                              \
		(plugin)._struct_size = sizeof(plugin);                                                                \
		(plugin)._api_version = ROWFS_PLUGIN_API_VERSION;                                                      \
		return &(plugin);                                                                                      \
	}

#ifdef __cplusplus
}
#endif

#endif
