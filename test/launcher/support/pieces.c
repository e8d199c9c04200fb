/* SPDX-License-Identifier: Apache-2.0
 * Single functions of the launcher, for tests:
 *   pieces mount SPEC               what mount_parse makes of it, one field a line
 *   pieces open|walk ROOT PATH [directory|file]
 *                                   what a path leads to, as a path of the host, or why not
 *   pieces remove DIRECTORY NAME    remove_tree
 *   pieces execute DIRECTORY        storage_can_execute
 *   pieces room DIRECTORY SIZE INODES */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mount_spec.h"
#include "path_inside.h"
#include "remove_tree.h"
#include "storage.h"

static int print_fault(const struct fault *fault)
{
	printf("fault %s\nhint %s\n", fault->text, fault->hint);
	return 1;
}

static int show_mount(const char *text)
{
	static struct mount_spec spec;
	struct fault fault = {0};
	if (mount_parse(text, environ, &spec, &fault) != 0)
		return print_fault(&fault);
	static const char *const actions[] = {"bind", "new", "move", "detach"};
	static const char *const creations[] = {"none", "directory", "file", "auto"};
	printf("action %s\ncreate %s\nsource %s\ntarget %s\ntype %s\ndata %s\n", actions[spec.action],
	       creations[spec.create], spec.source, spec.target, spec.type, spec.data);
	printf("set %lx\nclear %lx\npropagation %lx\nflags%s%s%s%s\n", spec.set, spec.clear, spec.propagation,
	       spec.recursive ? " recursive" : "", spec.nofail ? " nofail" : "", spec.silent ? " silent" : "",
	       spec.source_inside ? " inside" : "");
	return 0;
}

static int show_path(const char *how, const char *directory, const char *path, const char *create)
{
	int root = open(directory, O_PATH | O_DIRECTORY);
	enum path_missing missing = create == NULL                     ? PATH_FAIL
	                            : strcmp(create, "directory") == 0 ? PATH_MAKE_DIRECTORY
	                                                               : PATH_MAKE_FILE;
	int found = strcmp(how, "open") == 0 ? path_inside_open(root, path, missing)
	                                     : path_inside_walk(root, path, missing);
	if (found < 0)
		return printf("%s\n", strerror(errno)), 1;
	char link[48], target[PATH_MAX];
	snprintf(link, sizeof link, "/proc/self/fd/%d", found);
	ssize_t length = readlink(link, target, sizeof target - 1);
	printf("%.*s\n", (int)length, target);
	return 0;
}

int main(int argc, char **argv)
{
	struct fault fault = {0};
	if (argc == 3 && strcmp(argv[1], "mount") == 0)
		return show_mount(argv[2]);
	if (argc >= 4 && (strcmp(argv[1], "open") == 0 || strcmp(argv[1], "walk") == 0))
		return show_path(argv[1], argv[2], argv[3], argv[4]);
	if (argc == 4 && strcmp(argv[1], "remove") == 0) {
		int result = remove_tree(open(argv[2], O_RDONLY | O_DIRECTORY), argv[3]);
		printf("%s\n", result == 0 ? "removed" : strerror(errno));
		return result != 0;
	}
	if (argc == 3 && strcmp(argv[1], "execute") == 0) {
		int result = storage_can_execute(open(argv[2], O_RDONLY | O_DIRECTORY));
		printf("%s\n", result == 0 ? "yes" : strerror(errno));
		return result != 0;
	}
	if (argc == 5 && strcmp(argv[1], "room") == 0) {
		const struct storage_need need = {strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10)};
		if (storage_has_room(open(argv[2], O_RDONLY | O_DIRECTORY), argv[2], &need, &fault) != 0)
			return print_fault(&fault);
		printf("yes\n");
		return 0;
	}
	return 2;
}
