/*
 * bounds.c - the directives of bounds: a table.
 */
#include "bounds.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../store/limits.h"
#include "confine.h"

#define MIB (1LL << 20)

const struct bounds default_bounds = {
    .memory = LIMIT_PROGRAM_MEMORY_MIB * MIB,
    .files = LIMIT_PROGRAM_FILES,
    .processes = LIMIT_PROGRAM_PROCESSES,
    .output = LIMIT_HOOK_OUTPUT,
};

/* 100, 64K, 512M, 2G. */
static bool word_size(const struct word *w, long long *bytes)
{
	static const char units[] = "KMG";
	char *end;

	if (!isdigit((unsigned char)w->text[0]))
		return false;
	errno = 0;
	long long value = strtoll(w->text, &end, 10), unit = 1;
	const char *letter = *end ? strchr(units, *end) : NULL;
	if (letter) {
		unit = 1LL << 10 * (letter - units + 1);
		end++;
	}
	return errno == 0 && *end == '\0' && !__builtin_mul_overflow(value, unit, bytes);
}

typedef bool read_number(const struct word *w, long long *out);

static const struct bound_rule {
	const char *name;
	size_t offset;
	read_number *read;
	long long min, max;
	const char *range;
	const char *unit; /* of the number when it is printed */
} rules[] = {
    {"cpu", offsetof(struct bounds, cpu_ms), word_duration, 1000, 30 * 86400000LL, "a time from 1s to 30d", "ms"},
    {"memory", offsetof(struct bounds, memory), word_size, MIB, 1LL << 50, "a size from 1M, such as 512M", ""},
    {"files", offsetof(struct bounds, files), word_integer, 8, 1 << 20, "a number from 8 to 1048576", ""},
    {"processes", offsetof(struct bounds, processes), word_integer, 1, 1 << 22, "a number from 1 to 4194304", ""},
    {"output", offsetof(struct bounds, output), word_size, 1, 1LL << 30, "a size from 1 to 1G, such as 64K", ""},
};
enum { RULES = sizeof rules / sizeof *rules };

static long long *member(struct bounds *b, const struct bound_rule *rule)
{
	return (long long *)(void *)((char *)b + rule->offset);
}

static long long number(const struct bounds *b, const struct bound_rule *rule)
{
	return *member((struct bounds *)b, rule);
}

static const struct bound_rule *find_rule(const char *name)
{
	for (size_t i = 0; i < RULES; i++)
		if (strcmp(rules[i].name, name) == 0)
			return &rules[i];
	return NULL;
}

bool bounds_has(const char *name)
{
	return find_rule(name) || strcmp(name, "confine") == 0 || strcmp(name, "new-privileges") == 0;
}

size_t bounds_names(const char **names, size_t room)
{
	size_t n = 0;

	for (; n < RULES && n < room; n++)
		names[n] = rules[n].name;
	if (n < room)
		names[n++] = "confine";
	if (n < room)
		names[n++] = "new-privileges";
	return n;
}

/* ---- reading ---- */

static void read_rule(struct bounds *b, const struct bound_rule *rule, const struct directive *d, struct conf *c)
{
	long long value;

	if (directive_args(d) != 1 || !rule->read(&d->words[1], &value) || value < rule->min || value > rule->max)
		conf_mistake(c, &d->words[directive_args(d) > 0], "'%s' is %s", rule->name, rule->range);
	else
		*member(b, rule) = value;
}

static int read_confine(struct bounds *b, const struct directive *d, struct conf *c, struct arena *a)
{
	size_t n = directive_args(d);

	if (!confine_supported())
		conf_mistake(c, &d->words[0],
			     "this kernel can't confine programs: it has no Landlock, or an old one "
			     "(Linux 6.2 has what is needed)");
	b->confined = true;
	b->paths = arena_alloc(a, (n + 1) * sizeof *b->paths);
	if (!b->paths)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct word *w = &d->words[1 + i];
		const char *path = conf_path(c, w);
		if (!path)
			return -ENOMEM;
		if (access(path, F_OK) < 0)
			conf_mistake(c, w, "%s: %s", path, strerror(errno));
		b->paths[b->npaths++] = path;
	}
	return 0;
}

int bounds_read(struct bounds *b, const struct directive *d, struct conf *c, struct arena *a)
{
	const char *name = d->words[0].text;
	const struct bound_rule *rule = find_rule(name);

	if (rule)
		read_rule(b, rule, d, c);
	else if (strcmp(name, "confine") == 0)
		return b->confined ? 0 : read_confine(b, d, c, a);
	else if (directive_args(d) > 0)
		conf_mistake(c, &d->words[1], "nothing stands behind '%s'", name);
	else
		b->new_privileges = true;
	return 0;
}

/* ---- comparing, printing ---- */

bool bounds_equal(const struct bounds *a, const struct bounds *b)
{
	bool same = a->confined == b->confined && a->new_privileges == b->new_privileges && a->npaths == b->npaths;

	for (size_t i = 0; i < RULES && same; i++)
		same = number(a, &rules[i]) == number(b, &rules[i]);
	for (size_t i = 0; i < a->npaths && same; i++)
		same = strcmp(a->paths[i], b->paths[i]) == 0;
	return same;
}

void bounds_print(const struct bounds *b, FILE *to)
{
	for (size_t i = 0; i < RULES; i++)
		if (number(b, &rules[i]) != number(&default_bounds, &rules[i]))
			fprintf(to, " %s %lld%s;", rules[i].name, number(b, &rules[i]), rules[i].unit);
	if (b->new_privileges)
		fprintf(to, " new-privileges;");
	if (!b->confined)
		return;
	fprintf(to, " confine");
	for (size_t i = 0; i < b->npaths; i++)
		fprintf(to, " \"%s\"", b->paths[i]);
	fputc(';', to);
}
