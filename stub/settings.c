/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <string.h>
#include <strings.h>

#include "substitute.h"

static const struct {
	const char *name;
	size_t offset; /* of the bool in struct options */
} switches[] = {
    {"ENROOT_REMAP_ROOT", offsetof(struct options, root)},
    {"ENROOT_ROOTFS_WRITABLE", offsetof(struct options, writable)},
    {"ENROOT_MOUNT_HOME", offsetof(struct options, mount_home)},
    {"ENROOT_UNSHARE_PID", offsetof(struct options, pid)},
    {"ENROOT_UNSHARE_NET", offsetof(struct options, net)},
    {"ENROOT_UNSHARE_IPC", offsetof(struct options, ipc)},
    {"ENROOT_UNSHARE_UTS", offsetof(struct options, uts)},
};

static int parse_switch(const char *name, const char *value, bool *on, struct fault *fault)
{
	static const char *const words[] = {"y", "yes", "true", "1", "n", "no", "false", "0", ""};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*on = i < 4;
			return 0;
		}
	}
	fault_set(fault, 0, "setting %s has the value '%.100s'", name, value);
	return fault_hint(fault, "y or n is expected");
}

/* The last value of `name` in `files`, else the one in `environment`, else NULL. */
static const char *lookup(const char *name, char *const *environment, char *const *files)
{
	size_t length = strlen(name);
	const char *value = environment_value(environment, name, length);
	for (; files != NULL && *files != NULL; files++) {
		if (strncmp(*files, name, length) == 0 && (*files)[length] == '=')
			value = *files + length + 1;
	}
	return value;
}

int settings_apply(struct options *options, char *const *environment, char *const *files, struct fault *fault)
{
	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
		const char *value = lookup(switches[i].name, environment, files);
		bool on = false;
		if (value != NULL && parse_switch(switches[i].name, value, &on, fault) != 0)
			return -1;
		if (on)
			*(bool *)((char *)options + switches[i].offset) = true;
	}
	const char *temporary = lookup("ENROOT_TEMP_PATH", environment, files);
	if (temporary != NULL && *temporary != '\0')
		options->temporary = temporary;
	return 0;
}
