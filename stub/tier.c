/* SPDX-License-Identifier: Apache-2.0 */
#include "tier.h"

#include <string.h>

#include "message.h"
#include "namespace_probe.h"

const char *const tier_names[TIER_COUNT + 1] = {[TIER_MOUNT] = "mount", [TIER_EXTRACT] = "extract"};

int tier_choose(const struct options *options, bool kept, enum tier *tier, struct fault *fault)
{
	const struct namespace_trial needed = {.fuse = true, .overlay = options->writable};
	struct fault reason = {0};
	bool user_namespace;
	*tier = TIER_EXTRACT;
	if (options->mode != NULL && strcmp(options->mode, tier_names[TIER_MOUNT]) == 0) {
		if (kept)
			return fault_set(
			    fault, 0,
			    "--mode mount extracts nothing that --keep, --target or --extract could use");
		*tier = TIER_MOUNT;
		return 0;
	}
	if (kept || options->mode != NULL)
		return 0;
	if (namespace_try(&needed, &user_namespace, &reason) == 0)
		*tier = TIER_MOUNT;
	else if (namespace_try(&(struct namespace_trial){0}, &user_namespace, fault) != 0)
		return -1; /* no tier works without them: nothing need be extracted to find that out */
	else if (!options->quiet)
		message_notice("extracting, since the payload cannot be mounted here: %s: %s", reason.text,
		               strerror(reason.error));
	return 0;
}
