/*
 * journal.h - what .errors shows: the last LIMIT_ERRORS refusals and failures of each user, in memory, newest last.
 * Thread-safe; its lock is a leaf.
 */
#ifndef ROWFS_JOURNAL_H
#define ROWFS_JOURNAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "../store/buf.h"
#include "../store/err.h"

struct journal;

int journal_new(struct journal **out);
void journal_free(struct journal *j);
/*
 * Adds one line:
 * {"time","uid","pid","comm","path","errno","message","problems":[{"pointer","line","column","message"}]}, and with a
 * checksum that differs {"checksum":{"current","supplied"}}. comm is read from /proc; pid 0 is the daemon itself. path
 * is relative to the mount ("orders/7.json").
 */
void journal_add(struct journal *j, uid_t uid, pid_t pid, const char *path, const struct err *e);
/* The same for a text that was refused to a program, which may want to remove the file now (journal_cleans_up). */
void journal_add_text(struct journal *j, uid_t uid, pid_t pid, const char *path, const struct err *e);
/* JSON lines of what the user may see: all for uid 0. */
void journal_print(struct journal *j, uid_t uid, struct buf *out);
/* The sentence of the newest entry for the path that the user may see, appended to out. -ENODATA. */
int journal_last(struct journal *j, uid_t uid, const char *path, struct buf *out);
/* Forgets the sentence for the path (a save went through): journal_last then has none; the line stays. */
void journal_settle(struct journal *j, const char *path);
/*
 * Whether the thread that now removes the path was refused a text for it within TIMEOUT_CLEANUP_MS, and nothing was
 * saved there since: then it takes away what it believes to have half written. True once for each refusal.
 */
bool journal_cleans_up(struct journal *j, uid_t uid, pid_t pid, const char *path);

#endif
