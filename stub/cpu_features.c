/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu_features.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)

#include <cpuid.h>

/* Registers that cpuid answers with, in the order of `read_words`. */
enum word { C1, B7, C7, D7, A71, C8, WORDS };
/* Registers whose contents the kernel has to keep, as bits of XCR0 (Intel SDM 1, section 13.3). */
enum state { NONE = 0, YMM = 0x6, ZMM = 0xe6, TILES = 0x60000 };

static const struct feature {
	char name[17];
	uint8_t word, bit;
	uint32_t state;
} features[] = {
    {"pni", C1, 0, NONE},         {"pclmulqdq", C1, 1, NONE},     {"ssse3", C1, 9, NONE},
    {"fma", C1, 12, YMM},         {"cx16", C1, 13, NONE},         {"sse4_1", C1, 19, NONE},
    {"sse4_2", C1, 20, NONE},     {"movbe", C1, 22, NONE},        {"popcnt", C1, 23, NONE},
    {"aes", C1, 25, NONE},        {"avx", C1, 28, YMM},           {"f16c", C1, 29, YMM},
    {"rdrand", C1, 30, NONE},     {"bmi1", B7, 3, NONE},          {"avx2", B7, 5, YMM},
    {"bmi2", B7, 8, NONE},        {"avx512f", B7, 16, ZMM},       {"avx512dq", B7, 17, ZMM},
    {"rdseed", B7, 18, NONE},     {"adx", B7, 19, NONE},          {"avx512ifma", B7, 21, ZMM},
    {"clflushopt", B7, 23, NONE}, {"clwb", B7, 24, NONE},         {"avx512cd", B7, 28, ZMM},
    {"sha_ni", B7, 29, NONE},     {"avx512bw", B7, 30, ZMM},      {"avx512vl", B7, 31, ZMM},
    {"avx512vbmi", C7, 1, ZMM},   {"waitpkg", C7, 5, NONE},       {"avx512_vbmi2", C7, 6, ZMM},
    {"gfni", C7, 8, NONE},        {"vaes", C7, 9, YMM},           {"vpclmulqdq", C7, 10, YMM},
    {"avx512_vnni", C7, 11, ZMM}, {"avx512_bitalg", C7, 12, ZMM}, {"avx512_vpopcntdq", C7, 14, ZMM},
    {"movdir64b", C7, 28, NONE},  {"amx_bf16", D7, 22, TILES},    {"avx512_fp16", D7, 23, ZMM},
    {"amx_tile", D7, 24, TILES},  {"amx_int8", D7, 25, TILES},    {"avx_vnni", A71, 4, YMM},
    {"avx512_bf16", A71, 5, ZMM}, {"lahf_lm", C8, 0, NONE},       {"abm", C8, 5, NONE},
    {"sse4a", C8, 6, NONE},
};

/* x86-64 psABI, section 3.1.1, by the names above. */
static const struct level {
	const char *name, *features;
} levels[] = {
    {"x86-64-v2", "cx16,lahf_lm,popcnt,pni,sse4_1,sse4_2,ssse3"},
    {"x86-64-v3", "x86-64-v2,avx,avx2,bmi1,bmi2,f16c,fma,abm,movbe"},
    {"x86-64-v4", "x86-64-v3,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"},
};

/* A leaf that the CPU does not have leaves zeros. */
static void read_words(uint32_t words[WORDS], uint32_t *states)
{
	uint32_t a = 0, b = 0, c = 0, d = 0;
	memset(words, 0, WORDS * sizeof *words);
	*states = 0;
	if (__get_cpuid(1, &a, &b, &c, &d))
		words[C1] = c;
	if ((words[C1] & bit_OSXSAVE) != 0)
		__asm__("xgetbv" : "=a"(*states), "=d"(d) : "c"(0));
	uint32_t leaves = 0;
	if (__get_cpuid_count(7, 0, &leaves, &words[B7], &words[C7], &words[D7]) && leaves >= 1)
		__get_cpuid_count(7, 1, &words[A71], &b, &c, &d);
	if (__get_cpuid(0x80000001, &a, &b, &c, &d))
		words[C8] = c;
}

static int has(const char *name, size_t length, const uint32_t words[WORDS], uint32_t states)
{
	for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
		const struct feature *one = &features[i];
		if (strlen(one->name) == length && memcmp(one->name, name, length) == 0)
			return (words[one->word] >> one->bit & 1) != 0 && (states & one->state) == one->state;
	}
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
		if (strlen(levels[i].name) != length || memcmp(levels[i].name, name, length) != 0)
			continue;
		/* A level names a lower one at most, so this ends. */
		for (const char *part = levels[i].features;; part++) {
			size_t end = strcspn(part, ",");
			if (has(part, end, words, states) != 1)
				return 0;
			part += end;
			if (*part == '\0')
				return 1;
		}
	}
	return -1;
}

int cpu_has(const char *name)
{
	/* Once: a virtual machine leaves to its host for each cpuid. */
	static uint32_t words[WORDS], states;
	static bool read;
	if (!read)
		read_words(words, &states);
	read = true;
	return has(name, strlen(name), words, states);
}

#else

#include <sys/auxv.h>

/* In the order of their bits in AT_HWCAP and AT_HWCAP2 (arch/arm64/include/uapi/asm/hwcap.h); "-" stands for
 * a bit that is no feature for programs. */
static const char first[] =
    "fp asimd - aes pmull sha1 sha2 crc32 atomics fphp asimdhp - asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 "
    "sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg";
static const char second[] = "dcpodp sve2 sveaes svepmull svebitperm svesha3 svesm4 flagm2 frint svei8mm "
                             "svef32mm svef64mm svebf16 i8mm bf16 "
                             "dgh rng bti mte ecv afp rpres mte3 sme";

/* The bit of `name` in a list, -1 when it is not there. */
static int place(const char *list, const char *name)
{
	size_t length = strlen(name);
	for (int bit = 0;; bit++) {
		size_t word = strcspn(list, " ");
		if (word == length && memcmp(list, name, length) == 0)
			return bit;
		list += word;
		if (*list++ == '\0')
			return -1;
	}
}

int cpu_has(const char *name)
{
	static const struct {
		const char *list;
		unsigned long type;
	} words[] = {{first, AT_HWCAP}, {second, AT_HWCAP2}};
	for (size_t i = 0; *name != '-' && *name != '\0' && i < 2; i++) {
		int bit = place(words[i].list, name);
		if (bit >= 0)
			return (int)(getauxval(words[i].type) >> bit & 1);
	}
	return -1;
}

#endif
