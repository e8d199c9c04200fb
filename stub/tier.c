/* SPDX-License-Identifier: Apache-2.0 */
#include "tier.h"

#include <string.h>

#include "message.h"
#include "namespace_probe.h"

const char *const tier_names[TIER_COUNT + 1] = {[TIER_MOUNT] = "mount", [TIER_EXTRACT] = "extract"};

int tier_first(const struct options *options, bool kept, enum tier *tier, struct fault *fault)
{
	bool forced = options->mode != NULL && strcmp(options->mode, tier_names[TIER_MOUNT]) == 0;
	if (forced && kept)
		return fault_set(
		    fault, 0, "--mode mount extracts nothing that --keep, --target or --extract could use");
	*tier = kept || (options->mode != NULL && !forced) ? TIER_EXTRACT : TIER_MOUNT;
	return 0;
}

int tier_next(const struct options *options, enum tier *tier, struct fault *fault)
{
	const struct fault reason = *fault;
	bool user_namespace;
	/* What --overlay keeps are changes to a mounted payload. */
	if (options->mode != NULL || options->overlay != NULL)
		return -1;
	fault_clear(fault);
	/* No tier works without namespaces: nothing need be extracted to find that out. */
	if (namespace_try(&(struct namespace_trial){0}, &user_namespace, fault) != 0)
		return -1;
	if (!options->quiet)
		message_notice("extracting, since the payload cannot be mounted here: %s%s%s", reason.text,
		               reason.error != 0 ? ": " : "",
		               reason.error != 0 ? strerror(reason.error) : "");
	*tier = TIER_EXTRACT;
	return 0;
}
