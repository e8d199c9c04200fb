/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf_file.h"
#include "environment.h"
#include "identity.h"
#include "settings.h"
#include "substitute.h"

/* Baked in, configured, given. */
static int plan_mounts(struct plan *plan, const struct string_list *const lists[3], struct fault *fault)
{
	size_t count = lists[0]->count + lists[1]->count + lists[2]->count;
	plan->mounts = calloc(count + 1, sizeof *plan->mounts);
	if (plan->mounts == NULL)
		return fault_set(fault, errno, "cannot hold %zu mounts", count);
	for (size_t i = 0; i < 3; i++) {
		for (size_t j = 0; j < lists[i]->count; j++) {
			struct mount_spec *mount = &plan->mounts[plan->mount_count++];
			if (mount_parse(lists[i]->items[j], environ, mount, fault) != 0)
				return -1;
		}
	}
	return 0;
}

/* --target, else the baked target, else ./NAME; only a tree that is kept has one. */
static int plan_target(struct plan *plan, const struct launch_config *config, const struct options *options,
                       struct fault *fault)
{
	char *target = NULL;
	plan->target = options->target;
	if (plan->target != NULL || (!options->keep && !options->extract))
		return 0;
	if (config->target != NULL)
		target = substitute(config->target, environ, fault);
	else if (asprintf(&target, "./%s", config->name) < 0)
		return fault_set(fault, ENOMEM, "cannot name the target");
	if (target != NULL && *target == '\0') {
		fault_set(fault, 0, "the target '%.400s' of the bundle is empty here", config->target);
		return fault_hint(fault, "name a directory with --target");
	}
	plan->target = target;
	return target == NULL ? -1 : 0;
}

static int plan_program(struct plan *plan, const struct launch_config *config, const struct options *options,
                        struct fault *fault)
{
	static char directory[PATH_MAX];
	const char *caller_directory = NULL;
	if (options->mount_cwd) {
		caller_directory = getcwd(directory, sizeof directory);
		if (caller_directory == NULL)
			return fault_set(fault, errno, "cannot find the current directory for --mount-cwd");
	}
	return program_choose(&plan->program, config, options, caller_directory, fault);
}

static int plan_environment(struct plan *plan, const struct launch_config *config,
                            const struct options *options, const struct configuration *configuration,
                            struct fault *fault)
{
	static struct identity identity;
	identity_lookup(&identity);
	struct environment_sources sources = {
	    .host = environ,
	    .image = (const char *const *)config->environment.items,
	    .name = options->root ? "root" : identity.name,
	    .home = options->root ? "/root" : identity.home,
	    .configured = configuration->environment.items,
	    .options = options,
	};
	plan->environment = environment_build(&sources, fault);
	return plan->environment == NULL ? -1 : 0;
}

int plan_make(struct plan *plan, const struct launch_config *config, struct options *options,
              struct fault *fault)
{
	struct configuration configuration = {0};
	*plan = (struct plan){0};
	for (size_t i = 0; i < options->configurations.count; i++) {
		if (conf_file_read(options->configurations.items[i], &configuration, fault) != 0)
			return -1;
	}
	if (settings_apply(options, environ, configuration.settings.items, fault) != 0)
		return -1;
	options->mount_home |= config->mount_home;
	options->mount_cwd |= config->mount_cwd;
	if (options->rc != NULL && access(options->rc, R_OK) != 0)
		return fault_set(fault, errno, "cannot read the script '%.400s' of --rc", options->rc);
	const struct string_list *const mounts[] = {&config->mounts, &configuration.mounts, &options->mounts};
	if (plan_target(plan, config, options, fault) != 0 || plan_mounts(plan, mounts, fault) != 0 ||
	    plan_program(plan, config, options, fault) != 0)
		return -1;
	return plan_environment(plan, config, options, &configuration, fault);
}
