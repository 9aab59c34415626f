/*
 * job_show.h - queues as people and monitors see them.
 */
#ifndef ROWFS_JOB_SHOW_H
#define ROWFS_JOB_SHOW_H

#include "save.h"

/* Lines of .info/status about the queue, behind its name and number of records. */
int queue_print_status(struct store *s, const struct model *queue, struct buf *out, struct err *e);
/* .info/metrics.prom, the text format of Prometheus. */
int metrics_print(struct saver *s, struct buf *out, struct err *e);

#endif
