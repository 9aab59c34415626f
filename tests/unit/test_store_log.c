/*
 * test_store_log.c - the file of the write-ahead log: what is held when, and that nothing is lost or comes too late.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../../store/sqlite.h"
#include "store_fixture.h"

enum { HEADER = 24, PAGE = 4096 };

static char path[128];
static char page[PAGE];
static sqlite3_file *file;

static void setup(void)
{
	make_directory();
	open_store("model logs { fields { id integer key } }\n"); /* registers */
	snprintf(path, sizeof(path), "%s/other", directory);      /* whose mode the log gets */
	fclose(fopen(path, "w"));
	strcat(path, "-wal");
	memset(page, 'p', sizeof(page));
}

static void open_log(const char *name)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL;
	sqlite3_vfs *vfs = sqlite3_vfs_find(name);
	ck_assert_ptr_nonnull(vfs);
	file = calloc(1, (size_t)vfs->szOsFile);
	ck_assert_int_eq(vfs->xOpen(vfs, path, file, flags, &flags), SQLITE_OK);
}

static void close_log(void)
{
	ck_assert_int_eq(file->pMethods->xClose(file), SQLITE_OK);
	free(file);
}

static long on_disk(void)
{
	struct stat st;
	return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static int write_page(long at)
{
	int rc = file->pMethods->xWrite(file, "header of a page, 24 by", HEADER, at);
	return rc ? rc : file->pMethods->xWrite(file, page, PAGE, at + HEADER);
}

START_TEST(a_commit_is_held_until_its_sync)
{
	open_log(LOG_VFS_FULL);
	ck_assert_int_eq(write_page(0), SQLITE_OK);
	ck_assert_int_eq(write_page(HEADER + PAGE), SQLITE_OK);
	ck_assert_int_eq(on_disk(), 0);
	ck_assert_int_eq(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
	ck_assert_int_eq(on_disk(), 2 * (HEADER + PAGE));
	close_log();
}
END_TEST

START_TEST(without_a_sync_a_page_is_written_as_soon_as_it_is_whole)
{
	open_log(LOG_VFS);
	ck_assert_int_eq(file->pMethods->xWrite(file, page, HEADER, 0), SQLITE_OK);
	ck_assert_int_eq(on_disk(), 0);
	ck_assert_int_eq(file->pMethods->xWrite(file, page, PAGE, HEADER), SQLITE_OK);
	ck_assert_int_eq(on_disk(), HEADER + PAGE);
	close_log();
}
END_TEST

START_TEST(what_is_held_is_read_sized_cut_and_closed_as_if_it_were_written)
{
	char back[PAGE];
	sqlite3_int64 size;
	open_log(LOG_VFS_FULL);
	ck_assert_int_eq(write_page(0), SQLITE_OK);
	ck_assert_int_eq(file->pMethods->xRead(file, back, PAGE, HEADER), SQLITE_OK);
	ck_assert_mem_eq(back, page, PAGE);
	ck_assert_int_eq(write_page(HEADER + PAGE), SQLITE_OK);
	ck_assert_int_eq(file->pMethods->xFileSize(file, &size), SQLITE_OK);
	ck_assert_int_eq(size, 2 * (HEADER + PAGE));
	ck_assert_int_eq(write_page(2 * (HEADER + PAGE)), SQLITE_OK);
	ck_assert_int_eq(file->pMethods->xTruncate(file, HEADER), SQLITE_OK);
	ck_assert_int_eq(on_disk(), HEADER);
	ck_assert_int_eq(write_page(HEADER), SQLITE_OK);
	close_log();
	ck_assert_int_eq(on_disk(), 2 * HEADER + PAGE);
}
END_TEST

/* SQLite takes a transaction back and writes the next one over it; or it goes on elsewhere. */
START_TEST(what_is_written_elsewhere_or_again_comes_later)
{
	char back[PAGE];
	open_log(LOG_VFS_FULL);
	ck_assert_int_eq(write_page(0), SQLITE_OK);
	page[0] = 'q';
	ck_assert_int_eq(write_page(0), SQLITE_OK);
	ck_assert_int_eq(write_page(10 * PAGE), SQLITE_OK);
	ck_assert_int_eq(on_disk(), HEADER + PAGE);
	ck_assert_int_eq(file->pMethods->xRead(file, back, PAGE, HEADER), SQLITE_OK);
	ck_assert_mem_eq(back, page, PAGE);
	ck_assert_int_eq(on_disk(), 11 * PAGE + HEADER);
	close_log();
}
END_TEST

START_TEST(more_than_is_held_at_once_arrives_whole)
{
	enum { MANY = 100, LARGE = 100 << 10 };
	char back[PAGE], *large = calloc(1, LARGE);
	open_log(LOG_VFS_FULL);
	for (long i = 0; i < MANY; i++) {
		memset(page, (int)i, sizeof(page));
		ck_assert_int_eq(write_page(i * (HEADER + PAGE)), SQLITE_OK);
	}
	ck_assert_int_eq(file->pMethods->xWrite(file, large, LARGE, MANY * (HEADER + PAGE)), SQLITE_OK);
	ck_assert_int_eq(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
	ck_assert_int_eq(on_disk(), MANY * (HEADER + PAGE) + LARGE);
	for (long i = 0; i < MANY; i++) {
		memset(page, (int)i, sizeof(page));
		ck_assert_int_eq(file->pMethods->xRead(file, back, PAGE, i * (HEADER + PAGE) + HEADER), SQLITE_OK);
		ck_assert_mem_eq(back, page, PAGE);
	}
	close_log();
	free(large);
}
END_TEST

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(what_can_not_be_written_fails_the_sync_and_is_not_written_later)
{
	open_log(LOG_VFS_FULL);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(write_page(PAGE), SQLITE_OK);
	limit_files(PAGE);
	ck_assert_int_ne(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
	limit_files(RLIM_INFINITY);
	ck_assert_int_eq(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
	ck_assert_int_eq(on_disk(), 0);
	ck_assert_int_eq(write_page(0), SQLITE_OK);
	close_log();
	ck_assert_int_eq(on_disk(), HEADER + PAGE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_log");
	TCase *cases = tcase_create("log");
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, a_commit_is_held_until_its_sync);
	tcase_add_test(cases, without_a_sync_a_page_is_written_as_soon_as_it_is_whole);
	tcase_add_test(cases, what_is_held_is_read_sized_cut_and_closed_as_if_it_were_written);
	tcase_add_test(cases, what_is_written_elsewhere_or_again_comes_later);
	tcase_add_test(cases, more_than_is_held_at_once_arrives_whole);
	tcase_add_test(cases, what_can_not_be_written_fails_the_sync_and_is_not_written_later);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
