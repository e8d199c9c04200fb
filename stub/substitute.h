/* SPDX-License-Identifier: Apache-2.0
 * ${NAME} in baked values, as Enroot substitutes it in /etc/environment and /etc/fstab. */
#ifndef RUNDLE_SUBSTITUTE_H
#define RUNDLE_SUBSTITUTE_H

#include <stddef.h>

#include "fault.h"

/* The value of the variable whose name is the `length` bytes at `name`, or NULL when `environment` (a vector
 * of KEY=VALUE closed by NULL) has none. Of several equal names the first counts, as with getenv(3). */
const char *environment_value(char *const *environment, const char *name, size_t length);

/* A copy of `text` with every ${NAME} replaced by NAME's value in `environment`, an unknown one by nothing.
 * NAME is a letter or underscore, then letters, digits, underscores; anything else, `$NAME` and `${NAME:-x}`
 * too, stays as it is. What a value brings in is not substituted again. The caller frees the result; NULL and
 * a fault when the result would exceed 1 MiB or there is no memory. */
char *substitute(const char *text, char *const *environment, struct fault *fault);

#endif
