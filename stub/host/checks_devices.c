/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gpu_device.h"
#include "host/checks.h"
#include "host/remedy.h"

/* How many device files there are of a kind, and how many of them this process may open: access(2) asks the
 * control group too, and wakes no GPU. */
struct nodes {
	unsigned count, usable;
	char refused[80]; /* one that may not be opened */
	int error;
};

static void count_one(struct nodes *nodes, const char *path)
{
	if (access(path, F_OK) != 0)
		return;
	nodes->count++;
	if (access(path, R_OK | W_OK) == 0) {
		nodes->usable++;
	} else {
		nodes->error = errno;
		snprintf(nodes->refused, sizeof nodes->refused, "%s", path);
	}
}

/* A `*` at the end of `pattern` stands for what begins with a digit. */
static void count(struct nodes *nodes, const char *pattern)
{
	char path[300];
	size_t prefix = strcspn(pattern, "*"), directory = (size_t)(strrchr(pattern, '/') - pattern);
	if (pattern[prefix] == '\0') {
		count_one(nodes, pattern);
		return;
	}
	snprintf(path, sizeof path, "%.*s", (int)directory, pattern);
	DIR *stream = opendir(path);
	for (struct dirent *entry; stream != NULL && (entry = readdir(stream)) != NULL;) {
		snprintf(path, sizeof path, "%.*s/%.255s", (int)directory, pattern, entry->d_name);
		if (strncmp(path, pattern, prefix) == 0 && path[prefix] >= '0' && path[prefix] <= '9')
			count_one(nodes, path);
	}
	if (stream != NULL)
		closedir(stream);
}

/* All of a kind may be opened, or who may not do what to change that. */
static void judge(const struct host *host, struct check *check, const struct nodes *nodes, const char *group,
                  bool gpu)
{
	check->shown = true;
	if (nodes->usable == nodes->count) {
		check->result = CHECK_PASS;
		return;
	}
	check->result = CHECK_WARN;
	check_add(check, "; %s: %s", nodes->refused, strerror(nodes->error));
	check_value(check, ", %u of %u usable", nodes->usable, nodes->count);
	if (gpu && host->facts.manager != NULL && strcmp(host->facts.manager, "slurm") == 0)
		check_remedy(check, "srun --gres=gpu:1 %s", host->app);
	else if (nodes->error == EACCES)
		check_remedy(check, "sudo usermod -aG %s \"$USER\"  # then log in again", group);
}

void look_gpu_nvidia(const struct host *host, struct check *check)
{
	char driver[32];
	struct nodes gpus = {0}, control = {0};
	nvidia_driver_version(driver, sizeof driver);
	count(&gpus, "/dev/nvidia*");
	count(&control, "/dev/nvidiactl");
	count(&control, "/dev/nvidia-uvm");
	if (driver[0] == '\0' && gpus.count == 0) {
		check_set(check, CHECK_INFO, "none");
		check_value(check, "none");
		return;
	}
	check_set(check, CHECK_PASS, "%u NVIDIA GPU%s, driver %s", gpus.count, gpus.count == 1 ? "" : "s",
	          driver[0] != '\0' ? driver : "not loaded");
	check_value(check, "%u, driver %s", gpus.count, driver[0] != '\0' ? driver : "none");
	struct nodes all = gpus.usable == gpus.count ? control : gpus;
	judge(host, check, &all, "video", true);
	if (driver[0] == '\0') {
		check->result = CHECK_WARN;
		check_remedy(check, "sudo modprobe nvidia");
	} else if (gpus.count == 0 && remedy_in_container(host, "docker")) {
		check->result = CHECK_WARN;
		check_remedy(check, "docker run --gpus all ...");
	} else if (gpus.count == 0 || control.count < 2) {
		check->result = CHECK_WARN;
		check_add(check, "; device files are missing");
		check_remedy(check, "sudo nvidia-modprobe -u -c=0");
	}
}

void look_gpu_amd(const struct host *host, struct check *check)
{
	struct nodes driver = {0}, cards = {0};
	count(&driver, "/dev/kfd");
	count(&cards, "/dev/dri/renderD*");
	if (driver.count == 0) {
		check_set(check, CHECK_INFO, "none");
		check_value(check, "none");
		return;
	}
	check_set(check, CHECK_PASS, "/dev/kfd and %u render nodes", cards.count);
	check_value(check, "%u", cards.count);
	judge(host, check, driver.usable == 0 ? &driver : &cards, "render,video", true);
}

void look_wsl_gpu(const struct host *host, struct check *check)
{
	struct nodes nodes = {0};
	count(&nodes, "/dev/dxg");
	bool library = access("/usr/lib/wsl/lib/libdxcore.so", R_OK) == 0;
	if (nodes.count == 0) {
		check_set(check, CHECK_INFO, "none");
		check_value(check, "none");
		return;
	}
	check_set(check, CHECK_PASS, "/dev/dxg%s",
	          library ? ", with the driver's libraries in /usr/lib/wsl/lib"
	                  : "; the driver's libraries are not in /usr/lib/wsl/lib");
	check_value(check, "dxg%s", library ? "" : " without libraries");
	judge(host, check, &nodes, "video", true);
	if (!library)
		check->result = CHECK_WARN;
}

void look_fabric(const struct host *host, struct check *check)
{
	static const struct {
		const char *name, *pattern;
	} kinds[] = {
	    {"InfiniBand", "/dev/infiniband/uverbs*"},
	    {"rdma_cm", "/dev/infiniband/rdma_cm"},
	    {"Omni-Path", "/dev/hfi1_*"},
	    {"Slingshot", "/dev/cxi*"},
	    {"xpmem", "/dev/xpmem"},
	    {"knem", "/dev/knem"},
	    {"gdrcopy", "/dev/gdrdrv"},
	};
	struct nodes all = {0};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct nodes nodes = {.error = 0};
		count(&nodes, kinds[i].pattern);
		if (nodes.count == 0)
			continue;
		if (all.count == 0)
			check_set(check, CHECK_PASS, "%s", "");
		check_add(check, "%s%u %s", all.count > 0 ? ", " : "", nodes.count, kinds[i].name);
		check_value(check, "%s%s=%u", all.count > 0 ? " " : "", kinds[i].name, nodes.count);
		all.count += nodes.count;
		all.usable += nodes.usable;
		if (nodes.usable < nodes.count) {
			all.error = nodes.error;
			memcpy(all.refused, nodes.refused, sizeof all.refused);
		}
	}
	if (all.count > 0) {
		judge(host, check, &all, "rdma", false);
	} else {
		check_set(check, CHECK_INFO, "none");
		check_value(check, "none");
	}
}
