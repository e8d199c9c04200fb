/* SPDX-License-Identifier: Apache-2.0
 * GPUs as far as their device files and the version of NVIDIA's driver tell. */
#ifndef RUNDLE_GPU_DEVICE_H
#define RUNDLE_GPU_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether this process may open a GPU of `vendor`, "nvidia" or "amd", or of any vendor with NULL; `found`
 * says which device, or what is missing. No device is opened: that starts an idle NVIDIA GPU, which takes
 * seconds; access(2) asks the device cgroup too. On WSL 2 all GPUs are behind /dev/dxg, NVIDIA's when its
 * libcuda is there. */
bool gpu_usable(const char *vendor, char *found, size_t size);

/* The version of the loaded NVIDIA driver, such as 535.183.01; "" when there is none, or it cannot be
 * seen, as on WSL 2. */
void nvidia_driver_version(char *version, size_t size);

#endif
