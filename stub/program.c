/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interpreter.h"
#include "substitute.h"

#define RC "/etc/rc"
#define SHELL "/bin/sh"

int program_choose(struct program *program, const struct launch_config *config, const struct options *options,
                   const char *caller_directory, struct fault *fault)
{
	struct string_list *arguments = &program->arguments;
	*program = (struct program){.directory = config->workdir};
	if (caller_directory != NULL)
		program->directory = caller_directory;
	if (options->workdir != NULL)
		program->directory = options->workdir;
	program->rc = !options->no_entrypoint && (config->rc || options->rc != NULL);
	if (program->rc && string_list_push(arguments, RC, fault) != 0)
		return -1;
	bool whole = !program->rc && !options->no_entrypoint;
	if (whole && string_list_extend(arguments, config->entrypoint.items, fault) != 0)
		return -1;
	if (string_list_extend(arguments, options->operands, fault) != 0)
		return -1;
	if (whole && options->operand_count == 0 &&
	    string_list_extend(arguments, config->cmd.items, fault) != 0)
		return -1;
	if (arguments->count == 0)
		return string_list_push(arguments, SHELL, fault);
	return 0;
}

/* mkdir -p, as far as it can be done: chdir(2) tells what is missing. */
static void make_directories(const char *path)
{
	char part[PATH_MAX];
	if (strlen(path) >= sizeof part)
		return;
	strcpy(part, path);
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(part, 0777);
		*slash = '/';
	}
	mkdir(part, 0777);
}

static int enter_directory(const char *path, struct fault *fault)
{
	if (chdir(path) == 0)
		return 0;
	if (errno == ENOENT) {
		make_directories(path);
		if (chdir(path) == 0)
			return 0;
		errno = ENOENT;
	}
	fault_set(fault, errno, "cannot start in the directory '%.400s' of the image", path);
	return fault_hint(fault, "choose another one with --workdir, or let --rw create it");
}

/* The interpreter line of a script is the kernel's work; a file without one is given to the shell, as
 * execvp(3) does and as Enroot does with /etc/rc. Returns only on failure, with errno. */
static void execute_file(const char *path, const struct program *program, char *const *environment,
                         struct fault *fault)
{
	execve(path, program->arguments.items, environment);
	int error = errno;
	bool unmarked = error == ENOEXEC && !interpreter_is_elf(path);
	if (unmarked || (error == EACCES && program->rc)) {
		struct string_list script = {0};
		if (string_list_push(&script, SHELL, fault) == 0 &&
		    string_list_push(&script, path, fault) == 0 &&
		    string_list_extend(&script, program->arguments.items + 1, fault) == 0)
			execve(SHELL, script.items, environment);
		error = errno == ENOENT ? ENOEXEC : errno;
	}
	errno = error;
}

/* Record why `path`, which is there, was not executed; the exit status. */
static int explain(const char *path, int error, struct fault *fault)
{
	char missing[PATH_MAX];
	struct stat status;
	if (error == ENOENT && interpreter_missing(path, missing, sizeof missing)) {
		fault_set(fault, 0, "cannot execute '%.400s': its interpreter '%.400s' is not in the image",
		          path, missing);
		fault_hint(fault, "the image needs this file too");
		return STATUS_NOT_EXECUTABLE;
	}
	fault_set(fault, error, "cannot execute '%.400s' of the image", path);
	if (error == ENOEXEC && interpreter_is_elf(path))
		fault_hint(fault, "it is a program for another kind of machine");
	else if (error == ENOEXEC)
		fault_hint(fault, "it is no program, and the image has no " SHELL " to run it as a script");
	else if (error == ENOENT)
		fault_hint(fault,
		           "it is there, but what it leads to (a link's target or an interpreter) is not");
	else if (error == E2BIG)
		fault_hint(fault,
		           "arguments and environment are larger than the kernel takes: see ulimit -s");
	else if (error == EACCES && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		fault_hint(fault, "it is a directory");
	else if (error == EACCES)
		fault_hint(fault, "it has no executable bit, or lies on a mount with noexec");
	return STATUS_NOT_EXECUTABLE;
}

static bool exists(const char *path)
{
	struct stat status;
	return lstat(path, &status) == 0;
}

/* Search `name` in the directories of `path` as execvp(3) does: one that cannot be executed does not end the
 * search, but is what gets reported. */
static int execute_found(const char *name, const char *path, const struct program *program,
                         char *const *environment, struct fault *fault)
{
	char candidate[PATH_MAX], refused[PATH_MAX] = "";
	int refusal = 0;
	for (const char *next = path; next != NULL;) {
		size_t length = strcspn(next, ":");
		int size = snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)length, next,
		                    length == 0 ? "" : "/", name);
		next = next[length] == ':' ? next + length + 1 : NULL;
		if (length >= PATH_MAX || size < 0 || (size_t)size >= sizeof candidate)
			continue;
		execute_file(candidate, program, environment, fault);
		int error = errno;
		if (error == ENOTDIR || (error == ENOENT && !exists(candidate)) ||
		    (error == EACCES && !exists(candidate)))
			continue;
		if (refusal == 0) {
			refusal = error;
			memcpy(refused, candidate, sizeof refused);
		}
		if (error != EACCES && error != ENOENT)
			break;
	}
	if (refusal != 0)
		return explain(refused, refusal, fault);
	fault_set(fault, 0, "'%.400s' is not found in the image; PATH inside is %.400s", name, path);
	fault_hint(fault, "--info shows what the image starts; an absolute path needs no PATH");
	return STATUS_NOT_FOUND;
}

int program_execute(const struct program *program, char *const *environment, struct fault *fault)
{
	const char *name = program->arguments.items[0];
	if (enter_directory(program->directory, fault) != 0)
		return STATUS_LAUNCHER;
	if (strchr(name, '/') == NULL) {
		const char *path = environment_value(environment, "PATH", 4);
		return execute_found(name, path == NULL ? "" : path, program, environment, fault);
	}
	execute_file(name, program, environment, fault);
	int error = errno;
	if (error != ENOTDIR && (error != ENOENT || exists(name)))
		return explain(name, error, fault);
	fault_set(fault, error, "'%.400s' is not in the image", name);
	fault_hint(fault, "--info shows what the image starts");
	return STATUS_NOT_FOUND;
}
