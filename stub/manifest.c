/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest.h"

#include <stdlib.h>

#include "json.h"

enum { MANIFEST_LIMIT = 16 << 20 };

int manifest_read(const struct bundle *bundle, char **manifest, struct fault *fault)
{
	*manifest = NULL;
	const struct section *section = bundle_section(bundle, SECTION_MANIFEST, BUNDLE_ARCH_NONE, 0);
	if (section == NULL || section->size > MANIFEST_LIMIT)
		return 0;
	*manifest = bundle_read_section(bundle, section, MANIFEST_LIMIT, fault);
	if (*manifest == NULL)
		return -1;
	if (!json_walk(*manifest, (size_t)section->size, NULL, NULL)) {
		free(*manifest);
		*manifest = NULL;
	}
	return 0;
}
