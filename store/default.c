/*
 * default.c - defaults: a literal, the time of the save, a new UUID, the user who saves.
 *
 * A function per kind writes the text of the default; whoever has no name is the number of his uid.
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "default.h"

enum { TEXT_SIZE = 256, PASSWD_SIZE = 4096 };

/* Writes at most TEXT_SIZE bytes, NUL included. */
typedef void write_default(const struct bind *b, enum field_type type, char *out);

static void write_today(const struct bind *b, enum field_type type, char *out)
{
	(void)type;
	value_today(b->now, out);
}

static void write_uuid(const struct bind *b, enum field_type type, char *out)
{
	(void)type;
	value_uuid(b->now, out);
}

static void write_uid(const struct bind *b, enum field_type type, char *out)
{
	(void)type;
	snprintf(out, TEXT_SIZE, "%u", b->uid);
}

static void write_user(const struct bind *b, enum field_type type, char *out)
{
	char buffer[PASSWD_SIZE];
	struct passwd entry, *found = NULL;
	getpwuid_r(b->uid, &entry, buffer, sizeof buffer, &found);
	if (found && strlen(found->pw_name) < TEXT_SIZE)
		strcpy(out, found->pw_name);
	else
		write_uid(b, type, out);
}

/* In a date `now` is today and in a time it is the time of day, without the zone. */
static void write_now(const struct bind *b, enum field_type type, char *out)
{
	enum { TIME_AT = sizeof "YYYY-MM-DDT" - 1 };
	value_now(b->now, out);
	if (type == TYPE_DATE)
		out[TIME_AT - 1] = '\0';
	if (type != TYPE_TIME)
		return;
	size_t len = strlen(out) - TIME_AT - 1;
	memmove(out, out + TIME_AT, len);
	out[len] = '\0';
}

int default_value(const struct bind *b, const struct field *f, struct arena *a, struct value *out, struct err *e)
{
	static write_default *const kinds[] = {
	    [DEFAULT_NOW] = write_now, [DEFAULT_TODAY] = write_today, [DEFAULT_UUID] = write_uuid,
	    [DEFAULT_UID] = write_uid, [DEFAULT_USER] = write_user,
	};
	char text[TEXT_SIZE];
	if (f->default_kind == DEFAULT_NONE || f->default_kind == DEFAULT_LITERAL) {
		*out = f->default_kind == DEFAULT_NONE ? value_null() : f->default_value;
		return 0;
	}
	if (f->default_kind == DEFAULT_UID && f->type != TYPE_STRING) {
		*out = value_integer((int64_t)b->uid);
		return 0;
	}
	kinds[f->default_kind](b, f->type, text);
	size_t len = strlen(text);
	const char *copy = arena_copy(a, text, len);
	if (!copy)
		return err_nomem(e);
	*out = value_text(copy, len);
	return 0;
}
