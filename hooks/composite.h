/*
 * composite.h - one document with several requests, saved together or not at all.
 *
 *     {"requests":[{"method":"post|put|patch|delete","path":"orders/7.json","body":{},"checksum":"",
 *                   "vars":[{"name":"order","path":"$.id"}]}]}
 *
 * ${order} in a later path or body is what the record of the request has at that path; a string that is nothing else
 * becomes its value. $${ is ${.
 */
#ifndef ROWFS_COMPOSITE_H
#define ROWFS_COMPOSITE_H

#include "save.h"

/*
 * *answer gets what became of each request (report.h), with the answers for which `room` bytes are enough; nothing
 * where the document itself is wrong.
 */
int composite_run(struct saver *s, const struct actor *actor, const char *text, size_t len, size_t room,
		  struct buf *answer, struct err *e);

#endif
