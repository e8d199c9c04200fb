/* SPDX-License-Identifier: Apache-2.0
 * What people read on standard error: one line with the prefix `rundle: `, then a line with the way out. */
#ifndef RUNDLE_MESSAGE_H
#define RUNDLE_MESSAGE_H

#include <stdio.h>

#include "fault.h"

/* Write `text` with control characters (C0, DEL, and C1 in UTF-8) as \xNN: names come from images and
 * directories, and must not be able to steer the terminal. Other bytes pass as they are. */
void message_escaped(FILE *stream, const char *text);

/* Report a fault on standard error: `rundle: TEXT: REASON`, and the hint on an indented line of its own. Not
 * being able to write is ignored: there is nobody left to tell. */
void message_fault(const struct fault *fault);

/* One line of notice on standard error, for what is worth knowing but stops nothing. */
void message_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
