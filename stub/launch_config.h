/* SPDX-License-Identifier: Apache-2.0
 * The launch config section: what the bundle says about starting its payload (README.md, "Launch config"). */
#ifndef RUNDLE_LAUNCH_CONFIG_H
#define RUNDLE_LAUNCH_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "string_list.h"

enum { LAUNCH_CONFIG_LIMIT = 1 << 20 }; /* bytes a section may take */

/* Strings point into the bytes that were parsed; none is NULL except `target`. */
struct launch_config {
	const char *arch; /* x86_64 or aarch64 */
	uint32_t payload; /* index of the payload section */
	const char *root; /* of the tree inside the payload, absolute */
	const char *id;   /* 64 lower-case hex digits */
	uint64_t size;    /* bytes of the regular files, extracted */
	uint64_t inodes;
	const char *name;              /* one path component */
	struct string_list entrypoint; /* the lists' vectors are NULL when empty */
	struct string_list cmd;
	struct string_list environment; /* KEY=VALUE, ${VAR} not substituted */
	const char *workdir;            /* absolute */
	bool rc;
	struct string_list mounts;
	const char *target; /* NULL when none is baked in; ${VAR} not substituted */
	bool mount_home, mount_cwd;
	struct string_list requirements; /* not yet understood: requirement.h */
};

/* Parse the `size` bytes of a section; they must outlive `config`. Refuses what the format refuses: a value
 * that is not understood, a missing or repeated single key, an unknown key that begins with `!`, bytes that
 * do not end in NUL. */
int launch_config_parse(struct launch_config *config, const char *bytes, size_t size, struct fault *fault);

#endif
