/*
 * json.c - reads documents strictly and prints JSON byte for byte as jq 1.6 does.
 *
 * json_scan judges the text first, so that every mistake has its line and column and json_parse (parse.c) only sees
 * what is right but for doubled members and numbers out of range. json_locate stands in locate.c. snprintf and strtod
 * work in the same locale and the decimal point is skipped over, so the locale doesn't matter.
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "json.h"
#include "utf8.h"

static int mistake(struct err *e, int line, int column, const char *why)
{
	size_t before = e->nproblems;
	int rc = err_problem(e, EBADMSG, "", "line %d, column %d: %s", line, column, why);
	if (e->nproblems > before) {
		e->problems[before].line = line;
		e->problems[before].column = column;
	}
	return rc;
}

static int scan_all(const char *text, size_t len, struct err *e)
{
	struct json_scan s;
	json_scan_init(&s);
	size_t done = json_scan(&s, text, len);
	if (s.state == SCAN_COMPLETE)
		json_scan(&s, text + done, len - done);
	if (s.state == SCAN_COMPLETE)
		return 0;
	const char *why = s.why;
	if (s.state == SCAN_EMPTY)
		why = "there is no object, only white space";
	else if (s.state == SCAN_PARTIAL)
		why = "the text ends before the object does";
	return mistake(e, s.line, s.column, why);
}

/* What json_scan doesn't look for. */
static int parse_mistake(const char *text, size_t where, const char *why, struct err *e)
{
	int line = 1, column = 1;
	for (size_t i = 0; i < where; i++) {
		column = text[i] == '\n' ? 1 : column + 1;
		line += text[i] == '\n';
	}
	return mistake(e, line, column, why);
}

int json_read_judged(const char *text, size_t len, json_t **out, struct err *e)
{
	const char *why;
	size_t where;
	if (len > LIMIT_RECORD)
		return err_problem(e, EFBIG, "", "the text has more than %d bytes", LIMIT_RECORD);
	json_t *json = json_parse(text, &where, &why);
	if (!json)
		return why ? parse_mistake(text, where, why, e) : err_nomem(e);
	*out = json;
	return 0;
}

int json_read(const char *text, size_t len, json_t **out, struct err *e)
{
	int rc = len > LIMIT_RECORD ? 0 : scan_all(text, len, e);
	return rc ? rc : json_read_judged(text, len, out, e);
}

/* Reals without an exponent, beyond 64 bits, that jansson takes for integers. */
static int read_large(const char *text, size_t len, json_t **out)
{
	err_auto e = ERR_INIT;
	buf_auto whole = BUF_INIT;
	json_t *json = NULL;
	buf_str(&whole, "{\"v\":");
	buf_add(&whole, text, len);
	buf_char(&whole, '}');
	int rc = buf_failed(&whole) ? -ENOMEM : scan_all(buf_text(&whole), whole.len, &e);
	if (rc == 0)
		rc = json_read_judged(buf_text(&whole), whole.len, &json, &e);
	*out = json_incref(json_object_get(json, "v"));
	json_decref(json);
	return rc;
}

/* jansson calls a text wrong when there is no memory for it; malloc has said why. */
int json_read_value(const char *text, size_t len, size_t flags, json_t **out)
{
	json_error_t why;
	errno = 0;
	json_t *json = json_loadb(text, len, flags | JSON_DECODE_ANY, &why);
	if (!json && errno != ENOMEM && json_error_code(&why) == json_error_numeric_overflow)
		return read_large(text, len, out);
	if (!json)
		return errno == ENOMEM ? -ENOMEM : -EBADMSG;
	*out = json;
	return 0;
}

/* ---- writing ---- */

/* The letter behind the backslash; 'u' where it is \u00XX; 0 where the byte stands for itself. */
static const char escapes[256] = {
    [0x00] = 'u', 'u', 'u', 'u', 'u',          'u', 'u', 'u', 'b',         't',           'n',          'u',
    'f',          'r', 'u', 'u', [0x10] = 'u', 'u', 'u', 'u', 'u',         'u',           'u',          'u',
    'u',          'u', 'u', 'u', 'u',          'u', 'u', 'u', ['"'] = '"', ['\\'] = '\\', [0x7f] = 'u',
};

/* ASCII that needs no change. */
static const bool is_plain[256] = {[' ' ... '!'] = true, ['#' ... '['] = true, [']' ... '~'] = true};

/* Bytes at text that need no change: plain ASCII and valid UTF-8. */
static size_t unescaped(const char *text, size_t len)
{
	size_t at = 0;
	for (;;) {
		while (at < len && is_plain[(unsigned char)text[at]])
			at++;
		size_t n = at < len && !escapes[(unsigned char)text[at]] ? utf8_sequence(text + at, len - at) : 0;
		if (n == 0)
			return at;
		at += n;
	}
}

static void write_escape(struct buf *b, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	char escape[6] = {'\\', escapes[c], '0', '0', digits[c >> 4], digits[c & 15]};
	if (c >= 0x80)
		buf_add(b, "\xef\xbf\xbd", 3); /* invalid UTF-8 becomes U+FFFD, as in jq */
	else
		buf_add(b, escape, escapes[c] == 'u' ? 6 : 2);
}

void json_write_string(struct buf *b, const char *text, size_t len)
{
	buf_char(b, '"');
	for (size_t at = 0; at < len;) {
		size_t run = unescaped(text + at, len - at);
		buf_add(b, text + at, run);
		at += run;
		if (at < len)
			write_escape(b, (unsigned char)text[at++]);
	}
	buf_char(b, '"');
}

void json_write_integer(struct buf *b, int64_t integer)
{
	char text[24], *at = text + sizeof text;
	uint64_t rest = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
	do {
		*--at = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (integer < 0)
		*--at = '-';
	buf_add(b, at, (size_t)(text + sizeof text - at));
}

struct decimal {
	char digits[24]; /* without zeros at the end, unless below 1e15 */
	int count;
	int point; /* the value is 0.DIGITS times ten to this */
};

static bool round_trips(double real, int precision, char *text, size_t size)
{
	snprintf(text, size, "%.*e", precision - 1, real);
	return strtod(text, NULL) == real;
}

/*
 * Where 16 digits are too few, one of the neighbours may still do: around powers of two the nearest 16 digits can lie
 * outside the interval that reads back, and the next ones inside.
 */
static bool neighbour_round_trips(double real, char *text)
{
	char *e = strchr(text, 'e');
	if (!e || e[-1] == '9')
		return false;
	e[-1]++;
	return strtod(text, NULL) == real;
}

/* The shortest digits that read back as the same double; real is positive. */
static void shortest(double real, struct decimal *d)
{
	char text[40];
	int precision = real < DBL_MIN ? 1 : 15;
	while (precision < 17 && !round_trips(real, precision, text, sizeof text))
		if (precision++ == 16 && neighbour_round_trips(real, text))
			break;
	if (precision == 17 && strtod(text, NULL) != real)
		round_trips(real, precision, text, sizeof text);
	const char *at = text;
	for (d->count = 0; *at && *at != 'e'; at++)
		if (*at >= '0' && *at <= '9')
			d->digits[d->count++] = *at;
	while (d->count > 1 && d->digits[d->count - 1] == '0')
		d->count--;
	d->point = (*at ? atoi(at + 1) : 0) + 1;
}

bool json_real_is_written(const char *text, size_t len, double real)
{
	struct decimal d;
	if (isinf(real) || real == 0)
		return false;
	shortest(real, &d);
	if (len != (size_t)d.point || len < (size_t)d.count || memcmp(text, d.digits, (size_t)d.count) != 0)
		return false;
	return strspn(text + d.count, "0") >= len - (size_t)d.count;
}

static void write_exponential(struct buf *b, const struct decimal *d)
{
	buf_add(b, d->digits, 1);
	if (d->count > 1)
		buf_char(b, '.');
	buf_add(b, d->digits + 1, (size_t)d->count - 1);
	buf_printf(b, "e%+03d", d->point - 1);
}

static void write_decimal(struct buf *b, const struct decimal *d)
{
	int whole = d->point < 0 ? 0 : d->point > d->count ? d->count : d->point;
	if (d->point <= 0)
		buf_char(b, '0');
	buf_add(b, d->digits, (size_t)whole);
	if (d->point > d->count)
		buf_fill(b, '0', (size_t)(d->point - d->count));
	if (whole == d->count)
		return;
	buf_char(b, '.');
	if (d->point < 0)
		buf_fill(b, '0', (size_t)-d->point);
	buf_add(b, d->digits + whole, (size_t)(d->count - whole));
}

/*
 * Amounts such as 19.99: a whole number below 1e15 divided by a power of ten is rounded once, as strtod would, and at
 * most 15 digits are the shortest. snprintf and strtod would take ten times as long.
 */
static bool short_decimal(double real, struct decimal *d)
{
	static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
	if (real < 1e-3 || real >= 1e15)
		return false;
	for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
		double scaled = real * powers[i] + 0.5;
		if (scaled >= 1e15)
			return false;
		uint64_t rest = (uint64_t)scaled;
		if ((double)rest / powers[i] != real)
			continue;
		char digits[24];
		int count = 0;
		for (; rest; rest /= 10)
			digits[count++] = (char)('0' + rest % 10);
		for (int k = 0; k < count; k++)
			d->digits[k] = digits[count - 1 - k];
		d->count = count;
		d->point = count - (int)i;
		return true;
	}
	return false;
}

/* jq 1.6: an exponent below 1e-4, and where more than 15 zeros would have to fill up the digits. */
void json_write_real(struct buf *b, double real)
{
	struct decimal d;
	if (isnan(real)) {
		buf_str(b, "null");
		return;
	}
	if (isinf(real))
		real = real < 0 ? -DBL_MAX : DBL_MAX;
	if (signbit(real))
		buf_char(b, '-');
	real = fabs(real);
	if (real == 0) {
		buf_char(b, '0');
		return;
	}
	if (!short_decimal(real, &d))
		shortest(real, &d);
	if (d.point <= -4 || d.point > d.count + 15)
		write_exponential(b, &d);
	else
		write_decimal(b, &d);
}

/* The line break and blanks before a member at the depth. */
static void break_line(struct buf *b, int depth)
{
	if (depth < 0)
		return;
	buf_char(b, '\n');
	buf_fill(b, ' ', 2 * (size_t)depth);
}

static int deeper(int indent)
{
	return indent < 0 ? -1 : indent + 1;
}

static void write_array(struct buf *b, const json_t *array, int indent)
{
	size_t n = json_array_size(array);
	buf_char(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_char(b, ',');
		break_line(b, deeper(indent));
		json_write(b, json_array_get(array, i), deeper(indent));
	}
	if (n > 0)
		break_line(b, indent);
	buf_char(b, ']');
}

static void write_object(struct buf *b, const json_t *object, int indent)
{
	const char *name;
	json_t *member;
	bool first = true;
	buf_char(b, '{');
	json_object_foreach((json_t *)object, name, member)
	{
		if (!first)
			buf_char(b, ',');
		first = false;
		break_line(b, deeper(indent));
		json_write_string(b, name, strlen(name));
		buf_str(b, indent < 0 ? ":" : ": ");
		json_write(b, member, deeper(indent));
	}
	if (!first)
		break_line(b, indent);
	buf_char(b, '}');
}

void json_write(struct buf *b, const json_t *json, int indent)
{
	switch (json ? json_typeof(json) : JSON_NULL) {
	case JSON_OBJECT:
		write_object(b, json, indent);
		break;
	case JSON_ARRAY:
		write_array(b, json, indent);
		break;
	case JSON_STRING:
		json_write_string(b, json_string_value(json), json_string_length(json));
		break;
	case JSON_INTEGER:
		json_write_integer(b, json_integer_value(json));
		break;
	case JSON_REAL:
		json_write_real(b, json_real_value(json));
		break;
	case JSON_TRUE:
		buf_str(b, "true");
		break;
	case JSON_FALSE:
		buf_str(b, "false");
		break;
	case JSON_NULL:
		buf_str(b, "null");
		break;
	}
}

/* ---- merge patches ---- */

json_t *json_merged(const json_t *target, const json_t *patch, bool nulls)
{
	const char *name;
	json_t *change;
	if (!json_is_object(patch))
		return json_deep_copy(patch);
	json_t *result = json_is_object(target) ? json_deep_copy(target) : json_object();
	json_object_foreach((json_t *)patch, name, change)
	{
		int rc = 0;
		if (json_is_null(change) && !nulls)
			json_object_del(result, name);
		else
			rc = json_object_set_new(result, name,
						 json_merged(json_object_get(result, name), change, nulls));
		if (rc) {
			json_decref(result);
			return NULL;
		}
	}
	return result;
}
