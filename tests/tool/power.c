/*
 * power.c - the power is cut: of what was written to the files since they were last synchronized, each sector keeps
 * what is there now or gets back what was there before one of those writes, at random.
 *
 *     power LOG SEED FILE...
 *
 * The daemon that wrote LOG (tests/faults/power.c) must be dead. Prints how many sectors were lost.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../faults/power.h"

enum { SECTOR = 512 };

static char *text;
static long size;

static void read_log(const char *path)
{
	FILE *file = fopen(path, "r");
	if (!file) {
		perror(path);
		exit(2);
	}
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	text = malloc((size_t)size + 1);
	if (!text || fread(text, 1, (size_t)size, file) != (size_t)size)
		exit(2);
	fclose(file);
}

/* The entry at *at, and on to the next one; NULL at the end. */
static const struct power_entry *next_entry(long *at)
{
	static struct power_entry entry;
	if (*at + (long)sizeof entry > size)
		return NULL;
	memcpy(&entry, text + *at, sizeof entry);
	if (*at + (long)sizeof entry + entry.len > size)
		return NULL; /* the daemon was killed while it wrote it: the write itself had not begun */
	*at += (long)sizeof entry + entry.len;
	return &entry;
}

static long last_sync(long inode)
{
	long at = 0, found = 0;
	for (const struct power_entry *e; (e = next_entry(&at));)
		if (e->op == POWER_SYNC && e->inode == inode)
			found = at;
	return found;
}

/* From the newest write to the oldest: a sector that is taken back beyond a write is so beyond every later one. */
static long take_back(int fd, long inode)
{
	long offsets[100000], n = 0, lost = 0;
	for (long at = last_sync(inode), start = at; n < 100000; start = at) {
		const struct power_entry *e = next_entry(&at);
		if (!e)
			break;
		if (e->op == POWER_WRITE && e->inode == inode)
			offsets[n++] = start;
	}
	/* Each sector stops at a write of its own: the hash of the sector and that write decides. */
	static unsigned char stopped[1 << 22];
	memset(stopped, 0, sizeof stopped);
	while (n-- > 0) {
		long at = offsets[n];
		const struct power_entry e = *next_entry(&at);
		const char *old = text + at - e.len;
		for (long done = 0; done < e.len;) {
			long sector = (e.at + done) / SECTOR, part = SECTOR - (e.at + done) % SECTOR;
			if (part > e.len - done)
				part = e.len - done;
			if (sector >= (long)sizeof stopped)
				exit(2);
			stopped[sector] |= random() % 2;
			if (!stopped[sector]) {
				if (pwrite(fd, old + done, (size_t)part, e.at + done) != part)
					exit(2);
				lost++;
			}
			done += part;
		}
	}
	return lost;
}

int main(int argc, char **argv)
{
	long lost = 0;
	if (argc < 4)
		return 2;
	srandom((unsigned)atol(argv[2]));
	read_log(argv[1]);
	for (int i = 3; i < argc; i++) {
		struct stat st;
		int fd = open(argv[i], O_RDWR);
		if (fd < 0 || fstat(fd, &st) < 0)
			continue;
		lost += take_back(fd, (long)st.st_ino);
		close(fd);
	}
	printf("%ld\n", lost);
	return 0;
}
