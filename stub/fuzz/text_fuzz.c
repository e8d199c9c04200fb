/* SPDX-License-Identifier: Apache-2.0
 * libFuzzer target for what a bundle holds as text. The first byte chooses: a launch config with the mounts
 * and requirements in it, JSON, a mount or a requirement alone. */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "launch_config.h"
#include "mount_spec.h"
#include "requirement.h"

/* Valid JSON, closed by a NUL. */
static void use_member(char *json, size_t size)
{
	size_t value_size;
	char *value = json_member(json, "licenses", &value_size);
	if (value == NULL)
		return;
	if (value < json || value + value_size > json + size || !json_walk(value, value_size, NULL, NULL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static char *const environment[] = {"HOME=/home/user", "SHORT=", NULL};

static void use_mount(const char *text)
{
	static struct mount_spec spec;
	struct fault fault = {0};
	if (mount_parse(text, environment, &spec, &fault) != 0) {
		if (fault.text[0] == '\0')
			abort();
	} else if (spec.target[0] != '/' || strlen(spec.source) >= sizeof spec.source) {
		abort();
	}
}

static void use_requirement(const char *text)
{
	struct requirement_finding finding;
	struct fault fault = {0};
	if (requirement_check(text, &finding, &fault) != 0) {
		if (fault.text[0] == '\0')
			abort();
	} else if (finding.found[0] == '\0' || (finding.remedy[0] == '\0') != finding.met) {
		abort();
	}
}

static void use_config(const char *bytes, size_t size)
{
	struct launch_config config;
	struct fault fault = {0};
	int result = launch_config_parse(&config, bytes, size, &fault);
	if (result != 0 && fault.text[0] == '\0')
		abort();
	for (size_t i = 0; result == 0 && i < config.mounts.count; i++)
		use_mount(config.mounts.items[i]);
	for (size_t i = 0; result == 0 && i < config.requirements.count; i++)
		use_requirement(config.requirements.items[i]);
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	size_t total = 0;
	if (size == 0)
		return 0;
	/* JSON is not closed by a NUL for its reader; the others are. */
	char *copy = malloc(size);
	memcpy(copy, bytes + 1, size - 1);
	copy[size - 1] = '\0';
	switch (bytes[0] % 4) {
	case 0:
		use_config(copy, size);
		break;
	case 1:
		if (json_walk((const char *)bytes + 1, size - 1, visit_value, &total))
			use_member(copy, size - 1);
		break;
	case 2:
		use_mount(copy);
		break;
	default:
		use_requirement(copy);
	}
	free(copy);
	return 0;
}
