/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse_device.h"

#include <errno.h>
#include <fcntl.h>

int fuse_device_open(struct fault *fault)
{
	int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (device >= 0)
		return device;
	fault_set(fault, errno, "opening /dev/fuse");
	return fault_hint(fault,
	                  "Every distribution lets all users open it (mode 0666): chmod 666 /dev/fuse, or "
	                  "modprobe fuse where it is missing; a container has to be given the device.");
}
