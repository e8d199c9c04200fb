/* SPDX-License-Identifier: Apache-2.0
 * What the control groups of this process leave it, version 1, version 2 or both (cgroups(7)). */
#ifndef RUNDLE_CGROUP_LIMIT_H
#define RUNDLE_CGROUP_LIMIT_H

#include <stdint.h>

/* Both look at the group of this process and at all above it that can be seen below /sys/fs/cgroup, and give
 * the least; UINT64_MAX when none limits it or nothing can be read. */
uint64_t cgroup_memory_limit(void); /* bytes: memory.max, memory.limit_in_bytes */
uint64_t cgroup_cpu_limit(void);    /* whole CPUs, rounded down but at least 1: cpu.max, cpu.cfs_quota_us */

#endif
