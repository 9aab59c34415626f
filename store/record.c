/*
 * record.c - prints a row as the members of its file, and turns keys into file names and back.
 *
 * A key has exactly one name: record_key takes a name apart, makes the key's name again and compares. What comes the
 * other way, from documents, is bind.c's.
 */
#include <errno.h>
#include <string.h>

#include "json.h"
#include "limits.h"
#include "record.h"
#include "utf8.h"

static const char suffix[] = ".json";

enum { SUFFIX = sizeof suffix - 1 };

static const char *const verbs[VERB_COUNT] = {
    [VERB_CREATE] = "create",
    [VERB_REPLACE] = "replace",
    [VERB_PATCH] = "patch",
    [VERB_DELETE] = "delete",
};

const char *verb_name(enum verb verb)
{
	return verbs[verb];
}

/* ---- printing ---- */

void record_member(struct buf *b, const char *name, size_t before, int indent)
{
	if (before > 0)
		buf_char(b, ',');
	if (indent >= 0) {
		buf_char(b, '\n');
		buf_fill(b, ' ', 2 * ((size_t)indent + 1));
	}
	json_write_string(b, name, strlen(name));
	buf_add(b, ": ", indent < 0 ? 1 : 2);
}

void record_checksum(struct buf *b, const char *checksum, size_t before)
{
	record_member(b, CHECKSUM_MEMBER, before, 0);
	json_write_string(b, checksum, strlen(checksum));
}

size_t record_room(const struct model *m)
{
	const size_t member = sizeof ",\n  : \"\"" - 1 + sizeof "\"" CHECKSUM_MEMBER "\"" - 1 + CHECKSUM_SIZE - 1;
	return LIMIT_RECORD - 1 - (m->checksum_in_file ? member : 0);
}

void record_close(struct buf *b, size_t members, int indent)
{
	if (members > 0 && indent >= 0) {
		buf_char(b, '\n');
		buf_fill(b, ' ', 2 * (size_t)indent);
	}
	buf_char(b, '}');
}

static bool is_shown(const struct field *f, enum show show)
{
	if (show == SHOW_SECRETS)
		return !field_in_file(f);
	return show == SHOW_FILE ? field_in_file(f) : !f->write_only;
}

size_t record_open(struct buf *b, const struct model *m, const struct value *row, enum show show, int indent,
		   const struct field *except)
{
	size_t members = 0;
	buf_char(b, '{');
	for (size_t i = 0; i <= m->nfields; i++) {
		const struct field *f = i == 0 ? m->key : &m->fields[i - 1];
		if ((i > 0 && f == m->key) || f == except || !is_shown(f, show))
			continue;
		record_member(b, f->name, members++, indent);
		if (f == m->key && value_is_provisional(&row[f->index]))
			buf_str(b, "null");
		else
			value_write(b, f->type, &row[f->index], indent < 0 ? -1 : indent + 1);
	}
	return members;
}

/* ---- file names ---- */

bool record_is_name(const char *name)
{
	size_t len = strlen(name);
	return len > SUFFIX && name[0] != '.' && strcmp(name + len - SUFFIX, suffix) == 0;
}

static bool must_encode(const char *text, size_t at)
{
	unsigned char c = (unsigned char)text[at];
	return c < 0x20 || c == 0x7f || c == '/' || c == '%' || (c == '.' && at == 0);
}

static void encode(struct buf *b, const char *text, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		char encoded[3] = {'%', digits[c >> 4], digits[c & 15]};
		if (must_encode(text, i))
			buf_add(b, encoded, sizeof encoded);
		else
			buf_char(b, text[i]);
	}
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Takes the encoding off len bytes of a name; -1 where it is none. out has room for len bytes. */
static ptrdiff_t decode(const char *name, size_t len, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		if (name[i] != '%') {
			out[n++] = name[i];
			continue;
		}
		int high = len - i > 2 ? hex(name[i + 1]) : -1, low = len - i > 2 ? hex(name[i + 2]) : -1;
		if (high < 0 || low < 0)
			return -1;
		out[n++] = (char)(high << 4 | low);
		i += 2;
	}
	return (ptrdiff_t)n;
}

/* False for what another program may have stored but no name can stand for: null, a negative number, "". */
static bool can_be_named(const struct model *m, const struct value *key)
{
	if (key->kind == VALUE_INTEGER)
		return m->key->type != TYPE_INTEGER || (key->integer >= 0 && key->integer <= KEY_MAX);
	if (key->kind != VALUE_TEXT)
		return key->kind == VALUE_REAL && m->key->type == TYPE_NUMBER;
	if (key->text.len == 0 || m->key->type == TYPE_INTEGER)
		return false;
	return !memchr(key->text.data, '\0', key->text.len) && utf8_valid(key->text.data, key->text.len, NULL);
}

static int name_too_long(struct buf *out, size_t start)
{
	buf_resize(out, start);
	return -ENAMETOOLONG;
}

int record_name(const struct model *m, const struct value *key, struct buf *out)
{
	size_t start = out->len;
	if (!can_be_named(m, key))
		return -ENOENT;
	if (key->kind != VALUE_TEXT)
		value_plain(out, m->key->type, key);
	else if (key->text.len > LIMIT_NAME)
		return -ENAMETOOLONG;
	else
		encode(out, key->text.data, key->text.len);
	buf_add(out, suffix, SUFFIX);
	if (buf_failed(out))
		return -ENOMEM;
	return out->len - start > LIMIT_NAME ? name_too_long(out, start) : 0;
}

int record_key(const struct model *m, const char *name, struct arena *a, struct value *key)
{
	char text[LIMIT_NAME];
	buf_auto again = BUF_INIT;
	struct value value;
	size_t len = strlen(name);
	if (len > LIMIT_NAME)
		return -ENAMETOOLONG;
	if (!record_is_name(name))
		return -ENOENT;
	ptrdiff_t n = decode(name, len - SUFFIX, text);
	int rc = n < 0 ? -EBADMSG : value_from_text(m->key->type, text, (size_t)n, a, &value);
	if (rc == 0 && m->key->type != TYPE_INTEGER)
		rc = record_name(m, &value, &again);
	else if (rc == 0 && ((size_t)n != len - SUFFIX || !can_be_named(m, &value)))
		rc = -ENOENT;
	if (rc == -ENOMEM)
		return rc;
	if (rc || (again.len > 0 && strcmp(again.data, name) != 0))
		return -ENOENT;
	*key = value;
	return 0;
}

/* ---- values as names ---- */

static const char null_name[] = ".null", empty_name[] = ".empty";

static bool is_word_of(const struct field *f, const char *text)
{
	for (size_t i = 0; i < f->nwords; i++)
		if (strcmp(f->words[i], text) == 0)
			return true;
	return !f->words;
}

int record_value_name(const struct field *f, const struct value *v, struct buf *out)
{
	size_t start = out->len;
	buf_auto text = BUF_INIT;
	value_plain(&text, f->type, v);
	if (buf_failed(&text))
		return -ENOMEM;
	if (v->kind == VALUE_NULL)
		buf_str(out, null_name);
	else if (text.len == 0)
		buf_str(out, empty_name);
	else if (memchr(text.data, '\0', text.len) || !utf8_valid(text.data, text.len, NULL))
		return -ENOENT;
	else
		encode(out, text.data, text.len);
	if (buf_failed(out))
		return -ENOMEM;
	return out->len - start > LIMIT_NAME ? name_too_long(out, start) : 0;
}

int record_value(const struct field *f, const char *name, struct arena *a, struct value *out)
{
	char text[LIMIT_NAME + 1];
	buf_auto again = BUF_INIT;
	size_t len = strlen(name);
	bool empty = strcmp(name, empty_name) == 0;
	if (len > LIMIT_NAME)
		return -ENAMETOOLONG;
	if (strcmp(name, null_name) == 0) {
		*out = value_null();
		return f->required ? -ENOENT : 0;
	}
	ptrdiff_t n = empty ? 0 : decode(name, len, text);
	if (n < 0 || (n == 0 && !empty))
		return -ENOENT;
	text[n] = '\0';
	if (!is_word_of(f, text) || value_from_text(f->type, text, (size_t)n, a, out) < 0)
		return -ENOENT;
	int rc = record_value_name(f, out, &again);
	return rc < 0 ? rc : strcmp(buf_text(&again), name) == 0 ? 0 : -ENOENT;
}
