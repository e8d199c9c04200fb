/* SPDX-License-Identifier: Apache-2.0
 * Distributions build libzstd with decoders for the formats before zstd 1.0. SquashFS never held those;
 * without them the launcher is 70 KB smaller and a hostile payload cannot reach their code. These weak
 * definitions keep the linker from taking them out of the archive: no context can be made, and every frame
 * has an error. Declared here because libzstd's header for them is not installed; signatures as in
 * lib/legacy/zstd_v0[567].h. */
#include <stddef.h>

#define ERROR_PREFIX_UNKNOWN ((size_t)-10) /* zstd_errors.h: ZSTD_error_prefix_unknown */

#define LEGACY_DECODER(version)                                                                              \
	void *version##_createDCtx(void);                                                                    \
	size_t version##_freeDCtx(void *context);                                                            \
	size_t version##_decompress_usingDict(void *context, void *target, size_t room, const void *source,  \
	                                      size_t length, const void *dictionary,                         \
	                                      size_t dictionary_length);                                     \
	size_t version##_getFrameParams(void *params, const void *source, size_t length);                    \
	void version##_findFrameSizeInfoLegacy(const void *source, size_t length, size_t *stored,            \
	                                       unsigned long long *bound);                                   \
	__attribute__((weak)) void *version##_createDCtx(void)                                               \
	{                                                                                                    \
		return NULL;                                                                                 \
	}                                                                                                    \
	__attribute__((weak)) size_t version##_freeDCtx(void *context)                                       \
	{                                                                                                    \
		(void)context;                                                                               \
		return 0;                                                                                    \
	}                                                                                                    \
	__attribute__((weak)) size_t version##_decompress_usingDict(                                         \
	    void *context, void *target, size_t room, const void *source, size_t length,                     \
	    const void *dictionary, size_t dictionary_length)                                                \
	{                                                                                                    \
		(void)context, (void)target, (void)room, (void)source, (void)length;                         \
		(void)dictionary, (void)dictionary_length;                                                   \
		return ERROR_PREFIX_UNKNOWN;                                                                 \
	}                                                                                                    \
	__attribute__((weak))                                                                                \
	size_t version##_getFrameParams(void *params, const void *source, size_t length)                     \
	{                                                                                                    \
		(void)params, (void)source, (void)length;                                                    \
		return ERROR_PREFIX_UNKNOWN;                                                                 \
	}                                                                                                    \
	__attribute__((weak)) void version##_findFrameSizeInfoLegacy(                                        \
	    const void *source, size_t length, size_t *stored, unsigned long long *bound)                    \
	{                                                                                                    \
		(void)source, (void)length;                                                                  \
		*stored = ERROR_PREFIX_UNKNOWN;                                                              \
		*bound = (unsigned long long)-2; /* ZSTD_CONTENTSIZE_ERROR */                                \
	}

LEGACY_DECODER(ZSTDv05)
LEGACY_DECODER(ZSTDv06)
LEGACY_DECODER(ZSTDv07)
