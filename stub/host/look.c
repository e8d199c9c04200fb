/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/checks.h"
#include "host/filesystem.h"
#include "host/lines.h"
#include "host/remedy.h"
#include "own_arch.h"

static const struct {
	const char *id, *group;
	check_function *function;
} table[] = {
    {"kernel", "Machine", look_kernel},
    {"architecture", "Machine", look_architecture},
    {"cpu", "Machine", look_cpu},
    {"host-kind", "Machine", look_host_kind},
    {"job", "Machine", look_job},
    {"payload", "Bundle", look_payload},
    {"launcher-directory", "Bundle", look_launcher_directory},
    {"launcher-installed", "Bundle", look_launcher_installed},
    {"user-namespaces", "Containers", look_user_namespaces},
    {"nesting", "Containers", look_nesting},
    {"mounts", "Containers", look_mounts},
    {"pivot-root", "Containers", look_pivot_root},
    {"fuse", "Containers", look_fuse},
    {"overlay", "Containers", look_overlay},
    {"proc", "Containers", look_proc},
    {"seccomp", "Policies", look_seccomp},
    {"ptrace", "Policies", look_ptrace},
    {"apparmor", "Policies", look_apparmor},
    {"selinux", "Policies", look_selinux},
    {"yama", "Policies", look_yama},
    {"memfd", "Policies", look_memfd},
    {"directories", "Room", look_directories},
    {"shm", "Room", look_shm},
    {"rlimits", "Room", look_rlimits},
    {"cgroup", "Room", look_cgroup},
    {"gpu-nvidia", "Devices", look_gpu_nvidia},
    {"gpu-amd", "Devices", look_gpu_amd},
    {"wsl-gpu", "Devices", look_wsl_gpu},
    {"fabric", "Devices", look_fabric},
};

enum { CHECKS = sizeof table / sizeof *table };
_Static_assert((int)CHECKS <= (int)HOST_CHECKS_MAX, "there is room for every check");

/* What each tier takes, closed by NULL: where one of these does not work, its remedies are the tier's. */
static const char *const needs[TIER_COUNT][6] = {
    [TIER_MOUNT] = {"user-namespaces", "mounts", "pivot-root", "fuse", "overlay", NULL},
    [TIER_EXTRACT] = {"user-namespaces", "mounts", "pivot-root", "directories", NULL},
    [TIER_TRACE] = {"ptrace", "seccomp", "directories", NULL},
};

const struct check *host_check(const struct host *host, const char *id)
{
	for (size_t i = 0; i < host->check_count; i++)
		if (strcmp(host->checks[i].id, id) == 0)
			return &host->checks[i];
	return NULL;
}

static void try_tiers(struct host *host, struct options *options)
{
	static struct start start;
	struct fault fault = {0};
	host->chosen = TIER_COUNT;
	if (strcmp(host->config->arch, OWN_ARCH_NAME) != 0)
		fault_set(&fault, 0, "the bundle is for %s, this machine is %s", host->config->arch,
		          host->facts.machine);
	else if (start_prepare(&start, host->bundle, host->config, options, &fault) == 0)
		host->chosen = tiers_try(&start, host->tiers, host->tree_directory);
	char type[24];
	filesystem_type(host->tree_directory, type, sizeof type);
	host->tree_in_memory = strcmp(type, "tmpfs") == 0 || strcmp(type, "ramfs") == 0;
	for (enum tier tier = 0; fault.text[0] != '\0' && tier < TIER_COUNT; tier++)
		host->tiers[tier] = (struct tier_finding){.reason = fault};
}

static int check_requirements(struct host *host, struct fault *fault)
{
	const struct string_list *list = &host->config->requirements;
	host->requirements_met = true;
	host->requirements = calloc(list->count + 1, sizeof *host->requirements);
	if (host->requirements == NULL)
		return fault_set(fault, 0, "there is no memory for %zu requirements", list->count);
	for (size_t i = 0; i < list->count; i++) {
		struct requirement_finding *finding = &host->requirements[i];
		struct fault reason = {0};
		if (requirement_check(list->items[i], finding, &reason) != 0) {
			finding->met = false;
			snprintf(finding->found, sizeof finding->found, "%.150s", reason.text);
		}
		host->requirements_met &= finding->met;
	}
	return 0;
}

static void gather_remedies(struct host *host, enum tier tier)
{
	char *remedies = host->tier_remedies[tier];
	const struct fault *reason = &host->tiers[tier].reason;
	if (host->tiers[tier].works)
		return;
	for (const char *const *id = needs[tier]; *id != NULL; id++) {
		const struct check *check = host_check(host, *id);
		if (check != NULL && check->result != CHECK_PASS)
			lines_add(remedies, sizeof host->tier_remedies[tier], check->remedy);
	}
	if (remedies[0] == '\0')
		lines_add(remedies, sizeof host->tier_remedies[tier], reason->hint);
}

int host_look(struct host *host, struct fault *fault)
{
	static struct options options; /* settings and the bundle turn on more of them */
	options = *host->options;
	host->options = &options;
	remedy_quote(host->app, sizeof host->app, host->bundle->path);
	host_facts_gather(&host->facts);
	try_tiers(host, &options);
	host->survey = survey_make(options.root, fault);
	if (host->survey == NULL || check_requirements(host, fault) != 0)
		return -1;
	for (; host->check_count < CHECKS; host->check_count++) {
		struct check *check = &host->checks[host->check_count];
		check->id = table[host->check_count].id;
		check->group = table[host->check_count].group;
		table[host->check_count].function(host, check);
	}
	for (enum tier tier = 0; tier < TIER_COUNT; tier++)
		gather_remedies(host, tier);
	if (host->chosen == TIER_COUNT || (!host->requirements_met && !options.ignore_requirements))
		host->verdict = VERDICT_NONE;
	else
		host->verdict = host->chosen == TIER_MOUNT ? VERDICT_BEST : VERDICT_LESSER;
	return 0;
}
