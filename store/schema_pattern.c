/*
 * schema_pattern.c - the `pattern` of a field: a POSIX extended regular expression for the whole text.
 *
 * The C library writes repetitions out while it compiles, and calls itself for each parenthesis: a line such as
 * ((a{99}){99}){99} would take all memory. So the size of what it will build is computed before it is asked.
 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "limits.h"
#include "schema_read.h"

/* Memory grows with the square of the cost: about 4 MiB for the largest. */
enum { LARGEST_COST = LIMIT_PATTERN, LARGEST_SUM = 20 * LARGEST_COST * LARGEST_COST, DEEPEST = 100 };

struct measure {
	const char *at;
	size_t group[DEEPEST + 1]; /* cost of what each open parenthesis holds so far */
	size_t depth, last;        /* last: cost of the newest atom, counted in its group already */
	const char *problem;
};

/* at is behind the [. */
static const char *skip_bracket(const char *at)
{
	at += *at == '^';
	at += *at == ']';
	while (*at && *at != ']') {
		char kind = at[0] == '[' && at[1] && strchr(":.=", at[1]) ? at[1] : '\0';
		const char close[] = {kind, ']', '\0'};
		const char *end = kind ? strstr(at + 2, close) : NULL;
		at = end ? end + 2 : at + 1;
	}
	return at + (*at == ']');
}

/* The copies that {n}, {n,} and {n,m} make. */
static size_t copies(const char *at)
{
	unsigned long n = strtoul(at, (char **)&at, 10);

	if (*at == ',')
		n = at[1] == '}' ? n + 1 : strtoul(at + 1, NULL, 10);
	return n > LARGEST_COST ? LARGEST_COST + 1 : n;
}

static void repeat(struct measure *m, size_t n)
{
	size_t cost = m->last * (n ? n : 1);

	m->group[m->depth] += cost - m->last;
	m->last = cost;
	if (m->group[m->depth] > LARGEST_COST)
		m->problem = "the pattern is too large with its repetitions written out";
}

static void atom(struct measure *m)
{
	m->group[m->depth]++;
	m->last = 1;
}

static void open_group(struct measure *m)
{
	if (m->depth == DEEPEST)
		m->problem = "parentheses are nested too deep";
	else
		m->group[++m->depth] = 1;
	m->last = 0;
}

static void close_group(struct measure *m)
{
	if (m->depth == 0) {
		m->problem = "a ) stands without its (";
		return;
	}
	m->last = m->group[m->depth--];
	m->group[m->depth] += m->last;
	repeat(m, 1);
}

static void measure_one(struct measure *m)
{
	char c = *m->at++;

	if (c == '\\' && *m->at) {
		if (*m->at >= '1' && *m->at <= '9')
			m->problem = "\\1 to \\9 can't stand in a pattern";
		m->at++;
		atom(m);
	} else if (c == '[') {
		m->at = skip_bracket(m->at);
		atom(m);
	} else if (c == '(') {
		open_group(m);
	} else if (c == ')') {
		close_group(m);
	} else if (c == '{') {
		repeat(m, copies(m->at));
		m->at += strspn(m->at, "0123456789,");
	} else if (c == '+') {
		repeat(m, 2);
	} else if (!strchr("*?|}", c)) {
		atom(m);
	}
}

/* What keeps the pattern from being compiled, or NULL. */
static const char *too_much(struct reader *r, const char *pattern)
{
	struct measure m = {.at = pattern};

	while (*m.at && !m.problem)
		measure_one(&m);
	if (m.problem)
		return m.problem;
	r->patterns += m.group[0] * m.group[0];
	return r->patterns > LARGEST_SUM ? "the patterns are too large, all together" : NULL;
}

/* On its own first, so that the C library's words are about what was written. */
static bool compiles(struct reader *r, const char *pattern, const struct word *w)
{
	char text[200];
	regex_t regex;
	int rc = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);

	if (rc == 0) {
		regfree(&regex);
		return true;
	}
	regerror(rc, &regex, text, sizeof text);
	conf_mistake(r->c, w, "the pattern is not right: %s", text);
	return false;
}

void read_pattern(struct reader *r, struct field *f, const struct word *pattern)
{
	const char *problem = strlen(pattern->text) > LIMIT_PATTERN ? "the pattern is too long" : NULL;
	buf_auto bytes = BUF_INIT;

	if (!problem && !pattern_in_bytes(pattern->text, &bytes, &problem)) {
		r->nomem = true;
		return;
	}
	if (!problem)
		problem = too_much(r, buf_text(&bytes));
	if (problem) {
		conf_mistake(r->c, pattern, "%s", problem);
		return;
	}
	if (!compiles(r, pattern->text, pattern))
		return;
	char *whole = arena_printf(&r->scratch, "^(%s)$", buf_text(&bytes));
	regex_t *regex = reader_alloc(r, 1, sizeof *regex);
	if (!whole || !regex) {
		r->nomem = true;
		return;
	}
	if (regcomp(regex, whole, REG_EXTENDED | REG_NOSUB) != 0) {
		conf_mistake(r->c, pattern, "the pattern is not right between ^( and )$");
		return;
	}
	f->pattern = pattern->text;
	f->regex = regex;
}
