/*
 * conf.c - the syntax of mount.conf: words, directives and blocks.
 *
 * The text is read once, from front to back, without recursion: a stack of LIMIT_CONF_DEPTH levels holds the open
 * blocks. Whatever the bytes are, the answer is a tree of what could be understood and a list of mistakes. The list
 * (conf_mistake.c) is allocated before the first word, so that a mistake is never lost for want of memory.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "conf.h"
#include "limits.h"
#include "utf8.h"

enum token { TOKEN_WORD, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_END, TOKEN_EOF };

/* An open block, or the top of the file. */
struct level {
	struct directive **tail; /* where the next directive goes */
	struct directive *last;
	struct word brace;
};

struct parser {
	struct conf *c;
	const char *at, *end, *line_start;
	int line;
	struct word word; /* the newest token's */
	struct buf scratch;
	struct word *words; /* of the directive that is being read */
	size_t nwords, cap;
	struct level levels[LIMIT_CONF_DEPTH + 1];
	size_t depth; /* may exceed the levels; what stands there is not kept */
	bool open_quote, nomem;
};

/* ---- words ---- */

static bool more(const struct parser *p)
{
	return p->at < p->end;
}

static void step(struct parser *p)
{
	if (*p->at++ == '\n') {
		p->line++;
		p->line_start = p->at;
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void word_begin(struct parser *p)
{
	p->word = (struct word){.line = p->line, .column = (int)(p->at - p->line_start) + 1, .length = 1};
	buf_reset(&p->scratch);
}

/* start: of the word in the text. Underlined is what stands on its first line. */
static void word_end(struct parser *p, const char *start)
{
	const char *eol = memchr(start, '\n', (size_t)(p->at - start));
	size_t length = (size_t)((eol ? eol : p->at) - start);

	p->word.length = length ? (int)length : 1;
	p->word.text = arena_copy(&p->c->arena, buf_text(&p->scratch), p->scratch.len);
	if (!p->word.text || buf_failed(&p->scratch))
		p->nomem = true;
}

/* p->at is behind a backslash inside "...". Others than these three stay as they are, for SQL and patterns. */
static void escape(struct parser *p)
{
	if (!more(p))
		return;
	if (!strchr("\"\\n", *p->at))
		buf_char(&p->scratch, '\\');
	buf_char(&p->scratch, *p->at == 'n' ? '\n' : *p->at);
	step(p);
}

static void quoted_part(struct parser *p)
{
	struct word quote = {.line = p->line, .column = (int)(p->at - p->line_start) + 1, .length = 1};
	char mark = *p->at;

	step(p);
	while (more(p) && *p->at != mark) {
		char c = *p->at;
		step(p);
		if (c == '\\' && mark == '"')
			escape(p);
		else
			buf_char(&p->scratch, c);
	}
	if (more(p)) {
		step(p);
		return;
	}
	p->open_quote = true;
	conf_mistake(p->c, &quote, "this quote is never closed");
}

static void quoted_word(struct parser *p)
{
	const char *start = p->at;

	p->word.quoted = true;
	quoted_part(p);
	word_end(p, start);
	if (!more(p) || isspace((unsigned char)*p->at) || strchr("{};#", *p->at))
		return;
	struct word behind = {.line = p->line, .column = (int)(p->at - p->line_start) + 1, .length = 1};
	conf_mistake(p->c, &behind, "a blank is missing between the quoted word and this");
}

/* [a-z]{3} and ${x} are parts of a word; the brace of users{ opens a block. */
static bool brace_in_word(const struct parser *p)
{
	const char *c = p->at + 1;

	while (c < p->end && !isspace((unsigned char)*c) && !strchr("{};", *c))
		c++;
	return c < p->end && *c == '}' && c > p->at + 1;
}

static void backslash(struct parser *p)
{
	struct word at = {.line = p->line, .column = (int)(p->at - p->line_start) + 1, .length = 1};

	step(p);
	if (!more(p) || *p->at == '\n' || *p->at == '\r') {
		conf_mistake(p->c, &at, "a \\ can't end a line; a quoted word may span lines");
		return;
	}
	buf_char(&p->scratch, *p->at);
	step(p);
}

static void plain_word(struct parser *p)
{
	const char *start = p->at;
	bool brace = false;

	while (more(p)) {
		char c = *p->at;
		if (is_blank(c) || c == '\n' || c == ';' || (c == '}' && !brace))
			break;
		if (c == '{' && !brace_in_word(p))
			break;
		brace = c == '{' || (brace && c != '}');
		if (c == '\\') {
			backslash(p);
		} else if (c == '"' || c == '\'') {
			quoted_part(p);
		} else {
			buf_char(&p->scratch, c);
			step(p);
		}
	}
	word_end(p, start);
}

static enum token next_token(struct parser *p)
{
	while (more(p) && is_blank(*p->at))
		step(p);
	if (more(p) && *p->at == '#')
		while (more(p) && *p->at != '\n')
			step(p);
	word_begin(p);
	if (!more(p))
		return TOKEN_EOF;
	if (*p->at == '"' || *p->at == '\'') {
		quoted_word(p);
		return TOKEN_WORD;
	}
	if (!strchr("\n;{}", *p->at)) {
		plain_word(p);
		return TOKEN_WORD;
	}
	char c = *p->at;
	step(p);
	return c == '{' ? TOKEN_OPEN : c == '}' ? TOKEN_CLOSE : TOKEN_END;
}

/* ---- directives and blocks ---- */

static struct level *level_of(struct parser *p)
{
	return p->depth <= LIMIT_CONF_DEPTH ? &p->levels[p->depth] : NULL;
}

static void add_word(struct parser *p)
{
	if (p->nwords == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		struct word *words = reallocarray(p->words, cap, sizeof *words);
		if (!words) {
			p->nomem = true;
			return;
		}
		p->words = words;
		p->cap = cap;
	}
	p->words[p->nwords++] = p->word;
}

static void end_directive(struct parser *p)
{
	struct level *level = level_of(p);
	struct directive *d;
	size_t n = p->nwords;

	p->nwords = 0;
	if (n == 0 || !level)
		return;
	d = arena_alloc(&p->c->arena, sizeof *d);
	if (d)
		d->words = (struct word *)arena_copy(&p->c->arena, p->words, n * sizeof *d->words);
	if (!d || !d->words) {
		p->nomem = true;
		return;
	}
	d->nwords = n;
	*level->tail = d;
	level->tail = &d->next;
	level->last = d;
}

static void open_block(struct parser *p)
{
	struct level *level = level_of(p);
	bool own = p->nwords > 0;

	end_directive(p);
	p->depth++;
	if (!level || p->nomem)
		return;
	if (!own)
		conf_mistake(p->c, &p->word, "a { stands on the line of its directive");
	struct level *inner = level_of(p);
	if (!inner) {
		conf_mistake(p->c, &p->word, "blocks are nested deeper than %d", LIMIT_CONF_DEPTH);
		return;
	}
	static const struct level empty;
	*inner = empty;
	inner->brace = p->word;
	/* A { on a line of its own is taken as the block of the directive above it, so that its content is checked. */
	struct directive *d = level->last && !level->last->has_block ? level->last : NULL;
	struct directive *dropped = d ? NULL : arena_alloc(&p->c->arena, sizeof *dropped);
	if (!d && !dropped) {
		p->nomem = true;
		return;
	}
	inner->tail = d ? &d->children : &dropped->children;
	if (d)
		d->has_block = true;
}

static void close_block(struct parser *p)
{
	end_directive(p);
	if (p->depth > 0)
		p->depth--;
	else
		conf_mistake(p->c, &p->word, "there is no block to close here");
}

static void parse(struct parser *p)
{
	enum token token = TOKEN_END;

	p->levels[0].tail = &p->c->directives;
	while (token != TOKEN_EOF && !p->nomem) {
		token = next_token(p);
		if (token == TOKEN_WORD)
			add_word(p);
		else if (token == TOKEN_OPEN)
			open_block(p);
		else if (token == TOKEN_CLOSE)
			close_block(p);
		else
			end_directive(p);
	}
	for (size_t i = p->depth < LIMIT_CONF_DEPTH ? p->depth : LIMIT_CONF_DEPTH; i > 0 && !p->open_quote; i--)
		conf_mistake(p->c, &p->levels[i].brace, "this block is never closed");
}

/* ---- the file ---- */

static int check_bytes(struct conf *c, struct err *e)
{
	struct word at = {.line = 1, .column = 1, .length = 1};

	for (size_t i = 0, n; i < c->len; i += n) {
		n = utf8_sequence(c->text + i, c->len - i);
		if (n == 0 || c->text[i] == '\0') {
			const char *what = n ? "a NUL byte can't stand here" : "this is not UTF-8";
			conf_mistake(c, &at, "%s", what);
			return err_set(e, EBADMSG, "%s:%d:%d: %s", c->path, at.line, at.column, what);
		}
		at.column += (int)n;
		if (c->text[i] == '\n') {
			at.line++;
			at.column = 1;
		}
	}
	return 0;
}

static char *absolute_directory(struct arena *a, const char *path)
{
	char real[PATH_MAX], cwd[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const char *dir = !slash ? "." : arena_copy(a, path, slash == path ? 1 : (size_t)(slash - path));

	if (!dir)
		return NULL;
	if (realpath(dir, real))
		return arena_copy(a, real, strlen(real));
	if (dir[0] == '/' || !getcwd(cwd, sizeof cwd))
		return arena_copy(a, dir, strlen(dir));
	return arena_printf(a, "%s/%s", cwd, dir);
}

/* Fills what messages need. */
static int begin(struct conf *c, const char *path, struct err *e)
{
	*c = (struct conf)CONF_INIT;
	c->path = arena_copy(&c->arena, path, strlen(path));
	c->directory = absolute_directory(&c->arena, path);
	c->mistakes = arena_alloc(&c->arena, LIMIT_MISTAKES * sizeof *c->mistakes);
	return c->path && c->directory && c->mistakes ? 0 : err_nomem(e);
}

int conf_parse(struct conf *c, const char *path, const char *text, size_t len, struct err *e)
{
	int rc = begin(c, path, e);

	if (rc)
		return rc;
	if (len > LIMIT_CONF)
		return err_set(e, EFBIG, "%s is larger than %d bytes", path, LIMIT_CONF);
	c->text = arena_copy(&c->arena, text, len);
	if (!c->text)
		return err_nomem(e);
	c->len = len;
	if ((rc = check_bytes(c, e)))
		return rc;
	struct parser p = {.c = c, .at = c->text, .end = c->text + len, .line_start = c->text, .line = 1};
	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		p.at += 3;
	parse(&p);
	buf_release(&p.scratch);
	free(p.words);
	return p.nomem ? err_nomem(e) : 0;
}

static void place_words(struct directive *d, const struct word *at)
{
	for (; d; d = d->next) {
		for (size_t i = 0; i < d->nwords; i++) {
			d->words[i].line = at->line;
			d->words[i].column = at->column;
			d->words[i].length = at->length;
		}
		place_words(d->children, at);
	}
}

int conf_insert(struct conf *c, const struct word *at, const char *text, size_t len, struct directive **out,
		struct err *e)
{
	struct directive *own = c->directives;
	char *copy = arena_copy(&c->arena, text, len);
	if (!copy)
		return err_nomem(e);
	struct parser p = {.c = c, .at = copy, .end = copy + len, .line_start = copy, .line = 1};
	c->directives = NULL;
	parse(&p);
	*out = c->directives;
	c->directives = own;
	place_words(*out, at);
	c->completed = true;
	buf_release(&p.scratch);
	free(p.words);
	return p.nomem ? err_nomem(e) : 0;
}

static int read_all(int fd, const char *path, struct buf *b, struct err *e)
{
	char chunk[8192];

	while (b->len <= LIMIT_CONF) {
		ssize_t n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, errno, "%s can't be read: %s", path, strerror(errno));
		if (n == 0)
			break;
		buf_add(b, chunk, (size_t)n);
		if (buf_failed(b))
			return err_nomem(e);
	}
	return 0;
}

int conf_read(struct conf *c, const char *path, struct err *e)
{
	buf_auto text = BUF_INIT;
	int rc, fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		int code = errno;
		rc = begin(c, path, e);
		return rc ? rc : err_set(e, code, "%s can't be read: %s", path, strerror(code));
	}
	rc = read_all(fd, path, &text, e);
	close(fd);
	if (rc) {
		int again = begin(c, path, e);
		return again ? again : rc;
	}
	return conf_parse(c, path, buf_text(&text), text.len, e);
}

void conf_release(struct conf *c)
{
	arena_release(&c->arena);
	*c = (struct conf)CONF_INIT;
}

/* ---- what words mean ---- */

const char *conf_path(struct conf *c, const struct word *w)
{
	if (w->text[0] == '/')
		return w->text;
	return arena_printf(&c->arena, "%s/%s", strcmp(c->directory, "/") == 0 ? "" : c->directory, w->text);
}

bool word_integer(const struct word *w, long long *out)
{
	const char *digits = w->text + (w->text[0] == '-');
	char *end;

	if (!isdigit((unsigned char)digits[0]))
		return false;
	errno = 0;
	long long value = strtoll(w->text, &end, 10);
	if (errno || *end)
		return false;
	*out = value;
	return true;
}

bool word_duration(const struct word *w, long long *ms)
{
	static const struct {
		const char *unit;
		long long ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	long long value;
	char *end;

	if (!isdigit((unsigned char)w->text[0]))
		return false;
	errno = 0;
	value = strtoll(w->text, &end, 10);
	if (errno)
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (strcmp(end, units[i].unit) == 0)
			return !__builtin_mul_overflow(value, units[i].ms, ms);
	return false;
}
