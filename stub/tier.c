/* SPDX-License-Identifier: Apache-2.0 */
#include "tier.h"

#include <string.h>

#include "message.h"
#include "namespace_probe.h"
#include "trace_proot.h"

const char *const tier_names[TIER_COUNT + 1] = {
    [TIER_MOUNT] = "mount", [TIER_EXTRACT] = "extract", [TIER_TRACE] = "trace"};

/* The first option that was given and takes a namespace; NULL for none. */
static const char *namespace_option(const struct options *options)
{
	return options->pid       ? "pid"
	       : options->net     ? "net"
	       : options->ipc     ? "ipc"
	       : options->uts     ? "uts"
	       : options->overlay ? "overlay"
	                          : NULL;
}

int tier_first(const struct options *options, bool kept, enum tier *tier, struct fault *fault)
{
	const char *option = namespace_option(options);
	*tier = kept ? TIER_EXTRACT : TIER_MOUNT;
	for (int i = 0; options->mode != NULL && i < TIER_COUNT; i++)
		if (strcmp(options->mode, tier_names[i]) == 0)
			*tier = (enum tier)i;
	if (*tier == TIER_MOUNT && kept)
		return fault_set(
		    fault, 0, "--mode mount extracts nothing that --keep, --target or --extract could use");
	if (*tier != TIER_TRACE || option == NULL)
		return 0;
	fault_set(fault, 0, "--%s cannot be had in mode trace, which has neither namespaces nor mounts",
	          option);
	return fault_hint(fault, "leave out one of the two");
}

static void tell(const struct options *options, const char *what, const struct fault *reason)
{
	if (!options->quiet)
		message_notice("%s: %s%s%s", what, reason->text, reason->error != 0 ? ": " : "",
		               reason->error != 0 ? strerror(reason->error) : "");
}

/* Whether a container can be built: tried, as nothing need be extracted to find that out. 0 when it can, 1
 * when tracing is the way; -1 with the fault where that cannot be either. */
static int try_container(const struct bundle *bundle, const struct options *options, struct fault *fault)
{
	bool user_namespace;
	if (namespace_try(&(struct namespace_trial){.root = true}, &user_namespace, fault) == 0)
		return 0;
	return namespace_option(options) == NULL && trace_proot_is_there(bundle) ? 1 : -1;
}

static const char tracing[] = "tracing the program with PRoot, which is slower, since no container can be "
                              "built here (--verify says what would help)";

int tier_next(const struct bundle *bundle, const struct options *options, enum tier *tier,
              struct fault *fault)
{
	const struct fault reason = *fault;
	/* What --overlay keeps are changes to a mounted payload. */
	if (options->mode != NULL || options->overlay != NULL)
		return -1;
	fault_clear(fault);
	int found = try_container(bundle, options, fault);
	if (found < 0)
		return -1;
	*tier = found == 0 ? TIER_EXTRACT : TIER_TRACE;
	if (found == 0 || strcmp(reason.text, fault->text) != 0)
		tell(options, "extracting, since the payload cannot be mounted here", &reason);
	if (found != 0)
		tell(options, tracing, fault);
	fault_clear(fault);
	return 0;
}

int tier_settle(const struct bundle *bundle, const struct options *options, enum tier *tier,
                struct fault *fault)
{
	if (*tier == TIER_TRACE && !trace_proot_is_there(bundle)) {
		fault_set(fault, 0, "'%.400s' holds no PRoot for this machine, which mode trace needs",
		          bundle->path);
		return fault_hint(fault, "it was built by a rundle without it");
	}
	if (options->mode != NULL || options->extract || *tier != TIER_EXTRACT)
		return 0;
	int found = try_container(bundle, options, fault);
	if (found <= 0)
		return found;
	*tier = TIER_TRACE;
	tell(options, tracing, fault);
	fault_clear(fault);
	return 0;
}
