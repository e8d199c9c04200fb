/* SPDX-License-Identifier: Apache-2.0 */
#include "gpu_device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NODES = 64 }; /* device numbers that are tried */

/* What makes a GPU of one vendor: a control device, and one of a series. */
static const struct gpu {
	const char *vendor, *name, *control, *series;
	int first;
} gpus[] = {
    {"nvidia", "NVIDIA", "/dev/nvidiactl", "/dev/nvidia%d", 0},
    {"amd", "AMD", "/dev/kfd", "/dev/dri/renderD%d", 128},
};

/* 0, or the errno value that says why this device cannot be opened for reading and writing. */
static int refusal(const char *path)
{
	struct stat device;
	if (stat(path, &device) != 0)
		return errno;
	if (!S_ISCHR(device.st_mode))
		return ENODEV;
	return access(path, R_OK | W_OK) == 0 ? 0 : errno;
}

static bool usable(const struct gpu *gpu, char *found, size_t size)
{
	char path[40];
	int error = refusal(gpu->control);
	snprintf(path, sizeof path, "%s", gpu->control);
	for (int i = 0; error == 0 && i < NODES; i++) {
		snprintf(path, sizeof path, gpu->series, gpu->first + i);
		error = refusal(path);
		if (error == 0) {
			snprintf(found, size, "%s", path);
			return true;
		}
		error = error == ENOENT && i + 1 < NODES ? 0 : error;
	}
	if (error == ENOENT)
		snprintf(found, size, "no %s GPU", gpu->name);
	else
		snprintf(found, size, "%s: %s", path, strerror(error));
	return false;
}

/* Windows' GPUs. */
static bool windows_gpu(const char *vendor)
{
	return refusal("/dev/dxg") == 0 &&
	       (vendor == NULL ||
	        (strcmp(vendor, "nvidia") == 0 && access("/usr/lib/wsl/lib/libcuda.so.1", F_OK) == 0));
}

bool gpu_usable(const char *vendor, char *found, size_t size)
{
	char reason[96] = "no GPU device";
	for (size_t i = 0; i < sizeof gpus / sizeof *gpus; i++) {
		char text[sizeof reason];
		if (vendor != NULL && strcmp(vendor, gpus[i].vendor) != 0)
			continue;
		if (usable(&gpus[i], text, sizeof text)) {
			snprintf(found, size, "%s", text);
			return true;
		}
		/* One that is there and closed says more than one that is not. */
		if (vendor != NULL || *text == '/')
			snprintf(reason, sizeof reason, "%s", text);
	}
	bool windows = windows_gpu(vendor);
	snprintf(found, size, "%s", windows ? "/dev/dxg" : reason);
	return windows;
}

void nvidia_driver_version(char *version, size_t size)
{
	static const char *const files[] = {"/sys/module/nvidia/version", "/proc/driver/nvidia/version"};
	version[0] = '\0';
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char text[256];
		int file = open(files[i], O_RDONLY | O_CLOEXEC);
		if (file < 0)
			continue;
		ssize_t got = read(file, text, sizeof text - 1);
		close(file);
		text[got > 0 ? got : 0] = '\0';
		/* In a sentence it is the first word of digits and dots. */
		for (char *rest = text, *word; (word = strsep(&rest, " \t\n")) != NULL;) {
			if (strchr(word, '.') != NULL && strspn(word, "0123456789.") == strlen(word) &&
			    *word != '.') {
				snprintf(version, size, "%s", word);
				return;
			}
		}
	}
}
