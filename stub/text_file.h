/* SPDX-License-Identifier: Apache-2.0
 * Small text files of the user: configuration and environment files. */
#ifndef RUNDLE_TEXT_FILE_H
#define RUNDLE_TEXT_FILE_H

#include "fault.h"
#include "string_list.h"

/* Append the lines of `path` to `lines`, without line ends (LF or CR LF) and without a byte order mark. Pipes
 * are fine. A file over 1 MiB or one that holds a NUL is a fault. The strings live as long as the process. */
int text_file_lines(const char *path, struct string_list *lines, struct fault *fault);

/* `text` behind its leading blanks and tabs. */
char *text_skip_blanks(char *text);

#endif
