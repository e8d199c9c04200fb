/* SPDX-License-Identifier: Apache-2.0
 * Frames of a payload use no dictionary. Without the code that prepares them the launcher is smaller: none
 * can be made, so nothing is ever asked of one. Weak, as in zstd_legacy.c; the declarations are those of
 * lib/decompress/zstd_ddict.h. */
#include <stddef.h>

#pragma GCC diagnostic ignored "-Wunused-parameter"

#define NONE(type, function, parameters)                                                                     \
	type function parameters;                                                                            \
	__attribute__((weak)) type function parameters                                                       \
	{                                                                                                    \
		return 0;                                                                                    \
	}

struct memory {
	void *allocate, *release, *opaque;
};

NONE(void *, ZSTD_createDDict_advanced,
     (const void *bytes, size_t length, int by_reference, int type, struct memory memory))
NONE(const void *, ZSTD_DDict_dictContent, (const void *dictionary))
NONE(size_t, ZSTD_DDict_dictSize, (const void *dictionary))
NONE(size_t, ZSTD_freeDDict, (void *dictionary))
NONE(size_t, ZSTD_sizeof_DDict, (const void *dictionary))
NONE(unsigned, ZSTD_getDictID_fromDDict, (const void *dictionary))

void ZSTD_copyDDictParameters(void *context, const void *dictionary);
__attribute__((weak)) void ZSTD_copyDDictParameters(void *context, const void *dictionary)
{
}
