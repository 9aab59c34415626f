/*
 * sqlite_memory.c - files without a name, which SQLite would make in a directory for temporary files, in memory: what
 * pages were before a statement or a savepoint, and what is sorted.
 *
 * They are asked for only when they outgrow their first piece (STATEMENT_PIECE), which SQLite keeps itself. Left to
 * keep all of it in memory (temp_store) it would do so in pieces of 1 KiB, which cost a commit of many records a tenth
 * of its time.
 */
#include "sqlite.h"

#include <string.h>

#include "buf.h"

struct memory_file {
	sqlite3_file base; /* what SQLite knows */
	struct buf bytes;
};

static struct buf *bytes_of(sqlite3_file *file)
{
	return &((struct memory_file *)file)->bytes;
}

static int memory_close(sqlite3_file *file)
{
	buf_release(bytes_of(file));
	return SQLITE_OK;
}

/* What is not there reads as zeroes. */
static int memory_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
	const struct buf *b = bytes_of(file);
	size_t from = (size_t)at < b->len ? (size_t)at : b->len, wanted = (size_t)len;
	size_t there = b->len - from < wanted ? b->len - from : wanted;
	if (there)
		memcpy(data, b->data + from, there);
	memset((char *)data + there, 0, wanted - there);
	return there == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int memory_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	struct buf *b = bytes_of(file);
	size_t end = (size_t)at + (size_t)len;
	if (end > b->len)
		buf_resize(b, end);
	if (buf_failed(b)) {
		buf_take_back(b, b->len);
		return SQLITE_IOERR_NOMEM;
	}
	memcpy(b->data + at, data, (size_t)len);
	return SQLITE_OK;
}

static int memory_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct buf *b = bytes_of(file);
	if ((size_t)size < b->len)
		buf_resize(b, (size_t)size);
	return SQLITE_OK;
}

static int memory_size(sqlite3_file *file, sqlite3_int64 *size)
{
	*size = (sqlite3_int64)bytes_of(file)->len;
	return SQLITE_OK;
}

static int memory_sync(sqlite3_file *file, int flags)
{
	(void)file, (void)flags;
	return SQLITE_OK;
}

static int memory_lock(sqlite3_file *file, int lock)
{
	(void)file, (void)lock;
	return SQLITE_OK;
}

static int memory_reserved(sqlite3_file *file, int *reserved)
{
	(void)file;
	*reserved = 0;
	return SQLITE_OK;
}

static int memory_control(sqlite3_file *file, int operation, void *data)
{
	(void)file, (void)operation, (void)data;
	return SQLITE_NOTFOUND;
}

static int memory_number(sqlite3_file *file)
{
	(void)file;
	return 0;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = memory_close,
    .xRead = memory_read,
    .xWrite = memory_write,
    .xTruncate = memory_truncate,
    .xSync = memory_sync,
    .xFileSize = memory_size,
    .xLock = memory_lock,
    .xUnlock = memory_lock,
    .xCheckReservedLock = memory_reserved,
    .xFileControl = memory_control,
    .xSectorSize = memory_number,
    .xDeviceCharacteristics = memory_number,
};

int memory_open(sqlite3_file *file, int flags, int *out)
{
	*(struct memory_file *)file = (struct memory_file){.base.pMethods = &methods};
	if (out)
		*out = flags;
	return SQLITE_OK;
}
