/*
 * sample.c - a plugin that keeps the field sold of tracks: what orders take from a track is moved there, in the same
 * transaction. `most=N` refuses an order of more. The example of rowfs-plugin(3).
 *
 *     model orders {
 *         fields { id integer key; track_id integer required references tracks; quantity integer default 1 }
 *         on pre_save,post_save,post_delete plugin sample.so most=100
 *     }
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rowfs-plugin.h>

struct sample {
	long most;
};

static void *load(const struct rowfs_host *host, struct rowfs_call *call)
{
	struct sample *s = calloc(1, sizeof *s);
	if (!s)
		host->refuse(call, ENOMEM, "sample: out of memory");
	return s;
}

static int config(void *self, const struct rowfs_host *host, struct rowfs_call *call, const char *key,
		  const char *value)
{
	struct sample *s = self;
	if (strcmp(key, "most") != 0)
		return host->refuse(call, 0, "the sample knows no word but most");
	s->most = atol(value);
	return s->most > 0 ? 0 : host->refuse(call, 0, "most is a number above 0");
}

static void unload(void *self)
{
	free(self);
}

static long number(const char *text)
{
	return text ? atol(text) : 0;
}

/* Adds to sold of a track; one that is null counts as 0. */
static int move(const struct rowfs_host *host, struct rowfs_call *call, const char *track, long by)
{
	char path[64], patch[64];
	if (!track || by == 0)
		return 0;
	snprintf(path, sizeof path, "tracks/%s.json", track);
	const char *record = host->read(call, path, NULL);
	const char *sold = record ? strstr(record, "\"sold\": ") : NULL;
	if (!sold)
		return host->refuse(call, ENOENT, "there is no such track");
	snprintf(patch, sizeof patch, "{\"sold\": %ld}", atol(sold + strlen("\"sold\": ")) + by);
	return host->merge(call, path, patch);
}

static int pre_save(void *self, const struct rowfs_host *host, struct rowfs_call *call, const struct rowfs_event *event)
{
	const struct sample *s = self;
	char sentence[128];
	long quantity = number(host->new_value(call, "quantity"));
	if (!s->most || quantity <= s->most)
		return quantity < 1 ? host->edit(call, "{\"quantity\": 1}") : ROWFS_GO_ON;
	snprintf(sentence, sizeof sentence, "%s %s orders more than %ld", event->model, event->key, s->most);
	return host->refuse(call, EDQUOT, sentence);
}

/* Of a save and of a deletion: what is not there has no value. */
static int post(void *self, const struct rowfs_host *host, struct rowfs_call *call, const struct rowfs_event *event)
{
	(void)self, (void)event;
	if (move(host, call, host->old_value(call, "track_id"), -number(host->old_value(call, "quantity"))) < 0)
		return -1;
	return move(host, call, host->new_value(call, "track_id"), number(host->new_value(call, "quantity")));
}

static struct rowfs_plugin sample = {
    .name = "sample",
    .load = load,
    .config = config,
    .unload = unload,
    .pre_save = pre_save,
    .post_save = post,
    .post_delete = post,
};
ROWFS_REGISTER_PLUGIN(sample)
