/* SPDX-License-Identifier: Apache-2.0
 * Prints the XXH64 of standard input in hex, fed in pieces of the length that is given. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int ZSTD_XXH64_reset(void *state, uint64_t seed);
int ZSTD_XXH64_update(void *state, const void *bytes, size_t length);
uint64_t ZSTD_XXH64_digest(const void *state);

int main(int argc, char **argv)
{
	uint64_t state[88 / 8];
	char piece[4096];
	size_t length = argc == 2 ? (size_t)atoi(argv[1]) : 0, got;
	if (length == 0 || length > sizeof piece || ZSTD_XXH64_reset(state, 0) != 0)
		return 2;
	while ((got = fread(piece, 1, length, stdin)) > 0)
		ZSTD_XXH64_update(state, piece, got);
	printf("%016" PRIx64 "\n", ZSTD_XXH64_digest(state));
	return 0;
}
