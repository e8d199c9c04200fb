/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "message.h"
#include "storage.h"
#include "tree_extraction.h"
#include "tree_lock.h"
#include "tree_target.h"

enum { NAME_ATTEMPTS = 16 };

/* Make a directory of a name that nobody can foresee. */
static int start_cleaner(struct tree *tree, int parent, char name[TREE_NAME_SIZE], struct fault *fault)
{
	for (int attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
		uint64_t bits;
		if (getrandom(&bits, sizeof bits, 0) != sizeof bits)
			return fault_set(fault, errno, "getting random bytes for a temporary name");
		tree_name(name, bits);
		fault_clear(fault);
		if (cleaner_start(&tree->cleaner, parent, name, fault) == 0)
			return 0;
		if (fault->error != EEXIST)
			break;
	}
	return -1;
}

static int obtain_temporary(const struct tree_request *request, struct tree *tree, struct fault *fault)
{
	static struct storage storage;
	const struct storage_need need = {request->config->size, request->config->inodes};
	char name[TREE_NAME_SIZE];
	if (storage_choose(request->temporary, request->bundle->path, &need, &storage, fault) != 0)
		return -1;
	if (storage.memory && !request->quiet)
		message_notice("the tree goes to %s, which is main memory: %llu MB", storage.path,
		               (unsigned long long)need.size / 1000000 + 1);
	int length = snprintf(tree->path, sizeof tree->path, "%s/", storage.path);
	int result = start_cleaner(tree, storage.directory, name, fault);
	if (result == 0 &&
	    tree_extraction_run(request, tree, storage.directory, storage.path, name, fault) != 0) {
		cleaner_finish(&tree->cleaner);
		result = -1;
	}
	close(storage.directory);
	tree->temporary = true;
	size_t room = sizeof tree->path - (size_t)length;
	if (result == 0 && (size_t)snprintf(tree->path + length, room, "%s/%s", name, TREE_ROOT) >= room)
		result = fault_set(fault, ENAMETOOLONG, "naming the tree in %.200s", storage.path);
	return result;
}

int tree_obtain(const struct tree_request *request, struct tree *tree, struct fault *fault)
{
	tree->directory = -1;
	tree->temporary = false;
	tree->cleaner = (struct cleaner){.control = -1, .inotify = -1};
	if (request->keep || request->extract_only || request->target != NULL)
		return tree_target_obtain(request, tree, fault);
	return obtain_temporary(request, tree, fault);
}

void tree_close(struct tree *tree)
{
	if (tree->directory >= 0)
		close(tree->directory);
	tree->directory = -1;
	if (tree->cleaner.control >= 0)
		close(tree->cleaner.control);
	if (tree->cleaner.inotify >= 0)
		close(tree->cleaner.inotify);
}
