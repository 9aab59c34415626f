/*
 * calendar.c - dates and times of the Gregorian calendar, years 0001 to 9999, without the C library's time zones.
 *
 * A leap second is no time of day: 60 is refused, as SQLite knows none either.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "calendar.h"
#include "value.h"

enum { DAY = 86400, FRACTION_DIGITS = 6, FRACTION_READ = 9 };

struct moment {
	int year, month, day, hour, minute, second;
	int micros;
};

struct reader {
	const char *at, *end;
};

static bool number(struct reader *r, int digits, int low, int high, int *out)
{
	int value = 0;
	if (r->end - r->at < digits)
		return false;
	for (; digits > 0; digits--, r->at++) {
		if (*r->at < '0' || *r->at > '9')
			return false;
		value = value * 10 + (*r->at - '0');
	}
	*out = value;
	return value >= low && value <= high;
}

static bool sign(struct reader *r, const char *any_of)
{
	if (r->at == r->end || *r->at == '\0' || !strchr(any_of, *r->at))
		return false;
	r->at++;
	return true;
}

static int days_in_month(int year, int month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

static bool read_date(struct reader *r, struct moment *m)
{
	return number(r, 4, 1, 9999, &m->year) && sign(r, "-") && number(r, 2, 1, 12, &m->month) && sign(r, "-") &&
	       number(r, 2, 1, days_in_month(m->year, m->month), &m->day);
}

/* Up to nine digits, the last three of which are cut off. */
static bool read_fraction(struct reader *r, struct moment *m)
{
	int digit, read = 0;
	for (; r->at < r->end && read < FRACTION_READ && number(r, 1, 0, 9, &digit); read++)
		if (read < FRACTION_DIGITS)
			m->micros = m->micros * 10 + digit;
	for (int i = read; i < FRACTION_DIGITS; i++)
		m->micros *= 10;
	return read > 0;
}

static bool read_seconds(struct reader *r, struct moment *m)
{
	return number(r, 2, 0, 59, &m->second) && (!sign(r, ".") || read_fraction(r, m));
}

static bool read_minutes(struct reader *r, struct moment *m)
{
	return number(r, 2, 0, 23, &m->hour) && sign(r, ":") && number(r, 2, 0, 59, &m->minute);
}

static bool read_offset(struct reader *r, int *seconds)
{
	int hours, minutes;
	*seconds = 0;
	if (sign(r, "Zz"))
		return true;
	bool minus = r->at < r->end && *r->at == '-';
	if (!sign(r, "+-") || !number(r, 2, 0, 23, &hours) || !sign(r, ":") || !number(r, 2, 0, 59, &minutes))
		return false;
	*seconds = (hours * 60 + minutes) * 60 * (minus ? -1 : 1);
	return true;
}

/* Days since 1970-01-01 and back; the year begins in March, so that the leap day is its last (Hinnant's algorithm). */
static int64_t to_days(int year, int month, int day)
{
	int64_t y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void from_days(int64_t days, struct moment *m)
{
	int64_t z = days + 719468, era = z / 146097, of_era = z - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
	m->day = (int)(of_year - (153 * month + 2) / 5 + 1);
	m->month = (int)(month < 10 ? month + 3 : month - 9);
	m->year = (int)(year + era * 400 + (m->month <= 2));
}

/* Since 1970; leaves the fraction. */
static void from_seconds(int64_t seconds, struct moment *m)
{
	int64_t days = (seconds >= 0 ? seconds : seconds - DAY + 1) / DAY;
	int of_day = (int)(seconds - days * DAY);
	from_days(days, m);
	m->hour = of_day / 3600;
	m->minute = of_day / 60 % 60;
	m->second = of_day % 60;
}

/* False where the year leaves 0001 to 9999. */
static bool to_utc(struct moment *m, int offset)
{
	int64_t seconds =
	    (int64_t)to_days(m->year, m->month, m->day) * DAY + m->hour * 3600 + m->minute * 60 + m->second - offset;
	if (seconds < to_days(1, 1, 1) * DAY || seconds >= to_days(10000, 1, 1) * DAY)
		return false;
	from_seconds(seconds, m);
	return true;
}

static char *put(char *out, int value, int digits)
{
	for (int i = digits - 1; i >= 0; i--, value /= 10)
		out[i] = (char)('0' + value % 10);
	return out + digits;
}

static char *put_date(char *out, const struct moment *m)
{
	out = put(out, m->year, 4);
	*out++ = '-';
	out = put(out, m->month, 2);
	*out++ = '-';
	return put(out, m->day, 2);
}

static char *put_time(char *out, const struct moment *m)
{
	out = put(out, m->hour, 2);
	*out++ = ':';
	out = put(out, m->minute, 2);
	*out++ = ':';
	out = put(out, m->second, 2);
	if (m->micros) {
		*out++ = '.';
		out = put(out, m->micros, FRACTION_DIGITS);
		while (out[-1] == '0')
			out--;
	}
	return out;
}

static size_t finish(char *out, char *end)
{
	*end = '\0';
	return (size_t)(end - out);
}

static size_t put_datetime(char *out, const struct moment *m)
{
	char *at = put_date(out, m);
	*at++ = 'T';
	at = put_time(at, m);
	*at++ = 'Z';
	return finish(out, at);
}

size_t calendar_date(const char *text, size_t len, char *out)
{
	struct reader r = {text, text + len};
	struct moment m = {0};
	if (!read_date(&r, &m) || r.at != r.end)
		return 0;
	return finish(out, put_date(out, &m));
}

size_t calendar_time(const char *text, size_t len, char *out)
{
	struct reader r = {text, text + len};
	struct moment m = {0};
	if (!read_minutes(&r, &m) || (sign(&r, ":") && !read_seconds(&r, &m)) || r.at != r.end)
		return 0;
	return finish(out, put_time(out, &m));
}

size_t calendar_datetime(const char *text, size_t len, char *out)
{
	struct reader r = {text, text + len};
	struct moment m = {0};
	int offset;
	if (!read_date(&r, &m) || !sign(&r, "Tt ") || !read_minutes(&r, &m) || !sign(&r, ":") ||
	    !read_seconds(&r, &m) || !read_offset(&r, &offset) || r.at != r.end || !to_utc(&m, offset))
		return 0;
	return put_datetime(out, &m);
}

static void moment_of(struct timespec ts, struct moment *m)
{
	int64_t first = to_days(1, 1, 1) * DAY, last = to_days(10000, 1, 1) * DAY - 1;
	int64_t seconds = ts.tv_sec < first ? first : ts.tv_sec > last ? last : ts.tv_sec;
	from_seconds(seconds, m);
	m->micros = (int)(ts.tv_nsec / 1000000) * 1000;
}

size_t value_now(struct timespec ts, char *out)
{
	struct moment m;
	moment_of(ts, &m);
	return put_datetime(out, &m);
}

size_t value_today(struct timespec ts, char *out)
{
	struct moment m;
	moment_of(ts, &m);
	return finish(out, put_date(out, &m));
}
