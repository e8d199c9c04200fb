/* SPDX-License-Identifier: Apache-2.0 */
#include "root_emulation.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "seccomp_filter.h"

static const int accepted[] = {
#ifdef SYS_chown
    SYS_chown,     SYS_lchown,
#endif
    SYS_fchown,    SYS_fchownat,  SYS_setuid,    SYS_setgid,   SYS_setreuid, SYS_setregid,
    SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_setfsuid, SYS_setfsgid, SYS_capset,
};

/* Calls that make device nodes, and which argument is the mode. */
static const struct {
	int number;
	unsigned mode_argument;
} node_makers[] = {
#ifdef SYS_mknod
    {SYS_mknod, 1},
#endif
    {SYS_mknodat, 2},
};

enum {
	ACCEPTED = sizeof accepted / sizeof *accepted,
	NODE_MAKERS = sizeof node_makers / sizeof *node_makers,
	PER_NODE_MAKER = 7,
	LIMIT = 5 + 2 * ACCEPTED + NODE_MAKERS * PER_NODE_MAKER,
};

struct program {
	struct seccomp_instruction instructions[LIMIT];
	uint16_t length;
};

static void emit(struct program *program, uint16_t code, uint8_t if_true, uint8_t if_false, uint32_t operand)
{
	program->instructions[program->length++] =
	    (struct seccomp_instruction){code, if_true, if_false, operand};
}

/* mknod and mknodat: only character and block devices; fifos and sockets work as they are. The low half of an
 * argument comes first on both architectures. */
static void emit_node_maker(struct program *program, int number, unsigned mode_argument)
{
	uint32_t mode = (uint32_t)(offsetof(struct seccomp_call, arguments) + 8 * mode_argument);
	emit(program, SECCOMP_JUMP_IF_EQUAL, 0, PER_NODE_MAKER - 1, (uint32_t)number);
	emit(program, SECCOMP_LOAD, 0, 0, mode);
	emit(program, SECCOMP_AND, 0, 0, S_IFMT);
	emit(program, SECCOMP_JUMP_IF_EQUAL, 1, 0, S_IFCHR);
	emit(program, SECCOMP_JUMP_IF_EQUAL, 0, 1, S_IFBLK);
	emit(program, SECCOMP_RETURN, 0, 0, SECCOMP_ANSWER(0));
	emit(program, SECCOMP_RETURN, 0, 0, SECCOMP_ALLOW);
}

static void build(struct program *program)
{
	/* Another architecture's calls (32-bit programs) have other numbers and go their way. So do x32's:
	 * their numbers carry bit 30 and match nothing below. */
	emit(program, SECCOMP_LOAD, 0, 0, offsetof(struct seccomp_call, arch));
	emit(program, SECCOMP_JUMP_IF_EQUAL, 1, 0, SECCOMP_NATIVE_ARCH);
	emit(program, SECCOMP_RETURN, 0, 0, SECCOMP_ALLOW);
	emit(program, SECCOMP_LOAD, 0, 0, offsetof(struct seccomp_call, number));
	for (size_t i = 0; i < NODE_MAKERS; i++)
		emit_node_maker(program, node_makers[i].number, node_makers[i].mode_argument);
	for (size_t i = 0; i < ACCEPTED; i++) {
		emit(program, SECCOMP_JUMP_IF_EQUAL, 0, 1, (uint32_t)accepted[i]);
		emit(program, SECCOMP_RETURN, 0, 0, SECCOMP_ANSWER(0));
	}
	emit(program, SECCOMP_RETURN, 0, 0, SECCOMP_ALLOW);
}

int root_emulation_install(struct fault *fault)
{
	struct program program = {.length = 0};
	build(&program);
	if (seccomp_filter_install(program.instructions, program.length) == 0)
		return 0;
	fault_set(fault, errno, "installing the filter that lets id changes pass (seccomp)");
	return fault_hint(fault, "Start without --root, or on a kernel with CONFIG_SECCOMP_FILTER.");
}
