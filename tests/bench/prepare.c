/*
 * prepare.c - the work directory and the records that every side starts with.
 *
 * ext4 without a journal gives out no inode number again for some minutes and creates 5 to 40 times slower while it
 * looks for others. So deletes come last in a run, and the directories of plain files and those for renames are made
 * fresh in a directory with the flag T (chattr(1)), which places each in another block group. Else ext4 would look far
 * too slow.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bench.h"

int place_init(struct bench *b)
{
	int flags = 0;
	snprintf(b->work, sizeof b->work, "%s/rowfs-bench.XXXXXX", b->options.parent);
	if (!mkdtemp(b->work))
		return -errno;
	b->directory = open(b->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->directory < 0)
		return -errno;
	if (!ioctl(b->directory, FS_IOC_GETFLAGS, &flags)) {
		flags |= FS_TOPDIR_FL;
		ioctl(b->directory, FS_IOC_SETFLAGS, &flags); /* only ext4 knows it */
	}
	return 0;
}

int place_make(const struct bench *b, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/files.XXXXXX", b->work);
	return mkdtemp(path) ? 0 : -errno;
}

/* Whether the disk keeps a journal decides what fsync costs. */
const char *place_disk(const struct bench *b)
{
	char path[64], target[PATH_SIZE];
	struct statfs fs;
	struct stat st;
	glob_t found = {0};
	if (fstatfs(b->directory, &fs) || fstat(b->directory, &st) || fs.f_type != EXT4_SUPER_MAGIC)
		return "not ext4";
	snprintf(path, sizeof path, "/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
	ssize_t len = readlink(path, target, sizeof target - 1);
	target[len > 0 ? len : 0] = '\0';
	const char *name = strrchr(target, '/');
	snprintf(path, sizeof path, "/proc/fs/jbd2/%.32s-*", name ? name + 1 : "none");
	bool journal = !glob(path, 0, NULL, &found);
	globfree(&found);
	return journal ? "ext4 with a journal" : "ext4 without a journal";
}

double place_sync_time(const struct bench *b, size_t times)
{
	enum { SYNCS = 100, PAGE = 4096 };
	static const char pages[SYNCS * PAGE];
	double took[SYNCS];
	size_t n = 0;
	int file = openat(b->directory, "sync", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;
	/* Overwriting, as in a log that has its size. */
	bool ready = file >= 0 && !fstat(file, &st) &&
		     (st.st_size || (write(file, pages, sizeof pages) == sizeof pages && !fsync(file)));
	for (size_t i = 0; i < times && i < SYNCS && ready; i++) {
		uint64_t start = clock_now();
		if (pwrite(file, pages, PAGE, (off_t)i * PAGE) != PAGE || fdatasync(file))
			break;
		took[n++] = (double)(clock_now() - start) / 1000;
	}
	if (file >= 0)
		close(file);
	return median(took, n);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	remove(path);
	return 0;
}

void place_remove(struct bench *b)
{
	close(b->directory);
	/* Never into the mount, should it still be there. */
	nftw(b->work, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int fill_files(const struct bench *b)
{
	const struct side *side = &b->sides[SIDE_PLAIN];
	struct client *c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->side = side;
	int result = side->ops->attach(c);
	if (!result) {
		for (long key = 1; key <= b->records && !result; key++)
			result = side->ops->save[OP_CREATE](c, &(struct document){key, 0});
		side->ops->detach(c);
	}
	free(c);
	if (result)
		fprintf(stderr, "bench: %s: %s\n", side->path, strerror(-result));
	return result ? result : syncfs(b->directory) ? -errno : 0;
}

static int fill_hooks(const struct bench *b)
{
	int result = 0;
	for (size_t i = 0; i < HOOK_VARIANTS && !result; i++)
		result = document_fill(b->daemon.database, hook_variants[i].model, "", HOOK_RECORDS);
	if (!result &&
	    document_query(b->daemon.database, "INSERT INTO totals (id, saves) VALUES (1, 0) RETURNING id") != 1)
		result = -EIO;
	return result;
}

/* rowfs makes its tables and triggers at the first mount; the rows come straight into the database. */
static int prepare_rowfs(struct bench *b, const char *place)
{
	int result = daemon_init(&b->daemon, b->options.program, place, b->options.durability);
	result = result ? result : daemon_start(&b->daemon);
	result = result ? result : daemon_stop(&b->daemon);
	result = result ? result : document_fill(b->daemon.database, "records", "", b->records);
	return result ? result : fill_hooks(b);
}

static int describe_sides(struct bench *b, const char *place)
{
	static const char *const synchronous[][2] = {{"full", "FULL"}, {"normal", "NORMAL"}, {"off", "OFF"}};
	b->sides[SIDE_ROWFS] = (struct side){.name = "rowfs", .ops = &files_ops};
	b->sides[SIDE_SQLITE] = (struct side){.name = "sqlite", .ops = &sqlite_ops};
	b->sides[SIDE_FSYNC] = (struct side){.name = "ext4+fsync", .ops = &files_ops, .fresh = true};
	b->sides[SIDE_FSYNC].sync = b->sides[SIDE_FSYNC].saves_only = true;
	b->sides[SIDE_PLAIN] = (struct side){.name = "ext4", .ops = &files_ops, .fresh = true};
	snprintf(b->sides[SIDE_ROWFS].path, PATH_SIZE, "%s/mnt/records", place);
	snprintf(b->sides[SIDE_SQLITE].path, PATH_SIZE, "%s/sqlite.db", place);
	for (size_t i = 0; i < 3; i++)
		if (!strcmp(synchronous[i][0], b->options.durability))
			b->sides[SIDE_SQLITE].synchronous = synchronous[i][1];
	for (size_t i = 0; i < PEERS_COUNT; i++)
		b->sides[i].first_created = b->records + 1 + (long)i * 1000000000;
	for (size_t i = 0; i < HOOK_VARIANTS; i++) {
		b->hooks[i] = (struct side){.name = hook_variants[i].name, .ops = &files_ops};
		snprintf(b->hooks[i].path, PATH_SIZE, "%s/mnt/%s", place, hook_variants[i].model);
	}
	int result = place_make(b, b->sides[SIDE_PLAIN].path);
	memcpy(b->sides[SIDE_FSYNC].path, b->sides[SIDE_PLAIN].path, PATH_SIZE);
	return result;
}

int prepare(struct bench *b, long records)
{
	char place[PATH_SIZE / 2], create[512];
	b->records = records;
	snprintf(place, sizeof place, "%s/%ld", b->work, records);
	snprintf(create, sizeof create, "PRAGMA journal_mode = WAL; CREATE TABLE records %s;", document_table);
	if (mkdir(place, 0755))
		return -errno;
	int result = describe_sides(b, place);
	if (!result && !b->options.without_rowfs)
		result = prepare_rowfs(b, place);
	result = result ? result : document_fill(b->sides[SIDE_SQLITE].path, "records", create, records);
	return result ? result : fill_files(b);
}

static int expect(const char *what, long expected, long found)
{
	if (expected == found)
		return 0;
	fprintf(stderr, "bench: %s: %ld records expected, %ld found\n", what, expected, found);
	return -EIO;
}

int verify(const struct bench *b, const long growth[PEERS_COUNT])
{
	static const char count[] = "SELECT count(*) FROM records";
	struct client *c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->side = &b->sides[SIDE_PLAIN];
	int result =
	    expect("files", b->records + growth[SIDE_FSYNC] + growth[SIDE_PLAIN], c->side->ops->list(c, OP_LIST, 0));
	free(c);
	if (expect("sqlite", b->records + growth[SIDE_SQLITE], document_query(b->sides[SIDE_SQLITE].path, count)))
		result = -EIO;
	if (!b->options.without_rowfs &&
	    expect("rowfs", b->records + growth[SIDE_ROWFS], document_query(b->daemon.database, count)))
		result = -EIO;
	return result;
}
