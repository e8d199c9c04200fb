/* SPDX-License-Identifier: Apache-2.0 */
#include "tree_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "message.h"
#include "storage.h"
#include "target_path.h"
#include "tree_extraction.h"
#include "tree_lock.h"
#include "tree_marker.h"

/* How often an election for one name may come to nothing before a name of one's own is taken. */
enum { ELECTIONS = 50, PAUSE_NS = 20000000 };

struct keeping {
	const struct tree_request *request;
	struct tree *tree;
	struct target_path *target;
	char name[TREE_NAME_SIZE];
	bool told;
};

static int use_existing(struct keeping *keeping, int directory, struct fault *fault)
{
	struct statvfs status;
	if (!keeping->request->extract_only && fstatvfs(directory, &status) == 0 &&
	    (status.f_flag & ST_NOEXEC) != 0) {
		close(directory);
		fault_set(fault, 0, "the tree %.400s cannot execute: its file system is mounted noexec",
		          keeping->tree->path);
		return fault_hint(fault, "Name another directory with --target.");
	}
	keeping->tree->directory = directory;
	return 0;
}

/* What stands at the target: 1 when the tree was taken from there, 0 when its place is free, -1 with a fault.
 */
static int look(struct keeping *keeping, struct fault *fault)
{
	const struct target_path *target = keeping->target;
	int directory = openat(target->parent, target->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0 && errno == ENOENT)
		return 0;
	if (directory < 0)
		return fault_set(fault, errno, "opening the target %.400s", keeping->tree->path);
	switch (tree_marker_check(directory, keeping->request->config->id)) {
	case TREE_MARKED:
		return use_existing(keeping, directory, fault) == 0 ? 1 : -1;
	case TREE_EMPTY:
		close(directory);
		return 0;
	case TREE_OTHER_BUNDLE:
		fault_set(fault, 0, "the target %.400s holds the tree of another bundle",
		          keeping->tree->path);
		break;
	case TREE_UNKNOWN:
		fault_set(fault, 0, "the target %.400s holds something else", keeping->tree->path);
		break;
	}
	close(directory);
	return fault_hint(fault, "Remove it, or name another directory with --target.");
}

static void random_name(struct keeping *keeping)
{
	uint64_t bits = 0;
	(void)!getrandom(&bits, sizeof bits, 0);
	tree_name(keeping->name, bits);
}

/* The temporary name that all starts with this target share, so that one of them gets it. */
static void common_name(struct keeping *keeping)
{
	if (keeping->request->trial) {
		random_name(keeping);
		return;
	}
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
	const char *parts[] = {keeping->target->name, "/", keeping->request->config->id};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		for (const unsigned char *p = (const unsigned char *)parts[i]; *p != '\0'; p++)
			hash = (hash ^ *p) * 0x100000001b3;
	tree_name(keeping->name, hash);
}

/* The common name is taken: wait until whoever has it is done. */
static void await_other(struct keeping *keeping)
{
	int lock;
	if (!keeping->told && !keeping->request->quiet)
		message_notice("another start is writing %s; waiting for it", keeping->tree->path);
	keeping->told = true;
	int parent = keeping->target->parent;
	switch (tree_lock_probe(parent, keeping->name, true, &lock)) {
	case TREE_STALE:
		tree_lock_remove(parent, keeping->name);
		close(lock);
		break;
	case TREE_FOREIGN: /* on another machine, where no lock can be waited for */
		random_name(keeping);
		break;
	case TREE_BUSY:
	case TREE_GONE:
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
		break;
	}
}

/* Move the complete tree to its place. Returns 1, 0 when another one has got there first, -1 with a fault. */
static int put_in_place(struct keeping *keeping, struct fault *fault)
{
	const struct target_path *target = keeping->target;
	int directory = keeping->tree->directory;
	char from[TREE_NAME_SIZE + 1 + sizeof TREE_ROOT];
	snprintf(from, sizeof from, "%.*s/%s", TREE_NAME_SIZE, keeping->name, TREE_ROOT);
	struct stat status;
	if (fstat(directory, &status) != 0 || fchmod(directory, status.st_mode | S_IRWXU) != 0 ||
	    tree_marker_write(directory, keeping->request->config->id) != 0)
		return fault_set(fault, errno, "marking the tree as complete");
	int error = renameat(target->parent, from, target->parent, target->name) == 0 ? 0 : errno;
	/* Only now: to move a directory one must be allowed to write it. */
	const struct timespec times[] = {status.st_atim, status.st_mtim};
	futimens(directory, times);
	fchmod(directory, status.st_mode & 07777);
	if (error == 0)
		return 1;
	if (error == EEXIST || error == ENOTEMPTY)
		return 0;
	fault_set(fault, error, "moving the tree to %.400s", keeping->tree->path);
	if (error == EBUSY)
		return fault_hint(fault, "The target is a mount point; name a directory below it.");
	return -1;
}

/* The tree of a trial stays where it is. */
static int stay_apart(struct keeping *keeping, struct fault *fault)
{
	struct tree *tree = keeping->tree;
	tree->temporary = true;
	if ((size_t)snprintf(tree->path, sizeof tree->path, "%s/%s/" TREE_ROOT, keeping->target->parent_path,
	                     keeping->name) < sizeof tree->path)
		return 1;
	cleaner_finish(&tree->cleaner);
	return fault_set(fault, ENAMETOOLONG, "naming the tree of a trial");
}

/* Extract under the name that the cleaner has made. 1 when the tree stands, 0 to look again, -1 with a fault.
 */
static int extract_and_place(struct keeping *keeping, struct fault *fault)
{
	const struct target_path *target = keeping->target;
	struct tree *tree = keeping->tree;
	int result = look(keeping, fault); /* another one may just have finished */
	if (result == 0 && tree_extraction_run(keeping->request, tree, target->parent, target->parent_path,
	                                       keeping->name, fault) != 0)
		result = -1;
	else if (result == 0 && keeping->request->trial)
		return stay_apart(keeping, fault);
	else if (result == 0) {
		result = put_in_place(keeping, fault);
		if (result != 1) {
			close(tree->directory);
			tree->directory = -1;
		}
	}
	cleaner_finish(&tree->cleaner);
	return result;
}

static int check_parent(const struct keeping *keeping, struct fault *fault)
{
	const struct target_path *target = keeping->target;
	const struct launch_config *config = keeping->request->config;
	const struct storage_need need = {config->size, config->inodes};
	if (!keeping->request->extract_only && storage_can_execute(target->parent) != 0) {
		if (errno != EPERM)
			return fault_set(fault, errno, "writing to %.400s", target->parent_path);
		fault_set(fault, 0, "%.400s cannot execute: it is mounted noexec", target->parent_path);
		return fault_hint(fault, "Name another directory with --target, or extract only with -x.");
	}
	return storage_has_room(target->parent, target->parent_path, &need, fault);
}

static int obtain(struct keeping *keeping, struct fault *fault)
{
	common_name(keeping);
	for (int elections = 0; elections < ELECTIONS; elections++) {
		int result = look(keeping, fault);
		if (result == 0 && elections == 0)
			result = check_parent(keeping, fault);
		if (result != 0)
			return result < 0 ? -1 : 0;
		if (cleaner_start(&keeping->tree->cleaner, keeping->target->parent, keeping->name, fault) ==
		    0) {
			result = extract_and_place(keeping, fault);
			if (result != 0)
				return result < 0 ? -1 : 0;
		} else if (fault->error == EEXIST) {
			fault_clear(fault);
			await_other(keeping);
		} else {
			int error = fault->error;
			fault_clear(fault);
			return fault_set(fault, error, "writing to %.400s", keeping->target->parent_path);
		}
	}
	return fault_set(fault, 0, "another start of this user holds %.300s/%s and does not let go",
	                 keeping->target->parent_path, keeping->name);
}

/* What a trial leaves open until it ends. */
static struct target_path target;
static bool open_for_trial;

void tree_target_end_trial(void)
{
	if (open_for_trial)
		target_path_close(&target, false);
	open_for_trial = false;
}

int tree_target_obtain(const struct tree_request *request, struct tree *tree, struct fault *fault)
{
	const char *path = request->target != NULL ? request->target : request->config->name;
	if (target_path_open(&target, path, fault) != 0)
		return -1;
	struct keeping keeping = {.request = request, .tree = tree, .target = &target};
	int result = -1;
	if ((size_t)snprintf(tree->path, sizeof tree->path, "%s%s%s", target.parent_path,
	                     strcmp(target.parent_path, "/") == 0 ? "" : "/",
	                     target.name) >= sizeof tree->path)
		fault_set(fault, ENAMETOOLONG, "the target %.400s", path);
	else
		result = obtain(&keeping, fault);
	if (request->trial && result == 0)
		open_for_trial = true;
	else
		target_path_close(&target, result == 0);
	return result;
}
