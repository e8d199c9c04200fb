/* SPDX-License-Identifier: Apache-2.0
 * Why execve(2) answers ENOENT or ENOEXEC for a file that is there. */
#ifndef RUNDLE_INTERPRETER_H
#define RUNDLE_INTERPRETER_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the file begins like an ELF one. */
bool interpreter_is_elf(const char *path);

/* True when `path` is an ELF file or a script whose interpreter (PT_INTERP, or what stands behind `#!`) does
 * not exist; `name` then holds it. */
bool interpreter_missing(const char *path, char *name, size_t size);

#endif
