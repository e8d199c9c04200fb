/* SPDX-License-Identifier: Apache-2.0
 * A thread that decodes the block behind the one that is being read, as long as that pays. */
#ifndef RUNDLE_FUSE_READ_AHEAD_H
#define RUNDLE_FUSE_READ_AHEAD_H

#include "payload.h"

/* Start it for all readers of `payload`, before there are any; it lives as long as the process. Reading works
 * without it, so there is no error. */
void fuse_read_ahead_start(struct payload *payload);

#endif
