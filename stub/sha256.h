/* SPDX-License-Identifier: Apache-2.0
 * SHA-256 (FIPS 180-4). */
#ifndef RUNDLE_SHA256_H
#define RUNDLE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

struct sha256 {
	uint32_t state[8];
	uint64_t length;
	unsigned char pending[64];
};

void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *bytes, size_t length);
void sha256_finish(struct sha256 *hash, unsigned char digest[SHA256_SIZE]);

/* The digest of one buffer. */
void sha256_of(const void *bytes, size_t length, unsigned char digest[SHA256_SIZE]);

/* Lower-case hex, 64 digits and NUL. */
void sha256_hex(const unsigned char digest[SHA256_SIZE], char text[2 * SHA256_SIZE + 1]);

#endif
