/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_ruleset.h"

#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/landlock.h. */
enum { CREATE_RULESET = 444, ADD_RULE = 445, VERSION = 1, PATH_BENEATH = 1, RENAMES_SINCE = 2 };
enum {
	WRITE_FILE = 1 << 1,
	DIRECTORIES = 0x3ff0, /* REMOVE_DIR to MAKE_SYM, and REFER */
	TRUNCATE = 1 << 14,   /* version 3 */
};

static uint64_t handled;

int trace_ruleset_open(void)
{
	long version = syscall(CREATE_RULESET, NULL, 0, VERSION);
	if (version < RENAMES_SINCE)
		return -1;
	handled = WRITE_FILE | DIRECTORIES | (version > RENAMES_SINCE ? TRUNCATE : 0);
	return (int)syscall(CREATE_RULESET, &handled, sizeof handled, 0);
}

void trace_ruleset_allow(int ruleset, int file)
{
	struct stat status;
	struct {
		uint64_t access;
		int32_t parent;
	} __attribute__((packed)) rule = {handled, file};
	if (ruleset < 0 || fstat(file, &status) != 0)
		return;
	if (!S_ISDIR(status.st_mode))
		rule.access &= ~(uint64_t)DIRECTORIES;
	syscall(ADD_RULE, ruleset, PATH_BENEATH, &rule, 0);
}
