/* SPDX-License-Identifier: Apache-2.0
 * The command line of a bundle: `./app.run [options] [--] [COMMAND] [ARG...]`. */
#ifndef RUNDLE_OPTIONS_H
#define RUNDLE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"
#include "string_list.h"

/* What the user asked for. Strings point into argv; a NULL one was not given. */
struct options {
	/* another duty than starting the program; at most one */
	bool help, version, info, verify, check, extract, setup_host;
	bool remove, yes; /* with setup_host */
	bool licenses, json, quiet;
	/* the tree */
	bool keep;
	const char *target, *mode, *temporary; /* temporary: ENROOT_TEMP_PATH */
	bool ignore_requirements;
	/* the container */
	bool root, writable, pid, net, ipc, uts, mount_home, mount_cwd;
	const char *overlay;
	struct string_list mounts;
	/* the program */
	bool no_entrypoint, inherit_environment, clean_environment;
	const char *rc, *workdir;
	struct string_list environment, environment_files, configurations;
	char *const *operands; /* COMMAND and its arguments, closed by NULL */
	size_t operand_count;
};

enum option_kind {
	OPTION_FLAG,  /* sets a bool */
	OPTION_VALUE, /* sets a string, the last one counts */
	OPTION_LIST,  /* appends to a list */
};

/* One row of the table that drives the parser and the help text. */
struct option_row {
	char letter; /* 0 when it has a long name only */
	const char *name;
	enum option_kind kind;
	size_t offset;     /* of the field in struct options */
	const char *value; /* what the value is called in the help, NULL for a flag */
	const char *group; /* heading in the help */
	const char *text;  /* one line of help */
};

extern const struct option_row option_table[];
extern const size_t option_count;

/* Parse the `count` arguments at `arguments` (without a program name; arguments[count] is NULL) into
 * `options`. Options end at the first operand or at `--`. An unknown option, a missing or needless value and
 * options that contradict each other are faults; the hint names the nearest option. */
int options_parse(struct options *options, int count, char *const *arguments, struct fault *fault);

#endif
