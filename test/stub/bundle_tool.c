/* SPDX-License-Identifier: Apache-2.0
 * Drives the bundle reader, for the tests.
 *   bundle_tool show FILE [SIZE]         what the footer and the table say, one line a section
 *   bundle_tool read FILE KIND ARCH LIMIT a section's bytes
 *   bundle_tool check FILE [json]        exit 0 when sound, 1 when not, 2 when it cannot be opened
 *   bundle_tool mutate FILE SEED COUNT   damages footer and table COUNT times, half the time with checksums
 * set right again, and opens each bundle_tool sha256 FILE PIECE        digest of a file, hashed in pieces */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle.h"
#include "check.h"
#include "sha256.h"

static int report(const struct fault *fault)
{
	fprintf(stderr, "%s%s%s\n", fault->text, fault->error != 0 ? ": " : "",
	        fault->error != 0 ? strerror(fault->error) : "");
	return 2;
}

static void show(const struct bundle *bundle)
{
	printf("size %" PRIu64 " table %" PRIu64 " %" PRIu64 "\n", bundle->size, bundle->table_offset,
	       bundle->table_size);
	for (uint32_t i = 0; i < bundle->count; i++) {
		const struct section *section = &bundle->sections[i];
		char hex[2 * SHA256_SIZE + 1];
		sha256_hex(section->sha256, hex);
		printf("%" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu64 " %s\n",
		       section->kind, section->arch, section->flags, section->index, section->offset,
		       section->size, hex);
	}
}

static int read_one(const struct bundle *bundle, char **argv, struct fault *fault)
{
	const struct section *section =
	    bundle_section(bundle, (enum section_kind)atoi(argv[3]), (uint32_t)atoi(argv[4]), 0);
	if (section == NULL)
		return fault_set(fault, 0, "no such section");
	char *bytes = bundle_read_section(bundle, section, strtoul(argv[5], NULL, 10), fault);
	if (bytes == NULL)
		return -1;
	fwrite(bytes, 1, section->size, stdout);
	free(bytes);
	return 0;
}

static uint64_t state;

static uint64_t next_random(uint64_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * UINT64_C(2685821657736338717) >> 16) % below;
}

static void damage(unsigned char *bytes, size_t size, uint64_t table, uint64_t table_size)
{
	static const unsigned char telling[] = {0, 1, 2, 0x7f, 0x80, 0xff};
	unsigned char *footer = bytes + size - BUNDLE_FOOTER_SIZE;
	for (uint64_t changes = 1 + next_random(3); changes > 0; changes--)
		bytes[table + next_random(size - table)] = next_random(2) == 0
		                                               ? telling[next_random(sizeof telling)]
		                                               : (unsigned char)next_random(256);
	if (next_random(2) == 0) {
		sha256_of(bytes + table, table_size, footer + 32);
		sha256_of(footer, 96, footer + 96);
	}
}

/* Reads what an accepted table says is there: it must be. */
static void use(const struct bundle *bundle)
{
	for (uint32_t i = 0; i < bundle->count; i++) {
		struct fault fault = {0};
		char *bytes = bundle_read_section(bundle, &bundle->sections[i], bundle->size, &fault);
		if (bytes == NULL)
			abort();
		free(bytes);
	}
}

static int mutate(const struct bundle *bundle, char **argv)
{
	size_t size = bundle->size;
	unsigned char *original = malloc(size), *bytes = malloc(size);
	unsigned long count = strtoul(argv[4], NULL, 10), opened = 0;
	state = strtoull(argv[3], NULL, 10) * 2 + 1;
	if (bundle_read(bundle->fd, original, size, 0) != 0)
		return -1;
	for (unsigned long i = 0; i < count; i++) {
		memcpy(bytes, original, size);
		damage(bytes, size, bundle->table_offset, bundle->table_size);
		size_t length = next_random(8) == 0 ? next_random(size) : size;
		int fd = memfd_create("bundle", MFD_CLOEXEC);
		char path[64];
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		if (write(fd, bytes, length) != (ssize_t)length)
			return -1;
		static struct bundle damaged;
		struct fault fault = {0};
		if (bundle_open(&damaged, path, 0, &fault) == 0) {
			opened++;
			use(&damaged);
			bundle_close(&damaged);
		} else if (fault.text[0] == '\0') {
			abort();
		}
		close(fd);
	}
	free(original);
	free(bytes);
	printf("%lu of %lu could be opened\n", opened, count);
	return 0;
}

static int hash(const char *path, size_t piece)
{
	struct sha256 hash;
	unsigned char digest[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1], *buffer = malloc(piece);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 2;
	sha256_start(&hash);
	for (size_t count; (count = fread(buffer, 1, piece, file)) > 0;)
		sha256_add(&hash, buffer, count);
	sha256_finish(&hash, digest);
	sha256_hex(digest, hex);
	puts(hex);
	fclose(file);
	free(buffer);
	return 0;
}

int main(int argc, char **argv)
{
	static struct bundle bundle;
	struct fault fault = {0};
	int result = -1;
	if (argc > 3 && strcmp(argv[1], "sha256") == 0)
		return hash(argv[2], strtoul(argv[3], NULL, 10));
	if (argc < 3)
		return 2;
	uint64_t size = argc == 4 && strcmp(argv[1], "show") == 0 ? strtoull(argv[3], NULL, 10) : 0;
	if (bundle_open(&bundle, argv[2], size, &fault) != 0)
		return report(&fault);
	if (strcmp(argv[1], "show") == 0)
		show(&bundle), result = 0;
	else if (strcmp(argv[1], "read") == 0 && argc > 5)
		result = read_one(&bundle, argv, &fault);
	else if (strcmp(argv[1], "check") == 0)
		result = check_bundle(&bundle, stdout, argc > 3, &fault);
	else if (strcmp(argv[1], "mutate") == 0 && argc > 4)
		result = mutate(&bundle, argv);
	bundle_close(&bundle);
	fflush(stdout);
	return result < 0 ? report(&fault) : result;
}
