/* SPDX-License-Identifier: Apache-2.0 */
#include "progress_bar.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { DELAY_MS = 500, MIN_WIDTH = 10, MAX_WIDTH = 40, LINE_SIZE = 160 };

static int64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void progress_bar_start(struct progress_bar *bar, const char *label, bool quiet)
{
	/* In the background a write could stop the whole job (stty tostop). */
	*bar = (struct progress_bar){.label = label, .percent = -1, .started = now()};
	bar->shown = !quiet && isatty(STDERR_FILENO) && tcgetpgrp(STDERR_FILENO) == getpgrp();
}

/* Columns for the bar itself, so that label, bar and percentage fit into a line. */
static int bar_width(const char *label)
{
	struct winsize window = {0};
	int columns =
	    ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80;
	int width = columns - (int)strlen(label) - 10;
	return width < MIN_WIDTH ? MIN_WIDTH : width > MAX_WIDTH ? MAX_WIDTH : width;
}

void progress_bar_update(struct progress_bar *bar, uint64_t done, uint64_t total)
{
	int percent = total == 0 || done >= total ? 100 : (int)((double)done * 100 / (double)total);
	if (!bar->shown || percent == bar->percent || now() - bar->started < DELAY_MS)
		return;
	bar->percent = percent;
	char line[LINE_SIZE], blocks[MAX_WIDTH + 1];
	int width = bar_width(bar->label);
	memset(blocks, ' ', sizeof blocks);
	memset(blocks, '#', (size_t)(width * percent / 100));
	int length = snprintf(line, sizeof line, "\r%.40s [%.*s] %3d%%", bar->label, width, blocks, percent);
	(void)!write(STDERR_FILENO, line, (size_t)length);
}

void progress_bar_finish(struct progress_bar *bar)
{
	static const char clear[] = "\r\033[K";
	if (bar->shown && bar->percent >= 0)
		(void)!write(STDERR_FILENO, clear, sizeof clear - 1);
}
