/* SPDX-License-Identifier: Apache-2.0
 * What a directory lies on. */
#ifndef RUNDLE_HOST_FILESYSTEM_H
#define RUNDLE_HOST_FILESYSTEM_H

#include <stdbool.h>
#include <stddef.h>

/* The name of the file system that `path` is on: nfs, lustre, ext4, ...; a hexadecimal number for one that
 * has no name here. Whether it is one that machines share over a network. */
bool filesystem_type(const char *path, char *name, size_t size);

#endif
