/* SPDX-License-Identifier: Apache-2.0 */
#include "host/facts.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host/read.h"
#include "namespaces.h"

/* Inode number of the first one, include/linux/proc_ns.h. */
#define FIRST_PID_NAMESPACE 0xEFFFFFFCUL

/* The traces that container engines leave: a file, a variable of the environment, or a word in the cgroup of
 * pid 1. */
static const struct {
	const char *file, *variable, *word, *name;
} engines[] = {
    {NULL, "KUBERNETES_SERVICE_HOST", "kubepods", "kubernetes"},
    {"/.dockerenv", NULL, "docker", "docker"},
    {"/run/.containerenv", NULL, "libpod", "podman"},
    {"/.singularity.d", "APPTAINER_CONTAINER", NULL, "apptainer"},
    {"/dev/lxd/sock", NULL, "lxc", "lxc"},
};

static const struct {
	const char *manager, *job, *node, *rank;
} managers[] = {
    {"slurm", "SLURM_JOB_ID", "SLURMD_NODENAME", "SLURM_PROCID"},
    {"flux", "FLUX_JOB_ID", NULL, "FLUX_TASK_RANK"},
    {"pbs", "PBS_JOBID", NULL, "PBS_TASKNUM"},
    {"lsf", "LSB_JOBID", NULL, NULL},
};

/* Part numbers of the server processors that clusters have, which /proc/cpuinfo does not name. */
static const struct {
	const char *part, *name;
} arm_parts[] = {
    {"0xd0c", "Neoverse N1"}, {"0xd40", "Neoverse V1"}, {"0xd49", "Neoverse N2"},
    {"0xd4f", "Neoverse V2"}, {"0x001", "A64FX"},       {"0xac3", "Ampere-1"},
};

static bool in_pid_namespace(void)
{
	struct stat status;
	return stat("/proc/self/ns/pid", &status) == 0 && status.st_ino != FIRST_PID_NAMESPACE;
}

static void find_kind(struct host_facts *facts)
{
	char cgroup[512], vendor[128], flags[4096];
	bool own = getenv("container") != NULL || access("/run/host/container-manager", F_OK) == 0;
	host_read("/proc/1/cgroup", cgroup, sizeof cgroup);
	for (size_t i = 0; facts->container == NULL && i < sizeof engines / sizeof *engines; i++)
		if ((engines[i].file != NULL && access(engines[i].file, F_OK) == 0) ||
		    (engines[i].variable != NULL && getenv(engines[i].variable) != NULL) ||
		    (engines[i].word != NULL && strstr(cgroup, engines[i].word) != NULL))
			facts->container = engines[i].name;
	if (strstr(facts->kernel, "-Microsoft") != NULL && access("/dev/dxg", F_OK) != 0)
		facts->kind = "wsl1";
	else if (strcasestr(facts->kernel, "microsoft") != NULL || strstr(facts->kernel, "WSL") != NULL ||
	         access("/run/WSL", F_OK) == 0 || access("/proc/sys/fs/binfmt_misc/WSLInterop", F_OK) == 0)
		facts->kind = "wsl2";
	else if (facts->container != NULL || own || in_pid_namespace() || namespaces_inner())
		facts->kind = "container";
	else if ((host_read_field("/proc/cpuinfo", "flags", flags, sizeof flags) &&
	          strstr(flags, " hypervisor") != NULL) ||
	         access("/sys/hypervisor/type", F_OK) == 0 ||
	         (host_read_line("/sys/class/dmi/id/sys_vendor", vendor, sizeof vendor) &&
	          (strstr(vendor, "QEMU") != NULL || strstr(vendor, "Amazon EC2") != NULL)))
		facts->kind = "virtual";
}

static void find_job(struct host_facts *facts)
{
	static const char *const ranks[] = {"PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK"};
	for (size_t i = 0; i < sizeof managers / sizeof *managers; i++) {
		facts->job = getenv(managers[i].job);
		if (facts->job == NULL)
			continue;
		facts->manager = managers[i].manager;
		facts->node = managers[i].node != NULL ? getenv(managers[i].node) : NULL;
		facts->rank = managers[i].rank != NULL ? getenv(managers[i].rank) : NULL;
		for (size_t j = 0; facts->rank == NULL && j < sizeof ranks / sizeof *ranks; j++)
			facts->rank = getenv(ranks[j]);
		return;
	}
}

static void find_processor(struct host_facts *facts)
{
	char part[32];
	cpu_set_t set;
	facts->cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set)
	                                                          : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	if (host_read_field("/proc/cpuinfo", "model name", facts->cpu, sizeof facts->cpu))
		return;
	host_read_field("/proc/cpuinfo", "CPU part", part, sizeof part);
	snprintf(facts->cpu, sizeof facts->cpu, "%s%s", part[0] == '\0' ? "" : "part ", part);
	for (size_t i = 0; i < sizeof arm_parts / sizeof *arm_parts; i++)
		if (strcmp(arm_parts[i].part, part) == 0)
			snprintf(facts->cpu, sizeof facts->cpu, "%s", arm_parts[i].name);
}

void host_facts_gather(struct host_facts *facts)
{
	struct utsname system;
	char memory[64];
	*facts = (struct host_facts){.kind = "bare", .name = "unknown"};
	if (uname(&system) == 0) {
		if (system.nodename[0] != '\0')
			memcpy(facts->name, system.nodename, sizeof facts->name);
		memcpy(facts->machine, system.machine, sizeof facts->machine);
		memcpy(facts->kernel, system.release, sizeof facts->kernel);
	}
	if (!host_read_field("/etc/os-release", "PRETTY_NAME", facts->distribution,
	                     sizeof facts->distribution))
		host_read_field("/usr/lib/os-release", "PRETTY_NAME", facts->distribution,
		                sizeof facts->distribution);
	if (host_read_field("/proc/meminfo", "MemTotal", memory, sizeof memory))
		facts->memory = strtoull(memory, NULL, 10) * 1024;
	find_kind(facts);
	find_job(facts);
	find_processor(facts);
}
