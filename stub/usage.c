/* SPDX-License-Identifier: Apache-2.0 */
#include "usage.h"

#include <string.h>

#include "message.h"
#include "options.h"
#include "own_arch.h"

enum { TEXT_COLUMN = 30 };

static const char closing[] =
    "Inside, the root file system is read-only without --rw, whose changes last for one run unless "
    "--overlay or\n"
    "--keep keeps them. /tmp, /run and /dev/shm are always writable. Of the host's variables only those "
    "that\n"
    "describe this run are passed (--info lists them). Options that can be repeated: --env, --env-file, "
    "--conf,\n"
    "--mount.\n"
    "\n"
    "--mode trace, which is what is left without namespaces, has no --pid, --net, --ipc, --uts and no "
    "--overlay,\n"
    "mounts nothing but directories of the host, and keeps files read-only where the kernel has Landlock "
    "(5.19).\n"
    "The program then has another pid than the bundle's process, and files are slower to open.\n"
    "\n"
    "A copy of the launcher stays in $XDG_RUNTIME_DIR or /dev/shm for the next start; "
    "RUNDLE_LAUNCHER_CACHE=no in\n"
    "the environment prevents that.\n"
    "\n"
    "Exit status: the program's own; 125 the launcher failed, 126 the program cannot be executed, 127 it is "
    "not\n"
    "found. --check: 0 all is well, 1 it is not. --verify: 0 it runs in the best tier, 2 in a lesser\n"
    "one, 1 it does not run.\n";

static void write_option(FILE *stream, const struct option_row *row)
{
	char left[80];
	int width = snprintf(left, sizeof left, "  %c%c%c --%s%s%s", row->letter == 0 ? ' ' : '-',
	                     row->letter == 0 ? ' ' : row->letter, row->letter == 0 ? ' ' : ',', row->name,
	                     row->value == NULL ? "" : " ", row->value == NULL ? "" : row->value);
	fprintf(stream, "%-*s%s%s\n", TEXT_COLUMN, left, width >= TEXT_COLUMN ? "  " : "", row->text);
}

void usage_help(FILE *stream, const char *bundle)
{
	const char *slash = strrchr(bundle, '/');
	fputs("Usage: ", stream);
	message_escaped(stream, slash == NULL ? bundle : slash + 1);
	fputs(" [OPTION...] [--] [COMMAND] [ARG...]\n\n"
	      "Starts the program of the container image in this file. COMMAND and ARG become the arguments "
	      "of the\n"
	      "image's entrypoint, or the program itself when the image has none.\n",
	      stream);
	const char *group = "";
	for (size_t i = 0; i < option_count; i++) {
		if (strcmp(group, option_table[i].group) != 0)
			fprintf(stream, "\n%s:\n", option_table[i].group);
		group = option_table[i].group;
		write_option(stream, &option_table[i]);
	}
	fprintf(stream, "\n%s", closing);
}

void usage_version(FILE *stream)
{
	fprintf(stream, "rundle launcher %s (bundle format %d, %s)\n", RUNDLE_VERSION, LAUNCHER_FORMAT,
	        OWN_ARCH_NAME);
}
