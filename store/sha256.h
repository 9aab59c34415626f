/*
 * sha256.h - SHA-256 (FIPS 180-4) of a text that is whole in memory.
 */
#ifndef ROWFS_SHA256_H
#define ROWFS_SHA256_H

#include <stddef.h>

enum { SHA256_HEX = 65 }; /* 64 lower-case digits and a NUL */

/* What sha256sum(1) prints for the bytes. */
void sha256_hex(const void *data, size_t len, char out[SHA256_HEX]);

#endif
