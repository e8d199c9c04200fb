/*
 * Memory bandwidth of the machine this runs on: four loops over arrays too large for any cache.
 *
 *   copy   c = a            16 bytes a step
 *   scale  b = s * c        16
 *   add    c = a + b        24
 *   triad  a = b + s * c    24
 *
 * usage: stream [ELEMENTS [REPETITIONS]]
 *
 * OMP_NUM_THREADS gives the number of threads (default: the CPUs this process may use), OMP_PROC_BIND=true
 * pins each to a CPU of its own. The program is static and needs nothing but a kernel, so it uses POSIX
 * threads, not OpenMP, whose runtime comes with glibc only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>

/* By default an array is 4 times the largest cache, within these limits: 128 to 512 MiB. */
enum { LEAST_ELEMENTS = 16 << 20, MOST_ELEMENTS = 64 << 20 };

enum { KERNELS = 4, MAX_THREADS = 4096, MAX_REPETITIONS = 1000 };

static const char *const kernel_name[KERNELS] = {"copy", "scale", "add", "triad"};
static const int bytes_per_element[KERNELS] = {16, 16, 24, 24};
static const double scalar = 0.5;

static double *a, *b, *c;
static size_t elements;
static long repetitions = 10;
static long threads;
static pthread_barrier_t barrier;
static double seconds[KERNELS][MAX_REPETITIONS];
static cpu_set_t allowed;
static int pinned;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* `restrict` tells the compiler that the arrays do not overlap, so that it may use vector instructions. */
static void copy(double *restrict to, const double *restrict from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i];
}

static void scale(double *restrict to, const double *restrict from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = scalar * from[i];
}

static void add(double *restrict to, const double *restrict x, const double *restrict y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = x[i] + y[i];
}

static void triad(double *restrict to, const double *restrict x, const double *restrict y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = x[i] + scalar * y[i];
}

static void run_kernel(int kernel, size_t from, size_t n)
{
	switch (kernel) {
	case 0:
		copy(c + from, a + from, n);
		break;
	case 1:
		scale(b + from, c + from, n);
		break;
	case 2:
		add(c + from, a + from, b + from, n);
		break;
	default:
		triad(a + from, b + from, c + from, n);
		break;
	}
}

/* Binds the calling thread to the index-th CPU that the process may use, counted round. */
static void pin(long index)
{
	long skip = index % CPU_COUNT(&allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || skip-- > 0)
			continue;
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof one, &one);
		return;
	}
}

/* One thread's share of every loop. It also writes its share first, so that the pages lie on its own NUMA
 * node. */
static void *worker(void *argument)
{
	long index = (long)(intptr_t)argument;
	size_t from = elements / (size_t)threads * (size_t)index;
	size_t n = index == threads - 1 ? elements - from : elements / (size_t)threads;

	if (pinned)
		pin(index);
	for (size_t i = from; i < from + n; i++) {
		a[i] = 1.0;
		b[i] = 2.0;
		c[i] = 0.0;
	}
	for (long r = 0; r < repetitions; r++) {
		for (int kernel = 0; kernel < KERNELS; kernel++) {
			pthread_barrier_wait(&barrier);
			double start = now();
			run_kernel(kernel, from, n);
			pthread_barrier_wait(&barrier);
			if (index == 0)
				seconds[kernel][r] = now() - start;
		}
	}
	return NULL;
}

/* The greatest relative error of `array` against the value each of its elements must have. */
static double worst_error(const double *array, double expected)
{
	double worst = 0;
	for (size_t i = 0; i < elements; i++) {
		double error = fabs(array[i] - expected) / fabs(expected);
		if (!(error <= worst))
			worst = error;
	}
	return worst;
}

/* Does the same steps on one element and compares; returns 0 when all three arrays are right. */
static int validate(void)
{
	double x = 1.0, y = 2.0, z = 0.0;
	for (long r = 0; r < repetitions; r++) {
		z = x;
		y = scalar * z;
		z = x + y;
		x = y + scalar * z;
	}
	double error = fmax(worst_error(a, x), fmax(worst_error(b, y), worst_error(c, z)));
	if (error <= 1e-13) {
		printf("\nResults are right: relative error %.1e at most.\n", error);
		return 0;
	}
	printf("\nRESULTS ARE WRONG: relative error %.1e.\n", error);
	return -1;
}

static void report(void)
{
	printf("\n%-8s %12s %12s %12s %12s %12s\n", "", "best MB/s", "avg MB/s", "min ms", "avg ms",
	       "max ms");
	for (int kernel = 0; kernel < KERNELS; kernel++) {
		/* The first round pays for the page tables and for waking the CPUs: it counts only when
		 * alone. */
		long first = repetitions > 1;
		double min = INFINITY, max = 0, sum = 0;
		for (long r = first; r < repetitions; r++) {
			double t = seconds[kernel][r];
			min = fmin(min, t);
			max = fmax(max, t);
			sum += t;
		}
		double avg = sum / (double)(repetitions - first);
		double megabytes = (double)bytes_per_element[kernel] * (double)elements * 1e-6;
		printf("%-8s %12.1f %12.1f %12.3f %12.3f %12.3f\n", kernel_name[kernel], megabytes / min,
		       megabytes / avg, min * 1e3, avg * 1e3, max * 1e3);
	}
}

/* The largest cache of the first CPU in bytes; 0 when the kernel does not tell. */
static size_t largest_cache(void)
{
	size_t largest = 0;
	for (int index = 0; index < 16; index++) {
		char path[80];
		unsigned long kib;
		snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
		FILE *file = fopen(path, "re");
		if (file == NULL)
			break;
		if (fscanf(file, "%luK", &kib) == 1 && kib * 1024 > largest)
			largest = kib * 1024;
		fclose(file);
	}
	return largest;
}

/* The decimal number at the start of `text`, which may end there or at a comma; -1 when it is not in
 * min..max. */
static long parse_number(const char *text, long min, long max)
{
	char *end;
	errno = 0;
	long number = strtol(text, &end, 10);
	if (errno != 0 || end == text || (*end != '\0' && *end != ',') || number < min || number > max)
		return -1;
	return number;
}

static double *allocate(void)
{
	void *memory =
	    mmap(NULL, elements * sizeof(double), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		fprintf(stderr, "stream: cannot allocate an array of %zu elements: %s\n", elements,
		        strerror(errno));
		exit(1);
	}
	madvise(memory, elements * sizeof(double), MADV_HUGEPAGE);
	return memory;
}

static void usage(const char *what)
{
	fprintf(
	    stderr,
	    "stream: %s\n"
	    "usage: stream [ELEMENTS [REPETITIONS]], at most %d repetitions, at least one element a thread\n",
	    what, MAX_REPETITIONS);
	exit(2);
}

static void read_settings(int argc, char **argv, size_t cache)
{
	const char *wanted = getenv("OMP_NUM_THREADS");
	const char *bind = getenv("OMP_PROC_BIND");

	if (sched_getaffinity(0, sizeof allowed, &allowed) == -1) {
		CPU_ZERO(&allowed);
		CPU_SET(0, &allowed);
	}
	threads =
	    wanted != NULL && *wanted != '\0' ? parse_number(wanted, 1, MAX_THREADS) : CPU_COUNT(&allowed);
	if (threads == -1)
		usage("OMP_NUM_THREADS is not a number of threads");
	pinned = bind != NULL && *bind != '\0' && strcasecmp(bind, "false") != 0;

	elements = 4 * cache / sizeof(double);
	if (elements < LEAST_ELEMENTS)
		elements = LEAST_ELEMENTS;
	if (elements > MOST_ELEMENTS)
		elements = MOST_ELEMENTS;
	if (argc > 3)
		usage("too many arguments");
	if (argc > 1) {
		long number = parse_number(argv[1], threads, 1L << 40);
		if (number == -1)
			usage("ELEMENTS is not a number in range");
		elements = (size_t)number;
	}
	if (argc > 2 && (repetitions = parse_number(argv[2], 1, MAX_REPETITIONS)) == -1)
		usage("REPETITIONS is not a number in range");
}

int main(int argc, char **argv)
{
	static pthread_t thread[MAX_THREADS];

	size_t cache = largest_cache();
	read_settings(argc, argv, cache);
	a = allocate();
	b = allocate();
	c = allocate();

	size_t bytes = elements * sizeof(double);
	printf("Memory bandwidth: 3 arrays of %zu doubles (%.1f MiB each), %ld repetitions, %ld thread%s%s\n",
	       elements, (double)bytes / 1048576, repetitions, threads, threads == 1 ? "" : "s",
	       pinned ? ", pinned" : "");
	if (bytes < 4 * cache)
		printf("An array should be at least 4 times the largest cache, which is %.1f MiB: try %zu "
		       "elements.\n",
		       (double)cache / 1048576, 4 * cache / sizeof(double));
	fflush(stdout);

	pthread_barrier_init(&barrier, NULL, (unsigned)threads);
	for (long i = 1; i < threads; i++) {
		int error = pthread_create(&thread[i], NULL, worker, (void *)(intptr_t)i);
		if (error != 0) {
			fprintf(stderr, "stream: cannot start thread %ld of %ld: %s\n", i + 1, threads,
			        strerror(error));
			return 1;
		}
	}
	worker(NULL);
	for (long i = 1; i < threads; i++)
		pthread_join(thread[i], NULL);

	report();
	return validate() == 0 ? 0 : 1;
}
