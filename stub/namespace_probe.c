/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount_trial.h"
#include "namespaces.h"

/* What the child found; small enough for a pipe to carry it at once. */
struct finding {
	bool user_namespace;
	int result;
	struct fault fault;
};

_Static_assert(sizeof(struct finding) <= PIPE_BUF, "a finding must fit into one write");

static void try_in_child(const struct namespace_trial *trial, int end)
{
	struct finding finding = {0};
	struct fault *fault = &finding.fault;
	finding.result = namespaces_enter(false, &finding.user_namespace, fault);
	if (finding.result == 0 && (trial->overlay || trial->root))
		finding.result = mount_trial_begin(fault);
	if (finding.result == 0 && trial->overlay)
		finding.result = mount_trial_overlay(fault);
	if (finding.result == 0 && trial->root)
		finding.result = mount_trial_bind(fault);
	if (finding.result == 0 && trial->root)
		finding.result = mount_trial_pivot(fault);
	_exit(write(end, &finding, sizeof finding) == sizeof finding ? 0 : 1);
}

int namespace_try(const struct namespace_trial *trial, bool *user_namespace, struct fault *fault)
{
	struct finding finding;
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return fault_set(fault, errno, "making a pipe");
	fflush(NULL);
	pid_t child = fork();
	int error = errno;
	if (child == 0)
		try_in_child(trial, ends[1]);
	close(ends[1]);
	ssize_t got = child < 0 ? -1 : read(ends[0], &finding, sizeof finding);
	close(ends[0]);
	if (child < 0)
		return fault_set(fault, error, "starting a process");
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	if (got != sizeof finding)
		return fault_set(fault, 0, "the process that tried the namespaces ended early");
	*user_namespace = finding.user_namespace;
	*fault = finding.fault;
	return finding.result;
}
