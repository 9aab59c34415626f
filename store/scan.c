/*
 * scan.c - struct json_scan: follows a JSON text that arrives in pieces and knows when its object is complete.
 *
 * A function per state of the lexer reads one byte and returns NULL, or why that byte can't stand there. Runs of white
 * space and of plain characters in strings are taken in one go. A string's states carry IN_KEY while it is the name of
 * a member. U+0000 in a string is refused here too: no column of the database could hold it.
 */
#include <string.h>

#include "json.h"
#include "utf8.h"

enum lexer {
	LEX_START,       /* before the object */
	LEX_VALUE,       /* after a colon, or a comma of an array */
	LEX_FIRST_VALUE, /* after [ */
	LEX_FIRST_NAME,  /* after { */
	LEX_NAME,        /* after a comma of an object */
	LEX_COLON,
	LEX_AFTER, /* after a value */
	LEX_END,   /* after the object */
	LEX_STRING,
	LEX_ESCAPE,   /* after a backslash */
	LEX_UNIT,     /* in the digits behind \u */
	LEX_SEQUENCE, /* in a UTF-8 sequence */
	LEX_TRUE,
	LEX_FALSE,
	LEX_NULL,
	LEX_MINUS,
	LEX_ZERO,
	LEX_INTEGER,
	LEX_POINT,
	LEX_FRACTION,
	LEX_EXPONENT,
	LEX_SIGN,
	LEX_POWER,
	LEX_COUNT
};

enum { IN_KEY = 0x80 };

typedef const char *step(struct json_scan *s, unsigned char c);

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static void go(struct json_scan *s, enum lexer to)
{
	s->lexer = (uint8_t)to;
}

/* Within a string: keeps IN_KEY. */
static void go_within(struct json_scan *s, enum lexer to)
{
	s->lexer = (uint8_t)(to | (s->lexer & IN_KEY));
}

static const char *open_level(struct json_scan *s, bool object)
{
	if (s->depth == LIMIT_JSON_DEPTH)
		return "arrays and objects are nested too deeply";
	s->object[++s->depth] = object;
	go(s, object ? LEX_FIRST_NAME : LEX_FIRST_VALUE);
	return NULL;
}

static const char *close_level(struct json_scan *s)
{
	go(s, LEX_AFTER);
	if (--s->depth == 0) {
		s->state = SCAN_COMPLETE;
		go(s, LEX_END);
	}
	return NULL;
}

static const char *open_string(struct json_scan *s, bool key)
{
	s->lexer = (uint8_t)(LEX_STRING | (key ? IN_KEY : 0));
	return NULL;
}

static const char *on_start(struct json_scan *s, unsigned char c)
{
	if (is_blank(c))
		return NULL;
	if (c == 0xef)
		return "a byte order mark can't stand here";
	if (c != '{')
		return "the text must be one object, which begins with {";
	s->state = SCAN_PARTIAL;
	return open_level(s, true);
}

static const char *on_literal_start(struct json_scan *s, enum lexer literal)
{
	s->count = 1;
	go(s, literal);
	return NULL;
}

static const char *on_value(struct json_scan *s, unsigned char c)
{
	if (is_blank(c))
		return NULL;
	switch (c) {
	case '"':
		return open_string(s, false);
	case '{':
		return open_level(s, true);
	case '[':
		return open_level(s, false);
	case 't':
		return on_literal_start(s, LEX_TRUE);
	case 'f':
		return on_literal_start(s, LEX_FALSE);
	case 'n':
		return on_literal_start(s, LEX_NULL);
	case '-':
		go(s, LEX_MINUS);
		return NULL;
	}
	if (!is_digit(c))
		return "expected a value";
	go(s, c == '0' ? LEX_ZERO : LEX_INTEGER);
	return NULL;
}

static const char *on_first_value(struct json_scan *s, unsigned char c)
{
	return c == ']' ? close_level(s) : on_value(s, c);
}

static const char *on_name(struct json_scan *s, unsigned char c)
{
	if (is_blank(c))
		return NULL;
	return c == '"' ? open_string(s, true) : "expected a member's name in double quotes";
}

static const char *on_first_name(struct json_scan *s, unsigned char c)
{
	return c == '}' ? close_level(s) : on_name(s, c);
}

static const char *on_colon(struct json_scan *s, unsigned char c)
{
	if (is_blank(c))
		return NULL;
	if (c != ':')
		return "expected a colon";
	go(s, LEX_VALUE);
	return NULL;
}

static const char *on_after(struct json_scan *s, unsigned char c)
{
	bool object = s->object[s->depth];
	if (is_blank(c))
		return NULL;
	if (c == ',') {
		go(s, object ? LEX_NAME : LEX_VALUE);
		return NULL;
	}
	if (c == (object ? '}' : ']'))
		return close_level(s);
	return object ? "expected a comma or }" : "expected a comma or ]";
}

static const char *on_end(struct json_scan *s, unsigned char c)
{
	(void)s;
	return is_blank(c) ? NULL : "text after the object";
}

static const char *on_string(struct json_scan *s, unsigned char c)
{
	if (c == '\\') {
		go_within(s, LEX_ESCAPE);
		return NULL;
	}
	if (s->high)
		return "a high surrogate needs a low one behind it";
	if (c == '"') {
		go(s, s->lexer & IN_KEY ? LEX_COLON : LEX_AFTER);
		return NULL;
	}
	if (c < 0x20)
		return "a control character in a string must be escaped";
	if (c < 0x80)
		return NULL;
	s->count = (uint8_t)utf8_lead(c, &s->low, &s->upper);
	if (s->count == 0)
		return "invalid UTF-8";
	go_within(s, LEX_SEQUENCE);
	return NULL;
}

static const char *on_sequence(struct json_scan *s, unsigned char c)
{
	if (c < s->low || c > s->upper)
		return "invalid UTF-8";
	s->low = 0x80;
	s->upper = 0xbf;
	if (--s->count == 1)
		go_within(s, LEX_STRING);
	return NULL;
}

static const char *on_escape(struct json_scan *s, unsigned char c)
{
	if (c == 'u') {
		s->count = 0;
		s->unit = 0;
		go_within(s, LEX_UNIT);
		return NULL;
	}
	if (s->high)
		return "a high surrogate needs a low one behind it";
	if (c == 0 || !strchr("\"\\/bfnrt", c))
		return "no such escape in a string";
	go_within(s, LEX_STRING);
	return NULL;
}

static const char *end_unit(struct json_scan *s)
{
	bool low = s->unit >= 0xdc00 && s->unit <= 0xdfff;
	if (s->high != low)
		return low ? "a low surrogate needs a high one before it"
			   : "a high surrogate needs a low one behind it";
	if (s->unit == 0)
		return "the character \\u0000 can't be stored";
	s->high = s->unit >= 0xd800 && s->unit <= 0xdbff;
	go_within(s, LEX_STRING);
	return NULL;
}

static const char *on_unit(struct json_scan *s, unsigned char c)
{
	unsigned lower = c | 0x20u;
	unsigned digit = is_digit(c) ? c - (unsigned)'0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
	if (digit == 16)
		return "expected four hexadecimal digits behind \\u";
	s->unit = (uint16_t)(s->unit << 4 | digit);
	return ++s->count == 4 ? end_unit(s) : NULL;
}

static const char *on_literal(struct json_scan *s, unsigned char c)
{
	static const char *const words[] = {"true", "false", "null"};
	const char *word = words[s->lexer - LEX_TRUE];
	if ((unsigned char)word[s->count] != c)
		return "expected true, false or null";
	if (word[++s->count] == '\0')
		go(s, LEX_AFTER);
	return NULL;
}

/* Behind - and . and e a digit must follow. */
static const char *on_digit(struct json_scan *s, unsigned char c)
{
	if (!is_digit(c))
		return "expected a digit";
	if (s->lexer == LEX_MINUS)
		go(s, c == '0' ? LEX_ZERO : LEX_INTEGER);
	else
		go(s, s->lexer == LEX_POINT ? LEX_FRACTION : LEX_POWER);
	return NULL;
}

static const char *on_exponent(struct json_scan *s, unsigned char c)
{
	if (c != '+' && c != '-')
		return on_digit(s, c);
	go(s, LEX_SIGN);
	return NULL;
}

/* In digits, or where they may end. */
static const char *on_number(struct json_scan *s, unsigned char c)
{
	if (is_digit(c))
		return s->lexer == LEX_ZERO ? "a number can't begin with 0 and more digits" : NULL;
	if (c == '.' && s->lexer <= LEX_INTEGER) {
		go(s, LEX_POINT);
		return NULL;
	}
	if ((c == 'e' || c == 'E') && s->lexer != LEX_POWER) {
		go(s, LEX_EXPONENT);
		return NULL;
	}
	go(s, LEX_AFTER);
	return on_after(s, c);
}

static step *const steps[LEX_COUNT] = {
    [LEX_START] = on_start,
    [LEX_VALUE] = on_value,
    [LEX_FIRST_VALUE] = on_first_value,
    [LEX_FIRST_NAME] = on_first_name,
    [LEX_NAME] = on_name,
    [LEX_COLON] = on_colon,
    [LEX_AFTER] = on_after,
    [LEX_END] = on_end,
    [LEX_STRING] = on_string,
    [LEX_ESCAPE] = on_escape,
    [LEX_UNIT] = on_unit,
    [LEX_SEQUENCE] = on_sequence,
    [LEX_TRUE] = on_literal,
    [LEX_FALSE] = on_literal,
    [LEX_NULL] = on_literal,
    [LEX_MINUS] = on_digit,
    [LEX_ZERO] = on_number,
    [LEX_INTEGER] = on_number,
    [LEX_POINT] = on_digit,
    [LEX_FRACTION] = on_number,
    [LEX_EXPONENT] = on_exponent,
    [LEX_SIGN] = on_digit,
    [LEX_POWER] = on_number,
};

/* ASCII that stands for itself in a string. */
static const bool is_plain[256] = {[' ' ... '!'] = true, ['#' ... '['] = true, [']' ... 0x7f] = true};

/* Plain characters of a string, or blanks where no token is open: what can be passed without looking at the state. */
static size_t plain_run(const struct json_scan *s, const char *text, size_t len)
{
	size_t n = 0;
	if ((s->lexer & ~IN_KEY) == LEX_STRING && !s->high)
		while (n < len && is_plain[(unsigned char)text[n]])
			n++;
	else if (s->lexer <= LEX_END)
		while (n < len && text[n] == ' ')
			n++;
	return n;
}

void json_scan_init(struct json_scan *s)
{
	*s = (struct json_scan){.state = SCAN_EMPTY, .lexer = LEX_START, .line = 1, .column = 1};
}

size_t json_scan(struct json_scan *s, const char *text, size_t len)
{
	bool was_complete = s->state == SCAN_COMPLETE;
	size_t at = 0;
	while (at < len && s->state != SCAN_INVALID) {
		size_t run = plain_run(s, text + at, len - at);
		s->column += (int)run;
		at += run;
		if (at == len)
			break;
		unsigned char c = (unsigned char)text[at];
		const char *why = steps[s->lexer & ~IN_KEY](s, c);
		if (why) {
			s->state = SCAN_INVALID;
			s->why = why;
			break;
		}
		at++;
		s->column = c == '\n' ? 1 : s->column + 1;
		s->line += c == '\n';
		if (s->state == SCAN_COMPLETE && !was_complete)
			break;
	}
	return at;
}
