/* SPDX-License-Identifier: Apache-2.0 */
#include "interpreter.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first bytes of `path`: how many, or -1. */
static ssize_t read_start(const char *path, void *bytes, size_t size)
{
	/* O_NONBLOCK: whatever was called a program may be a fifo. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -1;
	ssize_t got = read(fd, bytes, size);
	close(fd);
	return got;
}

bool interpreter_is_elf(const char *path)
{
	char magic[SELFMAG];
	return read_start(path, magic, sizeof magic) == sizeof magic && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* The word behind `#!` in the `length` bytes of a script's start. */
static bool script_interpreter(const char *start, size_t length, char *name, size_t size)
{
	size_t begin = 2, end;
	while (begin < length && (start[begin] == ' ' || start[begin] == '\t'))
		begin++;
	for (end = begin; end < length && strchr(" \t\n", start[end]) == NULL; end++)
		;
	if (end == begin || end - begin >= size)
		return false;
	memcpy(name, start + begin, end - begin);
	name[end - begin] = '\0';
	return true;
}

/* PT_INTERP lies close to the start in what linkers write; an odd file only gets a less exact message. */
static bool elf_interpreter(const char *start, size_t length, char *name, size_t size)
{
	Elf64_Ehdr header;
	if (length < sizeof header || start[EI_CLASS] != ELFCLASS64 || start[EI_DATA] != ELFDATA2LSB)
		return false;
	memcpy(&header, start, sizeof header);
	for (size_t i = 0; i < header.e_phnum && header.e_phentsize >= sizeof(Elf64_Phdr); i++) {
		Elf64_Phdr segment;
		size_t offset = i * header.e_phentsize;
		if (header.e_phoff > length || offset > length - header.e_phoff ||
		    sizeof segment > length - header.e_phoff - offset)
			return false;
		memcpy(&segment, start + header.e_phoff + offset, sizeof segment);
		if (segment.p_type != PT_INTERP)
			continue;
		if (segment.p_offset > length || segment.p_filesz > length - segment.p_offset ||
		    segment.p_filesz == 0 || segment.p_filesz > size)
			return false;
		memcpy(name, start + segment.p_offset, segment.p_filesz);
		return name[segment.p_filesz - 1] == '\0';
	}
	return false;
}

bool interpreter_missing(const char *path, char *name, size_t size)
{
	char start[4096];
	struct stat status;
	ssize_t length = read_start(path, start, sizeof start);
	bool known = false;
	if (length >= 2 && start[0] == '#' && start[1] == '!')
		known = script_interpreter(start, (size_t)length, name, size);
	else if (length >= SELFMAG && memcmp(start, ELFMAG, SELFMAG) == 0)
		known = elf_interpreter(start, (size_t)length, name, size);
	return known && stat(name, &status) != 0;
}
