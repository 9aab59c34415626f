/*
 * nearest.h - "did you mean": the known word that somebody may have meant.
 */
#ifndef ROWFS_NEAREST_H
#define ROWFS_NEAREST_H

#include <stddef.h>

/*
 * The word of smallest Damerau-Levenshtein distance, at most 2, or 1 for words of up to 4 letters, whatever the
 * letters' case, that shares a letter with it; the first of several. Else the only one that begins with it. NULL where
 * none is near.
 */
const char *nearest(const char *word, const char *const *known, size_t nknown);

#endif
