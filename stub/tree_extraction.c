/* SPDX-License-Identifier: Apache-2.0 */
#include "tree_extraction.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capability.h"
#include "extract.h"
#include "message.h"
#include "own_arch.h"
#include "progress_bar.h"
#include "tree_lock.h"

struct observer {
	struct progress_bar bar;
	unsigned long left_out;
	char example[400];
};

static void report_progress(void *context, uint64_t done, uint64_t total)
{
	progress_bar_update(&((struct observer *)context)->bar, done, total);
}

static void report_left_out(void *context, const char *path, const char *reason)
{
	struct observer *observer = context;
	if (observer->left_out++ == 0)
		snprintf(observer->example, sizeof observer->example, "%.200s: %.100s", path, reason);
}

static int extract(const struct tree_request *request, int directory, struct fault *fault)
{
	const struct launch_config *config = request->config;
	const struct bundle *bundle = request->bundle;
	const struct section *section =
	    bundle_section(bundle, SECTION_PAYLOAD, BUNDLE_ARCH_NONE, config->payload);
	if (section == NULL)
		section = bundle_section(bundle, SECTION_PAYLOAD, OWN_ARCH, config->payload);
	if (section == NULL)
		return fault_set(fault, 0, "%.400s holds no payload number %lu", bundle->path,
		                 (unsigned long)config->payload);
	struct payload *payload = payload_open(bundle->fd, section->offset, section->size, fault);
	if (payload == NULL)
		return -1;
	struct observer observer = {0};
	struct extract_request order = {
	    .payload = payload,
	    .root = config->root,
	    .directory = directory,
	    .owners = geteuid() == 0 && capability_effective(CAPABILITY_CHOWN),
	    .progress = report_progress,
	    .left_out = report_left_out,
	    .context = &observer,
	};
	progress_bar_start(&observer.bar, "Extracting", request->quiet);
	int result = extract_tree(&order, fault);
	progress_bar_finish(&observer.bar);
	payload_close(payload);
	/* A tree that goes away again need not be complete in what only root could have written. */
	if (result == 0 && observer.left_out > 0 && !request->quiet &&
	    (request->keep || request->extract_only))
		message_notice("%lu entries are missing or incomplete in the tree, such as %s",
		               observer.left_out, observer.example);
	return result;
}

static int place_launcher(int directory, struct fault *fault)
{
	ssize_t copied = 1;
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = openat(directory, TREE_TRIAL, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	while (from >= 0 && to >= 0 && copied > 0)
		copied = sendfile(to, from, NULL, 1 << 20);
	int error = errno;
	int result = from >= 0 && to >= 0 && copied == 0 && close(to) == 0 ? 0 : -1;
	close(from);
	return result == 0 ? 0 : fault_set(fault, error, "copying the launcher into a directory for trees");
}

int tree_extraction_run(const struct tree_request *request, struct tree *tree, int parent,
                        const char *parent_path, const char *name, struct fault *fault)
{
	int container = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (container < 0 || mkdirat(container, TREE_ROOT, 0700) != 0)
		goto failed;
	tree->directory = openat(container, TREE_ROOT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree->directory < 0)
		goto failed;
	close(container);
	cleaner_set_root(&tree->cleaner, tree->directory);
	if ((request->trial ? place_launcher(tree->directory, fault)
	                    : extract(request, tree->directory, fault)) == 0)
		return 0;
	if (fault->error == ENOSPC || fault->error == EDQUOT)
		fault_hint(fault,
		           "Name a directory with more room: TMPDIR=DIR, or --target DIR to keep the tree "
		           "there.");
	close(tree->directory);
	return -1;
failed:
	fault_set(fault, errno, "creating a directory for the tree in %s", parent_path);
	if (container >= 0)
		close(container);
	return -1;
}
