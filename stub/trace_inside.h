/* SPDX-License-Identifier: Apache-2.0
 * The launcher as the first traced process: the program's parent. */
#ifndef RUNDLE_TRACE_INSIDE_H
#define RUNDLE_TRACE_INSIDE_H

#include "fault.h"

/* Take orders from TRACE_CHANNEL: start the program with exactly what the caller has given to the launcher
 * (environment, descriptors, signal mask and dispositions, process group), report its stops and its end, and
 * kill it when the launcher is gone. `self`, the path by which this program was started, is removed first.
 * Returns an exit status, or -1 with a fault. */
int trace_inside(const char *self, struct fault *fault);

#endif
