/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "message.h"
#include "program.h"
#include "trace_channel.h"

enum { LANDLOCK_RESTRICT_SELF = 446 };

struct passed {
	int number; /* the caller's */
	int held;   /* this process's */
};

struct inside {
	struct trace_order order;
	int channel, plan, ruleset;
	struct passed *passed;
};

static int broken(struct fault *fault)
{
	return fault_set(fault, errno, "getting the program from the launcher");
}

static int receive_order(struct inside *inside, struct fault *fault)
{
	int received[DESCRIPTORS_MAX];
	int count = descriptors_receive(TRACE_CHANNEL, &inside->order, sizeof inside->order, received);
	if (count != 2 + inside->order.confined)
		return broken(fault);
	inside->channel = received[0];
	inside->plan = received[1];
	inside->ruleset = inside->order.confined ? received[2] : -1;
	inside->passed = calloc(inside->order.descriptors + 1, sizeof *inside->passed);
	for (uint32_t done = 0; inside->passed != NULL && done < inside->order.descriptors;) {
		int numbers[DESCRIPTORS_MAX] = {0};
		count = descriptors_receive(TRACE_CHANNEL, numbers, sizeof numbers, received);
		if (count <= 0 || (uint32_t)count > inside->order.descriptors - done)
			return broken(fault);
		for (int i = 0; i < count; i++)
			inside->passed[done++] = (struct passed){numbers[i], received[i]};
	}
	return inside->passed != NULL ? 0 : broken(fault);
}

/* Give each descriptor the caller's number, whoever holds that yet; nothing else stays open. */
static void place_descriptors(const struct inside *inside)
{
	uint32_t count = inside->order.descriptors;
	struct passed *passed = inside->passed;
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	/* The caller may have lowered it below what was open. */
	getrlimit(RLIMIT_NOFILE, &limit);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit.rlim_max, limit.rlim_max});
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = i + 1; j < count; j++)
			if (passed[j].held == passed[i].number)
				passed[j].held = fcntl(passed[j].held, F_DUPFD_CLOEXEC, 3);
		if (passed[i].held == passed[i].number)
			fcntl(passed[i].held, F_SETFD, 0);
		else
			dup2(passed[i].held, passed[i].number);
	}
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		uint32_t i = 0;
		while (i < count && passed[i].number != fd)
			i++;
		if (i == count)
			close(fd);
	}
}

/* The next string of the plan, which ends at `end` with a NUL; NULL past the last one. */
static char *next_string(char **at, const char *end)
{
	char *text = *at;
	if (text >= end)
		return NULL;
	*at += strlen(text) + 1;
	return text;
}

static int read_plan(const struct inside *inside, struct program *program, struct string_list *environment,
                     struct fault *fault)
{
	struct stat status;
	if (fstat(inside->plan, &status) != 0 || status.st_size == 0)
		return broken(fault);
	char *text = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, inside->plan, 0);
	if (text == MAP_FAILED)
		return broken(fault);
	const char *end = text + status.st_size;
	*program = (struct program){.rc = inside->order.rc, .directory = next_string(&text, end)};
	for (uint32_t i = 0; i < inside->order.arguments + inside->order.variables; i++) {
		const char *item = next_string(&text, end);
		struct string_list *list = i < inside->order.arguments ? &program->arguments : environment;
		if (item == NULL || string_list_push(list, item, fault) != 0)
			return broken(fault);
	}
	return 0;
}

/* In the child: become the program, or its exit status. */
static _Noreturn void become_program(const struct inside *inside)
{
	static char *const nothing[] = {NULL};
	struct fault fault = {0};
	struct program program;
	struct string_list environment = {0};
	sigset_t mask;
	int result = read_plan(inside, &program, &environment, &fault);
	if (result == 0 && inside->order.confined && syscall(LANDLOCK_RESTRICT_SELF, inside->ruleset, 0) != 0)
		result = fault_set(&fault, errno, "making the root file system read-only (Landlock)");
	place_descriptors(inside);
	signal(SIGCHLD, inside->order.child_ignored ? SIG_IGN : SIG_DFL);
	sigemptyset(&mask);
	for (int number = 1; number <= 64; number++)
		if ((inside->order.mask >> (number - 1) & 1) != 0)
			sigaddset(&mask, number);
	if (result == 0) {
		sigprocmask(SIG_SETMASK, &mask, NULL);
		result = program_execute(&program, environment.items != NULL ? environment.items : nothing,
		                         &fault);
	}
	message_fault(&fault);
	_exit(result < 0 ? STATUS_LAUNCHER : result);
}

static void report(const struct inside *inside, pid_t program, int status)
{
	const struct trace_report message = {program, status};
	(void)!send(inside->channel, &message, sizeof message, MSG_NOSIGNAL);
}

/* Report what has become of the program; true when it has ended. It stays a zombie, so that its pid is not
 * given to another process, until this one ends too. wait4(2) would be PRoot's. */
static bool look_after(const struct inside *inside, pid_t program)
{
	siginfo_t info = {0};
	while (waitid(P_PID, (id_t)program, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid == program) {
		report(inside, program, info.si_status << 8 | 0x7f);
		info.si_pid = 0;
	}
	if (waitid(P_PID, (id_t)program, &info, WEXITED | WNOWAIT | WNOHANG) != 0 || info.si_pid != program)
		return false;
	report(inside, program, info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status);
	return true;
}

int trace_inside(const char *self, struct fault *fault)
{
	struct inside inside;
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signal(SIGCHLD, SIG_DFL);
	if (receive_order(&inside, fault) != 0)
		return -1;
	unlink(self);
	setpgid(0, inside.order.group);
	sigset_t ended;
	sigemptyset(&ended);
	sigaddset(&ended, SIGCHLD);
	struct pollfd polled[] = {
	    {.fd = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN},
	    {.fd = inside.channel},
	};
	close(TRACE_CHANNEL);
	pid_t program = fork();
	if (program == 0)
		become_program(&inside);
	if (program < 0)
		return fault_set(fault, errno, "starting the program's process");
	/* None of the caller's pipes may seem open because this process holds them. */
	for (uint32_t i = 0; i < inside.order.descriptors; i++)
		close(inside.passed[i].held);
	report(&inside, program, 0);
	for (;;) {
		struct signalfd_siginfo info;
		poll(polled, 2, -1);
		while (read(polled[0].fd, &info, sizeof info) > 0)
			;
		if (look_after(&inside, program))
			return 0;
		if (polled[1].revents != 0) /* the launcher is gone */
			return kill(program, SIGKILL), 0;
	}
}
