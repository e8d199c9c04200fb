/* SPDX-License-Identifier: Apache-2.0 */
#include "invocation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *started = "./app.run";

static int read_size(const char *text, uint64_t *size)
{
	if (*text == '\0' || strspn(text, "0123456789") != strlen(text))
		return -1;
	errno = 0;
	*size = strtoull(text, NULL, 10);
	return errno == 0 ? 0 : -1;
}

int invocation_read(struct invocation *invocation, int argc, char *const *argv, struct fault *fault)
{
	static const char *const verbs[] = {
	    [VERB_PROBE] = "probe",   [VERB_TEMPORARY] = "temporary", [VERB_INSTALLED] = "installed",
	    [VERB_CACHED] = "cached", [VERB_UNPACK] = "unpack",       [VERB_INSIDE] = "inside",
	};
	*invocation = (struct invocation){0};
	for (size_t i = 0; argc >= 2 && i < sizeof verbs / sizeof *verbs; i++) {
		if (strcmp(argv[1], verbs[i]) != 0)
			continue;
		invocation->verb = (enum verb)i;
		invocation->launcher = argv[0];
		if (i == VERB_PROBE || i == VERB_INSIDE)
			return 0;
		if (argc < 4 || argv[3][0] == '\0' || read_size(argv[2], &invocation->bundle_size) != 0)
			break;
		invocation->bundle = started = argv[3];
		invocation->argument_count = argc - 4;
		invocation->arguments = argv + 4;
		return 0;
	}
	fault_set(fault, 0, LAUNCHER_MARK);
	return fault_hint(fault, "start a bundle: ./app.run --help");
}

const char *invocation_bundle(void)
{
	return started;
}
