/* SPDX-License-Identifier: Apache-2.0
 * A progress bar on standard error, on a terminal only. */
#ifndef RUNDLE_PROGRESS_BAR_H
#define RUNDLE_PROGRESS_BAR_H

#include <stdbool.h>
#include <stdint.h>

struct progress_bar {
	const char *label;
	bool shown; /* standard error is a terminal and this process is in its foreground */
	int percent;
	int64_t started; /* milliseconds of the monotonic clock */
};

/* Nothing is drawn with `quiet`, off a terminal, or before half a second has passed: what is over by then
 * needs no bar. */
void progress_bar_start(struct progress_bar *bar, const char *label, bool quiet);

/* Draw again if the percentage has changed. */
void progress_bar_update(struct progress_bar *bar, uint64_t done, uint64_t total);

/* Take the bar away. */
void progress_bar_finish(struct progress_bar *bar);

#endif
