/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_filter.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "seccomp_filter.h"

/* From 424 on the numbers are those of all architectures, and C libraries do not know all names. */
enum {
	IO_URING_SETUP = 425, /* opens and renames files without a system call that a tracer sees */
	IO_URING_ENTER,
	IO_URING_REGISTER,
	OPEN_TREE, /* Linux 5.2 */
	MOVE_MOUNT,
	FSOPEN,
	FSCONFIG,
	FSMOUNT,
	FSPICK,
	CLONE3 =
	    435, /* PRoot sees its flags in clone only, and would give threads directories of their own */
	OPENAT2 = 437,
	FACCESSAT2 = 439,
	MOUNT_SETATTR = 442,
	QUOTACTL_FD,
	FCHMODAT2 = 452,
	STATMOUNT = 457,
	LISTMOUNT,
	SETXATTRAT = 463,
	GETXATTRAT,
	LISTXATTRAT,
	REMOVEXATTRAT,
	OPEN_TREE_ATTR,
	FILE_GETATTR,
	FILE_SETATTR, /* Linux 6.17 */
	NEWEST = FILE_SETATTR,
	CLONE_UNTRACED = 0x00800000,
};

static const int refused[] = {
    SYS_execveat,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
    SYS_fanotify_mark,
    SYS_quotactl,
    SYS_bpf, /* BPF_OBJ_GET takes a path */
    IO_URING_SETUP,
    IO_URING_ENTER,
    IO_URING_REGISTER,
    OPEN_TREE,
    MOVE_MOUNT,
    FSOPEN,
    FSCONFIG,
    FSMOUNT,
    FSPICK,
    CLONE3,
    OPENAT2,
#if defined(__aarch64__) /* there PRoot has no number for it */
    FACCESSAT2,
#endif
    MOUNT_SETATTR,
    QUOTACTL_FD,
    FCHMODAT2,
    STATMOUNT,
    LISTMOUNT,
    SETXATTRAT,
    GETXATTRAT,
    LISTXATTRAT,
    REMOVEXATTRAT,
    OPEN_TREE_ATTR,
    FILE_GETATTR,
    FILE_SETATTR,
};

enum { REFUSED = sizeof refused / sizeof *refused, FRAME = 10 };

/* The numbers of x32 lie above all others. */
int trace_filter_install(struct fault *fault)
{
	struct seccomp_instruction program[REFUSED + FRAME], *next = program;
	const uint8_t left = REFUSED + 4; /* instructions between the first test and the refusal */
	*next++ = (struct seccomp_instruction){SECCOMP_LOAD, 0, 0, offsetof(struct seccomp_call, arch)};
	*next++ = (struct seccomp_instruction){SECCOMP_JUMP_IF_EQUAL, 0, left + 2, SECCOMP_NATIVE_ARCH};
	*next++ = (struct seccomp_instruction){SECCOMP_LOAD, 0, 0, offsetof(struct seccomp_call, number)};
	*next++ = (struct seccomp_instruction){SECCOMP_JUMP_IF_GREATER, left, 0, NEWEST};
	for (size_t i = 0; i < REFUSED; i++)
		*next++ = (struct seccomp_instruction){SECCOMP_JUMP_IF_EQUAL, (uint8_t)(left - 1 - i), 0,
		                                       (uint32_t)refused[i]};
	*next++ = (struct seccomp_instruction){SECCOMP_JUMP_IF_EQUAL, 0, 2, SYS_clone};
	*next++ =
	    (struct seccomp_instruction){SECCOMP_LOAD, 0, 0, offsetof(struct seccomp_call, arguments[0])};
	*next++ = (struct seccomp_instruction){SECCOMP_JUMP_IF_SET, 1, 0, CLONE_UNTRACED};
	*next++ = (struct seccomp_instruction){SECCOMP_RETURN, 0, 0, SECCOMP_ALLOW};
	*next++ = (struct seccomp_instruction){SECCOMP_RETURN, 0, 0, SECCOMP_ANSWER(ENOSYS)};
	if (seccomp_filter_install(program, (uint16_t)(next - program)) == 0)
		return 0;
	fault_set(fault, errno, "installing the filter of system calls that PRoot does not translate");
	return fault_hint(fault, "The kernel needs CONFIG_SECCOMP_FILTER.");
}
