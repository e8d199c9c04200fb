/* SPDX-License-Identifier: Apache-2.0
 * The text of --help and --version. */
#ifndef RUNDLE_USAGE_H
#define RUNDLE_USAGE_H

#include <stdio.h>

#define LAUNCHER_FORMAT 1 /* major version of the bundle format */

#ifndef RUNDLE_VERSION
#define RUNDLE_VERSION "0.1.0"
#endif

/* Write the help: every row of the option table under its heading, two columns, then what is writable inside
 * and the exit status. `bundle` is the path the user started. */
void usage_help(FILE *stream, const char *bundle);

/* Write one line: the launcher's version, the format's, and the architecture. */
void usage_version(FILE *stream);

#endif
