/* SPDX-License-Identifier: Apache-2.0
 * Processes that stay beside the program without being seen by it. */
#ifndef RUNDLE_HELPER_PROCESS_H
#define RUNDLE_HELPER_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/* Clone this process with exit signal 0: wait(2) without __WCLONE does not see the child. All signals are
 * blocked in it. Returns as fork(2) does. */
pid_t helper_fork(void);

/* In the child: leave the caller's session, working directory, CPU mask and descriptors behind. The `count`
 * descriptors at `kept` stay open, as the numbers that are stored back; 0, 1 and 2 are /dev/null. `name` is
 * what ps(1) shows. */
void helper_detach(const char *name, int *kept, size_t count);

/* Close all descriptors but the `count` at `kept` (-1 among them stands for none), which get the numbers from
 * 3 on; 0, 1 and 2 become /dev/null. */
void helper_keep_descriptors(int *kept, size_t count);

#endif
