/* SPDX-License-Identifier: Apache-2.0 */
#include "host/tiers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/trial.h"
#include "host/trial_overlay.h"
#include "substitute.h"
#include "trace.h"
#include "trace_proot.h"

/* How far the trial of a tier has got. */
struct outcome {
	bool started; /* so far that a start would not take another tier any more */
	bool entered;
	struct fault fault;
};

struct attempt {
	struct start start;
	int launcher;            /* open for execution */
	struct outcome *outcome; /* seen by both processes; forks write to the rest */
};

/* Of the payload as it is mounted: a page of the program, and whether it may be executed from there. What is
 * not in the image, or no program, is not this machine's fault. */
static int read_program(const struct start *start, struct fault *fault)
{
	char path[PATH_MAX], byte;
	const char *name = start->plan.program.arguments.items[0];
	const char *next =
	    strchr(name, '/') != NULL ? "" : environment_value(start->plan.environment, "PATH", 4);
	struct stat status;
	int file = -1;
	while (file < 0 && next != NULL) {
		size_t length = strcspn(next, ":");
		snprintf(path, sizeof path, "%.*s%s%s", (int)length, next, length == 0 ? "" : "/", name);
		file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (file < 0 && errno == EIO)
			return fault_set(fault, EIO, "reading %.400s of the payload", path);
		next = next[length] == ':' ? next + length + 1 : NULL;
	}
	if (file < 0)
		file = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file < 0 || fstat(file, &status) != 0)
		return fault_set(fault, errno, "opening the payload's root directory");
	void *code = MAP_FAILED;
	int result = 0;
	if (S_ISREG(status.st_mode) && status.st_size > 0) {
		result = pread(file, &byte, 1, 0) == 1 ? 0 : -1;
		if (result == 0 && (status.st_mode & 0111) != 0)
			code = mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
		if (result != 0 || ((status.st_mode & 0111) != 0 && code == MAP_FAILED))
			result = fault_set(fault, errno, "reading the program %.400s of the payload", path);
	}
	close(file);
	return result;
}

static int write_root(struct fault *fault)
{
	static const char name[] = "/.rundle-trial";
	int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0 || unlink(name) != 0)
		return fault_set(fault, errno, "creating and removing a file in the root directory");
	close(file);
	return 0;
}

/* In the container: what a program does first. */
static void use_container(struct attempt *attempt)
{
	char path[48];
	struct fault *fault = &attempt->outcome->fault;
	struct start *start = &attempt->start;
	if (start->container.payload != NULL && read_program(start, fault) != 0)
		return;
	if (start->container.payload != NULL && start->container.writable && write_root(fault) != 0)
		return;
	attempt->outcome->entered = true;
	if (start->container.payload == NULL)
		trial_execute("/" TREE_TRIAL);
	if (start->container.payload != NULL || errno == ENOENT) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", attempt->launcher);
		trial_execute(path);
	}
	fault_set(fault, errno, "executing a program in the container");
	attempt->outcome->entered = false;
	_exit(1);
}

static void try_mount(void *context)
{
	struct attempt *attempt = context;
	if (start_mount_payload(&attempt->start, &attempt->outcome->fault) != 0)
		return;
	attempt->outcome->started = true;
	if (start_enter(&attempt->start, &attempt->outcome->fault) == 0)
		use_container(attempt);
}

static void try_tree(void *context)
{
	struct attempt *attempt = context;
	if (start_enter(&attempt->start, &attempt->outcome->fault) == 0)
		use_container(attempt);
}

/* All of it is done in the trial's process, which then ends as the program does. */
static void try_trace(void *context)
{
	struct attempt *attempt = context;
	struct start *start = &attempt->start;
	struct fault *fault = &attempt->outcome->fault;
	struct string_list arguments = {0};
	if (!trace_proot_is_there(start->bundle)) {
		fault_set(fault, 0, "the bundle holds no PRoot for this machine");
		return;
	}
	start->plan.program = (struct program){.directory = "/"};
	if (string_list_push(&arguments, "/" TREE_TRIAL, fault) != 0 ||
	    string_list_push(&arguments, "probe", fault) != 0 ||
	    tree_obtain(&start->wanted, &start->tree, fault) != 0)
		return;
	start->plan.program.arguments = arguments;
	attempt->outcome->entered = true;
	trace_run(start, fault);
}

/* The tree of a trial lacks what the image has: mount points are made that need not be there. */
static int relax_mounts(struct start *start, struct fault *fault)
{
	size_t count = start->plan.mount_count;
	struct mount_spec *mounts = calloc(count + 1, sizeof *mounts);
	if (mounts == NULL)
		return fault_set(fault, errno, "preparing a trial");
	if (count > 0)
		memcpy(mounts, start->plan.mounts, count * sizeof *mounts);
	for (size_t i = 0; i < count; i++)
		if (mounts[i].create == CREATE_NONE)
			mounts[i].create = CREATE_AUTO;
	start->container.mounts = mounts;
	return 0;
}

/* Record what came out of a trial. */
static void conclude(const struct outcome *outcome, int result, struct fault *reason,
                     struct tier_finding *finding)
{
	finding->started = outcome->started;
	finding->works = result == 0 && outcome->entered && outcome->fault.text[0] == '\0';
	if (!finding->works)
		finding->reason = outcome->fault.text[0] != '\0' ? outcome->fault : *reason;
}

static bool cache_path(char path[PATH_MAX])
{
	const char *home = getenv("HOME");
	return home != NULL && home[0] == '/' && snprintf(path, PATH_MAX, "%s/.cache", home) < PATH_MAX;
}

static bool cache_is_missing(void)
{
	char path[PATH_MAX];
	return cache_path(path) && access(path, F_OK) != 0;
}

/* The tree is DIR/NAME/root when it is temporary, and DIR/NAME when it is kept. */
static void name_parent(const struct tree *tree, char directory[PATH_MAX])
{
	snprintf(directory, PATH_MAX, "%s", tree->path);
	for (int i = tree->temporary ? 2 : 1; i > 0; i--) {
		char *slash = strrchr(directory, '/');
		if (slash != NULL)
			slash[slash == directory] = '\0';
	}
}

/* A search for a directory may make ~/.cache. */
static void forget_cache(bool missing)
{
	char path[PATH_MAX];
	if (missing && cache_path(path))
		(void)rmdir(path);
}

static int try_in_tree(struct attempt *attempt, enum tier tier, char directory[PATH_MAX], struct fault *fault)
{
	struct start *start = &attempt->start;
	start->wanted.trial = true;
	start->wanted.quiet = true;
	if (relax_mounts(start, fault) != 0 || tree_obtain(&start->wanted, &start->tree, fault) != 0)
		return -1;
	name_parent(&start->tree, directory);
	int result = tier == TIER_EXTRACT ? trial_run(try_tree, attempt, fault) : 0;
	tree_end_trial(&start->tree);
	if (tier == TIER_EXTRACT)
		return result;
	/* A tree for the trial beside the place of one that would be kept. */
	start->wanted.keep = false;
	start->wanted.target = NULL;
	start->tree = (struct tree){.directory = -1};
	return trial_run(try_trace, attempt, fault);
}

/* What a start in this tier refuses about its options, were it asked for: 0 when nothing. */
static int refuse_options(const struct start *start, enum tier tier, struct fault *fault)
{
	struct options options = *start->options;
	enum tier first;
	if (options.mode != NULL && strcmp(options.mode, tier_names[tier]) != 0)
		return fault_set(fault, 0, "--mode %s was given", options.mode);
	if (options.overlay != NULL && tier != TIER_MOUNT)
		return fault_set(fault, 0, "--overlay takes tier mount");
	options.mode = tier_names[tier];
	return tier_first(&options, start->wanted.keep || options.extract, &first, fault);
}

static void try_tier(struct attempt *attempt, enum tier tier, struct tier_finding *finding,
                     char directory[PATH_MAX])
{
	struct fault reason = {0};
	int result;
	if (tier == TIER_MOUNT) {
		struct trial_overlay overlay;
		trial_overlay_begin(&overlay, attempt->start.options->overlay);
		result = trial_run(try_mount, attempt, &reason);
		trial_overlay_end(&overlay);
	} else {
		bool missing = cache_is_missing();
		result = try_in_tree(attempt, tier, directory, &reason);
		forget_cache(missing);
	}
	trial_reap();
	conclude(attempt->outcome, result, &reason, finding);
}

/* The tier that a start ends up in, by its own decisions; whether that one works is another matter. */
static enum tier choose(const struct start *start, const struct tier_finding findings[TIER_COUNT],
                        struct fault *fault)
{
	struct options options = *start->options;
	enum tier tier;
	options.quiet = true;
	if (tier_first(&options, start->wanted.keep || options.extract, &tier, fault) != 0)
		return TIER_COUNT;
	*fault = findings[tier].reason;
	if (tier == TIER_MOUNT && (findings[tier].works || findings[tier].started))
		return tier;
	if (tier == TIER_MOUNT && tier_next(start->bundle, &options, &tier, fault) != 0)
		return TIER_COUNT;
	return tier_settle(start->bundle, &options, &tier, fault) == 0 ? tier : TIER_COUNT;
}

enum tier tiers_try(const struct start *start, struct tier_finding findings[TIER_COUNT],
                    char directory[PATH_MAX])
{
	static struct attempt attempt;
	struct fault fault = {0};
	struct outcome *outcome = trial_shared(sizeof *outcome);
	int launcher = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	directory[0] = '\0';
	for (enum tier tier = 0; tier < TIER_COUNT; tier++) {
		findings[tier] = (struct tier_finding){0};
		if (outcome == NULL || launcher < 0) {
			fault_set(&findings[tier].reason, errno, "preparing a trial");
			continue;
		}
		*outcome = (struct outcome){0};
		/* Only this copy is changed: its parts must not point into the original. */
		attempt = (struct attempt){*start, launcher, outcome};
		attempt.start.container.tree = &attempt.start.tree;
		if (refuse_options(start, tier, &findings[tier].reason) == 0)
			try_tier(&attempt, tier, &findings[tier], directory);
	}
	close(launcher);
	enum tier chosen = choose(start, findings, &fault);
	return chosen < TIER_COUNT && findings[chosen].works ? chosen : TIER_COUNT;
}
