/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t helper_fork(void)
{
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	/* Flags 0: no memory is shared, and there is no exit signal. */
	pid_t child = (pid_t)syscall(SYS_clone, 0UL, NULL, NULL, NULL, NULL);
	if (child < 0 && errno == EINVAL) /* qemu's user emulation knows no other exit signal */
		child = (pid_t)syscall(SYS_clone, (unsigned long)SIGCHLD, NULL, NULL, NULL, NULL);
	int saved = errno;
	if (child != 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return child;
}

static void close_from(unsigned first)
{
	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
	/* Before Linux 5.9. */
	DIR *open_ones = opendir("/proc/self/fd");
	if (open_ones == NULL) {
		long limit = sysconf(_SC_OPEN_MAX);
		for (unsigned fd = first; (long)fd < limit; fd++)
			close((int)fd);
		return;
	}
	struct dirent *entry;
	while ((entry = readdir(open_ones)) != NULL) {
		int fd = atoi(entry->d_name);
		if (entry->d_name[0] != '.' && fd >= (int)first && fd != dirfd(open_ones))
			close(fd);
	}
	closedir(open_ones);
}

void helper_keep_descriptors(int *kept, size_t count)
{
	int base = 3 + (int)count;
	for (size_t i = 0; i < count; i++) { /* first out of the way of one another */
		int moved = kept[i] < 0 ? -1 : fcntl(kept[i], F_DUPFD_CLOEXEC, base);
		kept[i] = moved;
	}
	for (size_t i = 0; i < count; i++) {
		int final = 3 + (int)i;
		if (kept[i] >= 0)
			kept[i] = dup3(kept[i], final, O_CLOEXEC);
		else
			close(final);
	}
	close_from((unsigned)base);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (null >= 0)
			dup2(null, fd);
		else
			close(fd);
	if (null > STDERR_FILENO)
		close(null);
}

/* Write `name` over the command line that /proc/PID/cmdline shows, so that `pkill -f app.run` ends the
 * program and not the helper. The strings lie in this process's own copy of the memory. */
static void rename_process(const char *name)
{
	char status[1024];
	unsigned long start = 0, end = 0;
	int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return;
	ssize_t got = read(file, status, sizeof status - 1);
	close(file);
	status[got > 0 ? got : 0] = '\0';
	/* Fields 48 and 49 (Linux 3.5); the name in field 2 may hold anything but is closed by the last `)`.
	 */
	char *field = strrchr(status, ')');
	for (int number = 2; field != NULL && number < 48; number++) {
		field = strchr(field + 1, ' ');
	}
	if (field != NULL) {
		start = strtoul(field, &field, 10);
		end = strtoul(field, NULL, 10);
	}
	size_t size = strlen(name) + 1;
	if (start != 0 && end > start && end - start >= size) {
		memset((void *)start, 0, end - start);
		memcpy((void *)start, name, size);
	}
	prctl(PR_SET_NAME, name, 0, 0, 0);
}

void helper_detach(const char *name, int *kept, size_t count)
{
	setsid();
	helper_keep_descriptors(kept, count);
	if (chdir("/") != 0)
		_exit(1);
	/* The kernel takes from a full mask what the cpuset allows. */
	unsigned char cpus[1024];
	memset(cpus, 0xff, sizeof cpus);
	sched_setaffinity(0, sizeof cpus, (cpu_set_t *)(void *)cpus);
	rename_process(name);
}
