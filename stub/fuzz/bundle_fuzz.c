/* SPDX-License-Identifier: Apache-2.0
 * libFuzzer target for the file's own structure. The input is a bundle; footer and table get their right
 * checksums when there is a table, which an attacker can do too. Opened, its sections are used as the
 * launcher uses them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bundle.h"
#include "check.h"
#include "json.h"
#include "launch_config.h"
#include "little_endian.h"
#include "sha256.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void set_checksums(uint8_t *bytes, size_t size)
{
	if (size < BUNDLE_FOOTER_SIZE)
		return;
	uint8_t *footer = bytes + size - BUNDLE_FOOTER_SIZE;
	uint64_t table = le64(footer + 16), length = le64(footer + 24);
	if (table <= size && length <= size - table)
		sha256_of(bytes + table, (size_t)length, footer + 32);
	sha256_of(footer, 96, footer + 96);
}

static void use_config(const char *bytes, size_t size)
{
	struct launch_config config;
	struct fault fault = {0};
	if (launch_config_parse(&config, bytes, size, &fault) != 0 && fault.text[0] == '\0')
		abort();
	free(config.entrypoint.items);
	free(config.cmd.items);
	free(config.environment.items);
	free(config.mounts.items);
	free(config.requirements.items);
}

static void visit_value(void *context, const char *path, const char *value)
{
	*(size_t *)context += strlen(path) + strlen(value);
}

static void use(const struct bundle *bundle, FILE *sink)
{
	struct fault fault = {0};
	for (uint32_t i = 0; i < bundle->count; i++) {
		const struct section *section = &bundle->sections[i];
		char *bytes = bundle_read_section(bundle, section, LAUNCH_CONFIG_LIMIT, &fault);
		size_t total = 0;
		if (bytes == NULL)
			continue;
		if (section->kind == SECTION_LAUNCH_CONFIG)
			use_config(bytes, section->size);
		if (section->kind == SECTION_MANIFEST)
			json_walk(bytes, section->size, visit_value, &total);
		free(bytes);
	}
	fault_clear(&fault);
	check_bundle(bundle, sink, true, &fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct bundle bundle;
	static FILE *sink;
	struct fault fault = {0};
	char path[64];
	if (sink == NULL)
		sink = fopen("/dev/null", "w");
	uint8_t *copy = malloc(size + 1);
	int fd = memfd_create("bundle", MFD_CLOEXEC);
	if (fd < 0 || copy == NULL)
		abort();
	memcpy(copy, bytes, size);
	set_checksums(copy, size);
	if (write(fd, copy, size) != (ssize_t)size)
		abort();
	free(copy);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (bundle_open(&bundle, path, 0, &fault) == 0) {
		use(&bundle, sink);
		bundle_close(&bundle);
	} else if (fault.text[0] == '\0') {
		abort();
	}
	close(fd);
	return 0;
}
