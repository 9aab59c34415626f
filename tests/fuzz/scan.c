/*
 * scan.c - any text for the scanner that decides when an object is complete: it says the same however the text is cut,
 * and what it calls complete and the parser agree.
 */
#include <string.h>

#include "../../store/json.h"
#include "fuzz.h"

static size_t scan_pieces(struct json_scan *s, const char *text, size_t size, size_t piece)
{
	size_t at = 0;
	json_scan_init(s);
	while (at < size) {
		size_t n = size - at < piece ? size - at : piece, done = json_scan(s, text + at, n);
		must(done <= n);
		at += done;
		if (done < n && s->state != SCAN_COMPLETE)
			break;
	}
	return at;
}

static void compare(const struct json_scan *a, const struct json_scan *b)
{
	must(a->state == b->state && a->line == b->line && a->column == b->column);
	must(a->state != SCAN_INVALID || strcmp(a->why, b->why) == 0);
}

/* The parser refuses more: members that stand there twice, numbers that no column holds, what is too long. */
static bool only_parser_knows(const struct err *e)
{
	static const char *const words[] = {"stands before", "out of range", "more than"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strstr(e->text, words[i]))
			return true;
	fprintf(stderr, "%s\n", e->text);
	return false;
}

int fuzz_one(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct json_scan whole, pieces;
	err_auto e = ERR_INIT;
	json_scope *document = NULL, *loose = NULL;
	size_t at = scan_pieces(&whole, text, size, size ? size : 1);
	must(at == scan_pieces(&pieces, text, size, 1));
	compare(&whole, &pieces);
	must(at == scan_pieces(&pieces, text, size, 3));
	compare(&whole, &pieces);
	must(whole.state != SCAN_INVALID || (whole.why && *whole.why));
	int result = json_read(text, size, &document, &e);
	must((result == 0) == (document != NULL));
	if (result == 0)
		must(whole.state == SCAN_COMPLETE && at == size);
	else
		must(whole.state != SCAN_COMPLETE || only_parser_knows(&e));
	/* What the scanner follows to its end is JSON to jansson too, but for its own limits. */
	if (whole.state == SCAN_COMPLETE && result == 0) {
		loose = json_loadb(text, size, 0, NULL);
		must(loose && json_equal(loose, document));
	}
	return 0;
}
