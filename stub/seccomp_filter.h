/* SPDX-License-Identifier: Apache-2.0
 * Filters of system calls: classic BPF over what seccomp(2) shows of a call (linux/filter.h, linux/seccomp.h,
 * linux/audit.h). */
#ifndef RUNDLE_SECCOMP_FILTER_H
#define RUNDLE_SECCOMP_FILTER_H

#include <stdint.h>

struct seccomp_instruction {
	uint16_t code;
	uint8_t if_true, if_false; /* instructions to skip */
	uint32_t operand;
};

/* What an instruction loads from: struct seccomp_data. */
struct seccomp_call {
	int32_t number;
	uint32_t arch;
	uint64_t instruction_pointer;
	uint64_t arguments[6]; /* the low half comes first on both architectures */
};

enum {
	SECCOMP_LOAD = 0x20,            /* BPF_LD | BPF_W | BPF_ABS */
	SECCOMP_AND = 0x54,             /* BPF_ALU | BPF_AND | BPF_K */
	SECCOMP_JUMP_IF_EQUAL = 0x15,   /* BPF_JMP | BPF_JEQ | BPF_K */
	SECCOMP_JUMP_IF_GREATER = 0x25, /* BPF_JMP | BPF_JGT | BPF_K */
	SECCOMP_JUMP_IF_SET = 0x45,     /* BPF_JMP | BPF_JSET | BPF_K */
	SECCOMP_RETURN = 0x06,          /* BPF_RET | BPF_K */
};

/* What a filter returns: let the call pass, or have it answer `errno`, 0 for success. */
#define SECCOMP_ALLOW 0x7fff0000u
#define SECCOMP_ANSWER(errno) (0x00050000u | (uint32_t)(errno))

#if defined(__x86_64__)
#define SECCOMP_NATIVE_ARCH 0xc000003eu
#elif defined(__aarch64__)
#define SECCOMP_NATIVE_ARCH 0xc00000b7u
#else
#error "no system call table for this architecture"
#endif

/* Install a filter for this process and all that come from it, which needs no_new_privs or CAP_SYS_ADMIN.
 * Speculation is left as it is. Returns 0, or -1 with errno. */
int seccomp_filter_install(struct seccomp_instruction *instructions, uint16_t length);

#endif
