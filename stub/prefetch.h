/* SPDX-License-Identifier: Apache-2.0
 * Having the server of a payload read what a start needs while the container is still being built. */
#ifndef RUNDLE_PREFETCH_H
#define RUNDLE_PREFETCH_H

struct prefetch_request {
	const char *program; /* as it is to be executed: without a slash it is searched */
	const char *search;  /* PATH; may be NULL */
};

/* Let the kernel read ahead the program, its loader and the C library, as found below the directory `root`
 * that a server serves. Only the look-up of names is waited for. What is not there is passed over. */
void prefetch_startup(int root, const struct prefetch_request *request);

#endif
