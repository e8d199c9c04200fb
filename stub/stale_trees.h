/* SPDX-License-Identifier: Apache-2.0
 * Trees that a crash has left. */
#ifndef RUNDLE_STALE_TREES_H
#define RUNDLE_STALE_TREES_H

/* Remove from `directory` the temporary trees of this user and machine whose lock nobody holds and in which
 * no process has its root directory. What cannot be removed is left without a word. */
void stale_trees_remove(int directory);

#endif
