/* SPDX-License-Identifier: Apache-2.0 */
#include "launch_config.h"

#include <string.h>

enum value_kind {
	VALUE_TEXT,      /* any bytes, not empty */
	VALUE_PATH,      /* absolute */
	VALUE_COMPONENT, /* a file name: no slash, not . or .. */
	VALUE_ARCH,
	VALUE_HEX,
	VALUE_INDEX,      /* uint32_t */
	VALUE_NUMBER,     /* uint64_t */
	VALUE_SWITCH,     /* 0 or 1 */
	VALUE_ASSIGNMENT, /* list of KEY=VALUE */
	VALUE_LIST,
};

struct key {
	const char *name;
	enum value_kind kind;
	bool required;
	size_t offset;
};

#define FIELD(field) offsetof(struct launch_config, field)

static const struct key keys[] = {
    {"arch", VALUE_ARCH, true, FIELD(arch)},
    {"payload", VALUE_INDEX, true, FIELD(payload)},
    {"root", VALUE_PATH, true, FIELD(root)},
    {"id", VALUE_HEX, true, FIELD(id)},
    {"size", VALUE_NUMBER, true, FIELD(size)},
    {"inodes", VALUE_NUMBER, true, FIELD(inodes)},
    {"name", VALUE_COMPONENT, true, FIELD(name)},
    {"entrypoint", VALUE_LIST, false, FIELD(entrypoint)},
    {"cmd", VALUE_LIST, false, FIELD(cmd)},
    {"env", VALUE_ASSIGNMENT, false, FIELD(environment)},
    {"workdir", VALUE_PATH, false, FIELD(workdir)},
    {"rc", VALUE_SWITCH, false, FIELD(rc)},
    {"mount", VALUE_LIST, false, FIELD(mounts)},
    {"target", VALUE_TEXT, false, FIELD(target)},
    {"mount-home", VALUE_SWITCH, false, FIELD(mount_home)},
    {"mount-cwd", VALUE_SWITCH, false, FIELD(mount_cwd)},
    {"require", VALUE_LIST, false, FIELD(requirements)},
};

enum { KEY_COUNT = sizeof keys / sizeof *keys };

/* Decimal without sign, blanks or leading zeros; -1 when it is none or exceeds `limit`. */
static int parse_number(const char *text, uint64_t limit, uint64_t *number)
{
	if (*text == '\0' || (*text == '0' && text[1] != '\0'))
		return -1;
	uint64_t value = 0;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		uint64_t digit = (uint64_t)(*text - '0');
		if (value > (limit - digit) / 10)
			return -1;
		value = value * 10 + digit;
	}
	*number = value;
	return 0;
}

static bool acceptable(enum value_kind kind, const char *value)
{
	switch (kind) {
	case VALUE_TEXT:
		return *value != '\0';
	case VALUE_PATH:
		return *value == '/';
	case VALUE_COMPONENT:
		return *value != '\0' && strchr(value, '/') == NULL && strcmp(value, ".") != 0 &&
		       strcmp(value, "..") != 0;
	case VALUE_ARCH:
		return strcmp(value, "x86_64") == 0 || strcmp(value, "aarch64") == 0;
	case VALUE_HEX:
		return strlen(value) == 64 && strspn(value, "0123456789abcdef") == 64;
	case VALUE_SWITCH:
		return strcmp(value, "0") == 0 || strcmp(value, "1") == 0;
	case VALUE_ASSIGNMENT:
		return *value != '=' && strchr(value, '=') != NULL;
	default:
		return true;
	}
}

/* Put `value` into the field of `key`; -1 with a fault when it is not understood. */
static int store(struct launch_config *config, const struct key *key, const char *value, struct fault *fault)
{
	char *field = (char *)config + key->offset;
	uint64_t number = 0;
	if (!acceptable(key->kind, value) ||
	    (key->kind == VALUE_INDEX && parse_number(value, UINT32_MAX, &number) != 0) ||
	    (key->kind == VALUE_NUMBER && parse_number(value, UINT64_MAX, &number) != 0))
		return fault_set(fault, 0, "the bundle's launch config is damaged: %s=%.200s", key->name,
		                 value);
	switch (key->kind) {
	case VALUE_INDEX:
		*(uint32_t *)field = (uint32_t)number;
		return 0;
	case VALUE_NUMBER:
		*(uint64_t *)field = number;
		return 0;
	case VALUE_SWITCH:
		*(bool *)field = *value == '1';
		return 0;
	case VALUE_ASSIGNMENT:
	case VALUE_LIST:
		return string_list_push((struct string_list *)field, value, fault);
	default:
		*(const char **)field = value;
		return 0;
	}
}

static bool is_list(const struct key *key)
{
	return key->kind == VALUE_LIST || key->kind == VALUE_ASSIGNMENT;
}

static const struct key *find_key(const char *name, size_t length)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (strlen(keys[i].name) == length && memcmp(keys[i].name, name, length) == 0)
			return &keys[i];
	}
	return NULL;
}

int launch_config_parse(struct launch_config *config, const char *bytes, size_t size, struct fault *fault)
{
	bool seen[KEY_COUNT] = {false};
	*config = (struct launch_config){.workdir = "/"};
	if (size == 0 || size > LAUNCH_CONFIG_LIMIT || bytes[size - 1] != '\0')
		return fault_set(fault, 0, "the bundle's launch config is damaged: %zu bytes without an end",
		                 size);
	for (const char *entry = bytes; entry < bytes + size; entry += strlen(entry) + 1) {
		const char *equals = strchr(entry, '=');
		if (equals == NULL || equals == entry)
			return fault_set(fault, 0, "the bundle's launch config is damaged: '%.200s'", entry);
		const struct key *key = find_key(entry, (size_t)(equals - entry));
		if (key == NULL && *entry == '!') {
			fault_set(fault, 0, "the bundle needs a newer launcher: '%.200s' is not known",
			          entry);
			return fault_hint(
			    fault, "build it again with this version of rundle, or use its own launcher");
		}
		if (key == NULL)
			continue;
		if (seen[key - keys] && !is_list(key))
			return fault_set(fault, 0, "the bundle's launch config is damaged: two values of %s",
			                 key->name);
		seen[key - keys] = true;
		if (store(config, key, equals + 1, fault) != 0)
			return -1;
	}
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (keys[i].required && !seen[i])
			return fault_set(fault, 0, "the bundle's launch config is damaged: no %s",
			                 keys[i].name);
	}
	return 0;
}
