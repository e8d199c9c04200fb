/* SPDX-License-Identifier: Apache-2.0
 * What this machine is: read, not tried. */
#ifndef RUNDLE_HOST_FACTS_H
#define RUNDLE_HOST_FACTS_H

#include <stdint.h>

struct host_facts {
	char name[65], machine[65], kernel[65];
	char distribution[128];        /* as people know it; empty when unknown */
	char cpu[128];                 /* the model */
	const char *kind;              /* bare, virtual, container, wsl1 or wsl2 */
	const char *container;         /* docker, podman, ...; NULL when there is none or it is not known */
	const char *manager;           /* of the job: slurm, pbs, lsf, flux; NULL without a job */
	const char *job, *node, *rank; /* NULL where not known */
	unsigned cpus;                 /* that this process may use */
	uint64_t memory;               /* bytes */
};

void host_facts_gather(struct host_facts *facts);

#endif
