/* SPDX-License-Identifier: Apache-2.0
 * A libFuzzer mutator for inputs that hold a SquashFS image. Most of its changes keep the length and go to
 * superblock and tables, since an insertion moves every table away from where the superblock says it is. */
#ifndef RUNDLE_IMAGE_MUTATOR_H
#define RUNDLE_IMAGE_MUTATOR_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "little_endian.h"

#define SUPERBLOCK_BYTES 96u

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t limit);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t limit, unsigned seed);

static uint32_t mutator_random(uint32_t *state, uint32_t below)
{
	*state = *state * UINT32_C(1664525) + UINT32_C(1013904223);
	return (*state >> 8) % below;
}

/* A value at which range checks turn, in 1 to 8 bytes; also one that is near to what stands there. */
static void mutator_value(uint8_t *at, size_t room, uint32_t *state)
{
	static const uint64_t telling[] = {0,
	                                   1,
	                                   2,
	                                   3,
	                                   0x7f,
	                                   0x80,
	                                   0xff,
	                                   0x100,
	                                   0x1fff,
	                                   0x2000,
	                                   0x7fff,
	                                   0x8000,
	                                   0xffff,
	                                   0xfffd,
	                                   0x01000000,
	                                   0x7fffffff,
	                                   0x80000000,
	                                   0xffffffff,
	                                   UINT64_C(0xffffffffffff),
	                                   INT64_MAX,
	                                   UINT64_MAX};
	size_t width = (size_t)1 << mutator_random(state, 4);
	if (width > room)
		width = 1;
	uint64_t value = telling[mutator_random(state, sizeof telling / sizeof *telling)];
	if (mutator_random(state, 3) == 0) {
		uint64_t now = 0;
		memcpy(&now, at, width);
		value = now + mutator_random(state, 33) - 16;
	}
	for (size_t i = 0; i < width; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* Where the tables of the image begin; its end if it does not say. */
static size_t mutator_tables(const uint8_t *image, size_t size)
{
	uint64_t inodes = le64(image + 64);
	return inodes >= SUPERBLOCK_BYTES && inodes < size ? (size_t)inodes : size;
}

/* Change an input whose image begins at `start`. */
static size_t mutate_image(uint8_t *bytes, size_t size, size_t limit, size_t start, unsigned seed)
{
	uint32_t state = seed;
	if (size < start + SUPERBLOCK_BYTES || mutator_random(&state, 8) == 0)
		return LLVMFuzzerMutate(bytes, size, limit);
	if (start > 0 && mutator_random(&state, 3) == 0) {
		LLVMFuzzerMutate(bytes, start, start);
		return size;
	}
	uint8_t *image = bytes + start;
	size_t length = size - start, tables = mutator_tables(image, length);
	for (uint32_t changes = 1 + mutator_random(&state, 3); changes > 0; changes--) {
		size_t first = 0, room = SUPERBLOCK_BYTES;
		if (tables < length && mutator_random(&state, 8) != 0) {
			first = tables;
			room = length - tables;
		}
		size_t at = first + mutator_random(&state, (uint32_t)room), left = first + room - at;
		size_t window = 1 + mutator_random(&state, 16);
		if (window > left)
			window = left;
		switch (mutator_random(&state, 4)) {
		case 0: /* a field, reference or name from elsewhere */
			memmove(image + at,
			        image + first + mutator_random(&state, (uint32_t)(room - window + 1)),
			        window);
			break;
		case 1:
			LLVMFuzzerMutate(image + at, window, window);
			break;
		default:
			mutator_value(image + at, left, &state);
		}
	}
	return size;
}

#endif
