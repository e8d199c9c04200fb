/* SPDX-License-Identifier: Apache-2.0
 * Is a payload's structure sound? */
#ifndef RUNDLE_CHECK_PAYLOAD_H
#define RUNDLE_CHECK_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "check_report.h"
#include "fault.h"

/* Walk through the whole tree of the image of `size` bytes at `offset` of `fd`: every listing and its order,
 * inode, link target, extended attribute and list of blocks, and the zeros behind the image. With `contents`
 * every file is decoded and every name looked up through its directory's index, so that damaged ones are
 * named. 0, however many faults were reported; -1 with a fault when memory or the disk fails. */
int check_payload(struct check_report *report, int fd, uint64_t offset, uint64_t size, bool contents,
                  struct fault *fault);

/* Report where in the range a byte is not zero. 0, or -1 with errno. */
int check_zeros(struct check_report *report, const char *section, int fd, uint64_t start, uint64_t end);

#endif
