/*
 * calendar.h - dates and times as text: what people write, made canonical (value.h).
 *
 * All functions write a NUL-terminated text to out, of at least CALENDAR_SIZE bytes, and return its length; 0 where the
 * text is none of the kind.
 */
#ifndef ROWFS_CALENDAR_H
#define ROWFS_CALENDAR_H

#include <stddef.h>
#include <time.h>

enum { CALENDAR_SIZE = 32 };

size_t calendar_date(const char *text, size_t len, char *out);
/* HH:MM[:SS[.fraction]] */
size_t calendar_time(const char *text, size_t len, char *out);
/* RFC 3339 with any offset, T or a blank; the year must be 0001 to 9999 in UTC too. */
size_t calendar_datetime(const char *text, size_t len, char *out);

#endif
