/* SPDX-License-Identifier: Apache-2.0
 * Calls that need more than one user id, accepted without effect. */
#ifndef RUNDLE_ROOT_EMULATION_H
#define RUNDLE_ROOT_EMULATION_H

#include "fault.h"

/* From here on, in this process and all that it starts, changes of owner (chown and its kin), of ids (setuid,
 * setgroups, setfsuid, ... and capset) and the making of device nodes succeed and do nothing: a user
 * namespace with one id could only refuse them, and package managers give up then. The filter asks the kernel
 * not to turn on speculation mitigations for it (SECCOMP_FILTER_FLAG_SPEC_ALLOW, Linux 4.17), so that nothing
 * else gets slower. It is a convenience, not a barrier. Needs no_new_privs. Returns 0, or -1 with a fault. */
int root_emulation_install(struct fault *fault);

#endif
