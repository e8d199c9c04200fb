/* SPDX-License-Identifier: Apache-2.0 */
#include "requirement_measure.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cgroup_limit.h"
#include "cpu_features.h"
#include "gpu_device.h"
#include "own_arch.h"

void measure_write_bytes(uint64_t bytes, char *text, size_t size)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t unit = 0;
	for (; value >= 1024 && unit < 4; unit++)
		value /= 1024;
	if (bytes == UINT64_MAX)
		snprintf(text, size, "unlimited");
	else
		snprintf(text, size, "%.*f %s", value < 100 && value != (double)(uint64_t)value, value,
		         units[unit]);
}

void measure_kernel(char *version, size_t version_size, char *found, size_t size)
{
	struct utsname host;
	version[0] = '\0';
	if (uname(&host) == 0)
		snprintf(version, version_size, "%s", host.release);
	snprintf(found, size, "Linux %s", version);
}

void measure_driver(char *version, size_t version_size, char *found, size_t size)
{
	nvidia_driver_version(version, version_size);
	snprintf(found, size, version[0] == '\0' ? "no NVIDIA driver" : "NVIDIA driver %s", version);
	if (version[0] == '\0' && gpu_usable("nvidia", version, version_size)) {
		snprintf(version, version_size, "%s", VERSION_UNKNOWN);
		snprintf(found, size, "an NVIDIA driver, whose version Windows keeps");
	}
}

uint64_t measure_memory(int argument, char *found, size_t size)
{
	struct sysinfo host;
	(void)argument;
	uint64_t all = sysinfo(&host) == 0 ? (uint64_t)host.totalram * host.mem_unit : 0;
	uint64_t limit = cgroup_memory_limit();
	uint64_t least = limit < all ? limit : all;
	measure_write_bytes(least, found, size);
	if (limit < all) {
		size_t length = strlen(found);
		snprintf(found + length, size - length, ", the limit of its control group");
	}
	return least;
}

uint64_t measure_cpus(int argument, char *found, size_t size)
{
	cpu_set_t set;
	(void)argument;
	uint64_t count = sched_getaffinity(0, sizeof set, &set) == 0
	                     ? (uint64_t)CPU_COUNT(&set)
	                     : (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t limit = cgroup_cpu_limit();
	snprintf(found, size, "%" PRIu64 "%s", limit < count ? limit : count,
	         limit < count ? ", the limit of its control group" : "");
	return limit < count ? limit : count;
}

/* What this user may still write to the file system of `path`; 0 when not at all. */
static uint64_t free_space(const char *path)
{
	struct statvfs system;
	if (access(path, W_OK | X_OK) != 0 || statvfs(path, &system) != 0)
		return 0;
	return (uint64_t)system.f_bavail * system.f_frsize;
}

/* Where extracted trees go first. */
uint64_t measure_disk(int argument, char *found, size_t size)
{
	const char *const paths[] = {getenv("ENROOT_TEMP_PATH"), getenv("TMPDIR"), "/tmp", "/var/tmp"};
	const char *best = "/tmp";
	uint64_t most = 0;
	char text[32];
	(void)argument;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		uint64_t here = paths[i] == NULL ? 0 : free_space(paths[i]);
		if (here > most) {
			most = here;
			best = paths[i];
		}
	}
	measure_write_bytes(most, text, sizeof text);
	snprintf(found, size, "%s in %s", text, best);
	return most;
}

uint64_t measure_shm(int argument, char *found, size_t size)
{
	char text[32];
	(void)argument;
	uint64_t here = free_space("/dev/shm");
	measure_write_bytes(here, text, sizeof text);
	snprintf(found, size, "%s in /dev/shm", text);
	return here;
}

uint64_t measure_limit(int argument, char *found, size_t size)
{
	struct rlimit limit;
	if (getrlimit(argument, &limit) != 0)
		limit.rlim_cur = limit.rlim_max = 0;
	bool pieces = argument == RLIMIT_NOFILE || argument == RLIMIT_NPROC;
	const rlim_t values[] = {limit.rlim_cur, limit.rlim_max};
	char texts[2][32];
	for (size_t i = 0; i < 2; i++) {
		if (pieces && values[i] != RLIM_INFINITY)
			snprintf(texts[i], sizeof texts[i], "%" PRIu64, (uint64_t)values[i]);
		else
			measure_write_bytes(values[i] == RLIM_INFINITY ? UINT64_MAX : values[i], texts[i],
			                    sizeof texts[i]);
	}
	snprintf(found, size, "%s (hard limit %s)", texts[0], texts[1]);
	return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

int measure_arch(const char *word, char *found, size_t size)
{
	snprintf(found, size, "%s", OWN_ARCH_NAME);
	if (strcmp(word, "x86_64") != 0 && strcmp(word, "aarch64") != 0)
		return -1;
	return strcmp(word, OWN_ARCH_NAME) == 0;
}

int measure_cpu(const char *word, char *found, size_t size)
{
	int has = cpu_has(word);
	snprintf(found, size, "%s%s", has == 1 ? "" : "no ", word);
	return has;
}

int measure_gpu(const char *word, char *found, size_t size)
{
	bool any = *word == '\0';
	if (!any && strcmp(word, "nvidia") != 0 && strcmp(word, "amd") != 0)
		return -1;
	return gpu_usable(any ? NULL : word, found, size);
}

/* What says that no GPU is wanted, or that the requirements of images do not count: NVIDIA's container
 * toolkit reads the first two, CUDA itself the others. */
static const struct {
	const char *name, *value;
} switches[] = {
    {"NVIDIA_DISABLE_REQUIRE", "1"},    {"NVIDIA_DISABLE_REQUIRE", "true"},
    {"NVIDIA_DISABLE_REQUIRE", "True"}, {"NVIDIA_DISABLE_REQUIRE", "TRUE"},
    {"NVIDIA_VISIBLE_DEVICES", "void"}, {"CUDA_VISIBLE_DEVICES", ""},
    {"CUDA_VISIBLE_DEVICES", "-1"},     {"CUDA_VISIBLE_DEVICES", "NoDevFiles"},
};

/* driver=none: nothing of NVIDIA's will be used. */
int measure_driver_word(const char *word, char *found, size_t size)
{
	if (strcmp(word, "none") != 0)
		return -1;
	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
		const char *value = getenv(switches[i].name);
		if (value != NULL && strcmp(value, switches[i].value) == 0) {
			snprintf(found, size, "%s=%s", switches[i].name, value);
			return 1;
		}
	}
	return !gpu_usable("nvidia", found, size);
}
