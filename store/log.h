/*
 * log.h - one line an event, to stderr in the foreground and to syslog from the daemon. The only global of the program.
 */
#ifndef ROWFS_LOG_H
#define ROWFS_LOG_H

void log_to_stderr(void); /* the default */
void log_to_syslog(void);
/* A line break in the text becomes a blank. */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
