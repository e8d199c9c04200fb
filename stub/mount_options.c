/* SPDX-License-Identifier: Apache-2.0 */
#include "mount_options.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

struct flag {
	const char *name;
	unsigned long set, clear;
};

static const unsigned long access_time = MS_NOATIME | MS_RELATIME | MS_STRICTATIME;

static const struct flag flags[] = {
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"nodiratime", MS_NODIRATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"noatime", MS_NOATIME, access_time},
    {"relatime", MS_RELATIME, access_time},
    {"strictatime", MS_STRICTATIME, access_time},
    {"defaults", 0, 0},
};

static const struct flag propagations[] = {
    {"private", MS_PRIVATE, 0},       {"rprivate", MS_PRIVATE | MS_REC, 0},
    {"slave", MS_SLAVE, 0},           {"rslave", MS_SLAVE | MS_REC, 0},
    {"shared", MS_SHARED, 0},         {"rshared", MS_SHARED | MS_REC, 0},
    {"unbindable", MS_UNBINDABLE, 0}, {"runbindable", MS_UNBINDABLE | MS_REC, 0},
};

static const struct flag *find(const struct flag *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

/* The options that start with x- are ours and Enroot's; `value` is what stands behind `x-`. */
static int parse_own(const char *value, struct mount_spec *spec, struct mount_choice *choice,
                     struct fault *fault)
{
	static const struct {
		const char *name;
		enum mount_create create;
	} creations[] = {
	    {"create=dir", CREATE_DIRECTORY}, {"create=file", CREATE_FILE}, {"create=auto", CREATE_AUTO}};
	for (size_t i = 0; i < sizeof creations / sizeof *creations; i++) {
		if (strcmp(value, creations[i].name) == 0) {
			spec->create = creations[i].create;
			choice->create = true;
			return 0;
		}
	}
	if (strcmp(value, "move") == 0)
		return choice->move = true, 0;
	if (strcmp(value, "detach") == 0)
		return choice->detach = true, 0;
	fault_set(fault, 0, "unknown mount option x-%s", value);
	return fault_hint(fault,
	                  "Known are x-create=dir, x-create=file, x-create=auto, x-move and x-detach.");
}

static int add_data(struct mount_spec *spec, const char *option, struct fault *fault)
{
	size_t used = strlen(spec->data);
	if (used + strlen(option) + 2 > sizeof spec->data)
		return fault_set(fault, 0, "too many mount options");
	snprintf(spec->data + used, sizeof spec->data - used, "%s%s", used > 0 ? "," : "", option);
	return 0;
}

static int parse_one(const char *option, struct mount_spec *spec, struct mount_choice *choice,
                     struct fault *fault)
{
	const struct flag *found = find(flags, sizeof flags / sizeof *flags, option);
	if (found != NULL) {
		spec->set = (spec->set & ~found->clear) | found->set;
		spec->clear = (spec->clear & ~found->set) | found->clear;
		return 0;
	}
	found = find(propagations, sizeof propagations / sizeof *propagations, option);
	if (found != NULL)
		return spec->propagation = found->set, 0;
	if (strcmp(option, "bind") == 0)
		return choice->bind = true, 0;
	if (strcmp(option, "rbind") == 0)
		return choice->rbind = true, 0;
	if (strcmp(option, "nofail") == 0)
		return spec->nofail = true, 0;
	if (strcmp(option, "silent") == 0)
		return spec->silent = true, 0;
	if (strncmp(option, "x-", 2) == 0)
		return parse_own(option + 2, spec, choice, fault);
	return add_data(spec, option, fault);
}

int mount_options_parse(const char *options, struct mount_spec *spec, struct mount_choice *choice,
                        struct fault *fault)
{
	char copy[PATH_MAX];
	if (strlen(options) >= sizeof copy)
		return fault_set(fault, 0, "too many mount options");
	memcpy(copy, options, strlen(options) + 1);
	char *state = NULL;
	for (char *option = strtok_r(copy, ",", &state); option != NULL; option = strtok_r(NULL, ",", &state))
		if (parse_one(option, spec, choice, fault) != 0)
			return -1;
	return 0;
}
