/* SPDX-License-Identifier: Apache-2.0
 * XXH64, the checksum at the end of some zstd frames (RFC 8878, 3.1.1), in place of libzstd's, which comes
 * with a second hash and is written for speed: blocks of a payload have none. Weak, as in zstd_legacy.c. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "little_endian.h"

#define WEAK __attribute__((weak))

/* In memory of libzstd's, which has 88 bytes for it. */
struct checksum {
	uint64_t lanes[4], length;
	unsigned char pending[32];
};
_Static_assert(sizeof(struct checksum) <= 88, "it fits into XXH64_state_t");

static const uint64_t prime[] = {0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                                 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5};

int ZSTD_XXH64_reset(struct checksum *state, uint64_t seed);
int ZSTD_XXH64_update(struct checksum *state, const void *bytes, size_t length);
uint64_t ZSTD_XXH64_digest(const struct checksum *state);
uint64_t ZSTD_XXH64(const void *bytes, size_t length, uint64_t seed);

static uint64_t rotated(uint64_t value, unsigned by)
{
	return value << by | value >> (64 - by);
}

static uint64_t round_of(uint64_t lane, uint64_t input)
{
	return rotated(lane + input * prime[1], 31) * prime[0];
}

WEAK int ZSTD_XXH64_reset(struct checksum *state, uint64_t seed)
{
	*state =
	    (struct checksum){.lanes = {seed + prime[0] + prime[1], seed + prime[1], seed, seed - prime[0]}};
	return 0;
}

WEAK int ZSTD_XXH64_update(struct checksum *state, const void *bytes, size_t length)
{
	for (const unsigned char *from = bytes; length > 0; from++, length--) {
		state->pending[state->length++ % 32] = *from;
		for (unsigned i = 0; i < 4 && state->length % 32 == 0; i++)
			state->lanes[i] = round_of(state->lanes[i], le64(state->pending + 8 * i));
	}
	return 0;
}

WEAK uint64_t ZSTD_XXH64_digest(const struct checksum *state)
{
	const unsigned char *rest = state->pending, *end = rest + state->length % 32;
	uint64_t hash = state->lanes[2] + prime[4];
	if (state->length >= 32) {
		static const unsigned char turns[] = {1, 7, 12, 18};
		hash = 0;
		for (unsigned i = 0; i < 4; i++)
			hash += rotated(state->lanes[i], turns[i]);
		for (unsigned i = 0; i < 4; i++)
			hash = (hash ^ round_of(0, state->lanes[i])) * prime[0] + prime[3];
	}
	hash += state->length;
	for (; end - rest >= 8; rest += 8)
		hash = rotated(hash ^ round_of(0, le64(rest)), 27) * prime[0] + prime[3];
	if (end - rest >= 4) {
		hash = rotated(hash ^ le32(rest) * prime[0], 23) * prime[1] + prime[2];
		rest += 4;
	}
	for (; rest < end; rest++)
		hash = rotated(hash ^ *rest * prime[4], 11) * prime[0];
	hash = (hash ^ hash >> 33) * prime[1];
	hash = (hash ^ hash >> 29) * prime[2];
	return hash ^ hash >> 32;
}

WEAK uint64_t ZSTD_XXH64(const void *bytes, size_t length, uint64_t seed)
{
	struct checksum state;
	ZSTD_XXH64_reset(&state, seed);
	ZSTD_XXH64_update(&state, bytes, length);
	return ZSTD_XXH64_digest(&state);
}
