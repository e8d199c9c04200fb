/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capability.h"
#include "container_processes.h"
#include "helper_process.h"
#include "message.h"
#include "trace_channel.h"
#include "trace_filter.h"
#include "trace_layout.h"
#include "trace_outside.h"
#include "trace_proot.h"

#define PROOT TRACE_DIRECTORY "/proot"
#define LOG TRACE_DIRECTORY "/log"
#define TEMPORARY TRACE_DIRECTORY "/tmp"

/* PRoot's command line; with a tree of its own it is the directory `root` that is not named by its path. */
static int list_arguments(const struct trace_layout *layout, struct string_list *arguments,
                          struct fault *fault)
{
	const struct start *start = layout->start;
	bool pretend = start->container.root && geteuid() != 0;
	char *first[] = {
	    "proot", "-v", "-1", "-w", "/", "-r", start->tree.temporary ? "root" : (char *)start->tree.path,
	    NULL};
	char *last[] = {(char *)layout->inside, "inside", NULL};
	int result = string_list_extend(arguments, first, fault);
	if (result == 0 && pretend)
		result = string_list_push(arguments, "-0", fault);
	for (size_t i = 0; result == 0 && i < layout->bindings.count; i++)
		if (layout->bindings.items[i] != NULL)
			result = string_list_extend(arguments,
			                            (char *[]){"-b", layout->bindings.items[i], NULL}, fault);
	return result == 0 ? string_list_extend(arguments, last, fault) : -1;
}

/* In the child: turn into PRoot, with nothing of the caller's but limits and the like. The signals of a
 * terminal, some of which it would take for itself, do not reach a process group of its own. */
static _Noreturn void become_proot(int directory, int channel, char *const *arguments)
{
	struct fault fault = {0};
	int log = openat(directory, LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int kept[] = {channel, log, directory};
	setpgid(0, 0);
	signal(SIGCHLD, SIG_DFL);
	helper_keep_descriptors(kept, sizeof kept / sizeof *kept);
	if (dup2(kept[1], STDERR_FILENO) < 0 || fcntl(kept[0], F_SETFD, 0) != 0 || fchdir(kept[2]) != 0)
		_exit(1);
	static char *const environment[] = {"PROOT_TMP_DIR=" TEMPORARY, NULL};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		fault_set(&fault, errno, "giving up the gain of privileges (no_new_privs)");
	else if (trace_filter_install(&fault) == 0 && (geteuid() == 0 || capability_drop_all(&fault) == 0)) {
		execve(PROOT, arguments, environment);
		fault_set(&fault, errno, "executing PRoot");
	}
	dprintf(STDERR_FILENO, "%s%s%s\n", fault.text, fault.error != 0 ? ": " : "",
	        fault.error != 0 ? strerror(fault.error) : "");
	_exit(1);
}

/* PRoot has ended without starting anything. */
static int explain(int directory, struct fault *fault)
{
	char text[512] = "";
	int log = openat(directory, LOG, O_RDONLY | O_CLOEXEC);
	ssize_t got = log < 0 ? -1 : read(log, text, sizeof text - 1);
	if (log >= 0)
		close(log);
	text[got > 0 ? got : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	fault_set(fault, 0, "PRoot cannot start a program here: %s",
	          text[0] != '\0' ? text : "no reason given");
	return fault_hint(
	    fault, "It needs ptrace(2): kernel.yama.ptrace_scope below 2, and no seccomp filter, SELinux "
	           "boolean (deny_ptrace) or debugger that keeps it from its own children.");
}

static int run_proot(struct trace_layout *layout, struct cleaner *cleaner, struct fault *fault)
{
	const struct plan *plan = &layout->start->plan;
	struct string_list arguments = {0};
	struct trace_outside outside = {.cleaner = cleaner};
	int order[2], report[2];
	sigset_t all;
	if (list_arguments(layout, &arguments, fault) != 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, order) != 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) != 0)
		return fault_set(fault, errno, "making a socket to the program's parent");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &outside.mask);
	cleaner_doom(cleaner, true);
	outside.proot = fork();
	if (outside.proot == 0)
		become_proot(layout->directory, order[1], arguments.items);
	int error = errno;
	close(order[1]);
	outside.order = order[0];
	outside.channel = report[0];
	int result = -1;
	if (outside.proot < 0)
		fault_set(fault, error, "starting a process for PRoot");
	else if (trace_outside_order(&outside, report[1], &plan->program, plan->environment,
	                             layout->directory, layout->ruleset, fault) == 0)
		result = trace_outside_follow(&outside);
	close(outside.channel);
	if (outside.proot > 0) {
		kill(outside.proot, SIGKILL);
		waitpid(outside.proot, NULL, 0);
	}
	container_processes_signal(cleaner_doom(cleaner, true), SIGKILL);
	sigprocmask(SIG_SETMASK, &outside.mask, NULL);
	return result < 0 && fault->text[0] == '\0' ? explain(layout->directory, fault) : -1;
}

int trace_run(struct start *start, struct fault *fault)
{
	static struct tree apart;
	static struct trace_layout layout;
	char path[PATH_MAX];
	struct tree *tree = &start->tree;
	layout = (struct trace_layout){.start = start, .ruleset = -1};
	if (!tree->temporary && tree_make_apart(&start->wanted, &apart, fault) != 0)
		return -1;
	snprintf(path, sizeof path, "%s", tree->temporary ? tree->path : apart.path);
	if (tree->temporary)
		*strrchr(path, '/') = '\0';
	struct cleaner *cleaner = tree->temporary ? &tree->cleaner : &apart.cleaner;
	layout.directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int result = -1;
	if (layout.directory < 0 || mkdirat(layout.directory, TRACE_DIRECTORY, 0700) != 0 ||
	    mkdirat(layout.directory, TEMPORARY, 0700) != 0)
		fault_set(fault, errno, "making a directory for PRoot in %.400s", path);
	else if (trace_proot_unpack(start->bundle, layout.directory, PROOT, fault) == 0 &&
	         trace_layout_make(&layout, fault) == 0)
		result = run_proot(&layout, cleaner, fault);
	cleaner_finish(cleaner);
	return result;
}
