/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cgroup_limit.h"
#include "host/checks.h"
#include "host/read.h"

/* Below these a program of the usual size is in trouble. */
static const struct {
	int resource;
	const char *name, *letter;
	rlim_t least, unit; /* what ulimit counts in */
	bool fabric;        /* matters to those who talk to a network card */
} limits[] = {
    {RLIMIT_NOFILE, "nofile", "n", 1024, 1, false},
    {RLIMIT_NPROC, "nproc", "u", 64, 1, false},
    {RLIMIT_STACK, "stack", "s", 1 << 20, 1024, false},
    {RLIMIT_AS, "as", "v", RLIM_INFINITY, 1024, false},
    {RLIMIT_MEMLOCK, "memlock", "l", RLIM_INFINITY, 1024, true},
};

static void format(char *text, size_t size, rlim_t value, rlim_t unit)
{
	if (value == RLIM_INFINITY)
		snprintf(text, size, "unlimited");
	else if (unit == 1)
		snprintf(text, size, "%" PRIu64, (uint64_t)value);
	else
		snprintf(text, size, "%" PRIu64 "K", (uint64_t)value / 1024);
}

static bool has_fabric(void)
{
	DIR *devices = opendir("/dev/infiniband");
	if (devices != NULL)
		closedir(devices);
	return devices != NULL || access("/dev/cxi0", F_OK) == 0 || access("/dev/hfi1_0", F_OK) == 0;
}

void look_rlimits(const struct host *host, struct check *check)
{
	(void)host;
	bool fabric = has_fabric();
	char low[64] = "";
	check_set(check, CHECK_PASS, "%s", "");
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct rlimit limit;
		char soft[24], hard[24];
		if (getrlimit(limits[i].resource, &limit) != 0)
			continue;
		format(soft, sizeof soft, limit.rlim_cur, limits[i].unit);
		format(hard, sizeof hard, limit.rlim_max, limits[i].unit);
		check_add(check, "%s%s %s", i == 0 ? "" : ", ", limits[i].name, soft);
		if (limit.rlim_cur != limit.rlim_max)
			check_add(check, " of %s", hard);
		check_value(check, "%s%s=%s", i == 0 ? "" : " ", limits[i].name, soft);
		if (limit.rlim_cur >= limits[i].least || (limits[i].fabric && !fabric))
			continue;
		check->result = CHECK_WARN;
		size_t used = strlen(low);
		snprintf(low + used, sizeof low - used, "%s%s", used == 0 ? "; low: " : ", ", limits[i].name);
		if (limit.rlim_max >= limits[i].least)
			check_remedy(check, "ulimit -S -%s %s", limits[i].letter, hard);
		else
			check_remedy(
			    check, "echo '* - %s %s' | sudo tee -a /etc/security/limits.d/rundle.conf",
			    limits[i].name, limits[i].least == RLIM_INFINITY ? "unlimited" : "65536");
	}
	check_add(check, "%s", low);
}

/* The directory of this process's group of `controller`, in either version. */
static void find_group(const char *controller, char *path, size_t size)
{
	char text[4096], name[600] = "/";
	const char *rest = text;
	bool second = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
	host_read("/proc/self/cgroup", text, sizeof text);
	for (const char *line = rest; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
		char controllers[120] = "";
		line += *line == '\n';
		const char *colon = strchr(line, ':');
		if (colon == NULL)
			break;
		const char *end = strchr(colon + 1, ':');
		if (end == NULL)
			break;
		snprintf(controllers, sizeof controllers, "%.*s", (int)(end - colon - 1), colon + 1);
		if (second ? controllers[0] == '\0' : strstr(controllers, controller) != NULL)
			snprintf(name, sizeof name, "%.*s", (int)strcspn(end + 1, "\n"), end + 1);
	}
	snprintf(path, size, "/sys/fs/cgroup%s%s%s", second ? "" : "/", second ? "" : controller, name);
}

void look_cgroup(const struct host *host, struct check *check)
{
	char path[800], file[900], cpus[128], pids[32];
	uint64_t memory = cgroup_memory_limit(), share = cgroup_cpu_limit();
	bool second = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
	bool first = access("/sys/fs/cgroup/memory", F_OK) == 0;
	check_set(check, CHECK_INFO, "version %s", second ? "2" : first ? "1" : "unknown");
	check_value(check, "%s", second ? "v2" : first ? "v1" : "none");
	if (memory < host->facts.memory) {
		check_add(check, ", memory limited to %" PRIu64 " MiB", memory >> 20);
		check_value(check, " memory=%" PRIu64 "M", memory >> 20);
		check->shown = true;
	}
	if (share != UINT64_MAX) {
		check_add(check, ", processor time of %" PRIu64 " CPUs", share);
		check_value(check, " cpu=%" PRIu64, share);
		check->shown = true;
	}
	find_group("pids", path, sizeof path);
	snprintf(file, sizeof file, "%s/pids.max", path);
	if (host_read_line(file, pids, sizeof pids) && strcmp(pids, "max") != 0) {
		snprintf(file, sizeof file, "%s/pids.current", path);
		long left = host_read_number(file, 0);
		left = host_read_number((snprintf(file, sizeof file, "%s/pids.max", path), file), 0) - left;
		check_add(check, ", %s processes", pids);
		check_value(check, " pids=%s", pids);
		if (left < 16) {
			check->result = CHECK_WARN;
			check_add(check, ", of which %ld are left", left);
		}
	}
	host_read_field("/proc/self/status", "Cpus_allowed_list", cpus, sizeof cpus);
	check_add(check, ", CPUs %s", cpus);
	/* A tree in memory counts as memory of the job. */
	if (host->chosen != TIER_MOUNT && host->tree_in_memory && memory < host->config->size * 2) {
		check->result = CHECK_WARN;
		check_add(check, "; the tree of %" PRIu64 " MiB would lie in it", host->config->size >> 20);
		check_remedy(check, "TMPDIR=/path/on/disk %s", host->app);
	}
}
