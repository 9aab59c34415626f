/*
 * probe.c - a plugin that does what `do=WORD` says at every event, for the tests of what a plugin may and may not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rowfs-plugin.h>

static char *word; /* one instance at a time in a test */

static void *load(const struct rowfs_host *host, struct rowfs_call *call)
{
	(void)host, (void)call;
	return &word;
}

static int config(void *self, const struct rowfs_host *host, struct rowfs_call *call, const char *key,
		  const char *value)
{
	if (strcmp(key, "do") != 0)
		return host->put(call, "log/.new", "{}"); /* not here */
	free(*(char **)self);
	*(char **)self = strdup(value);
	return word ? 0 : -1;
}

static void unload(void *self)
{
	free(*(char **)self);
	word = NULL;
}

static int ready(void *self, const struct rowfs_host *host, struct rowfs_call *call)
{
	(void)self;
	return word && strcmp(word, "late") == 0 ? host->refuse(call, EAGAIN, "not ready yet") : 0;
}

static int tell(const struct rowfs_host *host, struct rowfs_call *call, const struct rowfs_event *event)
{
	char document[512];
	size_t len = 0;
	const char *json = host->event_json(call, &len), *secret = host->new_value(call, "secret");
	const char *text = host->new_value(call, "text");
	snprintf(document, sizeof document, "{\"what\": \"%s %s %s %s %s %u %s %s %d\"}", event->event, event->verb,
		 event->put_type ? event->put_type : "-", event->model, event->key, event->uid, text ? text : "-",
		 secret ? secret : "-", json && strlen(json) == len && strstr(json, event->event));
	return host->put(call, "log/.new", document);
}

static int at(void *self, const struct rowfs_host *host, struct rowfs_call *call, const struct rowfs_event *event)
{
	(void)self;
	if (strcmp(word, "tell") == 0)
		return tell(host, call, event);
	if (strcmp(word, "handle") == 0)
		return ROWFS_HANDLED;
	if (strcmp(word, "fail") == 0)
		return -1;
	if (strcmp(word, "odd") == 0)
		return 7;
	if (strcmp(word, "estale") == 0)
		return host->refuse(call, ESTALE, "stale");
	if (strcmp(word, "mute") == 0)
		return host->refuse(call, 0, NULL);
	if (strcmp(word, "edit") == 0)
		return host->edit(call, "{\"text\": 7}");
	if (strcmp(word, "remove") == 0)
		host->remove(call, "log/99.json"); /* what it returns is not looked at */
	if (strcmp(word, "nonsense") == 0)
		host->put(call, "log/1.json", "nonsense");
	if (strcmp(word, "nowhere") == 0)
		host->read(call, "nowhere/1.json", NULL);
	while (strcmp(word, "many") == 0 && host->put(call, "log/.new", "{\"what\": \"x\"}") == 0)
		;
	if (strcmp(word, "read") == 0 && host->read(call, "orders/1.json", NULL))
		return host->refuse(call, 0, "it is there already");
	return ROWFS_GO_ON;
}

static struct rowfs_plugin probe = {
    .name = "probe",
    .load = load,
    .config = config,
    .unload = unload,
    .pre_save = at,
    .pre_delete = at,
    .apply = at,
    .post_save = at,
    .post_delete = at,
    .before_commit = at,
    .ready = ready,
};
ROWFS_REGISTER_PLUGIN(probe)
