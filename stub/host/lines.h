/* SPDX-License-Identifier: Apache-2.0
 * Lists of commands, one a line in one string. */
#ifndef RUNDLE_HOST_LINES_H
#define RUNDLE_HOST_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* Append the lines of `more` that `lines`, an array of `size` bytes, does not hold yet and has room for. */
void lines_add(char *lines, size_t size, const char *more);

/* Whether one of `lines` is `wanted`. */
bool lines_hold(const char *lines, const char *wanted);

/* Copy the line at *next to `line` and move *next behind it; false when there is none. */
bool lines_next(const char **next, char *line, size_t size);

#endif
