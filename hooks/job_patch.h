/*
 * job_patch.h - what the runner writes into jobs: merge patches, and what they say.
 */
#ifndef ROWFS_JOB_PATCH_H
#define ROWFS_JOB_PATCH_H

#include "change.h"

/* Members of a patch that is being written; failures are the buffer's. Times are milliseconds from now. */
void patch_text(struct buf *b, const struct model *queue, enum queue_field field, const char *text);
void patch_time(struct buf *b, const struct model *queue, enum queue_field field, long long ms);
void patch_integer(struct buf *b, const struct model *queue, enum queue_field field, int64_t integer);
/* The program's output as one JSON value; as a string where it is none. */
void patch_result(struct buf *patch, const struct model *queue, const struct buf *out);
/* The row's errors, as many as are kept, and one more. */
void patch_error(struct buf *patch, const struct model *queue, const struct value *row, const char *message);

/* Closes the patch, which the request borrows; attempt as in struct request. */
struct request patch_request(const struct model *queue, const struct value *key, struct buf *patch, int64_t attempt);
int patch_save(struct saver *s, const struct actor *actor, const struct request *requests, size_t n, struct err *e);
/* With hooks, and without them where they refuse. */
int patch_save_anyway(struct saver *s, const struct actor *actor, struct request *r, struct err *e);

/* As it is stored. In the arena. */
int job_row(struct saver *s, const struct model *queue, const struct value *key, struct arena *a, struct value **row,
	    struct err *e);
int64_t job_integer(const struct model *queue, const struct value *row, enum queue_field field);

/* Queues a job again that somebody has left running; `why` goes to its errors. */
int job_rescue(struct saver *s, const struct actor *actor, const struct model *queue, const struct value *key,
	       const char *why, struct err *e);
/* Its lease ends that much from now. No hook runs. */
int job_renew(struct saver *s, const struct actor *actor, const struct model *queue, const struct value *key,
	      int64_t attempt, long long ms, struct err *e);

#endif
