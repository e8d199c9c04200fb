/* SPDX-License-Identifier: Apache-2.0 */
#include "requirement.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "requirement_measure.h"

enum { VERSION_PARTS = 4, PART_LIMIT = 999999, WORD_LIMIT = 64 };

/* 2^53 - 1: the builder's numbers end there. */
#define AMOUNT_LIMIT 9007199254740991U

/* One word of the vocabulary, with what can stand behind it. */
static const struct term {
	const char *name;
	bool alone; /* without anything behind it */
	word_measure *word;
	version_measure *version;
	amount_measure *amount;
	int argument;   /* of `amount` */
	bool bytes;     /* the amount takes K, M, G and T */
	bool unlimited; /* the amount can be that */
	const char *remedy;
} terms[] = {
    {.name = "arch", .word = measure_arch, .remedy = "start it on such a machine"},
    {.name = "kernel", .version = measure_kernel, .remedy = "start it on a machine with such a kernel"},
    {.name = "cpu",
     .word = measure_cpu,
     .remedy = "start it on a machine whose CPU has that (lscpu lists what it has), or build the program for "
               "this one"},
    {.name = "cpus",
     .amount = measure_cpus,
     .remedy = "ask for more CPUs (srun --cpus-per-task), or start it on a larger machine"},
    {.name = "memory",
     .amount = measure_memory,
     .bytes = true,
     .remedy = "ask for more memory (srun --mem, docker --memory), or start it on a larger machine"},
    {.name = "disk",
     .amount = measure_disk,
     .bytes = true,
     .remedy = "make room there, or name a directory with room: TMPDIR=DIR"},
    {.name = "shm",
     .amount = measure_shm,
     .bytes = true,
     .remedy = "make it larger: as root mount -o remount,size=SIZE /dev/shm, for a container docker "
               "--shm-size SIZE"},
    {.name = "memlock",
     .amount = measure_limit,
     .argument = RLIMIT_MEMLOCK,
     .bytes = true,
     .unlimited = true,
     .remedy = "raise it in this shell with ulimit -l (KiB), the hard limit in /etc/security/limits.conf"},
    {.name = "stack",
     .amount = measure_limit,
     .argument = RLIMIT_STACK,
     .bytes = true,
     .unlimited = true,
     .remedy = "raise it in this shell with ulimit -s (KiB), the hard limit in /etc/security/limits.conf"},
    {.name = "nofile",
     .amount = measure_limit,
     .argument = RLIMIT_NOFILE,
     .unlimited = true,
     .remedy = "raise it in this shell with ulimit -n, the hard limit in /etc/security/limits.conf"},
    {.name = "nproc",
     .amount = measure_limit,
     .argument = RLIMIT_NPROC,
     .unlimited = true,
     .remedy = "raise it in this shell with ulimit -u, the hard limit in /etc/security/limits.conf"},
    {.name = "gpu",
     .alone = true,
     .word = measure_gpu,
     .remedy = "start it where there is one (srun --gpus 1, docker --gpus all); where it is there and "
               "closed, become "
               "a member of the group that owns it (ls -l), often render or video"},
    {.name = "driver",
     .word = measure_driver_word,
     .version = measure_driver,
     .remedy = "install such a driver, or leave the GPU unused: CUDA_VISIBLE_DEVICES=-1"},
};

/* A version in numbers, missing ones 0, and `text` moved behind it. False when there is none, or a number has
 * more than six digits. */
static bool read_version(const char **text, uint32_t parts[VERSION_PARTS])
{
	memset(parts, 0, VERSION_PARTS * sizeof *parts);
	for (int count = 0; count < VERSION_PARTS; count++) {
		size_t digits = strspn(*text, "0123456789");
		if (digits == 0 || digits > 6)
			return false;
		parts[count] = (uint32_t)strtoul(*text, NULL, 10);
		*text += digits;
		if (**text != '.' || count + 1 == VERSION_PARTS)
			return true;
		(*text)++;
	}
	return false;
}

/* Below 0 when the host's version is the lower one. */
static int compare_versions(const char *host, const uint32_t wanted[VERSION_PARTS])
{
	uint32_t parts[VERSION_PARTS];
	read_version(&host, parts);
	for (int i = 0; i < VERSION_PARTS; i++) {
		if (parts[i] != wanted[i])
			return parts[i] < wanted[i] ? -1 : 1;
	}
	return 0;
}

/* ">=5.11", ">=470,<471": 1 when all hold or nothing can be compared, 0 when not, -1 when it is not
 * understood. */
static int check_versions(const struct term *term, const char *text, char *found, size_t size)
{
	char host[64];
	int met = 1;
	term->version(host, sizeof host, found, size);
	for (;; text++) {
		uint32_t wanted[VERSION_PARTS];
		bool below = *text == '<';
		if (!below && strncmp(text, ">=", 2) != 0)
			return -1;
		text += below ? 1 : 2;
		if (!read_version(&text, wanted))
			return -1;
		if (strcmp(host, VERSION_UNKNOWN) != 0 &&
		    (host[0] == '\0' || (compare_versions(host, wanted) < 0) != below))
			met = 0;
		if (*text != ',')
			return *text == '\0' ? met : -1;
	}
}

/* Decimal without leading zeros, with K, M, G or T behind it where `bytes` is set, at most AMOUNT_LIMIT. */
static bool read_amount(const char *text, bool bytes, uint64_t *amount)
{
	static const char units[] = "KMGT";
	uint64_t value = 0;
	if (*text < '1' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > AMOUNT_LIMIT)
			return false;
	}
	const char *unit = bytes && *text != '\0' ? strchr(units, *text) : NULL;
	for (long steps = unit == NULL ? 0 : unit - units + 1; steps > 0; steps--) {
		value *= 1024;
		if (value > AMOUNT_LIMIT)
			return false;
	}
	*amount = value;
	return text[unit != NULL] == '\0';
}

/* ">=64M", "=unlimited"; the result as above. */
static int check_amount(const struct term *term, const char *text, char *found, size_t size)
{
	uint64_t wanted = UINT64_MAX;
	bool unlimited = term->unlimited && strcmp(text, "=unlimited") == 0;
	if (!unlimited && (strncmp(text, ">=", 2) != 0 || !read_amount(text + 2, term->bytes, &wanted)))
		return -1;
	return term->amount(term->argument, found, size) >= wanted;
}

/* Add `text` to what was found, unless it says that already. */
static void append(char *found, size_t size, const char *text)
{
	size_t length = strlen(found);
	if (strstr(found, text) == NULL)
		snprintf(found + length, size - length, "%s%s", length == 0 ? "" : ", ", text);
}

/* "=avx2,fma", "": the result as above. */
static int check_words(const struct term *term, char *text, char *found, size_t size)
{
	char answer[100];
	int met = 1;
	if (*text == '\0')
		return term->alone ? term->word("", found, size) : -1;
	found[0] = '\0';
	for (char *word, *rest = text + 1; (word = strsep(&rest, ",")) != NULL;) {
		int has =
		    *word == '\0' || strlen(word) > WORD_LIMIT ? -1 : term->word(word, answer, sizeof answer);
		if (has < 0)
			return -1;
		/* What the host lacks is what people want to read. */
		if (has < met)
			found[0] = '\0';
		if (has <= met)
			append(found, size, answer);
		met &= has;
	}
	return met;
}

/* One alternative: a word of the vocabulary and what is behind it. The result as above. */
static int check_alternative(char *text, const struct term **term, char *found, size_t size)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz");
	for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
		const struct term *one = &terms[i];
		if (strlen(one->name) != length || memcmp(one->name, text, length) != 0)
			continue;
		*term = one;
		if (one->amount != NULL)
			return check_amount(one, text + length, found, size);
		if (one->version != NULL && text[length] != '=')
			return check_versions(one, text + length, found, size);
		bool words = one->word != NULL && (text[length] == '=' || text[length] == '\0');
		return words ? check_words(one, text + length, found, size) : -1;
	}
	return -1;
}

int requirement_check(const char *requirement, struct requirement_finding *finding, struct fault *fault)
{
	char text[REQUIREMENT_LIMIT + 1];
	*finding = (struct requirement_finding){0};
	bool known = strlen(requirement) < sizeof text;
	memcpy(text, requirement, known ? strlen(requirement) + 1 : 0);
	for (char *rest = text, *alternative; known && (alternative = strsep(&rest, "|")) != NULL;) {
		char found[sizeof finding->found] = "";
		const struct term *term = NULL;
		int met = check_alternative(alternative, &term, found, sizeof found);
		known = met >= 0;
		if (!known)
			break;
		if (met == 1 && !finding->met)
			finding->found[0] = '\0';
		if (met == 1 || !finding->met)
			append(finding->found, sizeof finding->found, found);
		finding->met |= met == 1;
		if (finding->remedy[0] == '\0')
			snprintf(finding->remedy, sizeof finding->remedy, "%s", term->remedy);
	}
	if (!known) {
		fault_set(fault, 0, "the bundle needs '%.200s', which this launcher does not know",
		          requirement);
		return fault_hint(fault, "a newer rundle made it: start it with its own launcher, or with "
		                         "--ignore-requirements");
	}
	if (finding->met)
		finding->remedy[0] = '\0';
	return 0;
}
