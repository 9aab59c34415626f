/*
 * graph.h - `rowfs graph`: what mount.conf declares as a graph, in the language of Graphviz.
 */
#ifndef ROWFS_GRAPH_H
#define ROWFS_GRAPH_H

#include "../store/buf.h"
#include "hook.h"

/* Models with their fields, what refers to what, queues with their programs, hooks with the models they run for. */
void hooks_graph(struct buf *out, const struct hooks *h, const struct schema *s);

#endif
