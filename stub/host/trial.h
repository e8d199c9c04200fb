/* SPDX-License-Identifier: Apache-2.0
 * Trying something in a child process, so that nothing of it is left in this one. */
#ifndef RUNDLE_HOST_TRIAL_H
#define RUNDLE_HOST_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"

/* Memory of zeros that a trial's process writes and this one reads; NULL when there is none. */
void *trial_shared(size_t size);

typedef void trial_function(void *context);

/* Call `function` in a child process that ends with it, or after ten seconds. 0 when it ended with status 0;
 * -1 with a fault when it did not, or could not be started. */
int trial_run(trial_function *function, void *context, struct fault *fault);

/* Wait, at most ten seconds, until all is gone that trials have started and that ends by itself: it became
 * this process's children when they ended. */
void trial_reap(void);

/* Replace this process, a trial's, by the program at `path`, the launcher, which ends with status 0 at once.
 * Returns with errno when it cannot be executed. */
void trial_execute(const char *path);

#endif
