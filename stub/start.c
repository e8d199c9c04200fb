/* SPDX-License-Identifier: Apache-2.0 */
#include "start.h"

#include "overlay_directory.h"

int start_prepare(struct start *start, const struct bundle *bundle, const struct launch_config *config,
                  struct options *options, struct fault *fault)
{
	*start = (struct start){
	    .bundle = bundle,
	    .config = config,
	    .options = options,
	    .tree = {.directory = -1},
	    .server = {.channel = -1},
	};
	struct plan *plan = &start->plan;
	if (plan_make(plan, config, options, fault) != 0)
		return -1;
	start->wanted = (struct tree_request){
	    .bundle = bundle,
	    .config = config,
	    .target = plan->target,
	    .temporary = options->temporary,
	    .keep = plan->target != NULL,
	    .extract_only = options->extract,
	    .quiet = options->quiet,
	};
	start->container = (struct container_request){
	    .tree = &start->tree,
	    .root = options->root,
	    .writable = options->writable,
	    .pid = options->pid,
	    .net = options->net,
	    .ipc = options->ipc,
	    .uts = options->uts,
	    .mount_home = options->mount_home,
	    .mount_cwd = options->mount_cwd,
	    .mounts = plan->mounts,
	    .mount_count = plan->mount_count,
	    .rc = options->rc,
	    .program = plan->program.arguments.items[0],
	    .environment = plan->environment,
	};
	return 0;
}

int start_mount_payload(struct start *start, struct fault *fault)
{
	static struct payload_root root;
	static struct overlay_directory overlay;
	const struct options *options = start->options;
	if (options->overlay != NULL) {
		if (overlay_directory_open(&overlay, options->overlay, start->config, fault) != 0)
			return -1;
		start->container.overlay = &overlay;
	}
	if (served_payload_start(&start->server, start->bundle, start->config, fault) != 0)
		return -1;
	start->server.kept = options->overlay != NULL ? overlay.lock : -1;
	if (container_mount_payload(&start->container, &start->server, &root, fault) != 0) {
		served_payload_close(&start->server);
		return -1;
	}
	start->container.payload = &root;
	return 0;
}

int start_enter(struct start *start, struct fault *fault)
{
	if (start->container.payload != NULL && served_payload_await(&start->server, fault) != 0)
		return -1;
	return container_enter(&start->container, fault);
}
