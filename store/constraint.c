/*
 * constraint.c - min, max, enum, format and pattern of a field, and the sentences that say what a value lacks.
 *
 * Formats are checked for what mistypes break, not for every rule of their RFC: an address that passes may still
 * bounce. Strings are measured in code points.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "buf.h"
#include "constraint.h"
#include "json.h"
#include "utf8.h"

enum { HOSTNAME_MAX = 253, LABEL_MAX = 63, MAILBOX_MAX = 64 };

typedef int check(const struct field *f, const struct value *v, const char *pointer, struct err *e);

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- bounds ---- */

static const char *number_text(struct buf *b, double number)
{
	buf_reset(b);
	json_write_real(b, number);
	return buf_text(b);
}

static int check_length(const struct field *f, const struct value *v, const char *pointer, struct err *e)
{
	buf_auto bound = BUF_INIT;
	size_t length = 0;
	if (!utf8_valid(v->text.data, v->text.len, &length))
		return err_problem(e, EBADMSG, pointer, "must be valid UTF-8");
	bool long_enough = !f->has_min || (double)length >= f->min;
	if (long_enough && (!f->has_max || (double)length <= f->max))
		return 0;
	double limit = long_enough ? f->max : f->min;
	return err_problem(e, EBADMSG, pointer, "must be at %s %s character%s long, it has %zu",
			   long_enough ? "most" : "least", number_text(&bound, limit), limit == 1 ? "" : "s", length);
}

/* long double holds every 64-bit integer and every double (x86, and wider elsewhere). */
static int check_size(const struct field *f, const struct value *v, const char *pointer, struct err *e)
{
	buf_auto bound = BUF_INIT, given = BUF_INIT;
	long double number = v->kind == VALUE_REAL ? (long double)v->real : (long double)v->integer;
	bool large_enough = !f->has_min || number >= f->min;
	if (large_enough && (!f->has_max || number <= f->max))
		return 0;
	value_plain(&given, f->type, v);
	return err_problem(e, EBADMSG, pointer, "must be at %s %s, it is %s", large_enough ? "most" : "least",
			   number_text(&bound, large_enough ? f->max : f->min), buf_text(&given));
}

static int check_bounds(const struct field *f, const struct value *v, const char *pointer, struct err *e)
{
	if (!f->has_min && !f->has_max)
		return 0;
	return v->kind == VALUE_TEXT ? check_length(f, v, pointer, e) : check_size(f, v, pointer, e);
}

/* ---- words ---- */

static int check_words(const struct field *f, const struct value *v, const char *pointer, struct err *e)
{
	buf_auto text = BUF_INIT;
	if (!f->words)
		return 0;
	value_plain(&text, f->type, v);
	if (buf_failed(&text))
		return err_nomem(e);
	for (size_t i = 0; i < f->nwords; i++)
		if (strlen(f->words[i]) == text.len && memcmp(f->words[i], buf_text(&text), text.len) == 0)
			return 0;
	buf_reset(&text);
	for (size_t i = 0; i < f->nwords; i++)
		buf_printf(&text, "%s%s", i > 0 ? ", " : "", f->words[i]);
	return err_problem(e, EBADMSG, pointer, "must be one of %s", buf_text(&text));
}

/* ---- formats ---- */

static bool is_label(const char *text, size_t len)
{
	if (len == 0 || len > LABEL_MAX || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_letter(text[i]) && !is_digit(text[i]) && text[i] != '-')
			return false;
	return true;
}

static bool is_hostname(const char *text)
{
	if (strlen(text) > HOSTNAME_MAX)
		return false;
	for (;;) {
		size_t len = strcspn(text, ".");
		if (!is_label(text, len))
			return false;
		if (text[len] == '\0')
			return true;
		text += len + 1;
	}
}

static bool is_email(const char *text)
{
	const char *at = strrchr(text, '@');
	size_t mailbox = at ? (size_t)(at - text) : 0;
	if (mailbox == 0 || mailbox > MAILBOX_MAX || text[0] == '.' || at[-1] == '.')
		return false;
	for (const char *c = text; c < at; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("()<>@,;:\\\"[]", *c) ||
		    (*c == '.' && c[1] == '.'))
			return false;
	return is_hostname(at + 1);
}

static bool is_hex(char c)
{
	return is_digit(c) || (is_letter(c) && (c | 0x20) <= 'f');
}

static bool is_uri(const char *text)
{
	const char *c = text;
	if (!is_letter(*c))
		return false;
	while (is_letter(*c) || is_digit(*c) || (*c && strchr("+-.", *c)))
		c++;
	if (*c++ != ':' || *c == '\0')
		return false;
	for (; *c; c++) {
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || strchr("<>\"{}|\\^`", *c))
			return false;
		if (*c == '%' && !(is_hex(c[1]) && is_hex(c[2])))
			return false;
	}
	return true;
}

static bool is_ipv4(const char *text)
{
	struct in_addr address;
	return inet_pton(AF_INET, text, &address) == 1;
}

static bool is_ipv6(const char *text)
{
	struct in6_addr address;
	return inet_pton(AF_INET6, text, &address) == 1;
}

static const struct {
	bool (*is)(const char *text);
	const char *must;
} formats[FORMAT_COUNT] = {
    [FORMAT_EMAIL] = {is_email, "an e-mail address such as ann@example.org"},
    [FORMAT_URI] = {is_uri, "a URI such as https://example.org/"},
    [FORMAT_HOSTNAME] = {is_hostname, "a host name such as www.example.org"},
    [FORMAT_IPV4] = {is_ipv4, "an IPv4 address such as 192.0.2.1"},
    [FORMAT_IPV6] = {is_ipv6, "an IPv6 address such as 2001:db8::1"},
};

static int check_format(const struct field *f, const struct value *v, const char *pointer, struct err *e)
{
	if (f->format == FORMAT_NONE || v->kind != VALUE_TEXT || formats[f->format].is(v->text.data))
		return 0;
	return err_problem(e, EBADMSG, pointer, "must be %s", formats[f->format].must);
}

/* The longest match at the leftmost place is what POSIX gives: it is the whole text if any match is. */
static int check_pattern(const struct field *f, const struct value *v, const char *pointer, struct err *e)
{
	regmatch_t match = {.rm_so = -1, .rm_eo = -1};
	if (!f->regex || v->kind != VALUE_TEXT)
		return 0;
	int rc = regexec(f->regex, v->text.data, 1, &match, 0);
	if (rc == REG_ESPACE)
		return err_nomem(e);
	bool anchored = match.rm_so == -1; /* compiled with REG_NOSUB */
	if (rc == 0 && (anchored || (match.rm_so == 0 && (size_t)match.rm_eo == v->text.len)))
		return 0;
	return err_problem(e, EBADMSG, pointer, "must match the pattern %s", f->pattern ? f->pattern : "of its field");
}

int constraint_check(const struct field *f, const struct value *v, const char *pointer, struct err *e)
{
	static check *const checks[] = {check_bounds, check_words, check_format, check_pattern};
	int rc = 0;
	if (v->kind == VALUE_NULL)
		return 0;
	for (size_t i = 0; i < sizeof checks / sizeof *checks && rc == 0; i++)
		rc = checks[i](f, v, pointer, e);
	return rc;
}
