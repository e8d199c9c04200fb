/* SPDX-License-Identifier: Apache-2.0
 * The launcher kept in this machine's memory for the next start (README.md, "The cache of the launcher"). */
#ifndef RUNDLE_LAUNCHER_CACHE_H
#define RUNDLE_LAUNCHER_CACHE_H

/* Put the file of this program into the user's cache, under the name of its SHA-256, unless the variable
 * RUNDLE_LAUNCHER_CACHE is `no`. A process of its own does it, which is no child of this one; this returns
 * when that has been started. The value `retry` is how the header says that it could not execute what is in
 * the cache; then the variable is removed. What fails, fails silently. */
void launcher_cache_fill(void);

/* This program was started as `path`, from the cache: remember that it is in use. When the last time was ten
 * minutes ago, private copies that were left behind are removed too, which else a start with a copy of its
 * own does. */
void launcher_cache_used(const char *path);

#endif
