/* SPDX-License-Identifier: Apache-2.0 */
#include "host/survey.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse_device.h"
#include "host/trial.h"
#include "mount_attributes.h"
#include "mount_trial.h"
#include "namespaces.h"

struct course {
	struct survey *survey;
	bool root;
};

static int remount(struct fault *fault)
{
	int bound = open("bound", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int result = bound < 0 ? -1 : mount_attributes_change(bound, false, MS_RDONLY, 0);
	if (result != 0)
		result = mount_trial_refused("making a mount read-only", fault);
	else if (mkdir("bound/below", 0700) == 0 || errno != EROFS)
		result = fault_set(fault, 0, "a mount that was made read-only can be written to");
	close(bound);
	return result;
}

static int mount_fuse(struct fault *fault)
{
	char options[96];
	int device = mkdir("fuse", 0700) == 0 || errno == EEXIST
	                 ? fuse_device_open(fault)
	                 : mount_trial_refused("making a directory", fault);
	if (device < 0)
		return -1;
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u", device, geteuid(),
	         getegid());
	int result = mount("rundle", "fuse", "fuse.rundle", MS_RDONLY | MS_NOSUID | MS_NODEV, options);
	if (result != 0)
		result = mount_trial_refused("mounting by FUSE", fault);
	umount2("fuse", MNT_DETACH);
	close(device);
	return result;
}

/* In a process of its own: a new procfs needs a process in the new pid namespace. */
static int mount_proc(struct fault *fault)
{
	int status = 0;
	if (unshare(CLONE_NEWPID) != 0)
		return mount_trial_refused("entering a pid namespace", fault);
	pid_t child = fork();
	if (child == 0)
		_exit(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 ? 0 : errno);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return mount_trial_refused("starting a process in a pid namespace", fault);
	errno = WEXITSTATUS(status);
	return status == 0 ? 0 : fault_set(fault, errno, "mounting a new /proc");
}

/* Record how a step went; whether it worked. */
static bool record(const struct course *course, enum survey_step step, int result)
{
	course->survey->steps[step].tried = true;
	course->survey->steps[step].works = result == 0;
	return result == 0;
}

static void walk(void *context)
{
	const struct course *course = context;
	struct survey *survey = course->survey;
#define TRY(step, call) record(course, step, (call))
#define FAULT(step) (&survey->steps[step].fault)
	if (!TRY(SURVEY_ENTER,
	         namespaces_enter(course->root, &survey->user_namespace, FAULT(SURVEY_ENTER))) ||
	    !TRY(SURVEY_TMPFS, mount_trial_begin(FAULT(SURVEY_TMPFS))) ||
	    !TRY(SURVEY_BIND, mount_trial_bind(FAULT(SURVEY_BIND))))
		return;
	TRY(SURVEY_REMOUNT, remount(FAULT(SURVEY_REMOUNT)));
	TRY(SURVEY_FUSE, mount_fuse(FAULT(SURVEY_FUSE)));
	TRY(SURVEY_OVERLAY, mount_trial_overlay(FAULT(SURVEY_OVERLAY)));
	TRY(SURVEY_PIVOT, mount_trial_pivot(FAULT(SURVEY_PIVOT)));
}

/* These go on from a user namespace that nothing was mounted in. */
static void descend(void *context)
{
	const struct course *course = context;
	struct survey *survey = course->survey;
	if (!TRY(SURVEY_USER_NAMESPACE, namespaces_enter_user(course->root, FAULT(SURVEY_USER_NAMESPACE))))
		return;
	struct fault *fault = FAULT(SURVEY_NESTING);
	int result = namespaces_enter_user(false, fault) == 0 ? namespaces_enter_user(false, fault) : -1;
	record(course, SURVEY_NESTING, result);
}

static void renew_proc(void *context)
{
	const struct course *course = context;
	struct survey *survey = course->survey;
	struct fault ignored = {0};
	bool user_namespace;
	if (namespaces_enter(course->root, &user_namespace, &ignored) == 0 &&
	    mount_trial_begin(&ignored) == 0 && mkdir("proc", 0700) == 0)
		TRY(SURVEY_PROC, mount_proc(FAULT(SURVEY_PROC)));
}

const struct survey *survey_make(bool root, struct fault *fault)
{
	struct course course = {trial_shared(sizeof *course.survey), root};
	static trial_function *const parts[] = {walk, descend, renew_proc};
	static const enum survey_step first[] = {SURVEY_ENTER, SURVEY_USER_NAMESPACE, SURVEY_PROC};
	if (course.survey == NULL) {
		fault_set(fault, errno, "getting memory for the look at the host");
		return NULL;
	}
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		struct fault reason = {0};
		if (trial_run(parts[i], &course, &reason) != 0 && !course.survey->steps[first[i]].tried) {
			course.survey->steps[first[i]].tried = true;
			course.survey->steps[first[i]].fault = reason;
		}
	}
	return course.survey;
}
