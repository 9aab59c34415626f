/*
 * sqlite_log.c - the file of the write-ahead log as the writer sees it: SQLite writes a commit as two pieces a page,
 * the system gets it at once. Seven pages cost 63 us in fourteen writes and 11 us in one.
 *
 * Invariants:
 * 1. What is held is one run of bytes that SQLite has written one behind the other; any other call writes it out first.
 * 2. With durability full it is written out by the sync that ends each commit, before SQLite publishes the commit in
 * the index that readers look at. Otherwise there is no such sync and only the header of a page is held, until its page
 *    comes.
 * 3. What can't be written is held no longer: SQLite takes its transaction back and writes these places anew.
 */
#include "sqlite.h"

#include <stdlib.h>
#include <string.h>

/* SQLite's own file for Unix can't write 128 KiB at once (3.40: it takes the length modulo that). */
enum { FRAME_HEADER = 24, HELD_SIZE = 64 << 10 };

struct log_file {
	sqlite3_file base; /* what SQLite knows */
	sqlite3_file *real;
	bool whole; /* commits are held whole */
	char *held;
	int len;
	sqlite3_int64 at; /* of the first byte held */
};

static int write_out(struct log_file *f)
{
	int len = f->len;
	f->len = 0;
	return len ? f->real->pMethods->xWrite(f->real, f->held, len, f->at) : SQLITE_OK;
}

/* The real file, with nothing held; NULL when that could not be written. */
static sqlite3_file *settled(sqlite3_file *file, int *rc)
{
	struct log_file *f = (struct log_file *)file;
	*rc = write_out(f);
	return *rc == SQLITE_OK ? f->real : NULL;
}

static int log_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	struct log_file *f = (struct log_file *)file;
	int rc = SQLITE_OK;
	if (f->len && (at != f->at + f->len || len > HELD_SIZE - f->len))
		rc = write_out(f);
	if (rc == SQLITE_OK && len > HELD_SIZE)
		return f->real->pMethods->xWrite(f->real, data, len, at);
	if (rc != SQLITE_OK)
		return rc;
	if (!f->len)
		f->at = at;
	memcpy(f->held + f->len, data, (size_t)len);
	f->len += len;
	return f->whole || len == FRAME_HEADER ? SQLITE_OK : write_out(f);
}

static int log_close(sqlite3_file *file)
{
	struct log_file *f = (struct log_file *)file;
	int rc = write_out(f), closed = f->real->pMethods->xClose(f->real);
	free(f->held);
	return rc == SQLITE_OK ? closed : rc;
}

static int log_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
	int rc;
	sqlite3_file *real = settled(file, &rc);
	return real ? real->pMethods->xRead(real, data, len, at) : rc;
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int rc;
	sqlite3_file *real = settled(file, &rc);
	return real ? real->pMethods->xTruncate(real, size) : rc;
}

static int log_sync(sqlite3_file *file, int flags)
{
	int rc;
	sqlite3_file *real = settled(file, &rc);
	return real ? real->pMethods->xSync(real, flags) : rc;
}

static int log_size(sqlite3_file *file, sqlite3_int64 *size)
{
	int rc;
	sqlite3_file *real = settled(file, &rc);
	return real ? real->pMethods->xFileSize(real, size) : rc;
}

static int log_control(sqlite3_file *file, int operation, void *data)
{
	int rc;
	sqlite3_file *real = settled(file, &rc);
	return real ? real->pMethods->xFileControl(real, operation, data) : rc;
}

static int log_lock(sqlite3_file *file, int lock)
{
	sqlite3_file *real = ((struct log_file *)file)->real;
	return real->pMethods->xLock(real, lock);
}

static int log_unlock(sqlite3_file *file, int lock)
{
	sqlite3_file *real = ((struct log_file *)file)->real;
	return real->pMethods->xUnlock(real, lock);
}

static int log_reserved(sqlite3_file *file, int *reserved)
{
	sqlite3_file *real = ((struct log_file *)file)->real;
	return real->pMethods->xCheckReservedLock(real, reserved);
}

static int log_sector(sqlite3_file *file)
{
	sqlite3_file *real = ((struct log_file *)file)->real;
	return real->pMethods->xSectorSize(real);
}

static int log_characteristics(sqlite3_file *file)
{
	sqlite3_file *real = ((struct log_file *)file)->real;
	return real->pMethods->xDeviceCharacteristics(real);
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_reserved,
    .xFileControl = log_control,
    .xSectorSize = log_sector,
    .xDeviceCharacteristics = log_characteristics,
};

static int open_log(sqlite3_vfs *system, const char *name, struct log_file *f, int flags, int *out, bool whole)
{
	*f = (struct log_file){.real = (sqlite3_file *)(f + 1), .whole = whole, .held = malloc(HELD_SIZE)};
	int rc = f->held ? system->xOpen(system, name, f->real, flags, out) : SQLITE_NOMEM;
	if (rc != SQLITE_OK) {
		free(f->held);
		f->held = NULL;
		return rc;
	}
	f->base.pMethods = &methods;
	return SQLITE_OK;
}

/* All other files that have a name are the system's own. */
static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	sqlite3_vfs *system = vfs->pAppData;
	if (!name)
		return memory_open(file, flags, out);
	if (!(flags & SQLITE_OPEN_WAL))
		return system->xOpen(system, name, file, flags, out);
	return open_log(system, name, (struct log_file *)file, flags, out, strcmp(vfs->zName, LOG_VFS_FULL) == 0);
}

/* Only xOpen of the system's asks for its own pAppData, and gets the system's. */
static void add(sqlite3_vfs *vfs, const char *name)
{
	sqlite3_vfs *system = sqlite3_vfs_find(NULL);
	if (!system)
		return;
	*vfs = *system;
	vfs->pNext = NULL;
	vfs->zName = name;
	vfs->szOsFile = (int)sizeof(struct log_file) + system->szOsFile; /* no file of memory needs as much */
	vfs->pAppData = system;
	vfs->xOpen = open_file;
	sqlite3_vfs_register(vfs, 0);
}

void log_register(void)
{
	static sqlite3_vfs full, other;
	add(&full, LOG_VFS_FULL);
	add(&other, LOG_VFS);
}
