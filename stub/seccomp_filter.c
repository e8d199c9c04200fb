/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp_filter.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SET_MODE_FILTER = 1, FLAG_SPEC_ALLOW = 1 << 2 };

int seccomp_filter_install(struct seccomp_instruction *instructions, uint16_t length)
{
	struct {
		uint16_t length;
		struct seccomp_instruction *instructions;
	} filter = {length, instructions};
	if (syscall(SYS_seccomp, SET_MODE_FILTER, FLAG_SPEC_ALLOW, &filter) == 0)
		return 0;
	/* Before Linux 4.17 the flag is unknown. */
	return errno == EINVAL && syscall(SYS_seccomp, SET_MODE_FILTER, 0, &filter) == 0 ? 0 : -1;
}
