/* SPDX-License-Identifier: Apache-2.0 */
#include "capability.h"

#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* capget(2) and capset(2), version 3 (Linux 2.6.26). */
struct header {
	uint32_t version;
	int pid;
};
struct sets {
	uint32_t effective, permitted, inheritable;
};
static const uint32_t version_3 = 0x20080522;

bool capability_effective(unsigned capability)
{
	struct header header = {.version = version_3};
	struct sets sets[2] = {0};
	if (syscall(SYS_capget, &header, sets) != 0)
		return false;
	return (sets[capability / 32].effective >> (capability % 32) & 1) != 0;
}

int capability_drop_all(struct fault *fault)
{
	/* EINVAL: past the last one this kernel knows. */
	for (unsigned capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM)
			return fault_set(fault, errno, "removing capability %u from the bounding set",
			                 capability);
	/* Ambient capabilities need Linux 4.3; clearing the inheritable set clears them as well. */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	struct header header = {.version = version_3};
	const struct sets none[2] = {0};
	if (syscall(SYS_capset, &header, none) != 0)
		return fault_set(fault, errno, "giving up capabilities");
	return 0;
}
