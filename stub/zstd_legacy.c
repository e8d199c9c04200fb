/* SPDX-License-Identifier: Apache-2.0
 * Distributions build libzstd with decoders for the formats before zstd 1.0. SquashFS never held those;
 * without them the launcher is 90 KB smaller and a hostile payload cannot reach their code. These weak
 * definitions keep the linker from taking them out of the archive: no context can be made, and every frame
 * has an error. A libzstd that wants more of them still links, with its own. libzstd does not install its
 * header for them, hence the declarations (lib/legacy/zstd_v05.h and its neighbours). */
#include <stddef.h>

#define CONTENTSIZE_ERROR ((unsigned long long)-2) /* zstd.h: ZSTD_CONTENTSIZE_ERROR */
#define PREFIX_UNKNOWN ((size_t)-10)               /* zstd_errors.h: ZSTD_error_prefix_unknown */

#define WEAK __attribute__((weak))

#define NO_CONTEXT(function)                                                                                 \
	void *function(void);                                                                                \
	WEAK void *function(void)                                                                            \
	{                                                                                                    \
		return NULL;                                                                                 \
	}

#define REFUSE(function, parameters)                                                                         \
	size_t function parameters;                                                                          \
	WEAK size_t function parameters                                                                      \
	{                                                                                                    \
		return PREFIX_UNKNOWN;                                                                       \
	}

#define NO_SIZE(function)                                                                                    \
	void function(const void *source, size_t length, size_t *stored, unsigned long long *bound);         \
	WEAK void function(const void *source, size_t length, size_t *stored, unsigned long long *bound)     \
	{                                                                                                    \
		(void)source;                                                                                \
		(void)length;                                                                                \
		*stored = PREFIX_UNKNOWN;                                                                    \
		*bound = CONTENTSIZE_ERROR;                                                                  \
	}

#pragma GCC diagnostic ignored "-Wunused-parameter"

#define LEGACY_FORMAT(version)                                                                               \
	NO_CONTEXT(ZSTD##version##_createDCtx)                                                               \
	NO_CONTEXT(ZBUFF##version##_createDCtx)                                                              \
	NO_SIZE(ZSTD##version##_findFrameSizeInfoLegacy)                                                     \
	REFUSE(ZSTD##version##_freeDCtx, (void *context))                                                    \
	REFUSE(ZBUFF##version##_freeDCtx, (void *context))                                                   \
	REFUSE(ZSTD##version##_getFrameParams, (void *params, const void *source, size_t length))            \
	REFUSE(ZSTD##version##_decompress_usingDict,                                                         \
	       (void *context, void *target, size_t room, const void *source, size_t length,                 \
	        const void *dictionary, size_t dictionary_length))                                           \
	REFUSE(ZBUFF##version##_decompressInitDictionary,                                                    \
	       (void *context, const void *dictionary, size_t dictionary_length))                            \
	REFUSE(ZBUFF##version##_decompressContinue,                                                          \
	       (void *context, void *target, size_t *room, const void *source, size_t *length))

LEGACY_FORMAT(v05)
LEGACY_FORMAT(v06)
LEGACY_FORMAT(v07)
