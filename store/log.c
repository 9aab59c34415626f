/*
 * log.c - one line an event, to stderr or to syslog.
 *
 * A line is one write(2), so that lines of several threads don't mix. Control characters become blanks: text from
 * documents and programs must not move a terminal's cursor.
 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

enum { LINE_SIZE = 4096 };

static atomic_bool to_syslog;

static void log_line(int priority, const char *prefix, const char *fmt, va_list ap)
{
	char line[LINE_SIZE];
	size_t start = (size_t)snprintf(line, sizeof line, "rowfs: %s", prefix);

	if (vsnprintf(line + start, sizeof line - start - 1, fmt, ap) < 0)
		return;
	size_t len = strlen(line);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7F)
			line[i] = ' ';
	if (atomic_load(&to_syslog)) {
		syslog(priority, "%s", line + strlen("rowfs: "));
		return;
	}
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nobody is left to be told */
}

void log_to_stderr(void)
{
	atomic_store(&to_syslog, false);
}

void log_to_syslog(void)
{
	openlog("rowfs", LOG_PID, LOG_DAEMON);
	atomic_store(&to_syslog, true);
}

void log_error(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	log_line(LOG_ERR, "error: ", fmt, ap);
	va_end(ap);
}

void log_warning(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	log_line(LOG_WARNING, "warning: ", fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	log_line(LOG_INFO, "", fmt, ap);
	va_end(ap);
}
