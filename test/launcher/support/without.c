/* SPDX-License-Identifier: Apache-2.0
 * without CALL=ERRNO... -- COMMAND...: runs COMMAND on what looks like another kernel or under a container
 * engine's filter: the named system calls fail. `userns` stands for unshare(2) with CLONE_NEWUSER. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct instruction {
	uint16_t code;
	uint8_t if_true, if_false;
	uint32_t operand;
};

enum { LOAD = 0x20, EQUAL = 0x15, ANY_BIT = 0x45, RETURN = 0x06, LIMIT = 128 };
static struct instruction program[LIMIT];
static uint16_t length;

static void emit(uint16_t code, uint8_t if_true, uint8_t if_false, uint32_t operand)
{
	program[length++] = (struct instruction){code, if_true, if_false, operand};
}

static const struct {
	const char *name;
	int number;
} calls[] = {
    {"openat2", SYS_openat2},
    {"mount_setattr", SYS_mount_setattr},
    {"pidfd_open", SYS_pidfd_open},
    {"close_range", SYS_close_range},
    {"inotify_init1", SYS_inotify_init1},
    {"unshare", SYS_unshare},
    {"pivot_root", SYS_pivot_root},
    {"chroot", SYS_chroot},
    {"seccomp", SYS_seccomp},
    {"flock", SYS_flock},
};

static void deny(const char *name, uint32_t error)
{
	if (strcmp(name, "userns") == 0) {
		emit(EQUAL, 0, 4, SYS_unshare);
		emit(LOAD, 0, 0, 16); /* the low half of the first argument */
		emit(ANY_BIT, 0, 1, 0x10000000);
		emit(RETURN, 0, 0, 0x00050000 | error);
		emit(LOAD, 0, 0, 0);
		return;
	}
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		if (strcmp(calls[i].name, name) == 0) {
			emit(EQUAL, 0, 1, (uint32_t)calls[i].number);
			emit(RETURN, 0, 0, 0x00050000 | error);
			return;
		}
	}
	fprintf(stderr, "without: unknown call %s\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	int i = 1;
	emit(LOAD, 0, 0, 0);
	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
		char *value = strchr(argv[i], '=');
		*value = '\0';
		deny(argv[i], (uint32_t)atoi(value + 1));
	}
	emit(RETURN, 0, 0, 0x7fff0000);
	struct {
		uint16_t length;
		struct instruction *instructions;
	} filter = {length, program};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, 2, &filter) != 0) {
		perror("without");
		return 2;
	}
	execvp(argv[i + 1], argv + i + 1);
	perror(argv[i + 1]);
	return 2;
}
