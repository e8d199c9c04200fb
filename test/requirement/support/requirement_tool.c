/* SPDX-License-Identifier: Apache-2.0
 * Compares requirements, each ended by NUL on standard input, with this host, and prints a line for each: 1
 * or 0, what was found and the way out, or - and why it is not understood, divided by tabs. */
#include <stdio.h>
#include <string.h>

#include "requirement.h"

int main(void)
{
	static char bytes[1 << 20];
	size_t size = fread(bytes, 1, sizeof bytes - 1, stdin);
	for (const char *text = bytes; text < bytes + size; text += strlen(text) + 1) {
		struct requirement_finding finding;
		struct fault fault = {0};
		if (requirement_check(text, &finding, &fault) != 0)
			printf("-\t%s\n", fault.text[0] == '\0' ? "no fault" : "not known");
		else
			printf("%d\t%s\t%s\n", finding.met, finding.found, finding.remedy);
	}
	return 0;
}
