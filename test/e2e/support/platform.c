/* SPDX-License-Identifier: Apache-2.0
 * Prints the architecture that it was compiled for, then the names in the directory `/`. Without a C library,
 * so that a compiler alone makes it for either machine. */
#if defined(__x86_64__)
#define ARCHITECTURE "x86_64"
enum { READ_DIRECTORY = 217, OPEN_AT = 257, WRITE = 1, EXIT = 231 };
#elif defined(__aarch64__)
#define ARCHITECTURE "aarch64"
enum { READ_DIRECTORY = 61, OPEN_AT = 56, WRITE = 64, EXIT = 94 };
#endif

enum { HERE = -100, DIRECTORY = 0 };

static long call(long number, long a, long b, long c)
{
#if defined(__x86_64__)
	long result;
	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c)
	                 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
#endif
}

static void print(const char *text)
{
	long length = 0;
	while (text[length] != '\0')
		length++;
	call(WRITE, 1, (long)text, length);
	call(WRITE, 1, (long)"\n", 1);
}

void _start(void)
{
	static char entries[65536];
	print(ARCHITECTURE);
	long directory = call(OPEN_AT, HERE, (long)"/", DIRECTORY);
	long size = call(READ_DIRECTORY, directory, (long)entries, sizeof entries);
	/* struct linux_dirent64: inode and offset of 8 bytes each, length of 2, type of 1, name. */
	for (long at = 0; at < size; at += *(unsigned short *)(entries + at + 16))
		print(entries + at + 19);
	call(EXIT, size > 0 ? 0 : 1, 0, 0);
}
