/*
 * err.c - the one errno, the one sentence and the list of problems that a refusal consists of.
 *
 * The sentence is always complete: where memory runs out a problem is counted but not kept, and where a text is too
 * long it is cut between two characters, never inside one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "limits.h"

/* Kept free behind the first problem for " (and 18446744073709551615 more)". */
enum { MORE_ROOM = 40 };

static const struct {
	const char *name;
	int code;
} names[] = {
    {"EACCES", EACCES},
    {"EAGAIN", EAGAIN},
    {"EBADMSG", EBADMSG},
    {"EBUSY", EBUSY},
    {"ECANCELED", ECANCELED},
    {"ECONNREFUSED", ECONNREFUSED},
    {"ECONNRESET", ECONNRESET},
    {"EDEADLK", EDEADLK},
    {"EDOM", EDOM},
    {"EDQUOT", EDQUOT},
    {"EEXIST", EEXIST},
    {"EFBIG", EFBIG},
    {"EHOSTUNREACH", EHOSTUNREACH},
    {"EIO", EIO},
    {"EKEYEXPIRED", EKEYEXPIRED},
    {"EKEYREJECTED", EKEYREJECTED},
    {"EMSGSIZE", EMSGSIZE},
    {"ENAMETOOLONG", ENAMETOOLONG},
    {"ENETUNREACH", ENETUNREACH},
    {"ENODATA", ENODATA},
    {"ENODEV", ENODEV},
    {"ENOENT", ENOENT},
    {"ENOLCK", ENOLCK},
    {"ENOMEM", ENOMEM},
    {"ENOSPC", ENOSPC},
    {"ENOTEMPTY", ENOTEMPTY},
    {"ENOTSUP", ENOTSUP},
    {"EOPNOTSUPP", EOPNOTSUPP},
    {"EOVERFLOW", EOVERFLOW},
    {"EPERM", EPERM},
    {"EPROTO", EPROTO},
    {"ERANGE", ERANGE},
    {"EROFS", EROFS},
    {"ETIMEDOUT", ETIMEDOUT},
    {"EUSERS", EUSERS},
};

/* Numbers that the kernel or the caller would act on in a way that harms: see rowfs(1). */
static const int harmful[] = {EINTR, ESTALE, EXDEV, EINVAL, ENOSYS};

/* Cuts text to at most len bytes, at the start of a character. */
static void cut(char *text, size_t len)
{
	if (strlen(text) <= len)
		return;
	while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
		len--;
	text[len] = '\0';
}

static void sentence(struct err *e, size_t room, const char *fmt, va_list ap)
{
	char *to = e->text + strlen(e->text);
	size_t len = sizeof e->text - (size_t)(to - e->text);

	if (vsnprintf(to, len, fmt, ap) < 0)
		to[0] = '\0';
	cut(e->text, sizeof e->text - 1 - room);
}

/* vsnprintf may have cut inside a character at the end of the buffer; what is left of it goes too. */
static void cut_broken_end(char *text)
{
	size_t len = strlen(text), start = len;

	while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
		start--;
	if (start == 0 || (unsigned char)text[start - 1] < 0xC0)
		return;
	unsigned char lead = (unsigned char)text[start - 1];
	size_t wanted = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
	if (len - start < wanted)
		text[start - 1] = '\0';
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	if (e->code)
		return -e->code;
	va_list ap;
	va_start(ap, fmt);
	e->code = code;
	e->text[0] = '\0';
	sentence(e, 0, fmt, ap);
	cut_broken_end(e->text);
	va_end(ap);
	return -code;
}

int err_nomem(struct err *e)
{
	return err_set(e, ENOMEM, "there is not enough memory");
}

int err_checksum(struct err *e, const char *path, const char *supplied, const char *current)
{
	if (e->code)
		return -e->code;
	snprintf(e->supplied, sizeof e->supplied, "%s", supplied);
	snprintf(e->current, sizeof e->current, "%s", current);
	return err_set(e, EBUSY, "%.300s has changed since it was read: its checksum is another one now", path);
}

static void keep(struct err *e, const char *pointer, const char *fmt, va_list ap)
{
	struct problem p = {0};

	if (e->nproblems >= LIMIT_PROBLEMS)
		return;
	struct problem *grown = realloc(e->problems, (e->nproblems + 1) * sizeof *grown);
	if (!grown)
		return;
	e->problems = grown;
	p.pointer = strdup(pointer);
	if (!p.pointer || vasprintf(&p.text, fmt, ap) < 0) {
		free(p.pointer);
		return;
	}
	grown[e->nproblems++] = p;
}

/* The first problem makes the sentence; every further one only moves the number at its end. */
static void tell(struct err *e, const char *pointer, const char *fmt, va_list ap)
{
	if (e->ntold == 0) {
		snprintf(e->text, sizeof e->text, "%s%s", pointer, *pointer ? ": " : "");
		sentence(e, MORE_ROOM, fmt, ap);
		cut_broken_end(e->text);
		return;
	}
	char *end = e->text + strlen(e->text);
	if (e->ntold > 1) {
		char *more = NULL;
		for (char *at = e->text; (at = strstr(at, " (and ")); at++)
			more = at;
		end = more ? more : end;
	}
	snprintf(end, sizeof e->text - (size_t)(end - e->text), " (and %zu more)", e->ntold);
}

int err_problem(struct err *e, int code, const char *pointer, const char *fmt, ...)
{
	va_list ap, again;

	if (e->code && e->ntold == 0)
		return -e->code;
	va_start(ap, fmt);
	va_copy(again, ap);
	tell(e, pointer, fmt, ap);
	keep(e, pointer, fmt, again);
	va_end(again);
	va_end(ap);
	e->ntold++;
	if (!e->code || code == EBADMSG)
		e->code = code;
	return -e->code;
}

int err_graft(struct err *e, struct err *from, const char *pointer)
{
	for (size_t i = 0; i < from->nproblems; i++) {
		const struct problem *p = &from->problems[i];
		char *whole = NULL;
		if (asprintf(&whole, "%s%s", pointer, p->pointer) < 0)
			whole = NULL;
		err_problem(e, from->code, whole ? whole : pointer, "%s", p->text);
		free(whole);
	}
	if (from->nproblems == 0)
		err_set(e, from->code, "%s", from->text);
	err_release(from);
	return -e->code;
}

void err_release(struct err *e)
{
	for (size_t i = 0; i < e->nproblems; i++) {
		free(e->problems[i].pointer);
		free(e->problems[i].text);
	}
	free(e->problems);
	*e = (struct err)ERR_INIT;
}

void err_take(struct err *to, struct err *from)
{
	if (to == from)
		return;
	err_release(to);
	*to = *from;
	*from = (struct err)ERR_INIT;
}

int err_clamp(int code)
{
	if (code <= 0 || code > 511 || !strerrorname_np(code))
		return EIO;
	for (size_t i = 0; i < sizeof harmful / sizeof *harmful; i++)
		if (harmful[i] == code)
			return EIO;
	return code;
}

int err_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i].name) == len && memcmp(names[i].name, name, len) == 0)
			return names[i].code;
	return 0;
}

const char *err_name(int code)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].code == code)
			return names[i].name;
	return NULL;
}
