/* SPDX-License-Identifier: Apache-2.0
 * Where the kernel starts the launcher for x86_64, in place of musl's rcrt1.o: the program moves its own
 * pointers to where it was loaded, then the C library starts. musl 1.2.3 does not know packed relocations
 * (DT_RELR), which take a bit each and not 24 bytes; for aarch64 the linker does not make them yet. */
#ifdef __x86_64__
#include <elf.h>
#include <stddef.h>
#include <stdint.h>

enum { DYNAMIC_RELRSZ = 35, DYNAMIC_RELR = 36, WORDS_IN_MAP = 63 };

extern char __ehdr_start[] __attribute__((visibility("hidden")));
extern int main(int argc, char **argv, char **environment);
extern void _init(void), _fini(void);
extern int __libc_start_main(int (*program)(int, char **, char **), int argc, char **argv, void (*init)(void),
                             void (*fini)(void), void (*unused)(void));
void entry_point(long *stack, const Elf64_Dyn *dynamic);

/* On the stack are argc, argv and what follows it; where it ends the frame pointer is 0. */
__asm__(".text\n"
        ".globl _start\n"
        ".type _start, @function\n"
        "_start:\n"
        "	xor %ebp, %ebp\n"
        "	mov %rsp, %rdi\n"
        ".hidden _DYNAMIC\n"
        "	lea _DYNAMIC(%rip), %rsi\n"
        "	and $-16, %rsp\n"
        "	call entry_point\n"
        "	hlt\n");

/* The gABI's format: an even word is the address of a pointer to move; an odd one a map, from its second bit
 * on, of the 63 words behind the last. */
static inline void relocate(const uint64_t *words, size_t count)
{
	uint64_t base = (uint64_t)__ehdr_start;
	uint64_t *at = NULL;
	for (size_t i = 0; i < count; i++) {
		if ((words[i] & 1) == 0) {
			at = (uint64_t *)(base + words[i]);
			*at++ += base;
			continue;
		}
		for (unsigned bit = 0; bit < WORDS_IN_MAP; bit++)
			if ((words[i] >> (bit + 1) & 1) != 0)
				at[bit] += base;
		at += WORDS_IN_MAP;
	}
}

/* Until the pointers are right nothing but this function may run, and there is no stack protector without the
 * C library's thread. Pointers that the linker left unpacked, at odd addresses, come with their value
 * (R_X86_64_RELATIVE). */
__attribute__((no_stack_protector, noreturn)) void entry_point(long *stack, const Elf64_Dyn *dynamic)
{
	uint64_t tags[DYNAMIC_RELR + 1] = {0};
	for (; dynamic->d_tag != DT_NULL; dynamic++)
		if (dynamic->d_tag >= 0 && dynamic->d_tag <= DYNAMIC_RELR)
			tags[dynamic->d_tag] = dynamic->d_un.d_val;
	const Elf64_Rela *rela = (const Elf64_Rela *)(__ehdr_start + tags[DT_RELA]);
	for (size_t i = 0; i < tags[DT_RELASZ] / sizeof *rela; i++)
		*(uint64_t *)(__ehdr_start + rela[i].r_offset) =
		    (uint64_t)__ehdr_start + (uint64_t)rela[i].r_addend;
	relocate((const uint64_t *)(__ehdr_start + tags[DYNAMIC_RELR]),
	         tags[DYNAMIC_RELRSZ] / sizeof(uint64_t));
	__libc_start_main(main, (int)stack[0], (char **)(stack + 1), _init, _fini, NULL);
	__builtin_unreachable();
}
#endif
