/* SPDX-License-Identifier: Apache-2.0
 * Small files of /proc and /sys. */
#ifndef RUNDLE_HOST_READ_H
#define RUNDLE_HOST_READ_H

#include <stdbool.h>
#include <stddef.h>

/* The first `size` - 1 bytes of a file; false and an empty text when it cannot be read. */
bool host_read(const char *path, char *text, size_t size);

/* Its first line, without the line end. */
bool host_read_line(const char *path, char *text, size_t size);

/* The number that a file begins with, or `missing`. */
long host_read_number(const char *path, long missing);

/* What follows `key` and blanks, `:` or `=` in the first line of the file that begins so: "MemTotal",
 * "Seccomp", "model name", "PRETTY_NAME". Quotation marks around it are taken away. */
bool host_read_field(const char *path, const char *key, char *text, size_t size);

#endif
