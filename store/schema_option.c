/*
 * schema_option.c - the options of a field: which there are, which fit which type, which exclude each other.
 *
 * The words are found in the first pass, because a field that is the key must be known before others refer to it; what
 * they mean is read in the second.
 */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "schema_read.h"
#include "utf8.h"

#define TYPE_BIT(type) (1u << (type))
#define ANY_TYPE       ((1u << TYPE_COUNT) - 1)
#define TEXT_ONLY      TYPE_BIT(TYPE_STRING)
#define LISTED         (TYPE_BIT(TYPE_STRING) | TYPE_BIT(TYPE_INTEGER))
#define MEASURED       (TYPE_BIT(TYPE_INTEGER) | TYPE_BIT(TYPE_NUMBER) | TYPE_BIT(TYPE_STRING))

/* ---- options with an argument ---- */

static void read_references(struct reader *r, struct field *f, const struct word *w)
{
	const struct model *to = find_model(r, w);
	const struct word *type = f->where + 1;

	if (!to)
		return;
	f->references = to;
	if (r->source->of[f->index].bad_type || r->sources[to->index].of[to->key->index].bad_type)
		return;
	if (to->key->type != f->type)
		conf_mistake(r->c, type, "'%s' is %s, but the key of '%s', which it refers to, is %s", f->name,
			     field_type_name(f->type), to->name, field_type_name(to->key->type));
}

static void read_on_delete(struct reader *r, struct field *f, const struct word *w)
{
	static const char *const names[] = {
	    [DELETE_RESTRICT] = "restrict", [DELETE_CASCADE] = "cascade", [DELETE_SET_NULL] = "set-null"};
	const size_t n = sizeof names / sizeof *names;
	size_t i = 0;

	while (i < n && strcmp(names[i], w->text) != 0)
		i++;
	if (i == n)
		conf_unknown(r->c, w, "on-delete", names, n);
	else
		f->on_delete = (enum on_delete)i;
	if (i == DELETE_SET_NULL && (f->required || f == r->model->key))
		conf_mistake(r->c, w, "set-null can't be: '%s' is %s", f->name, f->required ? "required" : "the key");
}

static int by_text(const void *one, const void *other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

static void check_enum_twice(struct reader *r, const struct field *f, const struct word *w)
{
	const char **sorted = arena_alloc(&r->scratch, f->nwords * sizeof *sorted);

	if (!sorted) {
		r->nomem = true;
		return;
	}
	memcpy(sorted, f->words, f->nwords * sizeof *sorted);
	qsort(sorted, f->nwords, sizeof *sorted, by_text);
	for (size_t i = 1; i < f->nwords; i++)
		if (strcmp(sorted[i], sorted[i - 1]) == 0) {
			conf_mistake(r->c, w, "the enum has '%s' twice", sorted[i]);
			return;
		}
}

static void check_enum_integers(struct reader *r, const struct field *f, const struct word *w)
{
	struct value v;

	for (size_t i = 0; f->type == TYPE_INTEGER && i < f->nwords; i++)
		if (value_from_text(TYPE_INTEGER, f->words[i], strlen(f->words[i]), &r->scratch, &v) < 0) {
			conf_mistake(r->c, w, "%s is an integer, '%s' in its enum is none", f->name, f->words[i]);
			return;
		}
}

static void read_enum(struct reader *r, struct field *f, const struct word *w)
{
	char *text = arena_copy(&r->s->arena, w->text, strlen(w->text));
	size_t n = 1;

	for (const char *c = w->text; *c; c++)
		n += *c == ',';
	f->words = reader_alloc(r, n, sizeof *f->words);
	r->nomem |= !text;
	if (r->nomem)
		return;
	for (char *word; (word = strsep(&text, ","));)
		f->words[f->nwords++] = word;
	for (size_t i = 0; i < n; i++)
		if (f->words[i][0] == '\0') {
			conf_mistake(r->c, w, "an enum is words with commas and no blanks between: A,B,C");
			return;
		}
	check_enum_twice(r, f, w);
	check_enum_integers(r, f, w);
}

static void read_format(struct reader *r, struct field *f, const struct word *w)
{
	static const char *const names[] = {
	    [FORMAT_EMAIL] = "email", [FORMAT_URI] = "uri",   [FORMAT_HOSTNAME] = "hostname",
	    [FORMAT_IPV4] = "ipv4",   [FORMAT_IPV6] = "ipv6",
	};

	for (int i = FORMAT_NONE + 1; i < FORMAT_COUNT; i++)
		if (strcmp(names[i], w->text) == 0)
			f->format = (enum field_format)i;
	if (f->format == FORMAT_NONE)
		conf_unknown(r->c, w, "format", names + 1, FORMAT_COUNT - 1);
}

static bool read_bound(struct reader *r, const struct field *f, const struct word *w, double *bound)
{
	char *end = NULL;
	bool plain = w->text[0] && w->text[strspn(w->text, "0123456789+-.eE")] == '\0';
	double value = plain ? strtod(w->text, &end) : NAN;
	const char *problem = NULL;

	if (!plain || *end || !isfinite(value))
		problem = "is no number";
	else if (f->type != TYPE_NUMBER && value != floor(value))
		problem = "is no whole number";
	else if (f->type == TYPE_STRING && value < 0)
		problem = "is no length of a string";
	if (problem)
		conf_mistake(r->c, w, "'%s' %s", w->text, problem);
	*bound = problem ? 0 : value;
	return !problem;
}

static void read_min(struct reader *r, struct field *f, const struct word *w)
{
	f->has_min = read_bound(r, f, w, &f->min);
}

static void read_max(struct reader *r, struct field *f, const struct word *w)
{
	f->has_max = read_bound(r, f, w, &f->max);
	if (f->has_min && f->has_max && f->min > f->max)
		conf_mistake(r->c, w, "max %s is less than min", w->text);
}

static void read_check(struct reader *r, struct field *f, const struct word *w)
{
	if (w->text[strspn(w->text, " \t\r\n")] == '\0') {
		conf_mistake(r->c, w, "'check' needs an SQL expression");
		return;
	}
	f->check = w->text;
	f->check_where = w;
}

/* ---- defaults ---- */

static const struct default_rule {
	const char *name;
	enum default_kind kind;
	unsigned types;
	const char *needs;
} default_rules[] = {
    {"now", DEFAULT_NOW, TYPE_BIT(TYPE_DATETIME) | TYPE_BIT(TYPE_DATE) | TYPE_BIT(TYPE_TIME), "datetime, date or time"},
    {"today", DEFAULT_TODAY, TYPE_BIT(TYPE_DATE), "date"},
    {"uuid", DEFAULT_UUID, TYPE_BIT(TYPE_UUID) | TEXT_ONLY, "uuid or string"},
    {"uid", DEFAULT_UID, TYPE_BIT(TYPE_INTEGER), "integer"},
    {"user", DEFAULT_USER, TEXT_ONLY, "string"},
};

static bool in_enum(const struct field *f, const char *text)
{
	for (size_t i = 0; i < f->nwords; i++)
		if (strcmp(f->words[i], text) == 0)
			return true;
	return false;
}

/* True where the word is none of these. A quoted word and one of the enum are what they say. */
static bool is_literal(const struct field *f, const struct word *w, const struct default_rule **rule)
{
	for (size_t i = 0; i < sizeof default_rules / sizeof *default_rules; i++) {
		*rule = &default_rules[i];
		if (strcmp((*rule)->name, w->text) == 0)
			return w->quoted || in_enum(f, w->text);
	}
	return true;
}

static bool out_of_bounds(const struct field *f, const struct value *v)
{
	double measure = 0;
	size_t characters = 0;

	if (v->kind == VALUE_INTEGER)
		measure = (double)v->integer;
	else if (v->kind == VALUE_REAL)
		measure = v->real;
	else if (utf8_valid(v->text.data, v->text.len, &characters))
		measure = (double)characters;
	return (f->has_min && measure < f->min) || (f->has_max && measure > f->max);
}

static void read_literal(struct reader *r, struct field *f, const struct word *w)
{
	int rc = value_from_text(f->type, w->text, strlen(w->text), &r->s->arena, &f->default_value);

	if (rc == -ENOMEM)
		r->nomem = true;
	else if (rc)
		conf_mistake(r->c, w, "'%s' is no %s", w->text, field_type_name(f->type));
	else if (f == r->model->key)
		conf_mistake(r->c, w, "a key can't have the same default in every record");
	else if (f->words && !in_enum(f, w->text))
		conf_unknown(r->c, w, "default", (const char *const *)f->words, f->nwords);
	else if (out_of_bounds(f, &f->default_value))
		conf_mistake(r->c, w, "the default is out of the bounds of min and max");
	else if (f->regex && regexec(f->regex, w->text, 0, NULL, 0) != 0)
		conf_mistake(r->c, w, "the default does not match the pattern");
	else
		f->default_kind = DEFAULT_LITERAL;
}

static void read_default(struct reader *r, struct field *f, const struct word *w)
{
	const struct default_rule *rule;

	if (r->source->of[f->index].bad_type)
		return;
	if (is_literal(f, w, &rule))
		read_literal(r, f, w);
	else if (rule->types & TYPE_BIT(f->type))
		f->default_kind = rule->kind;
	else
		conf_mistake(r->c, w, "'default %s' needs the type %s; in quotes it is text", rule->name, rule->needs);
}

/* ---- the options ---- */

#define FLAG(member) offsetof(struct field, member)
#define NO_FLAG      0 /* where the name is */

static const struct option_rule {
	const char *name;
	const char *argument; /* what it takes; NULL: nothing */
	unsigned types;
	size_t flag; /* the bool that it sets */
	void (*read)(struct reader *r, struct field *f, const struct word *argument);
} options[OPTION_COUNT] = {
    [OPTION_KEY] = {"key", NULL, ANY_TYPE, NO_FLAG, NULL},
    [OPTION_REQUIRED] = {"required", NULL, ANY_TYPE, FLAG(required), NULL},
    [OPTION_UNIQUE] = {"unique", NULL, ANY_TYPE, FLAG(unique), NULL},
    [OPTION_READ_ONLY] = {"read-only", NULL, ANY_TYPE, FLAG(read_only), NULL},
    [OPTION_WRITE_ONLY] = {"write-only", NULL, ANY_TYPE, FLAG(write_only), NULL},
    [OPTION_HIDDEN] = {"hidden", NULL, ANY_TYPE, FLAG(hidden), NULL},
    [OPTION_IMMUTABLE] = {"immutable", NULL, ANY_TYPE, FLAG(immutable), NULL},
    [OPTION_REFERENCES] = {"references", "a model", ANY_TYPE, NO_FLAG, read_references},
    [OPTION_ON_DELETE] = {"on-delete", "restrict, cascade or set-null", ANY_TYPE, NO_FLAG, read_on_delete},
    [OPTION_ENUM] = {"enum", "words: A,B,C", LISTED, NO_FLAG, read_enum},
    [OPTION_FORMAT] = {"format", "email, uri, hostname, ipv4 or ipv6", TEXT_ONLY, NO_FLAG, read_format},
    [OPTION_PATTERN] = {"pattern", "a regular expression", TEXT_ONLY, NO_FLAG, read_pattern},
    [OPTION_MIN] = {"min", "a number", MEASURED, NO_FLAG, read_min},
    [OPTION_MAX] = {"max", "a number", MEASURED, NO_FLAG, read_max},
    [OPTION_CHECK] = {"check", "an SQL expression", ANY_TYPE, NO_FLAG, read_check},
    [OPTION_DEFAULT] = {"default", "a value", ANY_TYPE, NO_FLAG, read_default},
};

static const struct {
	enum field_option one, other;
} exclusive[] = {
    {OPTION_HIDDEN, OPTION_WRITE_ONLY},
    {OPTION_READ_ONLY, OPTION_WRITE_ONLY},
    {OPTION_KEY, OPTION_HIDDEN},
    {OPTION_KEY, OPTION_WRITE_ONLY},
};

static int option_by_name(const char *name)
{
	int i = 0;

	while (i < OPTION_COUNT && strcmp(options[i].name, name) != 0)
		i++;
	return i;
}

bool is_option(const char *name)
{
	return option_by_name(name) < OPTION_COUNT;
}

static void unknown_option(struct reader *r, const struct word *w)
{
	const char *names[OPTION_COUNT];

	for (int i = 0; i < OPTION_COUNT; i++)
		names[i] = options[i].name;
	conf_unknown(r->c, w, "field option", names, OPTION_COUNT);
}

void read_option_words(struct reader *r, struct field_source *source)
{
	const struct directive *d = source->directive;
	bool was_unknown = false; /* the word behind may be its argument */

	for (size_t i = source->first; i < d->nwords; i++) {
		const struct word *w = &d->words[i];
		int option = option_by_name(w->text);
		if (option == OPTION_COUNT) {
			if (!was_unknown)
				unknown_option(r, w);
			was_unknown = !was_unknown;
			continue;
		}
		was_unknown = false;
		if (source->given[option])
			conf_mistake(r->c, w, "'%s' is given twice", w->text);
		if (options[option].argument && ++i == d->nwords) {
			conf_mistake(r->c, w, "'%s' needs %s", w->text, options[option].argument);
			return;
		}
		source->given[option] = w;
	}
}

static const char *types_text(unsigned types)
{
	if (types == TEXT_ONLY)
		return "a string";
	return types == LISTED ? "a string or an integer" : "an integer, a number or a string";
}

static void check_combinations(struct reader *r, const struct field *f, const struct field_source *source)
{
	const struct word *const *given = source->given;

	for (size_t i = 0; i < sizeof exclusive / sizeof *exclusive; i++) {
		const struct word *a = given[exclusive[i].one], *b = given[exclusive[i].other];
		if (a && b)
			conf_mistake(r->c, a > b ? a : b, "'%s' and '%s' exclude each other", a->text, b->text);
	}
	if (given[OPTION_ON_DELETE] && !given[OPTION_REFERENCES])
		conf_mistake(r->c, given[OPTION_ON_DELETE], "'on-delete' needs 'references'");
	if (f->hidden && f->required && !given[OPTION_DEFAULT])
		conf_mistake(r->c, given[OPTION_REQUIRED],
			     "a hidden field is in no file: required, it needs a default");
}

void read_options(struct reader *r, struct field *f, const struct field_source *source)
{
	for (int i = 0; i < OPTION_COUNT && !r->nomem; i++) {
		const struct option_rule *rule = &options[i];
		const struct word *w = source->given[i];
		if (!w)
			continue;
		if (rule->flag != NO_FLAG)
			*(bool *)((char *)f + rule->flag) = true;
		if (source->bad_type && rule->types != ANY_TYPE)
			continue;
		if (!(rule->types & TYPE_BIT(f->type)))
			conf_mistake(r->c, w, "'%s' needs %s, and '%s' is %s", rule->name, types_text(rule->types),
				     f->name, field_type_name(f->type));
		else if (rule->read)
			rule->read(r, f, w + 1);
	}
	check_combinations(r, f, source);
}
