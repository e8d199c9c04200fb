/* SPDX-License-Identifier: Apache-2.0
 * Handing open descriptors to another process over a Unix socket (SCM_RIGHTS, unix(7)). */
#ifndef RUNDLE_DESCRIPTORS_H
#define RUNDLE_DESCRIPTORS_H

#include <stddef.h>

#define DESCRIPTORS_MAX 16u

/* Send `size` bytes, at least one, and with them `count` descriptors. Returns 0, or -1 with errno. */
int descriptors_send(int channel, const void *bytes, size_t size, const int *descriptors, unsigned count);

/* Receive what descriptors_send sent; `descriptors` has room for DESCRIPTORS_MAX, which get FD_CLOEXEC.
 * Returns their number; -1 with errno, ECONNRESET when the other side is gone or sent another size. */
int descriptors_receive(int channel, void *bytes, size_t size, int *descriptors);

#endif
