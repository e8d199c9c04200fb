/* SPDX-License-Identifier: Apache-2.0
 * The launcher's recipe, and the only place that reports and exits. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "bundle.h"
#include "check.h"
#include "host_setup.h"
#include "info.h"
#include "invocation.h"
#include "launch_config.h"
#include "launcher_cache.h"
#include "licenses.h"
#include "message.h"
#include "options.h"
#include "own_arch.h"
#include "own_copy.h"
#include "requirement.h"
#include "start.h"
#include "tier.h"
#include "trace.h"
#include "trace_inside.h"
#include "tree.h"
#include "unpack.h"
#include "usage.h"
#include "verify.h"

/* A closed descriptor 0, 1 or 2 must not become the bundle's or a tree's, or a message would be written
 * there. What stands in answers EBADF as a closed one does, and is gone when the program starts. */
static void hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/", O_PATH | O_CLOEXEC);
	}
}

/* The launch config for `arch`; with `any`, for what starts nothing, another one will do. */
static int read_launch_config(const struct bundle *bundle, uint32_t arch, bool any,
                              struct launch_config *config, struct fault *fault)
{
	const struct section *section = bundle_section(bundle, SECTION_LAUNCH_CONFIG, arch, 0);
	for (uint32_t i = 0; section == NULL && any && i < bundle->count; i++) {
		if (bundle->sections[i].kind == SECTION_LAUNCH_CONFIG)
			section = &bundle->sections[i];
	}
	if (section == NULL) {
		fault_set(fault, 0, "'%.400s' holds nothing for this machine", bundle->path);
		return fault_hint(fault, "--info lists the architectures it was built for");
	}
	char *bytes = bundle_read_section(bundle, section, LAUNCH_CONFIG_LIMIT, fault);
	return bytes == NULL ? -1 : launch_config_parse(config, bytes, (size_t)section->size, fault);
}

/* What was printed must have arrived; a status, or -1. */
static int finish_output(int status, struct fault *fault)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return fault_set(fault, errno, "cannot write to standard output");
	return status;
}

/* The tree, the container around it, the program in it. Returns only when no program was started. */
static int run_program(const struct bundle *bundle, const struct launch_config *config,
                       struct options *options, struct fault *fault)
{
	static struct start start;
	enum tier tier;
	if (start_prepare(&start, bundle, config, options, fault) != 0 ||
	    (!options->extract && requirements_at_start(config, options, fault) != 0) ||
	    tier_first(options, start.wanted.keep || options->extract, &tier, fault) != 0)
		return -1;
	if (tier == TIER_MOUNT && start_mount_payload(&start, fault) != 0 &&
	    tier_next(bundle, options, &tier, fault) != 0)
		return -1;
	if (tier != TIER_MOUNT && (tier_settle(bundle, options, &tier, fault) != 0 ||
	                           tree_obtain(&start.wanted, &start.tree, fault) != 0))
		return -1;
	if (options->extract)
		return 0;
	if (tier == TIER_TRACE)
		return trace_run(&start, fault);
	if (start_enter(&start, fault) != 0)
		return -1;
	return program_execute(&start.plan.program, start.plan.environment, fault);
}

/* Show the help or the version: neither needs the bundle to be whole. */
static int show_launcher(const struct invocation *invocation, const struct options *options,
                         struct fault *fault)
{
	if (options->help)
		usage_help(stdout, invocation->bundle);
	else
		usage_version(stdout);
	return finish_output(0, fault);
}

static int run_bundle(const struct invocation *invocation, struct fault *fault)
{
	static struct bundle bundle;
	struct launch_config config;
	struct options options;
	int status = 0;
	if (options_parse(&options, invocation->argument_count, invocation->arguments, fault) != 0)
		return -1;
	if (options.help || options.version)
		return show_launcher(invocation, &options, fault);
	if (bundle_open(&bundle, invocation->bundle, invocation->bundle_size, fault) != 0)
		return -1;
	if (options.setup_host) {
		status = host_setup(&bundle, &options, fault);
		return status < 0 ? -1 : finish_output(status, fault);
	}
	if (!options.check &&
	    read_launch_config(&bundle, OWN_ARCH, options.info || options.verify, &config, fault) != 0)
		return -1;
	if (options.check)
		status = check_bundle(&bundle, stdout, options.json, fault);
	else if (options.licenses)
		status = licenses_write(stdout, options.json, &bundle, fault);
	else if (options.info)
		status = info_write(stdout, options.json, &bundle, &config, fault);
	else if (options.verify)
		status = verify_host(stdout, &bundle, &config, &options, fault);
	else
		return run_program(&bundle, &config, &options, fault);
	return status < 0 ? -1 : finish_output(status, fault);
}

/* The tree for this machine or, with a second argument, for the architecture that it names. */
static int run_unpack(const struct invocation *invocation, struct fault *fault)
{
	static struct bundle bundle;
	struct launch_config config;
	uint32_t arch = OWN_ARCH;
	if (invocation->argument_count < 1 || invocation->argument_count > 2)
		return fault_set(fault, 0, "unpack takes a directory and an architecture");
	if (invocation->argument_count == 2)
		arch = bundle_architecture(invocation->arguments[1]);
	if (bundle_open(&bundle, invocation->bundle, invocation->bundle_size, fault) != 0 ||
	    read_launch_config(&bundle, arch, invocation->argument_count == 1, &config, fault) != 0 ||
	    unpack_bundle(&bundle, &config, invocation->arguments[0], stdout, fault) != 0)
		return -1;
	return finish_output(0, fault);
}

/* The exit status, or -1; with a fault when there is something to report. */
static int run(int argc, char **argv, struct fault *fault)
{
	struct invocation invocation;
	if (invocation_read(&invocation, argc, argv, fault) != 0)
		return -1;
	switch (invocation.verb) {
	case VERB_PROBE:
		return 0;
	case VERB_TEMPORARY:
		own_copy_remove(invocation.launcher);
		launcher_cache_fill();
		return run_bundle(&invocation, fault);
	case VERB_CACHED:
		launcher_cache_used(invocation.launcher);
		return run_bundle(&invocation, fault);
	case VERB_INSTALLED:
		return run_bundle(&invocation, fault);
	case VERB_UNPACK:
		return run_unpack(&invocation, fault);
	case VERB_INSIDE:
		return trace_inside(invocation.launcher, fault);
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct fault fault = {0};
	hold_standard_descriptors();
	int status = run(argc, argv, &fault);
	if (fault.text[0] != '\0')
		message_fault(&fault);
	return status < 0 ? STATUS_LAUNCHER : status;
}
