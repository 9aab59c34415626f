/*
 * driver.c - gives a fuzz target every file of the directories in its arguments: the regression test without libFuzzer.
 */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"

static unsigned count;

static void one_file(const char *path)
{
	static uint8_t text[4 << 20];
	FILE *file = fopen(path, "r");
	must(file != NULL);
	size_t n = fread(text, 1, sizeof text, file);
	fclose(file);
	uint8_t *exact = malloc(n ? n : 1); /* so that AddressSanitizer sees a read behind the end */
	must(exact != NULL);
	memcpy(exact, text, n);
	fprintf(stderr, "%s\n", path);
	fuzz_one(exact, n);
	free(exact);
	count++;
}

static void directory(const char *name)
{
	DIR *d = opendir(name);
	must(d != NULL);
	for (struct dirent *entry; (entry = readdir(d));) {
		char path[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", name, entry->d_name);
		one_file(path);
	}
	closedir(d);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		directory(argv[i]);
	printf("%u files\n", count);
	return count ? 0 : 1;
}
