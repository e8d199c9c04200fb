/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNDLE_EMPTY_DIRECTORY_H
#define RUNDLE_EMPTY_DIRECTORY_H

#include <stdbool.h>

/* Whether the directory open as `directory` (O_PATH will do) can be read and holds nothing but, unless it is
 * NULL, an entry called `except`. */
bool directory_is_empty(int directory, const char *except);

#endif
