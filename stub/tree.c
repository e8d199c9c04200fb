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

/* The directory for a temporary tree, in storage->path, or for what needs as little as `need` says. */
static int make_temporary(const struct tree_request *request, const struct storage_need *need,
                          struct storage *storage, struct tree *tree, char name[TREE_NAME_SIZE],
                          struct fault *fault)
{
	if (storage_choose(request->temporary, request->bundle->path, need, storage, fault) != 0)
		return -1;
	if (start_cleaner(tree, storage->directory, name, fault) == 0)
		return 0;
	close(storage->directory);
	return -1;
}

static int name_temporary(struct tree *tree, const struct storage *storage, const char *name,
                          const char *below, struct fault *fault)
{
	if ((size_t)snprintf(tree->path, sizeof tree->path, "%s/%s%s", storage->path, name, below) <
	    sizeof tree->path)
		return 0;
	return fault_set(fault, ENAMETOOLONG, "naming a directory in %.200s", storage->path);
}

static int obtain_temporary(const struct tree_request *request, struct tree *tree, struct fault *fault)
{
	static struct storage storage;
	const struct storage_need need = {request->config->size, request->config->inodes};
	char name[TREE_NAME_SIZE];
	if (make_temporary(request, &need, &storage, tree, name, fault) != 0)
		return -1;
	if (storage.memory && !request->quiet)
		message_notice("the tree goes to %s, which is main memory: %llu MB", storage.path,
		               (unsigned long long)need.size / 1000000 + 1);
	int result = name_temporary(tree, &storage, name, "/" TREE_ROOT, fault);
	if (result == 0)
		result = tree_extraction_run(request, tree, storage.directory, storage.path, name, fault);
	if (result != 0)
		cleaner_finish(&tree->cleaner);
	close(storage.directory);
	tree->temporary = true;
	return result;
}

int tree_make_apart(const struct tree_request *request, struct tree *tree, struct fault *fault)
{
	static struct storage storage;
	const struct storage_need need = {4 << 20, 64};
	char name[TREE_NAME_SIZE];
	*tree = (struct tree){.directory = -1, .temporary = true};
	if (make_temporary(request, &need, &storage, tree, name, fault) != 0)
		return -1;
	close(storage.directory);
	if (name_temporary(tree, &storage, name, "", fault) == 0)
		return 0;
	cleaner_finish(&tree->cleaner);
	return -1;
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

void tree_end_trial(struct tree *tree)
{
	cleaner_finish(&tree->cleaner);
	tree_target_end_trial();
	if (tree->directory >= 0)
		close(tree->directory);
	tree->directory = -1;
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
