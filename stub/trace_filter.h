/* SPDX-License-Identifier: Apache-2.0
 * The system calls that a traced program does not get: PRoot 5.4 would leave their paths the host's. */
#ifndef RUNDLE_TRACE_FILTER_H
#define RUNDLE_TRACE_FILTER_H

#include "fault.h"

/* Let every call that takes a path, or starts what does, and that PRoot does not translate answer ENOSYS, as
 * on a kernel from before it; so too all calls that are newer than this table, and those of foreign
 * architectures. For this process and all that come from it; needs no_new_privs. Returns 0, or -1 with a
 * fault. */
int trace_filter_install(struct fault *fault);

#endif
