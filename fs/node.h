/*
 * node.h - inode numbers, computed so that no record is ever remembered in memory.
 *
 * A number says by itself what it stands for:
 *
 *     1                                   the root
 *     1<<32 | kind<<16 | model            a directory or file that rowfs makes (MODEL/, MODEL/.new, .errors, ...)
 *     1<<40 | field<<16 | model            MODEL/.by/FIELD/
 *     1<<60 | id                          a program of after_commit that waits, .after/ID.json
 *     1<<61 | serial                      a scratch file, or a record that was never saved yet, numbered in memory
 *     1<<61 | list<<56 | serial           another file in memory: NODE_REFUSED, NODE_ANSWERED
 *     1<<61 | list<<56 | model<<43 | serial   NODE_VERSIONS by the number of its record, NODE_VERSION by its serial
 *     1<<62 | model<<48 | serial          a record; serial is the key of an integer model (at most KEY_MAX)
 *     3<<61 | model<<48 | serial          a deleted record, by the serial of what is kept of it
 *     4<<61 | model<<48 | serial          the log of the job that has the serial
 *     5<<61 | model<<48 | serial          the job's file in .wait/
 *     6<<61 | model<<48 | hash            MODEL/.by/FIELD/VALUE/, kept in memory while the kernel has it (by.h)
 *     7<<61 | model<<48 | hash            a link in it, the same
 *
 * model is the number that the store keeps for the model's name, so that it outlives changes of mount.conf.
 */
#ifndef ROWFS_NODE_H
#define ROWFS_NODE_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "../store/limits.h"

enum node_kind {
	NODE_NONE,
	NODE_ROOT,
	NODE_MODEL,       /* MODEL/ */
	NODE_NEW,         /* MODEL/.new */
	NODE_INFO,        /* MODEL/.info/ */
	NODE_SCHEMA,      /* MODEL/.info/schema.json */
	NODE_COUNT,       /* MODEL/.info/count */
	NODE_META,        /* MODEL/.info/meta.json */
	NODE_REJECTED,    /* MODEL/.rejected/ */
	NODE_ANSWER,      /* MODEL/.answer/ */
	NODE_ERRORS,      /* .errors */
	NODE_ROOT_INFO,   /* .info/ */
	NODE_STATUS,      /* .info/status */
	NODE_CONF,        /* .info/mount.conf */
	NODE_ROOT_SCHEMA, /* .info/schema.json */
	NODE_DELETED,     /* MODEL/.deleted/ */
	NODE_AFTER,       /* .after/ */
	NODE_BY,          /* MODEL/.by/ */
	NODE_HISTORY,     /* MODEL/.history/ */
	NODE_EVENTS,      /* .events */
	NODE_IMPORT,      /* MODEL/.import */
	NODE_EXPORT,      /* MODEL/.export */
	NODE_WAIT,        /* QUEUE/.wait/ */
	NODE_PAUSED,      /* QUEUE/.info/paused */
	NODE_METRICS,     /* .info/metrics.prom */
	NODE_MADE_END,    /* kinds above are made by rowfs */
	NODE_BY_FIELD,    /* MODEL/.by/FIELD/; serial is the field's index */
	NODE_BY_VALUE,    /* MODEL/.by/FIELD/VALUE/; serial is a hash */
	NODE_BY_LINK,     /* MODEL/.by/FIELD/VALUE/KEY.json; the same */
	NODE_WAITING,     /* .after/ID.json */
	NODE_RECORD,
	NODE_KEPT,     /* MODEL/.deleted/KEY.json */
	NODE_LOG,      /* QUEUE/KEY.log */
	NODE_AWAITED,  /* QUEUE/.wait/KEY.json */
	NODE_MEMORY,   /* scratch file or unsaved record */
	NODE_REFUSED,  /* MODEL/.rejected/KEY.json */
	NODE_ANSWERED, /* MODEL/.answer/KEY.json */
	NODE_VERSIONS, /* MODEL/.history/KEY/ */
	NODE_VERSION,  /* MODEL/.history/KEY/TIME-VERB.json */
	NODE_KINDS
};

struct node {
	enum node_kind kind;
	unsigned model; /* number of the model */
	int64_t serial;
};

#define NODE_ROOT_INO   UINT64_C(1)
#define NODE_MODEL_BITS 13 /* STORE_MAX_NUMBER */

static inline uint64_t node_made(enum node_kind kind, unsigned model)
{
	return UINT64_C(1) << 32 | (uint64_t)kind << 16 | model;
}

static inline uint64_t node_by_field(unsigned model, size_t field)
{
	return UINT64_C(1) << 40 | (uint64_t)field << 16 | model;
}

/* kind: NODE_BY_VALUE or NODE_BY_LINK. */
#define NODE_HASH_BITS KEY_BITS
static inline uint64_t node_by(enum node_kind kind, unsigned model, uint64_t hash)
{
	return (UINT64_C(6) + (kind == NODE_BY_LINK)) << 61 | (uint64_t)model << KEY_BITS | (hash & KEY_MAX);
}

static inline uint64_t node_waiting(int64_t id)
{
	return UINT64_C(1) << 60 | (uint64_t)id;
}

/* kind: NODE_MEMORY or one behind it. The serial is below 1<<56. */
static inline uint64_t node_memory(enum node_kind kind, int64_t serial)
{
	return UINT64_C(1) << 61 | (uint64_t)(kind - NODE_MEMORY) << 56 | (uint64_t)serial;
}

/* kind: NODE_VERSIONS or NODE_VERSION. */
static inline uint64_t node_history(enum node_kind kind, unsigned model, int64_t serial)
{
	return node_memory(kind, (int64_t)model << 43 | (serial & ((INT64_C(1) << 43) - 1)));
}

static inline uint64_t node_record(unsigned model, int64_t serial)
{
	return UINT64_C(1) << 62 | (uint64_t)model << KEY_BITS | (uint64_t)serial;
}

static inline uint64_t node_deleted(unsigned model, int64_t serial)
{
	return UINT64_C(3) << 61 | (uint64_t)model << KEY_BITS | ((uint64_t)serial & KEY_MAX);
}

/* What stands beside a record, with its serial: NODE_LOG, NODE_AWAITED. */
static inline uint64_t node_beside(enum node_kind kind, unsigned model, int64_t serial)
{
	return (UINT64_C(4) + (kind == NODE_AWAITED)) << 61 | (uint64_t)model << KEY_BITS | (uint64_t)serial;
}

/* NODE_NONE for a number that stands for nothing. */
static inline struct node node_decode(uint64_t ino)
{
	static const enum node_kind beside[] = {NODE_RECORD,  NODE_KEPT,     NODE_LOG,
						NODE_AWAITED, NODE_BY_VALUE, NODE_BY_LINK};
	if (ino == NODE_ROOT_INO)
		return (struct node){NODE_ROOT, 0, 0};
	if (ino >> 61 >= 2)
		return (struct node){beside[(ino >> 61) - 2],
				     (unsigned)(ino >> KEY_BITS & ((1u << NODE_MODEL_BITS) - 1)),
				     (int64_t)(ino & KEY_MAX)};
	if (ino >> 61 == 1 && (ino >> 56 & 31) + NODE_MEMORY < NODE_KINDS) {
		enum node_kind kind = (enum node_kind)((ino >> 56 & 31) + NODE_MEMORY);
		bool has_model = kind == NODE_VERSIONS || kind == NODE_VERSION;
		return (struct node){kind, has_model ? (unsigned)(ino >> 43 & ((1u << NODE_MODEL_BITS) - 1)) : 0,
				     (int64_t)(ino & ((UINT64_C(1) << (has_model ? 43 : 56)) - 1))};
	}
	if (ino >> 60 == 1)
		return (struct node){NODE_WAITING, 0, (int64_t)(ino & ((UINT64_C(1) << 60) - 1))};
	if (ino >> 40 == 1)
		return (struct node){NODE_BY_FIELD, (unsigned)(ino & 0xffff), (int64_t)(ino >> 16 & 0xffff)};
	if (ino >> 32 == 1 && (ino >> 16 & 0xffff) < NODE_MADE_END)
		return (struct node){(enum node_kind)(ino >> 16 & 0xffff), (unsigned)(ino & 0xffff), 0};
	return (struct node){NODE_NONE, 0, 0};
}

#endif
