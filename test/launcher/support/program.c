/* SPDX-License-Identifier: Apache-2.0
 * A program to run inside:
 *   program children   prints the errno of waitpid(-1)
 *   program threads    ends its first thread, then says `ready` in another, which stays */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *stay(void *unused)
{
	usleep(200000);
	printf("%ld ready\n", (long)getpid());
	fflush(stdout);
	sleep(60);
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t other;
	if (argc == 2 && strcmp(argv[1], "children") == 0) {
		int result = waitpid(-1, NULL, WNOHANG);
		printf("%d\n", result < 0 ? errno : 0);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "threads") == 0 && pthread_create(&other, NULL, stay, NULL) == 0)
		pthread_exit(NULL);
	return 2;
}
