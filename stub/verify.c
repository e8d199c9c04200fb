/* SPDX-License-Identifier: Apache-2.0 */
#include "verify.h"

#include "host/host.h"

int verify_host(FILE *stream, const struct bundle *bundle, const struct launch_config *config,
                const struct options *options, struct fault *fault)
{
	static struct host host;
	host = (struct host){.bundle = bundle, .config = config, .options = options};
	if (host_look(&host, fault) != 0)
		return -1;
	(options->json ? host_write_json : host_write_text)(stream, &host);
	return (int)host.verdict;
}
