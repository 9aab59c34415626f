/*
 * utf8.h - one sequence of UTF-8 (RFC 3629): no surrogates, no overlong forms, nothing above U+10FFFF.
 */
#ifndef ROWFS_UTF8_H
#define ROWFS_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of the sequence that begins with `lead`, 0 where none does; *low and *upper bound its second byte. */
static inline size_t utf8_lead(unsigned char lead, uint8_t *low, uint8_t *upper)
{
	*low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	*upper = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* The length of the sequence at text; 0 where it is none or goes beyond len, which is at least 1. */
static inline size_t utf8_sequence(const char *text, size_t len)
{
	uint8_t low, upper;
	size_t n = utf8_lead((unsigned char)text[0], &low, &upper);
	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < low || c > upper)
			return 0;
		low = 0x80;
		upper = 0xbf;
	}
	return n;
}

/* True for valid UTF-8; *characters, if not NULL, is then its number of code points. */
static inline bool utf8_valid(const char *text, size_t len, size_t *characters)
{
	size_t count = 0;
	for (size_t i = 0; i < len; count++) {
		size_t n = utf8_sequence(text + i, len - i);
		if (n == 0)
			return false;
		i += n;
	}
	if (characters)
		*characters = count;
	return true;
}

/* Writes the code point to out, which has room for 4 bytes; returns how many it took. */
static inline size_t utf8_encode(uint32_t code, char *out)
{
	static const uint8_t marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	out[0] = (char)(marks[n] | code);
	return n;
}

#endif
