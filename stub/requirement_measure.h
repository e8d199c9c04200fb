/* SPDX-License-Identifier: Apache-2.0
 * What this host has of what a bundle can need: one function for each word of the vocabulary. */
#ifndef RUNDLE_REQUIREMENT_MEASURE_H
#define RUNDLE_REQUIREMENT_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Three ways to measure. Each writes what it found, for people, to the `size` bytes at `found`.
 * A version: text that begins with numbers and dots; "" when there is none, VERSION_UNKNOWN when it cannot be
 * seen, as that of NVIDIA's driver on WSL 2.
 * An amount: bytes or pieces, UINT64_MAX for unlimited.
 * A word: 1 when the host has it, 0 when not, -1 when the word is not known. */
#define VERSION_UNKNOWN "?"
typedef void version_measure(char *version, size_t version_size, char *found, size_t size);
typedef uint64_t amount_measure(int argument, char *found, size_t size);
typedef int word_measure(const char *word, char *found, size_t size);

version_measure measure_kernel, measure_driver;
amount_measure measure_memory, measure_cpus, measure_disk, measure_shm;
amount_measure measure_limit; /* the argument is a resource of getrlimit(2); the soft limit counts */
word_measure measure_arch, measure_cpu, measure_gpu, measure_driver_word;

/* Bytes for people, in powers of 1024: "64 KiB", "15.6 GiB", "unlimited". */
void measure_write_bytes(uint64_t bytes, char *text, size_t size);

#endif
