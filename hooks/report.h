/*
 * report.h - what became of each of several requests, as a JSON array: one line for each.
 *
 * [{"path","method","status","key","answer"|"error"}, ...]
 */
#ifndef ROWFS_REPORT_H
#define ROWFS_REPORT_H

#include "save.h"

struct report_line {
	const char *path; /* "orders/7.json" */
	const char *method, *status;
	const struct model *model; /* NULL: there is no key to tell */
	const struct value *key;
	const char *answer;      /* a text in JSON */
	size_t answer_len;       /* 0: there is none */
	const struct err *error; /* NULL: none */
};

void report_open(struct buf *b);
void report_add(struct buf *b, const struct report_line *line);
void report_close(struct buf *b);

#endif
