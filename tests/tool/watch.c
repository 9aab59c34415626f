/*
 * watch DIRECTORY - what `inotifywait -m` prints of the directory: a line an event, its name and what happened.
 */
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

static const struct {
	unsigned mask;
	const char *name;
} events[] = {
    {IN_CREATE, "CREATE"},           {IN_MODIFY, "MODIFY"},         {IN_CLOSE_WRITE, "CLOSE_WRITE"},
    {IN_DELETE, "DELETE"},           {IN_MOVED_FROM, "MOVED_FROM"}, {IN_MOVED_TO, "MOVED_TO"},
    {IN_Q_OVERFLOW, "Q_OVERFLOW"},
};
enum { EVENTS = sizeof events / sizeof *events };

static void print(const struct inotify_event *event)
{
	printf("%s", event->len ? event->name : "");
	for (int i = 0; i < EVENTS; i++)
		if (event->mask & events[i].mask)
			printf(" %s", events[i].name);
	putchar('\n');
	fflush(stdout);
}

int main(int argc, char **argv)
{
	_Alignas(struct inotify_event) char buf[4096];
	unsigned mask = 0;
	ssize_t n;
	for (int i = 0; i < EVENTS; i++)
		mask |= events[i].mask;
	int fd = inotify_init1(IN_CLOEXEC);
	if (argc != 2 || inotify_add_watch(fd, argv[1], mask & ~IN_Q_OVERFLOW) < 0) {
		perror("watch");
		return 1;
	}
	puts("watching");
	fflush(stdout);
	while ((n = read(fd, buf, sizeof buf)) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const struct inotify_event *)(buf + at);
			print(event);
			at += (ssize_t)(sizeof *event + event->len);
		}
	return 0;
}
