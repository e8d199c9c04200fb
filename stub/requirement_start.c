/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "message.h"
#include "requirement.h"

int requirements_at_start(const struct launch_config *config, const struct options *options,
                          struct fault *fault)
{
	size_t missing = 0;
	struct requirement_finding first = {0};
	const char *text = NULL;
	for (size_t i = 0; i < config->requirements.count; i++) {
		struct requirement_finding finding;
		struct fault unknown = {0};
		const char *requirement = config->requirements.items[i];
		if (requirement_check(requirement, &finding, &unknown) != 0) {
			if (!options->ignore_requirements) {
				*fault = unknown;
				return -1;
			}
			snprintf(finding.found, sizeof finding.found, "not known to this launcher");
		}
		if (finding.met)
			continue;
		if (missing++ == 0) {
			first = finding;
			text = requirement;
		}
	}
	if (missing == 0)
		return 0;
	char more[64] = "";
	if (missing > 1)
		snprintf(more, sizeof more, " (and %zu more that --verify lists)", missing - 1);
	if (options->ignore_requirements) {
		if (!options->quiet)
			message_notice("going on although the bundle needs %.400s, found: %s%s", text,
			               first.found, more);
		return 0;
	}
	fault_set(fault, 0, "the bundle needs %.400s, found: %s%s", text, first.found, more);
	return fault_hint(fault, "%s\n--ignore-requirements starts it anyway", first.remedy);
}
