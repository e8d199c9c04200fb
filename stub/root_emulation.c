/* SPDX-License-Identifier: Apache-2.0 */
#include "root_emulation.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Classic BPF and seccomp(2), from linux/filter.h, linux/seccomp.h and linux/audit.h. */
struct instruction {
	uint16_t code;
	uint8_t if_true, if_false;
	uint32_t operand;
};
struct filter {
	uint16_t length;
	struct instruction *instructions;
};
struct call {
	int32_t number;
	uint32_t arch;
	uint64_t instruction_pointer;
	uint64_t arguments[6];
};

enum {
	LOAD = 0x20,          /* BPF_LD | BPF_W | BPF_ABS */
	AND = 0x54,           /* BPF_ALU | BPF_AND | BPF_K */
	JUMP_IF_EQUAL = 0x15, /* BPF_JMP | BPF_JEQ | BPF_K */
	RETURN = 0x06,        /* BPF_RET | BPF_K */
	SET_MODE_FILTER = 1,  /* operation of seccomp(2) */
	FLAG_SPEC_ALLOW = 1 << 2,
};

static const uint32_t allow = 0x7fff0000, succeed = 0x00050000; /* SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | 0 */

#if defined(__x86_64__)
static const uint32_t native_arch = 0xc000003e;
#elif defined(__aarch64__)
static const uint32_t native_arch = 0xc00000b7;
#else
#error "no system call table for this architecture"
#endif

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
	struct instruction instructions[LIMIT];
	uint16_t length;
};

static void emit(struct program *program, uint16_t code, uint8_t if_true, uint8_t if_false, uint32_t operand)
{
	program->instructions[program->length++] = (struct instruction){code, if_true, if_false, operand};
}

/* mknod and mknodat: only character and block devices; fifos and sockets work as they are. The low half of an
 * argument comes first on both architectures. */
static void emit_node_maker(struct program *program, int number, unsigned mode_argument)
{
	uint32_t mode = (uint32_t)(offsetof(struct call, arguments) + 8 * mode_argument);
	emit(program, JUMP_IF_EQUAL, 0, PER_NODE_MAKER - 1, (uint32_t)number);
	emit(program, LOAD, 0, 0, mode);
	emit(program, AND, 0, 0, S_IFMT);
	emit(program, JUMP_IF_EQUAL, 1, 0, S_IFCHR);
	emit(program, JUMP_IF_EQUAL, 0, 1, S_IFBLK);
	emit(program, RETURN, 0, 0, succeed);
	emit(program, RETURN, 0, 0, allow);
}

static void build(struct program *program)
{
	/* Another architecture's calls (32-bit programs) have other numbers and go their way. So do x32's:
	 * their numbers carry bit 30 and match nothing below. */
	emit(program, LOAD, 0, 0, offsetof(struct call, arch));
	emit(program, JUMP_IF_EQUAL, 1, 0, native_arch);
	emit(program, RETURN, 0, 0, allow);
	emit(program, LOAD, 0, 0, offsetof(struct call, number));
	for (size_t i = 0; i < NODE_MAKERS; i++)
		emit_node_maker(program, node_makers[i].number, node_makers[i].mode_argument);
	for (size_t i = 0; i < ACCEPTED; i++) {
		emit(program, JUMP_IF_EQUAL, 0, 1, (uint32_t)accepted[i]);
		emit(program, RETURN, 0, 0, succeed);
	}
	emit(program, RETURN, 0, 0, allow);
}

int root_emulation_install(struct fault *fault)
{
	struct program program = {.length = 0};
	build(&program);
	struct filter filter = {program.length, program.instructions};
	if (syscall(SYS_seccomp, SET_MODE_FILTER, FLAG_SPEC_ALLOW, &filter) == 0)
		return 0;
	/* Before Linux 4.17 the flag is unknown. */
	if (errno == EINVAL && syscall(SYS_seccomp, SET_MODE_FILTER, 0, &filter) == 0)
		return 0;
	fault_set(fault, errno, "installing the filter that lets id changes pass (seccomp)");
	return fault_hint(fault, "Start without --root, or on a kernel with CONFIG_SECCOMP_FILTER.");
}
