/* SPDX-License-Identifier: Apache-2.0
 * The parent that --pid needs: a process cannot enter a new pid namespace itself. */
#ifndef RUNDLE_SUPERVISE_H
#define RUNDLE_SUPERVISE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "fault.h"

/* Fork. The child returns 0: it is pid 1 of the pid namespace that this process has unshared, has the
 * caller's signal mask, and is killed when the parent ends. The parent never returns. It
 *
 * - passes every signal on that somebody sends to it; what the terminal sends reaches the child by itself, as
 *   both are in one process group;
 * - gives signals their default effect where the child neither handles, ignores nor blocks them: the kernel
 *   would keep those from a pid 1;
 * - stops and continues with the child;
 * - ends with the child's exit status, or of the same signal (128 + n where it cannot).
 *
 * Returns -1 with a fault when there can be no child. */
int supervise_fork(struct fault *fault);

/* In the child, after the last change of privileges: ask again for the signal at the parent's end, which such
 * a change may have cancelled. */
void supervise_rearm(void);

/* For tier `trace`, where the program is another process's child, in this one's process group: */

/* Let `signal` have its default effect on this process, in which all are blocked. */
void supervise_suffer(int signal);

/* Whether what has sent the signal has sent it to the program too, as the terminal does to the whole group.
 */
bool supervise_reached_child(const siginfo_t *info);

/* Pass a signal on with what came with it. */
void supervise_send(pid_t child, siginfo_t *info);

/* End as `status` (wait(2)) says the program has. */
_Noreturn void supervise_end_like(int status);

#endif
