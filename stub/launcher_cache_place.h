/* SPDX-License-Identifier: Apache-2.0
 * Where a user's cache of launchers is. */
#ifndef RUNDLE_LAUNCHER_CACHE_PLACE_H
#define RUNDLE_LAUNCHER_CACHE_PLACE_H

/* Open this user's cache directory, making one where there is none: in $XDG_RUNTIME_DIR when that is this
 * user's and nobody else may write to it, else in /dev/shm; on a file system in memory that executes. Nobody
 * else may enter the directory, and it is locked by flock(LOCK_EX) as long as it is open. Other cache
 * directories of this user are removed. Returns the descriptor; -1 when there is no such place, or another
 * process is at it. */
int launcher_cache_open(void);

#endif
