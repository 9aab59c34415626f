/*
 * nearest.c - the distance of two words in typing mistakes: letters missing, doubled, wrong or swapped.
 *
 * Words longer than LONGEST_NEAR are near to nothing, so that the table has a fixed size.
 */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "nearest.h"

enum { LONGEST_NEAR = 40, SHORTEST_BEGINNING = 3 };

static int least(int a, int b)
{
	return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Letters to insert, delete, replace or swap with their neighbour, whatever their case. */
static int distance(const char *a, int la, const char *b, int lb)
{
	int d[LONGEST_NEAR + 1][LONGEST_NEAR + 1];

	for (int i = 0; i <= la; i++)
		d[i][0] = i;
	for (int j = 0; j <= lb; j++)
		d[0][j] = j;
	for (int i = 1; i <= la; i++) {
		for (int j = 1; j <= lb; j++) {
			d[i][j] = least(d[i - 1][j], d[i][j - 1]) + 1;
			d[i][j] = least(d[i][j], d[i - 1][j - 1] + !same_letter(a[i - 1], b[j - 1]));
			bool swapped =
			    i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]);
			if (swapped)
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[la][lb];
}

/* The one of which the word is the beginning: int, bool. */
static const char *longer(const char *word, size_t len, const char *const *known, size_t nknown)
{
	const char *found = NULL;

	for (size_t i = 0; i < nknown && len >= SHORTEST_BEGINNING; i++) {
		if (strncasecmp(known[i], word, len) != 0)
			continue;
		if (found)
			return NULL;
		found = known[i];
	}
	return found;
}

const char *nearest(const char *word, const char *const *known, size_t nknown)
{
	size_t len = strlen(word);
	int best = len <= 4 ? 1 : 2;
	const char *found = NULL;

	for (size_t i = 0; i < nknown && len > 0 && len <= LONGEST_NEAR; i++) {
		size_t other = strlen(known[i]);
		if (other > LONGEST_NEAR || other > len + 2 || len > other + 2)
			continue;
		int d = distance(word, (int)len, known[i], (int)other);
		bool shares_a_letter = d < (int)(len > other ? len : other);
		if (shares_a_letter && (d < best || (d == best && !found))) {
			best = d;
			found = known[i];
		}
	}
	return found ? found : longer(word, len, known, nknown);
}
