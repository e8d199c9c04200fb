/* SPDX-License-Identifier: Apache-2.0
 * What a traced program may write to: a Landlock ruleset, which takes the place of read-only mounts. */
#ifndef RUNDLE_TRACE_RULESET_H
#define RUNDLE_TRACE_RULESET_H

/* A ruleset by which no file and no directory may be written to. Returns its descriptor; -1 where the kernel
 * has no Landlock, or one that forbids to rename into other directories (before Linux 5.19). */
int trace_ruleset_open(void);

/* Except for what `file` is, and all below it when it is a directory. Pipes, sockets and the like are never
 * concerned. Nothing happens with a `ruleset` of -1. */
void trace_ruleset_allow(int ruleset, int file);

#endif
