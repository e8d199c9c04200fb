/* SPDX-License-Identifier: Apache-2.0
 * What this machine's CPU can do, by the names of /proc/cpuinfo. */
#ifndef RUNDLE_CPU_FEATURES_H
#define RUNDLE_CPU_FEATURES_H

/* 1 when the CPU has the feature `name` and the kernel lets programs use it, 0 when not, -1 for a name that
 * is not known on this architecture. On x86_64 also the levels x86-64-v2, -v3 and -v4 of the psABI. */
int cpu_has(const char *name);

#endif
