/*
 * limits.h - every bound and every time-out of rowfs, in one place.
 *
 * Sizes are bytes, times are milliseconds unless the name says otherwise.
 * mount.conf(5), section LIMITS, shows these numbers; a test compares them.
 */
#ifndef ROWFS_LIMITS_H
#define ROWFS_LIMITS_H

enum {
	LIMIT_RECORD = 1 << 20,          /* text of one record */
	LIMIT_NAME = 255,                /* file name */
	LIMIT_JSON_DEPTH = 64,           /* nesting of arrays and objects */
	LIMIT_CONF = 1 << 20,            /* mount.conf */
	LIMIT_CONF_DEPTH = 16,           /* nesting of blocks in mount.conf */
	LIMIT_MISTAKES = 1000,           /* mistakes told of mount.conf */
	LIMIT_PATTERN = 1000,            /* bytes of a pattern, and parts with its repetitions written out */
	LIMIT_MODELS = 1000,             /* models in one mount.conf */
	LIMIT_FIELDS = 200,              /* fields of one model */
	LIMIT_EMBEDS = 16,               /* levels of embedded records */
	LIMIT_SCRATCH_BYTES = 64 << 20,  /* scratch files of one user, together */
	LIMIT_SCRATCH_FILES = 1000,      /* scratch files of one user */
	LIMIT_XATTR = 64 << 10,          /* extended attributes of one scratch file */
	LIMIT_ERRORS = 256,              /* entries kept in .errors of one user */
	LIMIT_ERRORS_BYTES = 4 << 20,    /* their text */
	LIMIT_ERRORS_TOTAL = 64 << 20,   /* the text of all users' */
	LIMIT_POINTER = 4096,            /* bytes of the pointer to a problem there */
	LIMIT_ANSWERS = 256,             /* answers kept of one user */
	LIMIT_PROBLEMS = 100,            /* problems told of one document */
	LIMIT_HOOK_OUTPUT = 1 << 20,     /* standard output of a hook or job */
	LIMIT_HOOK_STDERR = 64 << 10,    /* kept of its standard error */
	LIMIT_HOOK_DEPTH = 16,           /* hooks that save, whose hooks save, ... */
	LIMIT_PROGRAM_CPU_S = 3600,      /* seconds of processor time, unless its time-out is longer */
	LIMIT_PROGRAM_MEMORY_MIB = 4096, /* data of one process */
	LIMIT_PROGRAM_FILES = 1024,      /* descriptors of one process */
	LIMIT_PROGRAM_PROCESSES = 4096,  /* processes of its user */
	LIMIT_AFTER = 8,                 /* programs of after_commit at once */
	LIMIT_CHANGES = 100000,          /* changes in one transaction */
	LIMIT_ENV_VALUE = 4096,          /* a field in a program's environment */
	LIMIT_HAS_MANY = 100,            /* children shown unless `limit` says otherwise */
	LIMIT_READERS = 16,              /* reading database connections */
	LIMIT_THREADS = 500,             /* threads that serve requests; a save that waits keeps one */
	LIMIT_IDLE_THREADS = 32,         /* of those, kept while idle: making one costs as much as a save */
	LIMIT_GROUP = 64,                /* saves that share one commit */
	LIMIT_KEY_BLOCK = 64,            /* keys that are reserved by one commit */
	LIMIT_EVENTS = 4096,             /* lines of .events kept for slow readers */
	LIMIT_IMPORT = 1 << 30,          /* lines written to .import and not saved yet */
	LIMIT_IMPORT_KEPT = 64 << 20,    /* those whose changes hooks are still to see before the commit */
	LIMIT_EXPORT = 1 << 20,          /* lines of .export that are made at once */
	LIMIT_JOB_LOG = 1 << 20,         /* kept of what all starts of a job wrote to standard error */
	LIMIT_JOB_ERRORS = 20,           /* entries kept in a job's errors */
	LIMIT_JOB_MESSAGE = 4096,        /* bytes of the message of one */
	LIMIT_CLAIMS = 64,               /* jobs started with one commit */
	LIMIT_REPEATED = 100000,         /* changes of jobs that inotify is still to be told of */
	LIMIT_PRUNED = 100,              /* ended jobs removed with one commit */
	LIMIT_OPEN_FILES = 10000,        /* files that one user has open */
	LIMIT_HELD_BYTES = 256 << 20,    /* memory of one user: open and refused texts, scratch files, transactions */
	LIMIT_HELD_TOTAL = 1 << 30,      /* that of all users */
	LIMIT_TRANSACTIONS = 32,         /* that a user prepares at once */
	LIMIT_TXN_NUMBERS = 1 << 20,     /* names that the kernel knows inside of them, together */
	LIMIT_STAGED_BYTES = 64 << 20,   /* texts in one of them, 256 bytes more a change; what its commit answers */
	LIMIT_COMPOSITE = 100,           /* requests in one document for .txn/.run */

	TIMEOUT_BUSY_MS = 5000,     /* database locked by another program */
	TIMEOUT_HOOK_MS = 5000,     /* program before the commit */
	TIMEOUT_AFTER_MS = 60000,   /* program after the commit */
	TIMEOUT_JOB_MS = 600000,    /* job, unless the queue says otherwise */
	TIMEOUT_LEASE_MS = 60000,   /* lease of a job that rowfs runs; renewed after a third of it */
	TIMEOUT_LOG_MS = 1000,      /* what a job wrote to its log is stored after this time */
	TIMEOUT_TERM_MS = 1000,     /* between TERM and KILL */
	TIMEOUT_CLEANUP_MS = 10000, /* between a refused save and the removal of what is believed to be half written */
	TIMEOUT_DRAIN_MS = 10000,   /* running jobs at unmount */
	TIMEOUT_HELD_MS = 1000,     /* a mount waits for another of its database to end */
	TIMEOUT_ENDING_MS = 30000,  /* the same for one that only waits for its jobs and programs */
	TIMEOUT_DELETED_MS = 86400000,    /* how long a deleted record is kept */
	TIMEOUT_AGAIN_MS = 60000,         /* and how long a create of its key takes from it what no file shows */
	TIMEOUT_TRANSACTION_MS = 3600000, /* a transaction that is not used, unless mount.conf says otherwise */
	POLL_FOREIGN_MS = 1000,           /* at most this often: a look for jobs that another program queued */
	POLL_CLOCK_MS = 10000,            /* the same at the clock, while a job is due later: it may have been set */
};

/* Integer keys are 0 to KEY_MAX: an inode number holds the model and the key (fs/node.h). */
#define KEY_BITS 48
#define KEY_MAX  ((INT64_C(1) << KEY_BITS) - 1)

#endif
