/* SPDX-License-Identifier: Apache-2.0
 * What went wrong, carried up to main.c, the only place that reports and exits. */
#ifndef RUNDLE_FAULT_H
#define RUNDLE_FAULT_H

struct fault {
	int error;       /* errno value behind it, 0 when there is none */
	char text[1024]; /* what was being done to which object, without the errno text */
	char hint[512];  /* the way out, empty when there is none */
};

/* Record a fault and return -1, so that callers can write `return fault_set(f, errno, "...")`.
 * The first fault wins: a later one does not overwrite it. `error` may be 0. */
int fault_set(struct fault *fault, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Record the way out for the fault just set; returns -1. Keeps an earlier hint. */
int fault_hint(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Forget the fault: for callers that have another way to go on. */
void fault_clear(struct fault *fault);

#endif
