/* SPDX-License-Identifier: Apache-2.0
 * The program's environment. Later steps override earlier ones:
 *   1. with --inherit-env: the host's variables, except PATH and what only made sense outside (PWD, OLDPWD,
 * TMPDIR)
 *   2. the image's, ${VAR} substituted from the host as Enroot does
 *   3. the families of inherited_environment.h from the host, unless --clean-env
 *   4. HOME, USER, LOGNAME of the caller inside, TMPDIR=/tmp; PATH when there is none
 *   5. `env` lines of --conf files, then --env-file, then --env */
#ifndef RUNDLE_ENVIRONMENT_H
#define RUNDLE_ENVIRONMENT_H

#include "fault.h"
#include "launch_config.h"
#include "options.h"

/* What the environment is made of. */
struct environment_sources {
	char *const *host;        /* the launcher's own environment */
	const char *const *image; /* KEY=VALUE, closed by NULL; may be NULL */
	const char *name, *home;  /* the caller inside */
	char *const *configured;  /* `env` lines; may be NULL */
	const struct options *options;
};

/* Build the vector for execve(2), closed by NULL, without repeated names. It lives as long as the process. */
char **environment_build(const struct environment_sources *sources, struct fault *fault);

/* Whether the host's variable (KEY=VALUE or KEY) belongs to the families that are passed by default. */
bool environment_is_inherited(const char *variable);

/* Patterns of inherited_environment.h, closed by NULL; `*` at the end of one stands for a family. */
extern const char *const inherited_patterns[];

#endif
