/*
 * saver.c - what a mount saves with: its start, its end, and the programs that saves wait for.
 */
#include <stdlib.h>
#include <unistd.h>

#include "after.h"
#include "change.h"
#include "coprocess.h"
#include "plugin.h"

int saver_new(struct saver **out, const struct schema *schema, const struct hooks *hooks, struct store *store,
	      struct journal *journal, const char *mount, struct err *e)
{
	struct saver *s = calloc(1, sizeof *s);
	if (!s)
		return err_nomem(e);
	*s = (struct saver){.schema = schema, .hooks = hooks, .store = store, .journal = journal, .mount = mount};
	pthread_mutex_init(&s->sessions_lock, NULL);
	int result = hooks_check_users(hooks, schema, e);
	if (result == 0)
		result = coprocesses_new(s, e);
	for (size_t i = 0; i < hooks->nplugins && result == 0; i++)
		result = plugin_ready(hooks->plugins[i], e);
	if (result == 0)
		result = after_new(&s->after, s, e);
	if (result < 0) {
		saver_free(s);
		return result;
	}
	*out = s;
	return 0;
}

void saver_show_in(struct saver *s, const struct showcase *showcase)
{
	s->showcase = *showcase;
}

int saver_start(struct saver *s, struct err *e)
{
	return after_start(s->after, e);
}

void saver_free(struct saver *s)
{
	if (!s)
		return;
	after_free(s->after);
	coprocesses_free(s);
	pthread_mutex_destroy(&s->sessions_lock);
	free(s);
}

bool saver_waits_for(struct saver *s, pid_t pid)
{
	bool found = false;
	pthread_mutex_lock(&s->sessions_lock);
	pid_t session = pid > 0 && s->sessions ? getsid(pid) : -1;
	for (const struct session *at = s->sessions; at && !found; at = at->next)
		found = at->id == session;
	pthread_mutex_unlock(&s->sessions_lock);
	return found;
}
