/*
 * answer.c - the smallest program for pipe hooks: lets everything go on. For tests, and for measuring what one costs.
 */
#include <stdio.h>

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	while (getline(&line, &size, stdin) > 0) {
		fputs("{\"version\":1}\n", stdout);
		fflush(stdout);
	}
	return 0;
}
