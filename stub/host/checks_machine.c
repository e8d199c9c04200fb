/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cpu_features.h"
#include "host/checks.h"
#include "host/filesystem.h"
#include "host/trial.h"
#include "host_setup.h"
#include "own_arch.h"
#include "payload.h"

enum check_result check_hurts(const struct host *host)
{
	return host->chosen == TIER_COUNT ? CHECK_FAIL : CHECK_WARN;
}

void look_kernel(const struct host *host, struct check *check)
{
	const struct host_facts *facts = &host->facts;
	char *end;
	unsigned long major = strtoul(facts->kernel, &end, 10);
	unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	bool old = major < 4 || (major == 4 && minor < 18);
	check_set(check, old ? CHECK_INFO : CHECK_PASS, "Linux %s%s%s", facts->kernel,
	          facts->distribution[0] != '\0' ? ", " : "", facts->distribution);
	if (old)
		check_add(check, "; FUSE in a user namespace takes Linux 4.18");
	check_value(check, "%s", facts->kernel);
}

void look_architecture(const struct host *host, struct check *check)
{
	bool right = strcmp(host->config->arch, OWN_ARCH_NAME) == 0;
	check_set(check, right ? CHECK_PASS : CHECK_FAIL, "the bundle is for %s, this is %s",
	          host->config->arch, host->facts.machine);
	check_value(check, "%s", host->facts.machine);
	if (!right)
		check_remedy(check, "rundle build --platform linux/%s ...",
		             OWN_ARCH == BUNDLE_ARCH_X86_64 ? "amd64" : "arm64");
}

void look_host_kind(const struct host *host, struct check *check)
{
	const struct host_facts *facts = &host->facts;
	bool old = strcmp(facts->kind, "wsl1") == 0;
	check_set(check, old ? check_hurts(host) : CHECK_INFO, "%s",
	          strcmp(facts->kind, "bare") == 0      ? "bare metal"
	          : strcmp(facts->kind, "virtual") == 0 ? "virtual machine"
	          : old                                 ? "WSL 1, which has no namespaces and no FUSE"
	          : strcmp(facts->kind, "wsl2") == 0    ? "WSL 2"
	                                                : "container");
	check_value(check, "%s", facts->kind);
	if (facts->container != NULL) {
		check_add(check, " (%s)", facts->container);
		check_value(check, " %s", facts->container);
	}
	if (old)
		check_remedy(check, "wsl.exe --set-version \"$WSL_DISTRO_NAME\" 2");
}

void look_job(const struct host *host, struct check *check)
{
	const struct host_facts *facts = &host->facts;
	check_set(check, CHECK_INFO, "no batch job");
	if (facts->manager == NULL)
		return;
	check_set(check, CHECK_INFO, "%s job %.80s", facts->manager, facts->job);
	if (facts->node != NULL)
		check_add(check, ", node %.80s", facts->node);
	if (facts->rank != NULL)
		check_add(check, ", rank %.20s", facts->rank);
	check_value(check, "%s", facts->manager);
}

void look_cpu(const struct host *host, struct check *check)
{
	static const char *const levels[] = {"x86-64-v4", "x86-64-v3", "x86-64-v2"};
	static const char *const features[] = {"avx512f",  "avx512_vnni", "avx512_bf16", "avx512_fp16",
	                                       "amx_tile", "atomics",     "sve",         "sve2",
	                                       "bf16",     "i8mm"};
	for (size_t i = 0; check->value[0] == '\0' && i < sizeof levels / sizeof *levels; i++)
		if (cpu_has(levels[i]) == 1)
			check_value(check, "%s", levels[i]);
	if (check->value[0] == '\0')
		check_value(check, OWN_ARCH_NAME);
	for (size_t i = 0; i < sizeof features / sizeof *features; i++)
		if (cpu_has(features[i]) == 1)
			check_value(check, " %s", features[i]);
	check_set(check, CHECK_INFO, "%s%s%u CPUs, %s", host->facts.cpu,
	          host->facts.cpu[0] != '\0' ? ", " : "", host->facts.cpus, check->value);
}

void look_launcher_directory(const struct host *host, struct check *check)
{
	(void)host;
	static const char deleted[] = " (deleted)";
	char path[PATH_MAX], type[24];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
	path[length < 0 ? 0 : length] = '\0';
	if ((size_t)length > sizeof deleted && strcmp(path + length - (sizeof deleted - 1), deleted) == 0)
		path[(size_t)length - (sizeof deleted - 1)] = '\0';
	char *slash = strrchr(path, '/');
	if (length < 0 || slash == NULL) {
		check_set(check, CHECK_INFO, "where the launcher runs from is not known");
		return;
	}
	slash[slash == path] = '\0';
	filesystem_type(path, type, sizeof type);
	check_set(check, CHECK_PASS, "the launcher runs from %.400s (%s)", path, type);
	check_value(check, "%s", type);
}

static void probe_installed(void *context)
{
	trial_execute(context);
	_exit(1);
}

void look_launcher_installed(const struct host *host, struct check *check)
{
	static char path[] = HOST_LAUNCHER;
	struct stat directory, file;
	struct fault fault = {0};
	if (lstat(HOST_LAUNCHER_DIRECTORY, &directory) != 0 || lstat(path, &file) != 0) {
		check_set(check, CHECK_INFO, "no launcher is installed for this host (%s)", path);
		check_value(check, "absent");
		return;
	}
	bool safe = S_ISREG(file.st_mode) && S_ISDIR(directory.st_mode) && file.st_uid == 0 &&
	            directory.st_uid == 0 && ((file.st_mode | directory.st_mode) & 022) == 0;
	bool works = safe && trial_run(probe_installed, path, &fault) == 0;
	check_set(check, works ? CHECK_PASS : CHECK_WARN, "%s %s", path,
	          works  ? "is installed and used"
	          : safe ? "is installed but cannot be executed"
	                 : "is not used, since others than root may write it");
	check_value(check, works ? "installed" : "unusable");
	if (!works)
		check_remedy(check, "sudo %s --setup-host", host->app);
}

void look_payload(const struct host *host, struct check *check)
{
	struct fault fault = {0};
	struct payload_inode inode;
	const struct section *section =
	    bundle_section(host->bundle, SECTION_PAYLOAD, BUNDLE_ARCH_NONE, host->config->payload);
	struct payload *payload = NULL;
	if (section == NULL)
		fault_set(&fault, 0, "the bundle holds no payload %u", host->config->payload);
	else
		payload = payload_open(host->bundle->fd, section->offset, section->size, &fault);
	if (payload != NULL && payload_lookup_path(payload, host->config->root, &inode, &fault) == 0)
		check_set(check, CHECK_PASS, "%" PRIu64 " MB with %" PRIu64 " files can be read",
		          section->size / 1000000 + 1, host->config->inodes);
	else
		check_fault(check, check_hurts(host), &fault);
	check_value(check, "%.16s", host->config->id);
	if (fault.text[0] != '\0')
		check_remedy(check, "%s --check", host->app);
	payload_close(payload);
}
